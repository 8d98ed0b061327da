"""Parameters of the statistics: what a coordinator may ask, validated on both sides."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from shared_model.disclosure.limits import RANGE_NUMBERS
from shared_model.statistics.statistic_declaration import Parameters
from shared_model.statistics.statistic_declaration import Split as Split
from site_config.study.prognostic_models import ModelName, NetworkName

Finite = Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)]
Column = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
MANUFACTURERS = ("siemens", "ge", "philips", "canon", "fujifilm", "neusoft", "united imaging", "other", "unknown")
RESPONSES = ("CR", "PR", "SD", "PD", "NE", "UNKNOWN")
FAR = 2.0**16
FLAGS = ("carried_forward", "slices_repeated", "partial")
EXCLUSIONS = ("enrolled", "no_images", "clinical_missing", "analysed")


class ScoreSpec(Parameters):
    """How a patient's score is formed: radiological, clinical, or a fused combination, always a linear predictor.

    `radiology` names the network whose weights are broadcast; `columns` and `coefficients` form the clinical score; with
    both, `mix` holds their two fused coefficients (radiological, clinical). `centre` is subtracted from the network's score: its
    training median, once this is known.
    """

    model: ModelName
    radiology: NetworkName | None = None
    columns: tuple[Column, ...] = ()
    coefficients: tuple[Finite, ...] = ()
    mix: tuple[Finite, Finite] | None = None
    centre: Finite = 0.0

    @model_validator(mode="after")
    def consistent(self) -> ScoreSpec:
        """A coefficient for every column; a mix exactly where both parts are present; a centre only of a network's score."""
        if len(self.columns) != len(self.coefficients):
            raise ValueError("a coefficient for every column")
        if (self.mix is not None) != (self.radiology is not None and bool(self.columns)):
            raise ValueError("a mix exactly where radiology and columns are both given")
        if self.centre and self.radiology is None:
            raise ValueError("only a network's score has a centre")
        return self


class Covariates(Parameters):
    """The covariates of a Cox model: clinical columns, or scores (then `scores` is not empty)."""

    columns: tuple[Column, ...] = ()
    scores: tuple[ScoreSpec, ...] = ()

    @property
    def size(self) -> int:
        """Number of covariates p."""
        return len(self.columns) + len(self.scores)


class SplitOnly(Parameters):
    """A statistic of one split."""

    split: Split


class PreCounts(Parameters):
    """Which columns will be asked about."""

    split: Split
    columns: Annotated[tuple[Column, ...], Field(max_length=64)]


class Moments(Parameters):
    """First and second moments of covariates about an origin (p,)."""

    split: Split
    covariates: Covariates
    origin: tuple[Finite, ...]


class CoxExact(Parameters):
    """Day-cell sums at standardised coefficients (opt-in)."""

    covariates: Covariates
    mean: tuple[Finite, ...]
    sd: tuple[Finite, ...]
    beta: tuple[Finite, ...]
    n_days: Annotated[int, Field(ge=1, le=20_000)]


class TrainingStart(Parameters):
    """Deaths and exposure per interval before the first round."""

    cut_days: Annotated[tuple[Finite, ...], Field(max_length=40)]


