"""What a finished study knows: opened sums only. The report and `metrics.json` are functions of this value."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from server.study.opened_analyses import OpenedAnalyses
from server.study.stored_result import SetName as SetName
from server.study.stored_result import StoredResult
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.study.prognostic_models import ModelName


class ScoreTable(StoredResult):
    """N[score bin, time cell, event] of one model's score on one set, and optionally one subgroup.

    `score_edges` has bins+1 entries (first and last may be ±inf as None), `time_edges` has cells+1 entries in days; cell j
    holds days in (time_edges[j], time_edges[j+1]]. `events` and `censored` are bins × cells counts. `scale` says what the
    score is (linear predictor). `exact` tells rank bins and day cells from the coarse table.

    `variable` and `value` name a subgroup (`response`: a value of `shared_model.statistics.statistic_parameters.RESPONSES`;
    `manufacturer`: one of `MANUFACTURERS`). Where a model has a cut-off, the cut-off must be one of `score_edges`, or the report
    can only split the patients at the nearest edge and says so. `bin_mean` is the mean score of a bin and `contributions` the mean parts
    (`radiology`, `clinical`) a bin; both feed Figure 3 and, for the mean, the calibration.
    """

    model: ModelName
    set: SetName
    variable: str = "all"
    value: str = "all"
    score_edges: list[float | None]
    time_edges: list[float]
    events: list[list[int]]
    censored: list[list[int]]
    bin_edges: list[float | None] | None = Field(default=None, description="edges of the bins that bin_mean and contributions speak of")
    bin_patients: list[int] | None = None
    bin_mean: list[float | None] | None = None
    contributions: dict[str, list[float | None]] | None = None
    exact: bool = False
    scale: Literal["linear_predictor"] = "linear_predictor"


class Characteristics(StoredResult):
    """Table 1 of one set: sums turned into means and counts. Suppressed cells are None.

    `mean`, `sd` and `known` (patients with a value) are keyed by variable (`age`, in years). `counts` is variable → value →
    patients: `sex` (`male`, `female`, `unknown`), each clinical variable by its name with the labels of the study's `values`,
    `manufacturer`, `response`, and `flags` (of `shared_model.statistics.statistic_parameters.FLAGS`). The report itself hides cells below
    the study's minimum (and one more where a single hidden cell could be worked out), so these may be the opened numbers.
    """

    set: SetName
    n: int
    events: int
    sites: int
    mean: dict[str, float | None] = Field(default_factory=dict)
    sd: dict[str, float | None] = Field(default_factory=dict)
    known: dict[str, int] = Field(default_factory=dict)
    counts: dict[str, dict[str, int | None]] = Field(default_factory=dict)


class ScorePair(StoredResult):
    """Opened sums of `evaluation.pair`: what the paired comparison of two models' scores on one set needs.

    `covariance` is the 2 × 2 sum over patients of products of their influences on the two C-indices (so its diagonal holds the
    jackknife variances), `cluster` the same with influences summed inside a hospital first; `rank_products` are
    Σ r₁², Σ r₁r₂, Σ r₂² of ranks centred at their mean (Spearman's correlation is Σ r₁r₂ / √(Σ r₁² Σ r₂²)).
    """

    first: ModelName
    second: ModelName
    set: SetName
    covariance: list[list[float]]
    cluster: list[list[float]] | None = None
    rank_products: list[float] | None = None
    patients: int


class RoundPoint(StoredResult):
    """One accepted or rejected training round."""

    model: ModelName
    round: int
    block: int
    patients: int
    loss: float | None = None
    validation_loss: float | None = None
    rate: float = 0.0
    accepted: bool = True
    clipped: int = 0


ADMISSION = "admission"
"""What the ledger calls the offer of the lock, which is no statistic; it is written only where somebody was missing."""


class LedgerEntry(StoredResult):
    """One ask: who was asked, who replied, how it ended. Names sites, never counts per site.

    `missing` gives each silent site's code. `disturbed` gives the code of what went wrong on the way meanwhile, by whom it
    concerns (`SuperLink`, `gateway` or a site), also where the ask succeeded.
    """

    time: str
    phase: str
    round: int
    statistic: str
    block: int
    roster: list[str]
    missing: dict[str, str] = Field(default_factory=dict)
    outcome: Literal["opened", "retried", "paused", "missed", "refused", "excluded"]
    model: str = Field(default="", description="the network a question was about")
    until: str = Field(default="", description="when the last planned pause of the sites in `missing` ends")
    attempts: int = 1
    bytes_out: int = 0
    masked: bool = True
    disturbed: dict[str, str] = Field(default_factory=dict)


class Cutoff(StoredResult):
    """The frozen cut-off of a fused score: high risk is above it."""

    model: ModelName
    value: float
    scale: Literal["linear_predictor"] = "linear_predictor"
    patients_above: int | None = None
    patients_below: int | None = None


class PooledScore(StoredResult):
    """The same model trained on pooled patients, held against the federated one on the same held-out patients."""

    model: ModelName
    n: int
    events: int
    spearman: float | None = None
    c_federated: float | None = None
    c_federated_ci: tuple[float, float] | None = None
    c_pooled: float | None = None
    c_pooled_ci: tuple[float, float] | None = None


class CamPicture(StoredResult):
    """Grad-CAM of one phantom: a base64 PNG (no data: prefix) and what it shows. Never of a real patient."""

    title: str
    png_base64: str
    alternative: str


class Simulation(StoredResult):
    """What only a simulation can know: the truth's own C-index, the pooled twin, pictures of phantoms.

    `oracle` maps a set (`train`, `validation`, `test`, `development`, `evaluation`, `all`) to the C-index of the true
    predictor, `oracle_images` to that of its image part alone. `settings` are words and values that made the demonstration
    learnable (lesion contrast, effect size, crop, warm start, image size).
    """

    seed: int | None = None
    oracle: dict[str, float] = Field(default_factory=dict)
    oracle_images: dict[str, float] = Field(default_factory=dict)
    pooled: list[PooledScore] = Field(default_factory=list)
    cams: list[CamPicture] = Field(default_factory=list)
    settings: dict[str, str] = Field(default_factory=dict)


class StudyResult(StoredResult):
    """Everything the report is made from."""

    study_id: str
    title: str
    label: Literal["COMPLETE", "INCOMPLETE"]
    simulated: bool
    created: str
    software: str
    lock: dict[str, Any]
    flow: dict[str, int] = Field(default_factory=dict, description="`SET.NAME` → patients; NAME of parameters.EXCLUSIONS")
    characteristics: list[Characteristics] = Field(default_factory=list)
    clinical: dict[str, Any] | None = Field(default=None, description="CoxFit.as_dict() of CLN")
    fusion: dict[str, dict[str, Any]] = Field(default_factory=dict, description="CoxFit.as_dict() by fused model")
    baseline: dict[str, dict[str, list[float]]] = Field(default_factory=dict, description="model → {time, cumulative_hazard} at score 0")
    score_ranges: dict[str, list[float]] = Field(default_factory=dict, description="declared axis ranges for the nomogram")
    cutoffs: list[Cutoff] = Field(default_factory=list)
    scores: list[ScoreSpec] = Field(default_factory=list, description="how each fitted model's score is formed")
    tables: list[ScoreTable] = Field(default_factory=list)
    pairs: list[ScorePair] = Field(default_factory=list, description="opened sums for paired tests of two scores")
    analyses: OpenedAnalyses | None = Field(default=None, description="exact results of a study of resolution `shares`, in place of tables")
    rounds: list[RoundPoint] = Field(default_factory=list)
    ledger: list[LedgerEntry] = Field(default_factory=list)
    findings: list[dict[str, Any]] = Field(default_factory=list, description="Problem.as_dict() of what failed, plus `about` (model, set)")
    remarks: list[str] = Field(default_factory=list, description="what was done to the study's state or code by hand, from the ledger")
    notes: list[str] = Field(default_factory=list, description="what made a demonstration learnable, printed on the report")
    first_seeds: dict[str, int] = Field(default_factory=dict, description="model → seed its first weights were drawn with")
    weights: dict[str, str] = Field(default_factory=dict, description="model → sha256 of its final weights")
    timing: dict[str, float] = Field(default_factory=dict)
    simulation: Simulation | None = Field(default=None, description="simulated studies only")


def score_slope(result: StudyResult, model: ModelName) -> float:
    """What a score is multiplied by to be a linear predictor: a network's own score was calibrated by a Cox model of it alone."""
    fit = result.fusion.get(model)
    return float(fit["coef"][0] or 0.0) if fit and len(fit["coef"]) == 1 else 1.0
