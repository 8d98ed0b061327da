"""Restricted mean survival of groups on shared rows: the area under a Kaplan–Meier curve until a declared day, with its standard error.

Death i of a group, m patients at risk with earlier deaths of its day taken off, makes the curve fall by w_i = S_i−/m, and u_i = τ − T_i
days of the time until τ are left then (0 for who did not die before). With the area A_i that is left beyond T_i

    τ − mean = Σ w_i u_i      A_i = (S_i− − w_i) u_i − Σ_{j after i} w_j u_j      var = Σ A_i²/(m_i (m_i − 1))

as R's `survmean` and `survRM2` have them (Klein and Moeschberger 2003, 4.5), exact for ties: those of one day have one A. Only those
with somebody left count, as at least five are followed to τ. Opened are the months lost and their variance, on a grid that says little
more than the curve's points: between two points a month apart the area is known to the month times the fall.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.groups.curve_steps import CurveSteps
from shared_model.analyses.groups.declared_days import MONTH, Points, TimeLeft
from shared_model.analyses.patient_slots import Floats, Rows
from shared_model.analyses.scores.censoring_weights import InTime, falling
from shared_model.disclosure.limits import MONTHS_LOST_BITS, MONTHS_LOST_VARIANCE_BITS
from shared_model.shares.circuits.arithmetic import Arithmetic, F, Value, together
from shared_model.shares.circuits.declared_results import Result

_LARGEST = 2.0**9
"""Months of the longest declared follow-up, with room."""
_MONTH_BITS = 24
_SQUARE_BITS = 36
_SQUARED_MONTH_BITS = 10
_WHY = "a share of the time until the day"


@dataclass(frozen=True)
class RestrictedMeans:
    """Months (G, days) and their standard error, NaN where closed."""

    mean: Floats
    se: Floats

    def where_all_live(self, survival: Floats, days: tuple[int, ...]) -> RestrictedMeans:
        """Nothing is lost, for certain, where the opened curve (G, days) has not fallen by the day."""
        whole = survival == 1.0
        return RestrictedMeans(np.where(whole, np.array(days) / MONTH, self.mean), np.where(whole, 0.0, self.se))


def restricted_results(name: str, days: int, groups: int, guard: str) -> tuple[Result, ...]:
    """What may be revealed."""
    return (
        Result(f"{name}.months_lost", (days, groups), MONTHS_LOST_BITS.value, _LARGEST, guard),
        Result(f"{name}.months_lost_variance", (days, groups), MONTHS_LOST_VARIANCE_BITS.value, _LARGEST**2, guard),
    )


async def with_time_left(a: Arithmetic, rows: Rows, points: Points, days: tuple[int, ...], time: InTime) -> Points:
    """The points with the time that was left, for all curves: two openings."""
    high, low = rows["died.0"], rows["died.1"]
    base, last = low.shape[1], float(low.shape[1] * high.shape[1])
    day = high @ (np.arange(high.shape[1], dtype=np.int64) * base) + low @ np.arange(base, dtype=np.int64)
    day = await a.lift(day.assume(last, "one day a patient"))
    until = np.array(days, dtype=np.int64)
    left = (until - day.reshape(len(day), 1)).assume(last, "between two days")
    product = a.times(points.dead[:, points.columns(days)], left).assume(last, "days that are left")
    (left,) = await a.reduce(product.scaled(1.0 / until, F).assume(1.001, _WHY))
    return replace(points, left=TimeLeft(days, left, time))


async def restricted_means(
    a: Arithmetic, name: str, steps: CurveSteps, members: Value, points: Points, days: tuple[int, ...], shown: NDArray[np.bool_]
) -> RestrictedMeans:
    """For one-hot groups (N, G) of the main field; shown (days, G): which may be opened. About 15 openings.

    `ValueError` for points without the time that was left.
    """
    if points.left is None:
        raise ValueError("a restricted mean needs the time that was left")
    n, g = members.shape
    h, left, time = len(days), points.left.columns(days), points.left.time
    before = (1 - time.after + time.earlier).assume(1.0, "before, or in an earlier slot")
    later = (time.after - time.earlier - np.eye(n, dtype=np.int64)).assume(1.0, "after, or in a later slot")
    most = "a step for different m from 2, and of the last death one more"
    (fallen,) = await a.reduce(a.dot(before, steps.hazard).assume(24.0, most))
    (own,) = await a.reduce(a.times(members, fallen).sum(1).assume(24.0, most))
    survival = await falling(a, own, 3 if n < 2900 else 4)
    (fall,) = await a.reduce(a.times(survival, steps.share).assume(1.01, "a curve falls by at most 1"))
    beyond = (survival - fall).assume(1.01, "what is left of a curve")
    lost, area = await a.reduce(*(a.times(value.reshape(n, 1), left).assume(1.02, _WHY) for value in (fall, beyond)))
    (by_group,) = await a.reduce(a.times(members.reshape(n, g, 1), lost.reshape(n, 1, h)).assume(1.02, _WHY))
    (after,) = await a.reduce(a.dot(later, by_group.reshape(n, g * h)).assume(1.02, "a curve falls by at most 1"))
    (after,) = await a.reduce(a.times(members.reshape(n, g, 1), after.reshape(n, g, h)).sum(1).assume(1.02, "one group a patient"))
    rest = (area - after).assume(1.04, _WHY)
    (square,) = await a.reduce(a.times(rest, rest).assume(1.1, _WHY), fraction=_SQUARE_BITS)
    return await _open(a, name, a.dot(lost.T, members), a.dot(square.T, steps.greenwood), days, shown)


async def _open(a: Arithmetic, name: str, lost: Value, variance: Value, days: tuple[int, ...], shown: NDArray[np.bool_]) -> RestrictedMeans:
    """In months, of shares (days, G) of the time and their variance."""
    months = np.array(days)[:, None] / MONTH * shown
    lost = lost.assume(1.02, "a curve falls by at most 1").scaled(months, _MONTH_BITS)
    variance = variance.assume(1.12, "the sum of 1/m(m − 1) over different m from 2").scaled(months**2, _SQUARED_MONTH_BITS)
    wanted: list[Awaitable[Any]] = [
        a.reveal(f"{name}.months_lost", lost, MONTHS_LOST_BITS.value),
        a.reveal(f"{name}.months_lost_variance", variance, MONTHS_LOST_VARIANCE_BITS.value),
    ]
    opened, spread = await together(*wanted)
    mean = np.where(shown, months - np.maximum(opened, 0.0), np.nan)
    return RestrictedMeans(mean.T, np.where(shown, np.sqrt(np.maximum(spread, 0.0)), np.nan).T)