class UpdateScale(Parameters):
    """Powers of two by which a site divides its update, tensor by tensor, before it is rounded and masked.

    `lengths` (T,) of the tensors in the vector, `exponents` (T,): a number of tensor t may be as large as 2^exponents[t]. Small
    neighbours count as one tensor, since the largest magnitude of each is opened: several have `RANGE_NUMBERS` or more each.
    Dividing and multiplying by powers of two is exact, so the only error is the rounding within each tensor's own range.
    """

    lengths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=10_000)]
    exponents: tuple[Annotated[int, Field(ge=-64, le=64)], ...]

    @model_validator(mode="after")
    def consistent(self) -> UpdateScale:
        """An exponent for every tensor."""
        if len(self.lengths) != len(self.exponents):
            raise ValueError("an exponent for every tensor")
        if len(self.lengths) > 1 and min(self.lengths) < RANGE_NUMBERS.value:
            raise ValueError(f"ranges of at least {RANGE_NUMBERS.value} numbers each")
        return self

    def divide(self, update: NDArray[np.float64]) -> NDArray[np.float64]:
        """The update (D,) in units of each tensor's range, a copy."""
        return self._scaled(update, -1)

    def multiply(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """What `divide` undid, for a sum (D,) of divided updates; a copy."""
        return self._scaled(scaled, 1)

    def largest(self, scaled: NDArray[np.float64]) -> NDArray[np.float64]:
        """Largest magnitude (T,) of each tensor of a divided update (D,), in units of its range; at most 2^16."""
        starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        return np.minimum(np.maximum.reduceat(np.abs(scaled), starts), FAR)

    def units(self) -> NDArray[np.float64]:
        """The ranges (T,) themselves."""
        return np.ldexp(np.ones(len(self.exponents)), np.array(self.exponents, dtype=np.int32))

    def _scaled(self, vector: NDArray[np.float64], sign: int) -> NDArray[np.float64]:
        powers = np.repeat(sign * np.array(self.exponents, dtype=np.int32), self.lengths)
        return np.ldexp(vector, powers)


class TrainingUpdate(Parameters):
    """One round of broadcast-hazard training at the broadcast weights."""

    model: NetworkName
    dimension: Annotated[int, Field(ge=1, le=100_000_000)]
    hazard: dict[str, Any]
    centre: Finite
    scale: UpdateScale
    ring: Literal[32, 64]
    cut_days: Annotated[tuple[Finite, ...], Field(max_length=40)]
    round: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def whole(self) -> TrainingUpdate:
        """The scale's tensors make up the vector."""
        if sum(self.scale.lengths) != self.dimension:
            raise ValueError("the tensors' lengths add up to the dimension")
        return self


class TrainingHazard(Parameters):
    """Hazard sums alone, at the broadcast weights (`hazard: fresh`); with `n_days` on day cells (opt-in)."""

    model: NetworkName
    centre: Finite
    cut_days: Annotated[tuple[Finite, ...], Field(max_length=40)]
    n_days: Annotated[int, Field(ge=0, le=20_000)] = 0


class ValidationLoss(Parameters):
    """The loss of the validation patients as one number."""

    model: NetworkName
    hazard: dict[str, Any]
    centre: Finite


class ScoreCounts(Parameters):
    """How many patients score at most each threshold."""

    split: Split
    score: ScoreSpec
    thresholds: Annotated[tuple[Finite, ...], Field(min_length=1, max_length=64)]


class Histogram(Parameters):
    """Occupied fine cells of score and day: the first pass of an exact evaluation (opt-in)."""

    split: Split
    score: ScoreSpec
    low: Finite
    high: Finite
    bins: Annotated[int, Field(ge=2, le=1 << 16)]
    n_days: Annotated[int, Field(ge=1, le=20_000)]


class Table(Parameters):
    """N[score bin, time cell, event]. Inner edges only: the first bin starts at −∞, the last ends at ∞."""

    split: Split
    score: ScoreSpec
    score_cuts: Annotated[tuple[Finite, ...], Field(max_length=5_000)]
    time_edges: Annotated[tuple[Finite, ...], Field(min_length=2, max_length=5_000)]
    variable: Literal["all", "manufacturer", "response"] = "all"
    value: str = "all"


class Contributions(Parameters):
    """Summed score and its modalities' parts per score bin."""

    split: Split
    score: ScoreSpec
    score_cuts: Annotated[tuple[Finite, ...], Field(max_length=64)]


class TableData(Parameters):
    """An opened evaluation table, sent back so that sites can place their patients in it."""

    score_cuts: tuple[Finite, ...]
    time_edges: tuple[Finite, ...]
    events: tuple[tuple[int, ...], ...]
    censored: tuple[tuple[int, ...], ...]


class Pair(Parameters):
    """Two scores' opened tables; sites answer with sums of products of their patients' influences and ranks."""

    split: Split
    scores: tuple[ScoreSpec, ScoreSpec]
    tables: tuple[TableData, TableData]
