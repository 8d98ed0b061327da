"""The numbers of the report as data: what `metrics.json` holds and what tables and figures are drawn from.

Every estimate carries the patients and events it rests on. What could not be estimated is an `Estimate` without a value and
with the sentence that says why, so that nothing on the page is silently missing.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from server.study.results import SetName
from site_config.study.prognostic_models import ModelName

Where = SetName | Literal["combined"]


class Numbers(BaseModel):
    """Base: unknown fields are refused, values do not change, NaN never reaches JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Estimate(Numbers):
    """One number with its 95 % interval, the patients and events behind it, or the reason why there is none."""

    n: int | None
    events: int | None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    se: float | None = None
    p: float | None = None
    reason: str | None = None


class ConcordanceRow(Numbers):
    """One row of Table 2: Harrell's C of a model on a set.

    `c` has the plain interval (C ± 1.96·se, se by the infinitesimal jackknife) as the paper prints it, `logit` the interval
    that stays inside 0 and 1, `clustered` the interval whose SE sums influences inside a hospital first; `error_bound` is how far
    the coarse table's C can be from the exact one; `p_score` is the score test of the score, which the paper prints beside C.
    For the combined set `c` is the inverse-variance fixed effect of validation and test, and `noether` the same with
    survcomp's Noether standard errors (pairs strict in time, tied scores dropped), most likely what the paper printed.
    """

    model: ModelName
    set: Where
    apparent: bool
    c: Estimate
    logit: Estimate
    clustered: Estimate | None = None
    noether: Estimate | None = None
    p_score: float | None = None
    error_bound: float | None = None
    exact: bool = False


class Comparison(Numbers):
    """One row of Table 3: C(first) − C(second) on one set.

    `paired` is the paired jackknife difference with its two-sided p, None where no joint table of the two scores was opened;
    `p_one_sided` is half of it on the side of the first model. `meta_*` repeat the paper's own test (survcomp's
    `cindex.comp.meta`), one-sided as its code computes it and two-sided as its text says.
    """

    first: ModelName
    second: ModelName
    set: Where
    paired: Estimate
    p_one_sided: float | None = None
    meta_t: float | None = None
    meta_p_one_sided: float | None = None
    meta_p_two_sided: float | None = None


class RocCurve(Numbers):
    """Cumulative/dynamic ROC at a horizon, inverse-probability-of-censoring weighted (timeROC's convention)."""

    model: ModelName
    set: SetName
    horizon: int
    auc: Estimate
    false_positive: list[float] = Field(default_factory=list)
    true_positive: list[float] = Field(default_factory=list)


class SurvivalCurve(Numbers):
    """Kaplan–Meier of one group, drawn no further than `drawn_to` days, where fewer than the minimum remain at risk.

    `at_risk` belongs to `ticks`; a count below the minimum is None. `median` is None when the curve does not reach one half.
    """

    label: str
    n: int
    events: int
    day: list[float] = Field(default_factory=list)
    survival: list[float] = Field(default_factory=list)
    low: list[float] = Field(default_factory=list)
    high: list[float] = Field(default_factory=list)
    ticks: list[float] = Field(default_factory=list)
    at_risk: list[int | None] = Field(default_factory=list)
    hidden_below: int = 5
    median: float | None = None


class Test(Numbers):
    """A χ² test."""

    chi2: float
    df: int
    p: float


class SetSurvival(Numbers):
    """Figure S2: the three sets compared."""

    curves: list[SurvivalCurve]
    logrank: Test | None = None


class RiskGroups(Numbers):
    """Figure 3 right, S5, S6: low and high risk by the frozen cut-off on one set."""

    model: ModelName
    set: SetName
    cutoff: float
    curves: list[SurvivalCurve] = Field(default_factory=list)
    hazard_ratio: Estimate
    logrank: Test | None = None
    reason: str | None = None
    note: str | None = None


class Coefficient(Numbers):
    """One row of a forest plot."""

    covariate: str
    label: str
    n: int
    events: int
    coef: float | None
    se: float | None
    hr: float | None
    low: float | None
    high: float | None
    p: float | None
    wald_chi2: float | None
    reason: str | None = None


class ShownCoxModel(Numbers):
    """A fitted Cox model: the clinical one (S3) or a fusion."""

    model: ModelName
    n: int
    events: int
    sites: int | None = None
    coefficients: list[Coefficient]
    concordance: float | None = None
    likelihood_ratio: Test | None = None
    warnings: list[str] = Field(default_factory=list)


