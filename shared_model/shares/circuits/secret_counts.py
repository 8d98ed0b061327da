"""How much weight lies at each value of a secret count, without a comparison: Σ_j w_j [u_j = d] for d = 0 … n.

The sums of powers Σ_j w_j u_j^k, k = 0 … n, determine it, and the weights follow from them by a public linear combination
(`interpolation`). With n + 1 = K·L a power is u^(Kb) · u^k, so that K + L powers a patient serve instead of n, and a sum over patients
is one product of two matrices. All of it is exact in the counting field, whose masks are uniform: nothing is learnt from what is opened.
"""

from __future__ import annotations

from math import ceil, inf, sqrt

import numpy as np

from shared_model.shares.circuits.arithmetic import Arithmetic, Field, Value, concatenate, public


async def weights_by_count(a: Arithmetic, u: Value, w: Value, n: int, largest: float) -> Value:
    """(n + 1, Q, G) for counts u (N, Q) from 0 to n with weights w (N, Q, G), integers of the counting field; 2 log2 √n + 3 openings.

    largest: what the weights of one column and group add up to at most. A count beyond n makes them meaningless, so the caller proves it.
    """
    if u.field is not Field.COUNT or w.field is not Field.COUNT:
        raise TypeError("counts and weights are integers of the counting field")
    size, columns, groups = w.shape
    inner = min(max(2, ceil(sqrt((n + 1) * groups))), n + 1)
    outer = ceil((n + 1) / inner)
    low = await _powers(a, u, inner)
    weighed = await _weighed(a, low[inner - 1], w, outer) if outer > 1 else w.reshape(1, *w.shape)
    one = public(u, np.ones((1, size, columns), dtype=np.int64), 0)
    left = weighed.transpose(2, 0, 3, 1).reshape(columns, outer * groups, size)
    right = concatenate([one, low[: inner - 1]]).transpose(2, 1, 0)
    (sums,) = await a.reduce(_unbounded(a.dot(left, right)))
    ordered = sums.reshape(columns, outer, groups, inner).transpose(1, 3, 0, 2).reshape(outer * inner, columns, groups)[: n + 1]
    return a.weights_at(ordered, u, w).assume(largest, "each weight lies at one value")


async def _powers(a: Arithmetic, u: Value, n: int) -> Value:
    """u, u², …, u^n (n, *u's shape)."""
    found = _unbounded(u.reshape(1, *u.shape))
    while len(found) < n:
        count = len(found)
        (more,) = await a.reduce(_unbounded(a.times(found[: min(count, n - count)], found[count - 1 : count])))
        found = concatenate([found, more])
    return found


async def _weighed(a: Arithmetic, step: Value, w: Value, n: int) -> Value:
    """w, w · step, …, w · step^(n − 1) (n, *w's shape)."""
    found, power = _unbounded(w.reshape(1, *w.shape)), step.reshape(1, *step.shape, 1)
    while len(found) < n:
        more = _unbounded(a.times(found[: min(len(found), n - len(found))], power))
        if len(found) + len(more) < n:
            more, power = await a.reduce(more, _unbounded(a.times(power, power)))
        else:
            (more,) = await a.reduce(more)
        found = concatenate([found, more])
    return found


def _unbounded(x: Value) -> Value:
    """Any residue: powers leave every range, and are used modulo the primes alone."""
    return x.like(x.data, x.shape, bound=inf)
