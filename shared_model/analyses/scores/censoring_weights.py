"""Weights against censoring on shared rows, and the order of all patients in time that they need.

Deaths come before censorings on one day: τ = 2T, and 2T + 1 for a censoring, orders all patients. With Y_i patients of i's group
still followed at τ_i, n in the group, S their Kaplan–Meier curve and G that of censoring, S(T−) G(T−) = Y/n holds exactly, so

    1/(n G(T_i−)) = S(T_i−)/Y_i      S(T_i−) = exp(−Σ log(m_j/(m_j − 1)))   over deaths j of the group before T_i

with m_j = Y_j less the deaths of the same day in earlier slots. These weights of those who died before t add up to 1 − S(t−).
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared_model.analyses.groups.curve_steps import HAZARD
from shared_model.analyses.pairs_on_shares import Pairs, compared
from shared_model.analyses.patient_slots import Rows
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, stack, together
from shared_model.shares.circuits.exact_constants import exponential_series
from shared_model.shares.circuits.reciprocals import reciprocal

_CONSTANT_BITS = 34
_DEGREE = 8
"""Of e^−x on an interval of length one: 5e-11 off."""


@dataclass(frozen=True)
class InTime:
    """In the main field: `after` [τ_j ≥ τ_i] of present patients i, j (N, N) and `earlier`, τ_j = τ_i in an earlier slot j < i."""

    after: Value
    earlier: Value


@dataclass(frozen=True)
class Weights:
    """Main field: 1/Y of everybody (N,), 1 for who is in no group; the weights 1/(n G(T−)) (N,) of whom `died`, others' without meaning."""

    one_over: Value
    weight: Value


def squared(upper: Value, lower: Value, n: int) -> Value:
    """(n, n) from its entries (i, j) and those (j, i) of all slots i ≤ j."""
    rows, columns = np.triu_indices(n)
    index = np.zeros((n, n), dtype=np.int64)
    index[columns, rows] = len(rows) + np.arange(len(rows))
    index[rows, columns] = np.arange(len(rows))
    return concatenate([upper, lower])[index.reshape(-1)].reshape(n, n)


async def in_time(a: Arithmetic, rows: Rows) -> InTime:
    """The order of all patients: three openings."""
    high, low, died_low = rows["day.0"], rows["day.1"], rows["died.1"]
    n, base = low.shape
    ended = stack([died_low, (low - died_low).assume(1.0, "who did not die")], 2).reshape(n, 2 * base)
    order = await compared(a, [high, ended])
    order, same = await together(a.lift(order), a.lift(a.times(order, 2 - order).assume(1.0, "1 where the order is 1, of 0, 1 and 2")))
    why = "a whole half of 2 or 0"
    after, before = ((value + same).divided_exactly(2).assume(1.0, why) for value in (2 - order, order))
    earlier = squared(same, same, n) * np.tril(np.ones((n, n), dtype=np.int64), -1)
    return InTime(squared(after, before, n), earlier)


async def weights(a: Arithmetic, time: InTime, members: Value, dead: Value) -> Weights:
    """For members (N, G) of groups and the dead among them (N, G), main field; about 25 openings."""
    n = len(members)
    why = "a count of patients"
    counts = await a.reduce(
        a.dot(time.after, members).assume(n, why),
        a.dot((time.after - time.earlier).assume(1.0, "the earlier ones are among those at risk"), members).assume(n, why),
    )
    followed, m = await a.reduce(*(a.times(members, count).sum(1).assume(n, why) for count in counts))
    grouped, died = (value.sum(1).assume(1.0, "one group a patient") for value in (members, dead))
    x = concatenate([(2 * m - 2 * died + 1).assume(2 * n, "m of those who died is at least 1"), followed + (1 - grouped)])
    y = await reciprocal(a, x, 1.0, 2.0 * n, largest=1.0)
    log = await _steps(a, y[:n])
    (log,) = await a.reduce(a.times(log.reshape(n, 1), dead))
    most = "a step for different m from 2, and of the last death one more"
    (summed,) = await a.reduce(a.dot((1 - time.after).assume(1.0, "before or not"), log).assume(24.0, most))
    (own,) = await a.reduce(a.times(members, summed).sum(1).assume(24.0, most))
    survival = await falling(a, own, 3 if n < 2900 else 4)
    (weight,) = await a.reduce(a.times(survival, y[n:]).assume(1.01, "a probability over a number"))
    return Weights(y[n:], weight)


async def _steps(a: Arithmetic, y: Value) -> Value:
    """log(m/(m − 1)) = 2 artanh y of y = 1/(2m − 1)."""

    def one(value: Value) -> Value:
        return value.assume(1.0 + 2.0**-20, "a power of a number up to 1")

    (z,) = await a.reduce(one(a.times(y, y)))
    y3, z2 = await a.reduce(one(a.times(y, z)), one(a.times(z, z)))
    y5, y7 = await a.reduce(one(a.times(y3, z)), one(a.times(y3, z2)))
    log = 2 * y
    for c, power in zip(HAZARD, (y3, y5, y7), strict=True):
        log = log + power.scaled(c, _CONSTANT_BITS)
    (log,) = await a.reduce(log)
    return log


async def falling(a: Arithmetic, x: Value, squarings: int) -> Value:
    """e^−x for x from 0 to 2^squarings: of x/2^squarings by Chebyshev polynomials, then squared so often."""
    one = 1.0 + 2.0**-20
    z = (x.scaled(2.0 ** (1 - squarings), squarings - 1) - 1).assume(one, "from −1 to 1")
    (z,) = await a.reduce(z)

    def doubled(product: Value, less: Value | int) -> Value:
        return (2 * product - less).assume(one, "a Chebyshev polynomial on [−1, 1]")

    (t2,) = await a.reduce(doubled(a.times(z, z), 1))
    t3, t4 = await a.reduce(doubled(a.times(z, t2), z), doubled(a.times(t2, t2), 1))
    t5, t6, t7, t8 = await a.reduce(
        doubled(a.times(t2, t3), z), doubled(a.times(t3, t3), 1), doubled(a.times(t3, t4), z), doubled(a.times(t4, t4), 1)
    )
    series = exponential_series(-0.5, 0.5, _DEGREE)
    found = z.scaled(series[1], _CONSTANT_BITS) + series[0]
    for c, t in zip(series[2:], (t2, t3, t4, t5, t6, t7, t8), strict=True):
        found = found + t.scaled(c, _CONSTANT_BITS)
    (found,) = await a.reduce(found.assume(1.01, "e to a number up to 0"))
    for _ in range(squarings):
        (found,) = await a.reduce(a.times(found, found).assume(1.01, "e to a number up to 0"))
    return found


def main_requests(a: Arithmetic, rows: Rows, pairs: Pairs, members: Value, time: InTime | None = None) -> list[Awaitable[Any]]:
    """Lifts members (N, G) and the dead among them, and orders all patients in time unless that is known: answers for `weights`."""
    dead = a.times(pairs.died.reshape(len(pairs.died), 1), members).assume(1.0, "died and in a group")
    return [a.lift(members), a.lift(dead), in_time(a, rows) if time is None else _known(time)]


async def _known(time: InTime) -> InTime:
    """What needs no opening any more."""
    return time