class NomogramAxis(Numbers):
    """One axis of the nomogram: ticks with their points."""

    label: str
    ticks: list[tuple[str, float]]


class DrawnNomogram(Numbers):
    """Axes in points (0–100 for the widest), the total and what a total means for survival at each horizon."""

    model: ModelName
    axes: list[NomogramAxis]
    total_range: tuple[float, float]
    survival: dict[int, list[tuple[float, float]]] = Field(default_factory=dict, description="horizon → (survival, total points)")


class CalibrationPoint(Numbers):
    """One dot of the calibration figure."""

    n: int
    events: int
    predicted: float
    observed: float
    low: float
    high: float


class Calibration(Numbers):
    """Figure 4: predicted against observed survival at a horizon on one set; slope 1 is perfect spread."""

    model: ModelName
    set: SetName
    horizon: int
    groups: list[CalibrationPoint] = Field(default_factory=list)
    slope: Estimate


class Distribution(Numbers):
    """Figure 3 left: patients by score bin with the mean contribution of each part; bins below the minimum are joined.

    Bins reach from `low` to `high`; None is an open end. `bin_events` is empty where events were not opened by these bins.
    """

    model: ModelName
    set: SetName
    n: int
    events: int
    low: list[float | None]
    high: list[float | None]
    patients: list[int]
    bin_events: list[int] = Field(default_factory=list)
    contributions: dict[str, list[float | None]] = Field(default_factory=dict)


class Subgroup(Numbers):
    """Figure 6: one model's risk groups within one subgroup of validation + test; `c` where the table has more than two bins.

    A suppressed subgroup has neither n nor events, only the reason.
    """

    model: ModelName
    variable: str
    value: str
    n: int | None
    events: int | None
    curves: list[SurvivalCurve] = Field(default_factory=list)
    hazard_ratio: Estimate
    logrank: Test | None = None
    c: Estimate | None = None


class Cell(Numbers):
    """One count of Table 1; a suppressed one is None and says why: it is small, or it would give a small one back."""

    value: str
    count: int | None
    hidden: Literal["small", "complement"] | None = None


class Characteristic(Numbers):
    """One variable of Table 1 on one set: mean and standard deviation, or counts."""

    variable: str
    label: str
    set: SetName
    mean: float | None = None
    sd: float | None = None
    counts: list[Cell] = Field(default_factory=list)


class SetSize(Numbers):
    """Patients, events and hospitals of a set."""

    set: SetName
    n: int
    events: int
    sites: int


class Participation(Numbers):
    """What a hospital did: how often asked, how often it took part, why it missed. Never its patients."""

    site: str
    role: str
    asked: int
    took_part: int
    missed: int
    reasons: dict[str, int] = Field(default_factory=dict)


class OpenedStatistic(Numbers):
    """What left the hospitals under one name: how often opened, over which rosters, how many bytes, masked or not."""

    phase: str
    name: str
    opened: int
    other: int
    smallest_roster: int
    largest_roster: int
    bytes_out: int
    masked: bool


class Metrics(Numbers):
    """Everything the page shows, machine-readable."""

    format: Literal[1] = 1
    study_id: str
    title: str
    label: Literal["COMPLETE", "INCOMPLETE"]
    simulated: bool
    endpoint: str = Field(description="how the study calls what it predicts")
    event: str = Field(description="how the study calls one event")
    reads_scans: bool = Field(description="whether any model of the study reads scans")
    minimum_cell: int
    primary: ModelName = Field(description="the most preferred of the models that the study declared: wherever one stands for all, it does")
    horizons: list[int]
    sets: list[SetSize]
    flow: dict[str, int | None] = Field(description="`SET.NAME` → patients; None is suppressed")
    characteristics: list[Characteristic]
    set_survival: SetSurvival
    clinical: ShownCoxModel | None
    fusion: list[ShownCoxModel]
    concordance: list[ConcordanceRow]
    comparisons: list[Comparison]
    roc: list[RocCurve]
    distributions: list[Distribution]
    risk_groups: list[RiskGroups]
    nomogram: DrawnNomogram | None
    calibration: list[Calibration]
    subgroups: list[Subgroup]
    participation: list[Participation]
    statistics: list[OpenedStatistic]
    absent: dict[str, str] = Field(description="part of the page → why it is not there")
    limitations: list[str]
