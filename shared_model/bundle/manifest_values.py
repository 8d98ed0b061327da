"""What a bundle's manifest holds, as values."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.study.prognostic_models import ModelName, NetworkName


class ManifestPart(BaseModel):
    """Base of the manifest's parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Formula(ManifestPart):
    """How one model turns a patient into a linear predictor and into survival.

    The score is that of `spec`; the linear predictor is `slope` times it (1 but for a network's score alone, whose Cox
    coefficient it is). `cumulative_hazard` (K,) at linear predictor 0 stands at `time` (days); S(t) = exp(−H0(t) e^lp).
    `cutoff` is on the score's scale: high risk is above it. `quartiles` are those of the training scores, None where one would leave
    too few patients beside it (the second is the cut-off); calibration groups lie between them. `axis` is the declared range of the
    score.
    """

    spec: ScoreSpec
    slope: float = 1.0
    time: tuple[float, ...] = ()
    cumulative_hazard: tuple[float | None, ...] = ()
    cutoff: float | None = None
    scale: Literal["linear_predictor"] = "linear_predictor"
    quartiles: tuple[float | None, ...] = Field(default=(), max_length=3)
    axis: tuple[float, float] | None = None

    def hazard_at(self, day: float) -> float | None:
        """Cumulative hazard at linear predictor 0, linear between its days from 0 on; None beyond the last day."""
        if not self.time or day > self.time[-1] or any(value is None for value in self.cumulative_hazard):
            return None
        return float(np.interp(day, (0.0, *self.time), (0.0, *(value or 0.0 for value in self.cumulative_hazard))))


class NetworkFile(ManifestPart):
    """A network's weights: file, its SHA-256, and what it fits."""

    file: str = Field(pattern=r"^weights_[A-Za-z0-9-]{1,40}\.safetensors$")
    sha256: str
    architecture: str
    tensors: str = Field(description="SHA-256 of names, shapes and dtypes (shared_model.networks.weight_vector.Schema)")


class Manifest(ManifestPart):
    """bundle.json."""

    format: Literal[1] = 1
    study_id: str
    title: str
    label: Literal["COMPLETE", "INCOMPLETE"]
    simulated: bool
    created: str
    software: str
    models: dict[ModelName, Formula]
    networks: dict[NetworkName, NetworkFile] = Field(default_factory=dict)
    clinical: dict[str, Any] | None = None
    fusion: dict[str, dict[str, Any]] = Field(default_factory=dict)
    means: dict[str, float] = Field(default_factory=dict, description="design column → mean of training patients, where Table 1 shows it")
    cohort: dict[str, dict[str, int]] = Field(default_factory=dict, description="set → patients, events, sites")
    metrics: dict[str, dict[str, Any]] = Field(default_factory=dict, description="model → figures on the held-out set")
    notes: tuple[str, ...] = ()
    lock_sha256: str = ""
    card_sha256: str = ""
