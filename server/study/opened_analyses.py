"""What a study of resolution `shares` opened: exact results, one document a kind, with what stays closed and why.

All of it is computed on shared rows of all hospitals. A value of None is closed; `OpenedAnalyses.closed` says why. Days count
from the study's time zero, medians are whole months, intervals are 95 % ones. Sets: `combined` is validation and test together,
`all` every analysed patient.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from server.study.stored_result import SetName, StoredResult
from site_config.study.prognostic_models import ModelName

Population = SetName | Literal["combined", "all"]
Grouping = Literal["set", "risk", "response", "manufacturer"]
Analysis = Literal[
    "cox",
    "cutoff",
    "baseline",
    "concordance",
    "score_test",
    "roc",
    "kaplan_meier",
    "follow_up",
    "calibration",
    "characteristics",
    "distribution",
]
Reason = Literal["small_group", "few_at_risk", "rare_column", "few_events", "not_estimable", "noise"]


class OpenedNumbers(StoredResult):
    """Patients and events of a set or group; None where closed (events also where they are 1 to 4)."""

    n: int | None
    events: int | None


class OpenedSet(OpenedNumbers):
    """Patients and events of a set."""

    set: Population


class OpenedConcordance(OpenedNumbers):
    """Harrell's C-index of a model's score with its infinitesimal-jackknife standard error, as R's `concordance` has it.

    `variable` and `value` name a subgroup: `response` or `manufacturer`; `all` for everybody in the set. `score_p` is the p of
    the score test of the score alone (Cox, at the coefficient 0), where it was opened.
    """

    model: ModelName
    set: Population
    variable: str = "all"
    value: str = "all"
    c: float
    se: float
    score_p: float | None = None


class OpenedDifference(OpenedNumbers):
    """C(first) − C(second) on the same patients, with the standard error of the paired difference."""

    first: ModelName
    second: ModelName
    set: Population
    variable: str = "all"
    value: str = "all"
    difference: float
    se: float


class OpenedAuc(OpenedNumbers):
    """Cumulative/dynamic AUC at a horizon (days), weighted against censoring as R's timeROC has it, and points of the curve.

    sensitivity: at each specificity, the curve at its largest false positive rate up to 1 − specificity; empty where no curve is open.
    """

    model: ModelName
    set: Population
    horizon: int
    auc: float
    se: float
    specificity: list[float] = Field(default_factory=list)
    sensitivity: list[float] = Field(default_factory=list)


class OpenedMedian(StoredResult):
    """A median in whole months with its interval; None where the curve (or its limit) does not fall to one half."""

    months: int | None = None
    low: int | None = None
    high: int | None = None


class OpenedMean(StoredResult):
    """Restricted mean survival until a day (the area under the curve) and its standard error, in months, on their grids."""

    day: int
    months: float
    se: float


class OpenedCurve(OpenedNumbers):
    """Kaplan–Meier survival of one group at declared days with its log(−log) interval.

    `day`, `survival`, `low`, `high` have one entry a shown point, without the start at 1. `at_risk` belongs to `ticks`;
    None is 1 to 4. `means`: until the horizons at which the curve is open.
    """

    value: str
    day: list[int] = Field(default_factory=list)
    survival: list[float] = Field(default_factory=list)
    low: list[float] = Field(default_factory=list)
    high: list[float] = Field(default_factory=list)
    ticks: list[int] = Field(default_factory=list)
    at_risk: list[int | None] = Field(default_factory=list)
    median: OpenedMedian = OpenedMedian()
    means: list[OpenedMean] = Field(default_factory=list)


class OpenedLogRank(StoredResult):
    """Log-rank test of all groups of a family."""

    chi2: float
    df: int
    p: float


class OpenedHazardRatio(StoredResult):
    """Hazard ratio of the second group against the first (Cox's model of that one column, Wald's p)."""

    hr: float
    low: float
    high: float
    p: float
    coef: float
    se: float


class OpenedGroupCurves(StoredResult):
    """Curves of the groups of one set (or of the sets themselves).

    `grouping` `set`: the sets are the groups (`value` is their name). `risk`: `low` and `high` by the model's frozen cut-off.
    `response`: `no progression` and `progression` by RECIST. `manufacturer`: the scanners' makers. `within_variable` and
    `within_value` name a subgroup whose patients alone are grouped.
    """

    grouping: Grouping
    set: Population
    model: ModelName | None = None
    cutoff: float | None = None
    within_variable: str = "all"
    within_value: str = "all"
    groups: list[OpenedCurve]
    logrank: OpenedLogRank | None = None
    hazard_ratio: OpenedHazardRatio | None = None


class OpenedFollowUp(StoredResult):
    """Median follow-up of a set (reverse Kaplan–Meier)."""

    set: Population
    median: OpenedMedian


class OpenedCalibrationGroup(StoredResult):
    """Patients of similar predicted risk: mean predicted and Kaplan–Meier survival with its log(−log) interval."""

    n: int
    predicted: float
    observed: float
    low: float
    high: float


class OpenedCalibration(StoredResult):
    """Predicted against observed survival at a horizon (days) on one set."""

    model: ModelName
    set: Population
    horizon: int
    groups: list[OpenedCalibrationGroup]
    slope: float | None = None
    slope_se: float | None = None


class OpenedCount(StoredResult):
    """Patients of one value; None where hidden: 1 to 4 (`small`), or it would give such a count away (`complement`)."""

    value: str
    n: int | None
    hidden: Literal["small", "complement"] | None = None


class OpenedVariable(StoredResult):
    """One variable of Table 1 in one set: counts of its values, or mean, standard deviation and median of the known numbers."""

    variable: str
    counts: list[OpenedCount] = Field(default_factory=list)
    mean: float | None = None
    sd: float | None = None
    median: float | None = None


class OpenedCharacteristics(StoredResult):
    """One column of Table 1: a set, or all patients."""

    set: Population
    n: int
    variables: list[OpenedVariable]


class OpenedCutoff(StoredResult):
    """The frozen cut-off of a score, its median over the training patients: high risk is above it."""

    model: ModelName
    value: float
    scale: Literal["linear_predictor"] = "linear_predictor"


class OpenedQuartiles(StoredResult):
    """Quartiles of a model's training scores, between which calibration groups lie; None where one leaves too few beside it."""

    model: ModelName
    value: list[float | None]


