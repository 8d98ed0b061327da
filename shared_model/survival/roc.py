"""Time-dependent ROC curves and AUC with inverse-probability-of-censoring weights.

Blanche, Dartigues and Jacqmin-Gadda (2013), as in R's timeROC: at horizon t a case died before t and weighs 1/G(T−), a
control was followed beyond t, and a patient with T = t is neither. `convention="sksurv"` is scikit-survival's: cases
T ≤ t weigh 1/G(T). G is the Kaplan–Meier curve of censoring, deaths before censorings on one day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.evaluation_table import Cells, EvaluationTable, as_cells
from shared_model.survival.normal_tails import Z95
from site_config.problems import survival as problems

Floats = NDArray[np.float64]
Convention = Literal["timeroc", "sksurv"]


@dataclass(frozen=True)
class Roc:
    """AUC at a horizon (days) with its standard error, and the curve from (0, 0) to (1, 1) by falling threshold."""

    horizon: float
    auc: float
    se: float
    false_positive: Floats
    true_positive: Floats
    cases: int
    controls: int

    @property
    def ci(self) -> tuple[float, float]:
        """AUC ± 1.96 se, cut at 0 and 1."""
        return max(0.0, self.auc - Z95 * self.se), min(1.0, self.auc + Z95 * self.se)


@dataclass(frozen=True)
class _Censoring:
    """Censoring by distinct time (T,): G just before and at it, patients at risk of being censored, hazard."""

    time: Floats
    before: Floats
    at: Floats
    at_risk: Floats
    hazard: Floats
    index: NDArray[np.int64]


def _censoring(cells: Cells) -> _Censoring:
    time, index = np.unique(cells.time, return_inverse=True)
    lost = np.bincount(index[~cells.event], weights=cells.count[~cells.event], minlength=len(time))
    total = np.bincount(index, weights=cells.count, minlength=len(time))
    at_risk = np.cumsum(total[::-1])[::-1] - (total - lost)
    hazard = np.divide(lost, at_risk, out=np.zeros(len(time)), where=at_risk > 0)
    at = np.cumprod(1 - hazard)
    return _Censoring(time, np.concatenate([[1.0], at[:-1]]), at, at_risk, hazard, index)


def roc(source: Cells | EvaluationTable, horizon: float, convention: Convention = "timeroc") -> Roc:
    """AUC, curve and standard error at `horizon` days.

    On a coarse table the horizon must be one of its time edges: cells up to it are before, the others beyond. Raises
    FH-809 when nobody died before the horizon or nobody was followed beyond it.
    """
    cells, early = _by_horizon(source, horizon, convention)
    censoring = _censoring(cells)
    case = cells.event & early
    control = cells.time > horizon
    if not case.any() or not control.any():
        reason = "nobody was followed beyond it" if case.any() else "nobody died before it"
        raise problems.BEYOND_FOLLOW_UP.problem(f"no AUC at day {horizon:g}: {reason}")
    g = censoring.at if convention == "sksurv" else censoring.before
    weight = np.where(case, 1 / np.where(case, g[censoring.index], 1.0), 0.0)
    below, tied = _below_and_tied(cells.score, np.where(control, cells.count, 0.0), cells.score)
    per_case = weight * (below + tied / 2)
    lower, same = _below_and_tied(-cells.score, weight * cells.count, -cells.score)
    per_control = np.where(control, lower + same / 2, 0.0)
    case_mass, control_mass = float(weight @ cells.count), float(cells.count[control].sum())
    auc = float(per_case @ cells.count) / (case_mass * control_mass)
    influence = _influence(cells, censoring, weight, per_case, per_control, control, (auc, case_mass, control_mass))
    n = float(cells.count.sum())
    centred = influence - float(influence @ cells.count) / n
    se = float(np.sqrt(np.sum(cells.count * centred**2) / (n * (n - 1)))) if n > 1 else 0.0
    fpr, tpr = _curve(cells, weight, control)
    return Roc(float(horizon), auc, se, fpr, tpr, round(float(cells.count[case].sum())), round(control_mass))


def roc_of_groups(patients: Floats, survival: Floats) -> tuple[Floats, Floats]:
    """False and true positive rates (groups + 1,), from (0, 0) to (1, 1), where only groups of patients by rising score are known.

    patients, survival (groups,): how many there are, and their Kaplan–Meier survival at the horizon. A threshold lies between two groups:
    P(group | T > t) and P(group | T ≤ t) by Bayes' rule (Heagerty, Lumley and Pepe 2000, with a curve a group).

    >>> roc_of_groups(np.array([10.0, 10.0]), np.array([0.75, 0.25]))
    (array([0.  , 0.25, 1.  ]), array([0.  , 0.75, 1.  ]))
    """
    alive, died = patients * survival, patients * (1 - survival)

    def from_above(one: Floats) -> Floats:
        return np.asarray(np.concatenate([[0.0], np.cumsum(one[::-1])]) / one.sum())

    return from_above(alive), from_above(died)


def _by_horizon(source: Cells | EvaluationTable, horizon: float, convention: Convention) -> tuple[Cells, NDArray[np.bool_]]:
    """Cells, and which of them end before (timeROC) or by (scikit-survival) the horizon."""
    cells = as_cells(source)
    if isinstance(source, EvaluationTable):
        if horizon >= source.time_edges[-1]:
            raise problems.BEYOND_FOLLOW_UP.problem(f"no AUC at day {horizon:g}: nobody was followed beyond it")
        if horizon not in source.time_edges:
            raise ValueError("the horizon is not an edge of the table")
        return cells, cells.time <= horizon
    return cells, (cells.time <= horizon if convention == "sksurv" else cells.time < horizon)


def _below_and_tied(values: Floats, weights: Floats, at: Floats) -> tuple[Floats, Floats]:
    """For each of `at` (k,): the total weight of `values` below it, and equal to it."""
    order = np.argsort(values, kind="stable")
    ranked, total = values[order], np.concatenate([[0.0], np.cumsum(weights[order])])
    first, last = np.searchsorted(ranked, at, side="left"), np.searchsorted(ranked, at, side="right")
    return total[first], total[last] - total[first]


def _influence(
    cells: Cells,
    censoring: _Censoring,
    weight: Floats,
    per_case: Floats,
    per_control: Floats,
    control: NDArray[np.bool_],
    known: tuple[float, float, float],
) -> Floats:
    """n · ∂AUC/∂(patient) (m,), the estimation of G included (Blanche et al. 2013, appendix; G's martingale form)."""
    auc, case_mass, control_mass = known
    n = float(cells.count.sum())
    own = (per_case - auc * weight * control_mass + per_control - auc * case_mass * control) / (case_mass * control_mass)
    # What a change of G just before a case's death does: cases dying after u carry the censorings at u.
    pull = cells.count * (per_case - auc * weight * control_mass) / (case_mass * control_mass)
    by_time = np.bincount(censoring.index, weights=pull, minlength=len(censoring.time))
    after = np.sum(by_time) - np.cumsum(by_time)
    jump = np.divide(after, censoring.at_risk, out=np.zeros_like(after), where=censoring.at_risk > 0)
    drift = np.cumsum(jump * censoring.hazard)
    drift_before = drift - jump * censoring.hazard
    through_g = np.where(cells.event, -drift_before[censoring.index], jump[censoring.index] - drift[censoring.index])
    return np.asarray(n * (own + through_g), dtype=np.float64)


def _curve(cells: Cells, weight: Floats, control: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    values, index = np.unique(-cells.score, return_inverse=True)
    true = np.cumsum(np.bincount(index, weights=weight * cells.count, minlength=len(values)))
    false = np.cumsum(np.bincount(index, weights=np.where(control, cells.count, 0.0), minlength=len(values)))
    return np.concatenate([[0.0], false / false[-1]]), np.concatenate([[0.0], true / true[-1]])
