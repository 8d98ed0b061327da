"""The score test of a model's score within each set, on shared rows: is the risk of those who score higher another one?

It is the test of Cox's model with the score as its one column, at the coefficient 0, which needs no fit. Of every death i, with r
deaths of its day in earlier slots, d on that day, and m = (patients at risk) − r, Efron's weighted mean and mean square of x at risk are

    v_i = (Σ x − r/d Σ_tied x)/m      t_i = (Σ x² − r/d Σ_tied x²)/m

and U = Σ (x_i − v_i), I = Σ (t_i − v_i²), χ² = U²/I (Breslow: r = 0). x is the whole number of the score's level less that of the
training median, so the sums over patients at risk are exact; nothing more is shared by the hospitals than for the C-index.
Opened are U and I a death, in a unit that follows from the opened quarters of the training scores. Source: Therneau and Grambsch 2000.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from math import log2
from typing import Any

import numpy as np

from shared_model.analyses.pairs_on_shares import Pairs
from shared_model.analyses.patient_slots import Floats, Rows
from shared_model.analyses.scores.censoring_weights import InTime
from shared_model.analyses.scores.score_levels import LEVELS, score_levels
from shared_model.disclosure.limits import EVENTS_A_COLUMN, GROUP_PATIENTS, SCORE_TEST_BITS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, stack, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.reciprocals import reciprocal

_SUM_BITS = 10
"""Of Efron's sums over patients at risk, in levels and squared levels."""
_MEAN_BITS = 20
"""Of means over patients at risk."""
_SHARE_BITS = 22
"""Of one divided by the deaths; the rounded number is public, and nothing is lost."""
_LARGEST = 2.0**47
"""Numbers in a range of 2^24 levels have a variance of at most 2^46."""
FLAT = 2.0**-6
"""An information a death below this, in squared units, is too small for its grid: patients at risk together hardly differ."""


@dataclass(frozen=True)
class ScoreTestModel:
    """Which scores, within how many sets, and how ties are dealt with."""

    name: str
    scores: tuple[str, ...]
    sets: int
    ties: str = "efron"
    minimum_patients: int = GROUP_PATIENTS.value
    minimum_deaths: int = EVENTS_A_COLUMN.value

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        guard = f"{self.minimum_patients} patients in the set and in all others, {self.minimum_deaths} deaths in it"
        parts = ("gap", "information")
        return tuple(
            Result(f"{self.name}.{score}.{part}", (self.sets,), SCORE_TEST_BITS.value, _LARGEST, guard)
            for score in self.scores
            for part in parts
        )


@dataclass(frozen=True)
class Centre:
    """Public: the level that is subtracted, and the power of two of levels that is the unit of what is opened."""

    level: int
    power: int

    @classmethod
    def of(cls, quartiles: Sequence[int | None]) -> Centre | None:
        """From the levels of the training scores' quarters; None where the median or any other one is closed, or all are the same."""
        known = [level for level in quartiles if level is not None]
        middle = quartiles[1]
        if middle is None or max(known) == min(known):
            return None
        return cls(middle, max(round(log2((max(known) - min(known)) / 1.35)), 0))


@dataclass(frozen=True)
class ScoreSums:
    """U and I (sets, scores), secret, in levels and squared levels, of the scores that have a centre."""

    centres: Mapping[str, Centre]
    gap: Value
    information: Value


async def score_sums(
    a: Arithmetic, rows: Rows, pairs: Pairs, time: InTime, members: Value, centres: Mapping[str, Centre], ties: str
) -> ScoreSums:
    """U and I of all scores within the sets of members (N, sets), of the counting field; about 15 openings."""
    n, s, k = len(pairs.died), members.shape[1], len(centres)
    died = a.times(pairs.died.reshape(n, 1), members).assume(1.0, "died and in a set")
    levels = stack([_level(rows, name) for name in centres], 1)
    lifts: list[Awaitable[Any]] = [a.lift(members), a.lift(died), a.lift(levels)]
    inside, dead, level = await together(*lifts)
    x = (level - np.array([one.level for one in centres.values()], dtype=np.int64)).assume(float(LEVELS), "two levels of the grid")
    own, square = await a.reduce(a.times(inside.reshape(n, s, 1), x.reshape(n, 1, k)), a.times(x, x))
    (squares,) = await a.reduce(a.times(inside.reshape(n, s, 1), square.reshape(n, 1, k)))
    every, tied, rank = await _at_risk(a, time, dead, concatenate([inside.reshape(n, s, 1), own, squares], 2), inside, ties)
    y, part = await _shares(a, every[:, 0], tied[:, 0], rank, dead)
    wide = float(n) * LEVELS
    sums = (every[:, 1:] - a.times(part.reshape(n, 1), tied[:, 1:])).assume(wide * LEVELS, "at most all those at risk")
    first, second = await a.reduce(sums[:, :k].assume(wide, "levels of at most all those at risk"), sums[:, k:], fraction=_SUM_BITS)
    y = y.reshape(n, 1)
    mean, mean_square = await a.reduce(
        a.times(y, first).assume(1.01 * LEVELS, "a weighted mean of levels"),
        a.times(y, second).assume(1.01 * LEVELS**2, "a weighted mean of squared levels"),
        fraction=_MEAN_BITS,
    )
    (squared,) = await a.reduce(a.times(mean, mean).assume(1.02 * LEVELS**2, "the square of a mean"), fraction=_MEAN_BITS)
    spread = (mean_square - squared).assume(LEVELS**2 / 3.9, "a variance of numbers in a range of 2^24")
    gap, information = await a.reduce(
        a.dot(dead.T, x - mean).assume(1.01 * wide, "a difference of levels a death"),
        a.dot(dead.T, spread).assume(n * LEVELS**2 / 3.9, "a variance a death"),
        fraction=_MEAN_BITS,
    )
    return ScoreSums(centres, gap, information)


