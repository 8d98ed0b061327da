"""A model's score as analyses on shares read it: a number of a fixed fine grid, in four digits.

The grid reaches from −32 to 32 in steps of 2^-18, so that no range has to be known beforehand, equal scores stay equal, and different
ones hardly ever meet. Where numbers are needed (as a covariate), the score itself is shared as well, and the range that the
patients really fill is found on shares: one bit says whether nobody lies beyond a distance from the median, for distances that grow
by √2, so that the extremes are known to that factor and no better. The smallest distance is that of a network that has hardly begun
to tell patients apart; a patient far from all others may be counted as one at a nearer distance (`as_covariate`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared_model.analyses.covariates_on_shares import DEGREE, Continuous
from shared_model.analyses.pairs_on_shares import Digit, level_parts, more
from shared_model.analyses.patient_slots import Floats, Integers, PaddedPatients, Part, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic, F, Value, concatenate, stack
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.shared_value import Field

FRACTION = 18
LOW = -32.0
STEP = 2.0**-FRACTION
LEVELS = 1 << 24
WIDTHS: tuple[float, ...] = tuple(2.0 ** (k / 2) for k in range(-26, 13))
"""Distances from the median: 32 steps of the grid to 64, beyond which it ends."""


def level_of(score: Floats) -> Integers:
    """The level of every score.

    A score beyond the grid counts as its end: its hazard is e^32 times that of a score of 0, so that nothing but the order among
    such patients is lost, and one extreme scan does not stop a study. One that is no number counts as the lower end: were it refused,
    weights made so that a number overflows in some scans and not in others would tell which hospital has one.
    """
    given = np.nan_to_num(np.asarray(score, dtype=np.float64), nan=LOW)
    return np.rint((np.clip(given, LOW, -LOW - STEP) - LOW) / STEP).astype(np.int64)


def level_below(score: float) -> int:
    """The highest level that is at most a score, so that scores above it are those above the level; the grid's ends beyond it."""
    return int(np.clip(np.floor((score - LOW) / STEP), 0, LEVELS - 1))


def score_of(level: float) -> float:
    """The score a level stands for."""
    return LOW + STEP * level


def score_levels(model: str) -> tuple[Digit, ...]:
    """The digits of a model's score; patients carry its level under the model's name."""
    return level_parts(model, LEVELS)


@dataclass(frozen=True)
class ScoreNumber(Part):
    """1 for a filled slot, and the score on its grid; `source` names the level."""

    source: str = ""

    @property
    def width(self) -> int:
        """Filled, score."""
        return 2

    @property
    def field(self) -> Field:
        """Fixed point."""
        return Field.MAIN

    @property
    def fraction(self) -> int:
        """As many bits as the grid has."""
        return FRACTION

    @property
    def bound(self) -> float:
        """The end of the grid."""
        return -LOW

    def of(self, patients: PaddedPatients) -> Floats:
        """(n, 2)."""
        score = LOW + STEP * patients.whole(self.source)
        return np.stack([np.ones(len(patients)), score], axis=1)


def score_number(model: str) -> ScoreNumber:
    """The part that holds a model's score as a number."""
    return ScoreNumber(f"{model}.number", source=model)


async def above(a: Arithmetic, rows: Rows, model: str, levels: Sequence[int]) -> Value:
    """Who scores above each public level: (N, levels) zeros and ones of the counting field; three openings."""
    parts = score_levels(model)
    digits = [rows[part.name] for part in parts]
    at = [np.array([_digit(part, level) for level in levels], dtype=np.int64) for part in parts]
    found = more(digits[-1])[:, at[-1]]
    for digit, place in zip(reversed(digits[:-1]), reversed(at[:-1]), strict=True):
        higher = more(digit)[:, place] + a.times(digit[:, place], found)
        (found,) = await a.reduce(higher.assume(1.0, "a higher digit decides, or the lower ones where it agrees"))
    return found


def _digit(part: Digit, level: int) -> int:
    whole = min(max(level, 0), LEVELS - 1) // part.unit
    return whole % part.base if part.place else whole