class OpenedBaseline(StoredResult):
    """Cumulative baseline hazard at declared days of the Cox model of `model`'s score (of its own linear predictor 0)."""

    model: ModelName
    day: list[int]
    cumulative_hazard: list[float]


class OpenedDistribution(StoredResult):
    """Patients by bins of a score; bin k lies above `edges[k]` up to `edges[k + 1]`, None is an open end."""

    model: ModelName
    set: Population
    edges: list[float | None]
    counts: list[OpenedCount]


class ClosedResult(StoredResult):
    """Something that stays closed: what, of which model, set and group, and why."""

    analysis: Analysis
    reason: Reason
    text: str
    model: ModelName | None = None
    set: Population | None = None
    variable: str = "all"
    value: str = "all"


class OpenedNoise(StoredResult):
    """Under differential privacy: the part of the budget (of μ²) that results took, and the standard deviation of the noise in a count.

    `survival_deviation` is that of deaths, ends of follow-up and those followed beyond, by set and interval, of which curves, sizes and
    numbers at risk are computed; `table_deviation` that of each other count. Intervals of curves include it.
    """

    part: float
    survival_deviation: float
    table_deviation: float


class SharesCost(StoredResult):
    """What a phase on shares cost: openings, and megabytes through the coordinator."""

    phase: str
    openings: int
    megabytes: float


class OpenedAnalyses(StoredResult):
    """Everything the analyses on shared rows opened. Cox fits stand in `StudyResult.clinical` and `.fusion`.

    noise: of every count here, under differential privacy.
    """

    noise: OpenedNoise | None = None

    sets: list[OpenedSet] = Field(default_factory=list)
    cutoffs: list[OpenedCutoff] = Field(default_factory=list)
    quartiles: list[OpenedQuartiles] = Field(default_factory=list)
    baseline: list[OpenedBaseline] = Field(default_factory=list)
    concordance: list[OpenedConcordance] = Field(default_factory=list)
    differences: list[OpenedDifference] = Field(default_factory=list)
    roc: list[OpenedAuc] = Field(default_factory=list)
    kaplan_meier: list[OpenedGroupCurves] = Field(default_factory=list)
    follow_up: list[OpenedFollowUp] = Field(default_factory=list)
    calibration: list[OpenedCalibration] = Field(default_factory=list)
    characteristics: list[OpenedCharacteristics] = Field(default_factory=list)
    distributions: list[OpenedDistribution] = Field(default_factory=list)
    closed: list[ClosedResult] = Field(default_factory=list)
    cost: list[SharesCost] = Field(default_factory=list)
