"""Kaplan–Meier curves, medians and the log-rank test from counts by time.

Conventions of R's `survfit` and `survdiff`: a censoring at a death's time is still at risk, Greenwood's variance, a
median halfway where the curve is flat at one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.broadcast_hazard import Ties
from shared_model.survival.cox.covariate_moments import CovariateMoments, site_moments, standardise
from shared_model.survival.cox.cox_result import ChiTest, CoxFit, independent, solve_kept
from shared_model.survival.cox.exact_sums import DayGrid, ExactSums, cell_sums
from shared_model.survival.cox.newton_exact import fit_exact
from shared_model.survival.evaluation_table import Cells, EvaluationTable, as_cells
from shared_model.survival.normal_tails import Z95
from site_config.problems import survival as problems

Floats = NDArray[np.float64]
FLAT = float(np.finfo(np.float64).eps) ** 0.5


@dataclass(frozen=True)
class KaplanMeier:
    """S(t) at every distinct time (T,), with patients at risk just before it, deaths and censorings at it.

    `greenwood` (T,) is Σ d/(Y(Y−d)), so Var S = S² · greenwood; infinite once everybody at risk has died.
    """

    time: Floats
    survival: Floats
    at_risk: Floats
    events: Floats
    censored: Floats
    greenwood: Floats

    def at(self, day: float) -> float:
        """S(day); raises FH-809 beyond the last follow-up unless everybody has died."""
        if len(self.time) == 0 or (day > self.time[-1] and self.survival[-1] > 0):
            raise problems.BEYOND_FOLLOW_UP.problem(f"day {day:g} lies beyond the last follow-up")
        return self._step(self.survival, day, 1.0)

    def interval_at(self, day: float) -> tuple[float, float]:
        """95 % interval of S(day) on the log(−log) scale; (S, S) at S = 0 or 1."""
        survival, variance = self.at(day), self._step(self.greenwood, day, 0.0)
        if not 0 < survival < 1:
            return survival, survival
        half = Z95 * np.sqrt(variance) / abs(np.log(survival))
        return float(survival ** np.exp(half)), float(survival ** np.exp(-half))

    def at_risk_at(self, days: Sequence[float]) -> list[int]:
        """Patients followed to at least each day, the row of numbers under a curve."""
        left = np.append(self.at_risk, 0.0)
        return [round(float(left[np.searchsorted(self.time, day, side="left")])) for day in days]

    @property
    def median(self) -> float | None:
        """First time at which S ≤ 1/2; halfway to the next drop where S = 1/2; None when not reached."""
        return self.quantile(0.5)

    def quantile(self, survival: float) -> float | None:
        """First time with S at or below a level, as `median`."""
        low = np.flatnonzero(self.survival < survival + FLAT)
        if not len(low):
            return None
        first = low[0]
        below = np.flatnonzero(self.survival < self.survival[first])
        if abs(self.survival[first] - survival) < FLAT and len(below):
            return float(self.time[first] + self.time[below[0]]) / 2
        return float(self.time[first])

    def as_dict(self) -> dict[str, list[Any]]:
        """Lists `time`, `survival`, `at_risk`, `events`."""
        counts = {name: [round(float(v)) for v in values] for name, values in (("at_risk", self.at_risk), ("events", self.events))}
        return {"time": self.time.tolist(), "survival": self.survival.tolist(), **counts}

    def _step(self, values: Floats, day: float, before: float) -> float:
        index = int(np.searchsorted(self.time, day, side="right")) - 1
        return float(values[index]) if index >= 0 else before


def kaplan_meier(source: Cells | EvaluationTable) -> KaplanMeier:
    """The product-limit estimate of all patients (Kaplan and Meier 1958; Greenwood 1926)."""
    cells = as_cells(source)
    time, index = np.unique(cells.time, return_inverse=True)
    events = np.bincount(index[cells.event], weights=cells.count[cells.event], minlength=len(time)).astype(np.float64)
    total = np.bincount(index, weights=cells.count, minlength=len(time)).astype(np.float64)
    at_risk = np.cumsum(total[::-1])[::-1]
    left = at_risk - events
    with np.errstate(divide="ignore", invalid="ignore"):
        greenwood = np.cumsum(np.where(events > 0, events / (at_risk * left), 0.0))
    survival = np.cumprod(left / at_risk).astype(np.float64)
    return KaplanMeier(time, survival, at_risk.astype(np.float64), events, total - events, greenwood)


def quantile_interval(km: KaplanMeier, survival: float) -> tuple[float | None, float | None]:
    """95 % interval of the first time with S at or below a level: where the log(−log) bands reach it (Brookmeyer and Crowley 1982).

    An end that its band never reaches is None. Where S is 0 its variance has no meaning and the band ends before it, as R's does.
    """
    known = np.flatnonzero((km.survival > 0) & (km.survival < 1))
    bands = [km.interval_at(float(km.time[index])) for index in known]
    ends = [[float(km.time[i]) for i, band in zip(known, bands, strict=True) if band[side] <= survival + FLAT] for side in (0, 1)]
    return (ends[0][0] if ends[0] else None), (ends[1][0] if ends[1] else None)


def reversed_cells(source: Cells | EvaluationTable) -> Cells:
    """Follow-up as an outcome: censorings become events and deaths censorings (reverse Kaplan–Meier, Schemper and Smith 1996)."""
    return replace(as_cells(source), event=~as_cells(source).event)


def logrank(groups: Sequence[Cells | EvaluationTable]) -> ChiTest:
    """Log-rank test of G groups (Mantel 1966), hypergeometric variance; groups without expected deaths are left out."""
    cells = [as_cells(group) for group in groups]
    times = np.unique(np.concatenate([group.time[group.event] for group in cells])) if cells else np.zeros(0)
    risk = np.stack([_at_or_after(group, times) for group in cells])
    dead = np.stack([_deaths_at(group, times) for group in cells])
    total_risk, total_dead = risk.sum(axis=0), dead.sum(axis=0)
    share = risk / np.maximum(total_risk, 1)
    expected = (share * total_dead).sum(axis=1)
    spread = total_dead * (total_risk - total_dead) / np.maximum(total_risk - 1, 1)
    variance = np.diag((share * spread).sum(axis=1)) - (share * spread) @ share.T
    used = np.flatnonzero(expected > 0)
    if len(used) < 2:
        return ChiTest(0.0, 0)
    gap, part = (dead.sum(axis=1) - expected)[used[1:]], variance[np.ix_(used[1:], used[1:])]
    return ChiTest(float(gap @ solve_kept(part, gap, independent(part))), len(used) - 1)


def _at_or_after(cells: Cells, times: Floats) -> Floats:
    order = np.argsort(cells.time, kind="stable")
    later = np.append(np.cumsum(cells.count[order][::-1])[::-1], 0.0)
    return np.asarray(later[np.searchsorted(cells.time[order], times, side="left")], dtype=np.float64)


def _deaths_at(cells: Cells, times: Floats) -> Floats:
    dead = cells.where(cells.event)
    found = np.zeros(len(times))
    np.add.at(found, np.searchsorted(times, dead.time), dead.count)
    return found


class _OneTable:
    """Opener over one set of cells and one covariate; counts are unrolled to patients."""

    def __init__(self, cells: Cells, covariate: Floats) -> None:
        times = np.round(cells.count).astype(np.int64)
        self.x = np.repeat(covariate, times)[:, None]
        self.event = np.repeat(cells.event, times)
        self.time, self.cell = np.unique(np.repeat(cells.time, times), return_inverse=True)

    def moments(self, origin: Floats) -> CovariateMoments:
        return site_moments(self.x, self.event, origin)

    def exact(self, beta: Floats, mean: Floats, sd: Floats) -> ExactSums:
        return cell_sums(standardise(self.x, mean, sd), self.cell, self.event, beta, len(self.time))


def single_cox(source: Cells | EvaluationTable, covariate: Floats, name: str, ties: Ties = "efron") -> CoxFit:
    """Cox model of one covariate, a value (m,) for every cell of the source."""
    opener = _OneTable(as_cells(source), np.asarray(covariate, dtype=np.float64))
    return fit_exact(opener, [name], DayGrid(opener.time), ties=ties)


def group_hazard_ratio(low: Cells | EvaluationTable, high: Cells | EvaluationTable, ties: Ties = "efron") -> CoxFit:
    """Cox model of group membership: the hazard ratio of `high` against `low`, with Wald interval and p."""
    first, second = as_cells(low), as_cells(high)
    joined = [np.concatenate(pair) for pair in zip(_parts(first), _parts(second), strict=True)]
    member = np.repeat([0.0, 1.0], [len(first.count), len(second.count)])
    return single_cox(Cells(joined[0], joined[1], joined[2], joined[3], joined[4]), member, "group", ties)


def _parts(cells: Cells) -> tuple[NDArray[Any], ...]:
    return cells.score, cells.time, cells.event, cells.count, cells.stratum


def hazard_ratio_dict(fit: CoxFit) -> dict[str, Any]:
    """`{"hr", "ci", "p"}` of a one-covariate fit, None where it has no estimate."""
    shown = fit.as_dict()
    return {"hr": shown["hr"][0], "ci": shown["hr_ci"][0], "p": shown["p"][0]}


def split_at(source: Cells | EvaluationTable, cutoff: float) -> tuple[Cells, Cells]:
    """Cells at or below a cut-off, and above it; of a table the cut-off must be one of its score edges."""
    if not isinstance(source, EvaluationTable):
        return source.where(source.score <= cutoff), source.where(source.score > cutoff)
    found = np.flatnonzero(source.score_edges == cutoff)
    if not len(found):
        raise ValueError("a table splits at its own score edges only")
    cells = source.cells()
    return cells.where(cells.score < found[0]), cells.where(cells.score >= found[0])
