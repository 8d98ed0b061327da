"""Reciprocals of numbers and of symmetric matrices by Goldschmidt's iteration, rescaled so that few openings do.

With e = 1 − x·y (E = I − A·Y), y ← y(1 + e) and e ← e² until e is small: two products in one opening a step. The error lies
in [−ρ, ρ] with ρ public; since e² lies in [0, ρ²], y is multiplied by c = 2/(2 − ρ²) every step, so that the new error again
lies evenly around 0: ρ ← ρ²/(2 − ρ²). Far from convergence that makes the way four times shorter a step instead of twice. The
scales are public beforehand, so all of them go into the start.

Source: Goldschmidt 1964; the scaled step is the Chebyshev polynomial 2T² − 1 of the error's interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import floor, inf, log2, prod

import numpy as np

from shared_model.shares.circuits.arithmetic import Arithmetic, F, Value
from shared_model.shares.circuits.exact_constants import bits_of, magnitude, shorten
from shared_model.shares.circuits.shared_value import RangeError, public

_SCALE_BITS = 8
_START_BITS = 9
_LAST_DIGITS = 30
_TOP = 23
"""Bits before the point that a result may need on its way without losing some behind it."""
_SKEW = 2.0**10
"""Largest entry of a matrix similar to a symmetric one of norm 2 whose root of the condition is 2^9."""


@dataclass(frozen=True)
class Schedule:
    """What is public about an iteration: the start's scale, the factors of the steps before the last, and the relative error left."""

    start: float
    factors: tuple[float, ...]
    error: float

    @classmethod
    def of(cls, low: float, high: float, digits: int, start: float | None = None) -> Schedule:
        """For x·y between `low` and `high`, to a relative error of 2^-digits, from the best start or a given one below 2/high."""
        if not 0 < low <= high < inf:
            raise RangeError(f"an iteration from products between {low:g} and {high:g}")
        if start is None:
            start = shorten(2 / (low + high), _START_BITS)
        rho, factors = max(1 - start * low, start * high - 1, 2.0**-F), list[float]()
        while rho * rho > 2.0**-digits:
            factor = max(1.0, floor(2 / (2 - rho * rho) * 2**_SCALE_BITS) / 2**_SCALE_BITS)
            rho = max(factor - 1, 1 - factor + factor * rho * rho)
            factors.append(factor)
        return cls(start, tuple(factors), rho * rho)

    @property
    def openings(self) -> int:
        """Steps, each one opening."""
        return len(self.factors) + 1

    @property
    def scale(self) -> float:
        """The product of all factors."""
        return prod(self.factors)

    @property
    def whole(self) -> float:
        """Start and all factors, to 34 significant bits."""
        return shorten(self.start * self.scale, 34)

    def fraction(self, largest: float, first: float) -> int:
        """Fractional bits of the result on its way: fewer where it may be so large that F do not fit.

        It begins at up to `first`, doubles at most each step, and is at most twice the largest result times the factors still to come.
        """
        if largest == inf:
            return F
        most, left, grown = first, self.scale, first
        for factor in self.factors:
            left /= factor
            grown *= 2
            most = max(most, min(grown, 2 * largest * left))
        return F if most <= 2.0**_TOP else F + _TOP - magnitude(most)


async def reciprocal(
    a: Arithmetic, x: Value, low: float, high: float, *, warm: Value | None = None, digits: int = 34, largest: float = inf
) -> Value:
    """1/x elementwise, to a relative error of 2^-digits where low ≤ x ≤ high (with `warm`: where low ≤ x·warm ≤ high).

    Where 0 ≤ x < low the result is inexact but bounded; `largest` bounds the result where the caller has proved x ≥ low.
    """
    plan = Schedule.of(low, high, digits)
    if warm is None:
        z = x.scaled(plan.start, bits_of(plan.start))
        if z.fraction > F:
            (z,) = await a.reduce(z.assume(2.0, "the start's scale"))
        y = public(x, np.full(x.shape, plan.whole), F)
    else:
        z, y = await a.reduce(
            a.times(x, warm).scaled(plan.start, bits_of(plan.start)).assume(2.0, "the interval of the warm start"),
            warm.scaled(plan.whole, bits_of(plan.whole)),
            fraction=(F, plan.fraction(largest, warm.bound * plan.whole)),
        )
    return await _iterate(a, plan, y, 1 - z, _Kind(a.times, public(x, np.int64(1), 0), 1.02, largest))


async def inverse(
    a: Arithmetic, x: Value, low: float, high: float, *, warm: Value | None = None, digits: int = 34, largest: float
) -> Value:
    """The inverse (p, p) of a symmetric matrix with eigenvalues in [1/largest, high], exact in directions of eigenvalues from `low`.

    With `warm`, an earlier result, `low` and `high` bound the eigenvalues of x·warm in those directions.
    """
    plan = Schedule.of(low, high, digits)
    p = x.shape[0]
    one = public(x, np.eye(p, dtype=np.int64), 0)
    if warm is None:
        # A power of two needs no rounding, an opening less; it begins further away, which costs the last digits something.
        power = Schedule.of(low, high, digits, start=2.0 ** floor(log2(1.99 / high)))
        plan = power if digits < _LAST_DIGITS and power.openings <= plan.openings else plan
        z = x.scaled(plan.start, bits_of(plan.start))
        if z.fraction > F:
            (z,) = await a.reduce(z)
        y = public(x, np.eye(p) * plan.whole, F)
    else:
        product = a.dot(x, warm).assume(_SKEW, "x·warm is similar to a symmetric matrix with eigenvalues of at most 2")
        z, y = await a.reduce(
            product.scaled(plan.start, bits_of(plan.start)),
            warm.scaled(plan.whole, bits_of(plan.whole)),
            fraction=(F, plan.fraction(largest, warm.bound * plan.whole)),
        )
    return await _iterate(a, plan, y, one - z, _Kind(a.dot, one, 1.02 if warm is None else _SKEW, largest))


@dataclass(frozen=True)
class _Kind:
    """What numbers and matrices do differently: the product, one, the largest error (entry) and result."""

    multiply: Callable[[Value, Value], Value]
    one: Value
    error: float
    largest: float


async def _iterate(a: Arithmetic, plan: Schedule, y: Value, e: Value, kind: _Kind) -> Value:
    """Run the steps from y and e = 1 − x·y."""
    left = plan.scale
    bits = plan.fraction(kind.largest, y.bound)
    e = e.assume(kind.error, "an error of x·y between 0 and the interval's end")
    for factor in plan.factors:
        left /= factor
        bound = min(2 * y.bound, 2 * kind.largest * left)
        grown = kind.multiply(y, e + kind.one).assume(bound, "y doubles at most, and x·y stays within the interval")
        square = kind.multiply(e, e).scaled(factor, _SCALE_BITS).assume(factor * kind.error, "the square of an error")
        y, e = await a.reduce(grown, square, fraction=(bits, F))
        e = (e + kind.one * (1.0 - factor)).assume(kind.error, "the factor keeps the error in its interval")
    (y,) = await a.reduce(kind.multiply(y, e + kind.one).assume(2 * min(y.bound, kind.largest), "as before"))
    return y.assume(1.01 * kind.largest, "the iteration has converged") if kind.largest < inf else y
