"""Pairs of patients, made once from digits and used by every analysis.

A whole number below n is written as two one-hot digits, so a patient costs 2·√n numbers instead of n. With T the day of death or
censoring and i a patient who died:

    P_ij = [T_j ≥ T_i]      Q_ij = [T_j = T_i, j died too]

Both are rows of zeros where i did not die, in empty slots too, and exact for any number of ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared_model.analyses.patient_slots import Floats, PaddedPatients, Part, Rows, checked
from shared_model.shares.circuits.arithmetic import Arithmetic, Value


@dataclass(frozen=True)
class Digit(Part):
    """One digit of a whole number 0 ≤ x < n, the day or another value; with `died_only` zero for who did not die.

    place: 0 is the highest of `places` digits. cell: so many days count as one.
    """

    n: int
    source: str = ""
    place: int = 0
    places: int = 2
    died_only: bool = False
    cell: int = 1

    @property
    def base(self) -> int:
        """Levels of every digit but the highest."""
        return next(base for base in range(1, self.n + 1) if base**self.places >= self.n)

    @property
    def unit(self) -> int:
        """What one of this digit is worth."""
        return int(self.base ** (self.places - 1 - self.place))

    @property
    def width(self) -> int:
        """Levels of this digit."""
        return self.base if self.place else (self.n - 1) // self.unit + 1

    def of(self, patients: PaddedPatients) -> Floats:
        """One-hot."""
        x = checked((patients.whole(self.source) if self.source else patients.day) // self.cell, self.n, self.source or "a day")
        digit = np.eye(self.width)[x // self.unit % self.base if self.place else x // self.unit]
        return digit * patients.event[:, None] if self.died_only else digit


def day_parts(n_days: int) -> tuple[Digit, ...]:
    """The parts every analysis reads: the day's digits, and again those of deaths alone."""
    return tuple(
        Digit(f"{'died' if died else 'day'}.{place}", n_days, place=place, died_only=died) for died in (False, True) for place in (0, 1)
    )


def level_parts(name: str, n: int) -> tuple[Digit, ...]:
    """The digits of a value of n declared levels: two up to 4,096 levels, three up to 2^18, four beyond."""
    places = 2 if n <= 4096 else 3 if n <= 1 << 18 else 4
    return tuple(Digit(f"{name}.{place}", n, name, place, places) for place in range(places))


@dataclass(frozen=True)
class Pairs:
    """Counting Values: `at_risk` P and `tied` Q (N, N), `died` and `present` (N,)."""

    at_risk: Value
    tied: Value
    died: Value
    present: Value

    @property
    def n_tied(self) -> Value:
        """Deaths on the same day, itself included (N,); 0 for who did not die."""
        return self.tied.sum(1).assume(len(self.died), "a count of patients")

    @property
    def rank(self) -> Value:
        """Deaths on the same day in earlier slots (N,)."""
        n = len(self.died)
        product = self.tied * np.tril(np.ones((n, n), dtype=np.int64), -1)
        return product.sum(1).assume(n, "a count of patients")


async def make_pairs(a: Arithmetic, rows: Rows) -> Pairs:
    """P and Q of all slots, in two openings."""
    high, low, died_high, died_low = (rows[name] for name in ("day.0", "day.1", "died.0", "died.1"))
    n = len(high)
    above, upper = np.triu_indices(n)
    same_low = a.dot(died_low, died_low.T).reshape(n * n)[above * n + upper]
    same_high, not_below, same_low = await a.reduce(
        *(
            product.assume(1.0, "one-hot digits agree or not")
            for product in (a.dot(died_high, high.T), a.dot(died_low, at_least(low).T), same_low)
        )
    )
    later = a.dot(died_high, more(high).T)
    at_risk = (later + a.times(same_high, not_below)).assume(1.0, "a later high digit, or the same and no lower low digit")
    both = a.times(same_high.reshape(n * n)[above * n + upper], same_low).assume(1.0, "both digits agree")
    at_risk, half = await a.reduce(at_risk, both)
    return Pairs(at_risk, mirrored(half, n), died_high.sum(1).assume(1.0, "one day"), high.sum(1).assume(1.0, "one day"))


async def same_group(a: Arithmetic, groups: Value) -> Value:
    """[i and j are of one group] (N, N) for one-hot groups (N, G): one opening."""
    n = len(groups)
    rows, columns = np.triu_indices(n)
    same = a.dot(groups, groups.T).reshape(n * n)[rows * n + columns].assume(1.0, "one group a patient")
    (same,) = await a.reduce(same)
    return mirrored(same, n)


async def within(a: Arithmetic, pairs: Pairs, groups: Value) -> Pairs:
    """The pairs of one group alone: nobody is at risk beside, or tied with, a patient of another (strata). Two openings."""
    same = await same_group(a, groups)
    at_risk, tied = await a.reduce(a.times(pairs.at_risk, same), a.times(pairs.tied, same))
    return Pairs(at_risk, tied, pairs.died, pairs.present)


async def compared(a: Arithmetic, digits: Sequence[Value]) -> Value:
    """2 where x_i > x_j, 1 where they are equal, 0 where less, for slots i ≤ j (the upper triangle by rows); 0 with an empty slot.

    An opening a digit. digits: the highest first.
    """
    n = len(digits[0])
    rows, columns = np.triu_indices(n)

    def half(product: Value, bound: float) -> Value:
        return product.reshape(n * n)[rows * n + columns].assume(bound, "one-hot digits agree, are above or below")

    order = [half(a.dot(digit, (less(digit) * 2 + digit * last).T), 2.0) for digit, last in zip(digits, _last(digits), strict=True)]
    *same, result = await a.reduce(*(half(a.dot(digit, digit.T), 1.0) for digit in digits[:-1]), order[-1])
    for above, equal in zip(reversed(order[:-1]), reversed(same), strict=True):
        (result,) = await a.reduce((above + a.times(equal, result)).assume(2.0, "decided by a higher digit, or by the lower ones"))
    return result


def mirrored(half: Value, n: int) -> Value:
    """A symmetric matrix (n, n) from its upper triangle by rows."""
    index = np.zeros((n, n), dtype=np.int64)
    rows, columns = np.triu_indices(n)
    index[rows, columns] = index[columns, rows] = np.arange(len(rows))
    return half[index.reshape(-1)].reshape(n, n)


def _last(digits: Sequence[Value]) -> list[int]:
    """One for the lowest digit, which alone may decide that numbers are equal."""
    return [int(i == len(digits) - 1) for i in range(len(digits))]


def at_least(digit: Value) -> Value:
    """(N, K) whose column k says that the digit is at least k."""
    return _cumulated(digit, 0, "the digit is at least k or not")


def more(digit: Value) -> Value:
    """(N, K) whose column k says that the digit is above k."""
    return _cumulated(digit, -1, "the digit is above k or not")


def less(digit: Value) -> Value:
    """(N, K) whose column k says that the digit is below k."""
    k = digit.shape[1]
    return (digit @ np.triu(np.ones((k, k), dtype=np.int64), 1)).assume(1.0, "the digit is below k or not")


def _cumulated(digit: Value, diagonal: int, why: str) -> Value:
    k = digit.shape[1]
    return (digit @ np.tril(np.ones((k, k), dtype=np.int64), diagonal)).assume(1.0, why)