def _level(rows: Rows, name: str) -> Value:
    """The level of a score (N,), 0 in an empty slot, from its digits."""
    worth = [rows[part.name] @ (np.arange(part.width, dtype=np.int64) * part.unit) for part in score_levels(name)]
    total = worth[0]
    for one in worth[1:]:
        total = total + one
    return total.assume(LEVELS - 1.0, "a level of the grid")


async def _at_risk(a: Arithmetic, time: InTime, dead: Value, columns: Value, inside: Value, ties: str) -> tuple[Value, Value, Value]:
    """Of every death the sums of columns (N, sets, C) over those of its set at risk (N, C), over its ties (N, C), and its rank (N,).

    Zero for who did not die; under Breslow ties count for nothing.
    """
    n, s, c = columns.shape
    flat = columns.reshape(n, s * c)
    why = "at most all patients of a set"
    wanted = [a.dot(time.after, flat)]
    if ties == "efron":
        same = (time.earlier + time.earlier.T).assume(1.0, "before or after in the slots")
        wanted += [a.dot(same, flat) + flat, a.dot(time.earlier, inside)]
    found = await a.reduce(*(value.assume(n * flat.bound, why) for value in wanted))
    column = dead.reshape(n, s, 1)
    picked = await a.reduce(*(a.times(column, value.reshape(n, s, -1)).sum(1).assume(value.bound, "one set a patient") for value in found))
    if ties != "efron":
        return picked[0], picked[0] * 0, picked[0][:, 0] * 0
    return picked[0], picked[1], picked[2][:, 0]


async def _shares(a: Arithmetic, reach: Value, day: Value, rank: Value, dead: Value) -> tuple[Value, Value]:
    """1/m of every death, and r/d (N,); 1 and 0 for who did not die."""
    n, others = len(reach), 1 - dead.sum(1).assume(1.0, "one set a patient")
    m = (reach - rank + others).assume(float(n), "those at risk; one for who did not die")
    if not day.bound:
        y = await reciprocal(a, m, 1.0, float(n), largest=1.0)
        return y, rank
    both = concatenate([m, (day + others).assume(float(n), "deaths of a day; one for who did not die")])
    y = await reciprocal(a, both, 1.0, float(n), largest=1.0)
    (part,) = await a.reduce(a.times(rank.assume(float(n), "deaths of a day"), y[n:]).assume(1.0, "fewer are earlier than died"))
    return y[:n], part


async def open_score_tests(a: Arithmetic, sums: ScoreSums, patients: Floats, deaths: Floats, model: ScoreTestModel) -> dict[str, Floats]:
    """χ² of every score by set (sets,), NaN where it stays closed. patients, deaths: of the sets as opened, NaN where closed."""
    shown = np.isfinite(patients) & np.isfinite(deaths) & (np.nan_to_num(deaths) >= model.minimum_deaths)
    share = np.where(shown, np.rint(2.0**_SHARE_BITS / np.where(shown, deaths, 1.0)), 0.0) * 2.0**-_SHARE_BITS
    wanted: list[Awaitable[Any]] = []
    for k, (name, centre) in enumerate(sums.centres.items()):
        unit = 2.0**centre.power
        gap = sums.gap[:, k].scaled(share / unit, _SHARE_BITS + centre.power)
        information = sums.information[:, k].scaled(share / unit**2, _SHARE_BITS + 2 * centre.power)
        wanted += [
            a.reveal(f"{model.name}.{name}.gap", gap.assume(1.02 * LEVELS / unit, "a mean a death"), SCORE_TEST_BITS.value),
            a.reveal(
                f"{model.name}.{name}.information",
                information.assume(1.02 * LEVELS**2 / 3.9 / unit**2, "a mean a death"),
                SCORE_TEST_BITS.value,
            ),
        ]
    opened = await together(*wanted)
    found = {}
    for k, name in enumerate(sums.centres):
        gap, information = opened[2 * k], opened[2 * k + 1]
        enough = shown & (information >= FLAT)
        found[name] = np.where(enough, gap**2 / np.where(enough, information * share, 1.0), np.nan)
    return found
