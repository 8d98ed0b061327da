"""Pairs of patients, made once from digits and used by every analysis.

A whole number below n is written as two one-hot digits, so a patient costs 2·√n numbers instead of n. With T the day of death or
censoring and i a patient who died:

    P_ij = [T_j ≥ T_i]      Q_ij = [T_j = T_i, j died too]

Both are rows of zeros where i did not die, in empty slots too, and exact for any number of ties.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

from shared_model.analyses.rows import Floats, Part, Patients, Rows, checked
from shared_model.shares.arithmetic import Arithmetic, Value


@dataclass(frozen=True)
class Digit(Part):
    """The high or low digit of a whole number 0 ≤ x < n; with `died_only` zero for who did not die."""

    n: int
    source: str = ""
    high: bool = True
    died_only: bool = False

    @property
    def base(self) -> int:
        """The low digit's levels."""
        return isqrt(self.n - 1) + 1

    @property
    def width(self) -> int:
        """Levels of this digit."""
        return (self.n - 1) // self.base + 1 if self.high else self.base

    def of(self, patients: Patients) -> Floats:
        """One-hot."""
        x = checked(patients.whole(self.source) if self.source else patients.day, self.n, self.source or "a day")
        digit = np.eye(self.width)[x // self.base if self.high else x % self.base]
        return digit * patients.event[:, None] if self.died_only else digit


def day_parts(n_days: int) -> tuple[Digit, ...]:
    """The parts every analysis reads: the day's digits, and again those of deaths alone."""
    return tuple(
        Digit(f"{'died' if died else 'day'}.{'high' if high else 'low'}", n_days, high=high, died_only=died)
        for died in (False, True)
        for high in (True, False)
    )


def level_parts(name: str, n: int) -> tuple[Digit, ...]:
    """The digits of a score of n declared levels."""
    return tuple(Digit(f"{name}.{'high' if high else 'low'}", n, name, high=high) for high in (True, False))


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
    high, low, died_high, died_low = (rows[name] for name in ("day.high", "day.low", "died.high", "died.low"))
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
    return Pairs(at_risk, _mirrored(half, n), died_high.sum(1).assume(1.0, "one day"), high.sum(1).assume(1.0, "one day"))


async def higher(a: Arithmetic, high: Value, low: Value) -> Value:
    """[x_i > x_j] (N, N) of a whole number's digits, 0 with an empty slot, in two openings."""
    same, above = await a.reduce(*(product.assume(1.0, "one-hot digits") for product in (a.dot(high, high.T), a.dot(low, less(low).T))))
    greater = a.dot(high, less(high).T) + a.times(same, above)
    (result,) = await a.reduce(greater.assume(1.0, "a higher high digit, or the same and a higher low digit"))
    return result


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


def _mirrored(half: Value, n: int) -> Value:
    """A symmetric matrix (n, n) from its upper triangle by rows."""
    index = np.zeros((n, n), dtype=np.int64)
    rows, columns = np.triu_indices(n)
    index[rows, columns] = index[columns, rows] = np.arange(len(rows))
    return half[index.reshape(-1)].reshape(n, n)
