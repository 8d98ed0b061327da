"""Limits of the results that are computed on shared rows. Each says why it is what it is."""

from __future__ import annotations

from dataclasses import dataclass

from site_config.study.horizon_spacing import APART_DAYS
from site_config.study.plan_and_lock import LEAST_SLOTS


@dataclass(frozen=True)
class Limit:
    """A number and its reason."""

    value: int
    reason: str


COX_PATIENTS = Limit(
    100,
    "two exact fits that differ by one patient give that patient's covariates away in 11 of 11 cases at 60 patients, and the numbers"
    " opened by one fit (about 600 bits) come near what the rows of 30 patients hold (500 bits)",
)
RATIO_PATIENTS = Limit(
    40,
    "the hazard ratio of two groups of the minimum each, whose curves are opened anyway: one number of one column, which says nothing of"
    " anybody's covariates",
)
EVENTS_A_COLUMN = Limit(10, "below ten events a variable the estimates are not reliable, so there is nothing to open them for")
GROUP_PATIENTS = Limit(20, "a result of a small group, or of what is left beside a large one, is a statement on few patients")
STEP_BITS = Limit(14, "iterates before the last only have to lead to the next one; coarser ones cost accuracy of the standard errors")
COEFFICIENT_BITS = Limit(20, "the coefficient equals the pooled one to 1e-5")
VARIANCE_BITS = Limit(
    14,
    "of a variance times deaths: the standard error equals the pooled one to 1e-4, and finer places differ from run to run; covariances"
    " stay closed, as 28 numbers gave small counts of pairs of columns away",
)
CONCORDANCE_BITS = Limit(22, "the C-index equals the pooled one to 1e-6")
CONCORDANCE_VARIANCE_BITS = Limit(28, "the standard error of a C-index or of a small difference equals the pooled one to 1e-5")
POINT_PATIENTS = Limit(5, "a step of a curve where fewer are at risk is one patient's day")
FEW = Limit(4, "a count from 1 to 4 points at persons, so only that it is one of these is said")
FINE_PATIENTS = Limit(100, "monthly points of a small set let the days of single deaths be read off; below this the points are half-yearly")
HORIZON_DAYS = Limit(
    APART_DAYS,
    "predictions, baselines and curves are opened at every horizon: two of them a day apart, as a study could declare, name the day"
    " of a death between them",
)
SURVIVAL_BITS = Limit(
    20,
    "of −log S: the log(−log) interval equals the pooled one to 1e-4 even after a first death, where it is seven times as far off",
)
GREENWOOD_BITS = Limit(20, "of Greenwood's sum times the patients of the group: as for the curve")
MONTHS_LOST_BITS = Limit(
    4,
    "a sixteenth of a month, so right to a tenth: the points of a curve a month apart leave the area under it open by a month times the"
    " fall, half-yearly points by six times that, so that a mean on this grid adds 3 to 6 bits to some hundred of the curve",
)
MONTHS_LOST_VARIANCE_BITS = Limit(
    8, "in squared months: a standard error of half a month is right to a hundredth, and follows from the curve but for 2 to 4 bits"
)
LOGRANK_BITS = Limit(20, "χ² equals the pooled one to 1e-4")
PREDICTED_BITS = Limit(
    16,
    "a group's mean prediction equals the pooled one to 1e-4; no finer than the baseline it is made of, whose finer places differ from run"
    " to run",
)
SCORE_TEST_BITS = Limit(
    20,
    "of the score test's two sums, a death and in spreads of the training scores: χ² equals the pooled one to 1e-4, as of the log-rank"
    " test; of the same patients a C-index and its error are opened with 50 bits",
)
RANGE_NUMBERS = Limit(
    256,
    "the largest magnitude of a tensor is opened every round: of a bias of one number it would be a second, unclipped sum of that number,"
    " so that small neighbours share a range",
)
INTERVAL_DEATHS = Limit(5, "the hazard of an interval with fewer deaths is a statement on persons")
FIRST_HAZARD_BITS = Limit(28, "of deaths a day: a daily hazard of a thousandth is right to one part in ten thousand")
BASELINE_BITS = Limit(
    16,
    "of the hazard of the highest risk the declared ranges allow: predicted survival equals the pooled one to 1e-4, and finer places differ"
    " from run to run",
)
MEAN_PATIENTS = Limit(5, "a mean or a median of fewer known values is a statement on persons, in a demonstration too")
MEAN_BITS = Limit(8, "in steps of a variable: a mean is printed to one decimal")
SPREAD_BITS = Limit(8, "in squared steps of a variable: a standard deviation is printed to one decimal")
ROC_PATIENTS = Limit(5, "an AUC of fewer cases or controls is a statement on persons: with one case it is the rank of a score")
AUC_BITS = Limit(22, "the AUC equals the pooled one to 1e-5")
AUC_VARIANCE_BITS = Limit(
    26, "the standard error of an AUC equals the pooled one to 1e-5 where it is above 0.004; finer places differ from run to run"
)
SENSITIVITY_BITS = Limit(
    8,
    "a curve is read to a hundredth; finer sums of weights would tell which cases, by the days they died on, lie above a threshold",
)
SENSITIVITY_PATIENTS = Limit(
    10,
    "from one declared specificity to the next lies a tenth of the controls: with fewer, single patients would be put in order",
)
SLOTS = Limit(
    LEAST_SLOTS,
    "rows are filled up to a multiple of so many at least: the office counts what a hospital uploads, and would see each one who came",
)
COLUMN_PATIENTS = Limit(5, "a coefficient of a column that fewer patients have is a statement on them")
COLUMN_HOSPITALS = Limit(3, "a column that one or two hospitals have is a statement on these, and each can take its own patients off")
SUBGROUP_PATIENTS = Limit(10, "where each hospital opens its rows' sums (`exact`): a smaller subgroup is added to the others and not drawn")
CURVE_GROUP_PATIENTS = Limit(20, "a dot of the calibration figure is the survival of its group, so each group needs a group's minimum")
PAIRED_PATIENTS = Limit(
    1500,
    "a table of more patients is fitted by weeks and a study of more is refused: pairs of 2,000 cost a holder 13 CPU-s and half a GB a fit,"
    " and grow with the square; nothing more is opened",
)
