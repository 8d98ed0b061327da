"""The week of every patient on shares, and sums of secrets by week.

With C_jw = [T_j falls in week w], made once of two digits, sums of anything over weeks are one product with C, and the sums over
those still at risk are public sums of these. Nothing here grows with pairs of patients.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared_model.analyses.pairs_on_shares import Digit
from shared_model.analyses.patient_slots import Floats, PaddedPatients, Part, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, together

WEEK = 7
"""Days of a cell."""
LARGEST_OPENING = 1 << 19
"""Numbers that are lifted at a time."""


@dataclass(frozen=True)
class DiedPart(Part):
    """1 for who died."""

    @property
    def width(self) -> int:
        """One."""
        return 1

    def of(self, patients: PaddedPatients) -> Floats:
        """(n, 1)."""
        return patients.event[:, None].astype(np.float64)


EVENT = DiedPart("event")


def week_digits(n_days: int) -> tuple[Digit, ...]:
    """The digits of a patient's week."""
    weeks = -(-n_days // WEEK)
    return tuple(Digit(f"week.{place}", weeks, place=place, cell=WEEK) for place in (0, 1))


@dataclass(frozen=True)
class WeekCells:
    """Main field: `inside` C (N, weeks), `died` and `present` (N,); of every week its `deaths` d (weeks,)."""

    inside: Value
    died: Value
    present: Value
    deaths: Value

    @property
    def weeks(self) -> int:
        """Cells; those beyond the declared days are empty."""
        return self.inside.shape[1]


async def make_cells(a: Arithmetic, rows: Rows) -> WeekCells:
    """C, in as many openings as it has half millions of entries, and one."""
    high, low, event = rows["week.0"], rows["week.1"], rows[EVENT.name]
    n, weeks = len(high), high.shape[1] * low.shape[1]
    step = max(LARGEST_OPENING // weeks, 1)
    parts: list[Value] = []
    for start in range(0, n, step):
        mine = slice(start, min(start + step, n))
        size = mine.stop - mine.start
        product = a.times(high[mine].reshape(size, -1, 1), low[mine].reshape(size, 1, -1)).reshape(size, weeks)
        parts.append(await a.lift(product.assume(1.0, "one week a patient")))
    inside = concatenate(parts)
    wanted: list[Awaitable[Any]] = [a.lift(event.reshape(n)), a.lift(high.sum(1).assume(1.0, "one week a patient"))]
    died, present = await together(*wanted)
    (deaths,) = await a.reduce(a.dot(died, inside).assume(float(n), "a count of patients"))
    return WeekCells(inside, died, present, deaths)


def from_then_on(by_week: Value) -> Value:
    """Sums over a week and all later ones (weeks, …): who is still at risk."""
    n = by_week.shape[0]
    return np.triu(np.ones((n, n), dtype=np.int64)) @ by_week


def until_then(by_week: Value) -> Value:
    """Sums over a week and all earlier ones."""
    n = by_week.shape[0]
    return np.tril(np.ones((n, n), dtype=np.int64)) @ by_week
