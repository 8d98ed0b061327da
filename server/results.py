"""What a finished study knows: opened sums only. The report and `metrics.json` are functions of this value."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from site_config.study import ModelName

SetName = Literal["train", "validation", "test"]


class Result(BaseModel):
    """Base of stored results."""

    model_config = ConfigDict(extra="forbid")


class ScoreTable(Result):
    """N[score bin, time cell, event] of one model's score on one set, and optionally one subgroup.

    `score_edges` has bins+1 entries (first and last may be ±inf as None), `time_edges` has cells+1 entries in days; cell j
    holds days in (time_edges[j], time_edges[j+1]]. `events` and `censored` are bins × cells counts. `scale` says what the
    score is (linear predictor). `exact` tells rank bins and day cells from the coarse table.
    """

    model: ModelName
    set: SetName
    variable: str = "all"
    value: str = "all"
    score_edges: list[float | None]
    time_edges: list[float]
    events: list[list[int]]
    censored: list[list[int]]
    bin_mean: list[float | None] | None = None
    contributions: dict[str, list[float | None]] | None = None
    exact: bool = False
    scale: Literal["linear_predictor"] = "linear_predictor"


class Characteristics(Result):
    """Table 1 of one set: sums turned into means and counts. Suppressed cells are None."""

    set: SetName
    n: int
    events: int
    sites: int
    mean: dict[str, float | None] = Field(default_factory=dict)
    sd: dict[str, float | None] = Field(default_factory=dict)
    counts: dict[str, dict[str, int | None]] = Field(default_factory=dict)


class RoundPoint(Result):
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


class LedgerEntry(Result):
    """One ask: who was asked, who replied, how it ended. Names sites, never counts per site."""

    time: str
    phase: str
    round: int
    statistic: str
    block: int
    roster: list[str]
    missing: dict[str, str] = Field(default_factory=dict)
    outcome: Literal["opened", "retried", "missed", "refused", "excluded"]
    attempts: int = 1
    bytes_out: int = 0
    masked: bool = True


class Cutoff(Result):
    """The frozen cut-off of a fused score: high risk is above it."""

    model: ModelName
    value: float
    scale: Literal["linear_predictor"] = "linear_predictor"
    patients_above: int
    patients_below: int


class StudyResult(Result):
    """Everything the report is made from."""

    study_id: str
    title: str
    label: Literal["COMPLETE", "INCOMPLETE"]
    simulated: bool
    created: str
    software: str
    lock: dict[str, Any]
    flow: dict[str, int] = Field(default_factory=dict)
    characteristics: list[Characteristics] = Field(default_factory=list)
    clinical: dict[str, Any] | None = Field(default=None, description="CoxFit.as_dict() of CLN")
    fusion: dict[str, dict[str, Any]] = Field(default_factory=dict, description="CoxFit.as_dict() by fused model")
    baseline: dict[str, dict[str, list[float]]] = Field(default_factory=dict, description="model → {time, cumulative_hazard} at score 0")
    score_ranges: dict[str, list[float]] = Field(default_factory=dict, description="declared axis ranges for the nomogram")
    cutoffs: list[Cutoff] = Field(default_factory=list)
    tables: list[ScoreTable] = Field(default_factory=list)
    pairs: list[dict[str, Any]] = Field(default_factory=list, description="joint tables of two scores for paired tests")
    rounds: list[RoundPoint] = Field(default_factory=list)
    ledger: list[LedgerEntry] = Field(default_factory=list)
    findings: list[dict[str, Any]] = Field(default_factory=list, description="numbered problems, such as not estimable")
    notes: list[str] = Field(default_factory=list, description="what made a demonstration learnable, printed on the report")
    weights: dict[str, str] = Field(default_factory=dict, description="model → sha256 of its final weights")
    timing: dict[str, float] = Field(default_factory=dict)
    simulation: dict[str, Any] | None = Field(default=None, description="oracle C, pooled comparison, Grad-CAM pictures; simulated studies only")
