"""The same statistics from pooled rows, written without this project's mathematics: NumPy over all pairs, statsmodels, lifelines.

The one exception says so: the standard error of an AUC is that of `shared_model.survival.roc` on rows, which its tests hold against R's
timeROC.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import restricted_mean_survival_time
from numpy.typing import NDArray
from statsmodels.duration.hazard_regression import PHReg

from shared_model.survival.evaluation_table import patient_cells
from shared_model.survival.roc import roc

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class PooledRows:
    """Days (n,), whether each ended in death (n,), and the strata of a Cox model (n,) where there are several."""

    day: Floats
    event: Bools
    stratum: NDArray[np.int64] | None = None

    def where(self, mine: Bools) -> PooledRows:
        """Some of the patients."""
        return PooledRows(self.day[mine], self.event[mine])

    def cox(self, x: Floats, ties: str = "efron") -> tuple[Floats, Floats]:
        """Coefficients and standard errors (p,) by statsmodels, on columns of unit variance."""
        scale = x.std(axis=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = PHReg(self.day + 1, x / scale, status=self.event.astype(int), ties=ties, strata=self.stratum).fit(
                disp=0, method="newton", tol=1e-14, maxiter=200
            )
        return fit.params / scale, fit.bse / scale

    def score_test(self, x: Floats, ties: str = "efron") -> float:
        """χ² of the score test of one column at the coefficient 0, by statsmodels."""
        column = (x - x.mean()) / x.std()
        model = PHReg(self.day + 1, column[:, None], status=self.event.astype(int), ties=ties)
        return float(model.score(np.zeros(1))[0] ** 2 / -model.hessian(np.zeros(1))[0, 0])

    def baseline(self, predictor: Floats, day: float) -> float:
        """Efron's cumulative hazard at predictor 0 until a day."""
        weight, total = np.exp(predictor), 0.0
        for moment in np.unique(self.day[self.event & (self.day <= day)]):
            dead, at_risk = self.event & (self.day == moment), weight[self.day >= moment].sum()
            total += sum(1 / (at_risk - r / dead.sum() * weight[dead].sum()) for r in range(int(dead.sum())))
        return float(total)

    def concordance(self, score: Floats) -> tuple[float, Floats]:
        """Harrell's C, and its influence (n,): the standard error is the root of the sum of squares."""
        comparable = self.event[:, None] & (
            (self.day[None, :] > self.day[:, None]) | ((self.day[None, :] == self.day[:, None]) & ~self.event[None, :])
        )
        credit = comparable * (0.5 + 0.5 * np.sign(score[:, None] - score[None, :]))
        pairs = float(comparable.sum())
        c = float(credit.sum()) / pairs
        mine, of = credit.sum(0) + credit.sum(1), comparable.sum(0) + comparable.sum(1)
        return c, np.asarray((mine - c * of) / pairs)

    def auc(self, score: Floats, horizon: float) -> tuple[float, float]:
        """AUC with weights 1/G(T−) of cases before the horizon and controls beyond it; its standard error by the project's pooled code."""
        left = np.array([self._censoring_before(day) for day in self.day])
        case, control = self.event & (self.day < horizon), self.day > horizon
        weight = 1 / left[case]
        won = 0.5 + 0.5 * np.sign(score[case][:, None] - score[control][None, :])
        area = float((weight @ won.mean(axis=1)) / weight.sum())
        return area, roc(patient_cells(score, self.day, self.event), horizon).se

    def sensitivity(self, score: Floats, horizon: float, percent: int) -> float:
        """At a specificity: the curve's value at its largest false positive rate up to 1 − specificity, by trying every threshold."""
        case, control = self.event & (self.day < horizon), self.day > horizon
        weight = np.array([1 / self._censoring_before(day) for day in self.day[case]])
        best = (-1, 0.0)
        for threshold in (-np.inf, *np.unique(score)):
            wrong = int((score[control] > threshold).sum())
            if 100 * wrong <= (100 - percent) * int(control.sum()):
                best = max(best, (wrong, float(weight[score[case] > threshold].sum() / weight.sum())))
        return best[1]

    def _censoring_before(self, day: float) -> float:
        """G just before a day: deaths come before censorings on one day."""
        found = 1.0
        for moment in np.unique(self.day[~self.event & (self.day < day)]):
            lost = int((~self.event & (self.day == moment)).sum())
            at_risk = int((self.day > moment).sum() + lost)
            found *= 1 - lost / at_risk
        return found

    def curve(self, day: float) -> tuple[float, float, float]:
        """Kaplan–Meier survival at a day with its log(−log) interval, by lifelines."""
        fit = KaplanMeierFitter().fit(self.day, self.event)
        at = int(np.searchsorted(fit.timeline, day, side="right")) - 1
        low, high = fit.confidence_interval_.to_numpy()[at]
        survival = float(fit.survival_function_.to_numpy()[at, 0])
        return survival, float(low) if np.isfinite(low) else survival, float(high) if np.isfinite(high) else survival

    def restricted_mean(self, day: float) -> tuple[float, float]:
        """Days lived of the first ones: lifelines' area under the curve, and its standard error (Klein and Moeschberger 2003, 4.5)."""
        mean = float(restricted_mean_survival_time(KaplanMeierFitter().fit(self.day, self.event), t=day))
        moments = np.unique(self.day[self.event & (self.day < day)])
        at_risk = np.array([(self.day >= moment).sum() for moment in moments], dtype=np.float64)
        deaths = np.array([(self.event & (self.day == moment)).sum() for moment in moments], dtype=np.float64)
        area = np.cumprod(1 - deaths / at_risk) * np.diff(np.append(moments, day))
        beyond, left = np.cumsum(area[::-1])[::-1], at_risk - deaths
        some = left > 0
        return mean, float(np.sqrt((beyond[some] ** 2 * deaths[some] / (at_risk[some] * left[some])).sum()))

    def median(self) -> float:
        """The first day at which no more than half are alive, by lifelines."""
        return float(KaplanMeierFitter().fit(self.day, self.event).median_survival_time_)

    def logrank(self, group: NDArray[np.generic]) -> float:
        """χ² by lifelines."""
        return float(multivariate_logrank_test(self.day, group, self.event).test_statistic)
