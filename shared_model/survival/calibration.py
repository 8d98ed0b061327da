"""Calibration of predicted survival by groups of rising risk, and the calibration slope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_model.survival.cox.cox_result import CoxFit
from shared_model.survival.evaluation_table import Cells, EvaluationTable, as_cells
from shared_model.survival.kaplan_meier import kaplan_meier, single_cox

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CalibrationGroup:
    """One group at one horizon: its size, mean predicted survival, Kaplan–Meier survival with a log(−log) interval."""

    n: int
    predicted: float
    observed: float
    low: float
    high: float


def predicted_survival(linear_predictor: ArrayLike, baseline_hazard: float) -> Floats:
    """S(u) = exp(−H0(u) e^lp), shape as the linear predictor; H0 at covariates 0."""
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(-baseline_hazard * np.exp(np.asarray(linear_predictor, dtype=np.float64))), dtype=np.float64)


def with_bin_scores(table: EvaluationTable, bin_mean: ArrayLike) -> Cells:
    """A table's cells, the score of each being the mean score (B,) of its bin."""
    cells = table.cells()
    return Cells(np.asarray(bin_mean, dtype=np.float64)[cells.score.astype(np.int64)], cells.time, cells.event, cells.count, cells.stratum)


def calibration(source: Cells, horizon: float, baseline_hazard: float, groups: int = 4, minimum: int = 30) -> tuple[CalibrationGroup, ...]:
    """Quantile groups of the linear predictor (`source.score`), lowest risk first, each of at least `minimum` patients.

    Equal scores are never divided, so groups may be fewer. Raises FH-809 when the horizon is beyond a group's follow-up.
    """
    cells = as_cells(source)
    codes = quantile_groups(cells, groups, minimum)
    predicted = predicted_survival(cells.score, baseline_hazard)
    found = []
    for code in range(int(codes.max(initial=-1)) + 1):
        chosen = codes == code
        curve = kaplan_meier(cells.where(chosen))
        low, high = curve.interval_at(horizon)
        weight = cells.count[chosen]
        mean = float(weight @ predicted[chosen] / weight.sum())
        found.append(CalibrationGroup(round(float(weight.sum())), mean, curve.at(horizon), low, high))
    return tuple(found)


def quantile_groups(cells: Cells, groups: int, minimum: int) -> NDArray[np.int64]:
    """Group (m,) of every cell by rising score: about equal sizes, none below `minimum` unless all are one group."""
    values, index = np.unique(cells.score, return_inverse=True)
    sizes = np.bincount(index, weights=cells.count, minlength=len(values))
    n = float(sizes.sum())
    goal = max(n / max(groups, 1), float(minimum))
    code, held, codes = 0, 0.0, np.zeros(len(values), dtype=np.int64)
    left = n
    for position, size in enumerate(sizes):
        codes[position] = code
        held, left = held + size, left - size
        if held >= goal - size / 2 and held >= minimum and left >= minimum:
            code, held = code + 1, 0.0
    return codes[index]


def calibration_slope(source: Cells) -> CoxFit:
    """Cox model of the linear predictor alone: its coefficient is the slope, 1 when calibrated (van Houwelingen 2000)."""
    cells = as_cells(source)
    return single_cox(cells, cells.score, "linear predictor")
