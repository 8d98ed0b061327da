"""Declared days on shares: who is still followed, who has died by then. Made once for all curves that are opened at those days."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.pairs_on_shares import at_least, less, more
from shared_model.analyses.patient_slots import Rows
from shared_model.analyses.scores.censoring_weights import InTime
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, together

MONTH = 30.4375
"""Days of a month of the Julian year."""


YEAR_MONTHS, YEAR_DAYS = 12, 365


def month_end(months: int) -> int:
    """The day on which so many months end: whole years of 365 days, as horizons are written, other months by the Julian year.

    These are also the last whole days before the quarters at which training hazards are cut (`day_grids.QUARTER`). Were a point a day
    beside a horizon of another study, or beside a cut, results of both would show who died on that day.

    >>> [month_end(k) for k in (1, 3, 6, 12, 21, 24, 60)]
    [30, 91, 182, 365, 639, 730, 1825]
    """
    years, rest = divmod(months, YEAR_MONTHS)
    return int(MONTH * months) if rest else YEAR_DAYS * years


def grid(months: int, last_day: int) -> tuple[int, ...]:
    """The days of every first, third or sixth month up to the last one."""
    ends = (month_end(k) for k in range(months, int(last_day / MONTH) + 2, months))
    return tuple(day for day in ends if day <= last_day)


@dataclass(frozen=True)
class TimeLeft:
    """Of who died before a declared day the share of the time until it that was left (N, days), else 0; and the order of all in time."""

    days: tuple[int, ...]
    left: Value
    time: InTime

    def columns(self, days: Sequence[int]) -> Value:
        """Of some of the days; `ValueError` for one that is not declared."""
        return self.left[:, np.array([self.days.index(day) for day in days], dtype=np.int64)]


@dataclass(frozen=True)
class Points:
    """At every declared day (N, P): `at_risk` [T ≥ day], `dies` [died that day], both counting; `dead` [died by then] in the main field.

    left: until the days of restricted means, where some are asked for.
    """

    days: tuple[int, ...]
    at_risk: Value
    dies: Value
    dead: Value
    left: TimeLeft | None = None

    def columns(self, days: Sequence[int]) -> NDArray[np.int64]:
        """Where some of the days stand; `ValueError` for one that is not declared."""
        return np.array([self.days.index(day) for day in days], dtype=np.int64)


async def make_points(a: Arithmetic, rows: Rows, days: Sequence[int]) -> Points:
    """All of it in one opening; `ValueError` for a day beyond the declared ones."""
    high, low, died_high, died_low = (rows[name] for name in ("day.0", "day.1", "died.0", "died.1"))
    upper, lower = np.divmod(np.array(days, dtype=np.int64), low.shape[1])
    if len(days) == 0 or min(days) < 0 or upper.max() >= high.shape[1]:
        raise ValueError("the declared points lie beyond the declared days")
    followed = more(high)[:, upper] + a.times(high[:, upper], at_least(low)[:, lower])
    dead = less(died_high)[:, upper] + a.times(died_high[:, upper], (less(died_low) + died_low)[:, lower])
    dies = a.times(died_high[:, upper], died_low[:, lower])
    why = "a higher digit decides, or the lower one where both agree"
    requests: list[Awaitable[Any]] = [
        a.reduce(followed.assume(1.0, why), dies.assume(1.0, "both digits agree")),
        a.lift(dead.assume(1.0, why)),
    ]
    (at_risk, that_day), lifted = await together(*requests)
    return Points(tuple(days), at_risk, that_day, cast("Value", lifted))


def censored(rows: Rows) -> Rows:
    """The same rows with the end of follow-up as the event and death as its censoring: pairs and points made of them give follow-up."""
    return {**rows, **{f"died.{k}": (rows[f"day.{k}"] - rows[f"died.{k}"]).assume(1.0, "who did not die") for k in (0, 1)}}