def range_result(model: str) -> Result:
    """The bits that say how far scores reach from the median, below and above."""
    return Result(f"{model}-range.nobody_beyond", (2 * len(WIDTHS),), 0, 1.0, "the median's minimum", bit=True)


def levels_around(centre: int, width: float) -> tuple[int, int]:
    """The levels at a distance below and above a level, or the grid's ends."""
    step = round(width / STEP)
    return max(centre - step, 0), min(centre + step, LEVELS - 1)


def wide_enough(distance: float) -> float:
    """The smallest declared distance that is no less."""
    return min((width for width in WIDTHS if width >= distance), default=WIDTHS[-1])


async def score_range(a: Arithmetic, rows: Rows, model: str, centre: int) -> tuple[float, float]:
    """Between which public numbers all scores lie; five openings. centre: the level of the median."""
    lower, upper = zip(*(levels_around(centre, width) for width in WIDTHS), strict=True)
    beyond = await above(a, rows, model, [*(level - 1 for level in lower), *upper])
    n, slots = len(WIDTHS), len(beyond)
    counts = beyond.sum(0).assume(slots, "a count of patients")
    everybody = rows[score_levels(model)[0].name].sum().assume(slots, "a count of patients")
    some_below = np.array([int(level > 0) for level in lower], dtype=np.int64)
    below = (everybody.reshape(1) - counts[:n]) * some_below
    outside = await a.lift(concatenate([below, counts[n:]]).assume(slots, "a count of patients"))
    nobody = await a.reveal_zero(f"{model}-range.nobody_beyond", outside)
    first = [int(np.flatnonzero(np.append(side, True))[0]) for side in (nobody[:n], nobody[n:])]
    low = LOW if first[0] == n else score_of(lower[first[0]])
    high = -LOW if first[1] == n else score_of(upper[first[1]])
    return low, high if high > low else low + WIDTHS[0]


async def clipped(a: Arithmetic, rows: Rows, model: str, low: float, high: float) -> Value:
    """The numbers of a score (N, 2), those beyond two scores of levels counted as these; five openings."""
    x, why = rows[score_number(model).name], "of a filled slot, or not"
    filled, score = x[:, 0].assume(1.0, why), x[:, 1]
    beyond = await above(a, rows, model, [level_below(low) - 1, level_below(high)])
    here = rows[score_levels(model)[0].name].sum(1).assume(1.0, why)
    outside = await a.lift(stack([(here - beyond[:, 0]).assume(1.0, why), beyond[:, 1]], 1))
    ends = stack([filled.scaled(end, FRACTION) for end in (low, high)], 1) - score.reshape(-1, 1)
    (found,) = await a.reduce((a.times(outside, ends).sum(1) + score).assume(-LOW, "a score between both ends"))
    return stack([filled, found], 1)


async def as_covariate(a: Arithmetic, x: Value, model: str, low: float, high: float) -> tuple[Continuous, Value]:
    """A score as a column of a Cox model on its range, and its polynomials (N, d + 1), zero in empty slots; six openings.

    x (N, 2): filled or not, and the score (`ScoreNumber`, or clipped to the range).
    """
    column = Continuous(model, low, high)
    filled, score = x[:, 0], x[:, 1]
    one, width = 1.0 + 2.0**-20, high - low
    z = score.scaled(2.0 / width, F) - filled.scaled(1.0 + 2.0 * low / width, F)
    filled = filled.at_fraction(F).assume(1.0, "filled or not")
    (z,) = await a.reduce(z.assume(one, "nobody lies outside the range"))
    known = {0: filled, 1: z.assume(one, "from −1 to 1")}
    while len(known) <= DEGREE:
        top = len(known) - 1
        wanted = range(top + 1, min(2 * top, DEGREE) + 1)
        products = [2 * a.times(known[top], known[k - top]) - known[2 * top - k].at_fraction(2 * F) for k in wanted]
        reduced = await a.reduce(*(product.assume(one, "a Chebyshev polynomial on [−1, 1]") for product in products))
        known |= dict(zip(wanted, reduced, strict=True))
    return column, stack([known[k] for k in range(DEGREE + 1)], 1).assume(1.0, "Chebyshev polynomials but for rounding")
