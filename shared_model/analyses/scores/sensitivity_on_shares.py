"""Sensitivity at declared specificities: points of timeROC's empirical curve, on shared rows.

A patient is called high risk above a threshold. At specificity s the threshold is the lowest one at which at most (1 − s)·c of the c
controls are called so, so that the false positive rate is the curve's largest up to 1 − s. Case j is then called so exactly if

    u_j ≤ m      u_j = controls that score as high as j or higher      m = ⌊(1 − s)·c⌋

however many scores are tied: all cases and controls of one score fall on one side. With the weights a_j of `roc_on_shares`,

    sensitivity = Σ_j a_j [u_j ≤ m]

The weight at every value of u is found without a comparison (`secret_counts`). c is not opened (beside the numbers at risk it would
tell who died on the horizon's own day): one-hot weights of c choose what is added up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared_model.analyses.patient_slots import Floats
from shared_model.disclosure.limits import SENSITIVITY_BITS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, public, together
from shared_model.shares.circuits.secret_counts import weights_by_count

UNIT_BITS = 22
"""Of a case's share in the whole weight: what all shares add up to is still small enough to be lifted."""
WHOLE = 1.01
"""What shares of a whole add up to, rounding included."""


@dataclass(frozen=True)
class Ranked:
    """Counting field. By score, 2 where i's is above j's and 1 where equal, and 1 where equal (N, N); `members` (N, G) of groups.

    controls, share: columns are horizons by groups (N, C); a case's share of its column's weight in units of 2^-UNIT_BITS.
    """

    won: Sequence[Value]
    equal: Sequence[Value]
    members: Value
    controls: Value
    share: Value


async def sensitivities(a: Arithmetic, ranked: Ranked, percent: tuple[int, ...], names: Sequence[str]) -> list[Floats]:
    """Of every score (specificities, horizons, groups), opened under its name; about 20 openings."""
    n, groups = ranked.members.shape
    scores, columns = len(ranked.won), ranked.controls.shape[1]
    horizons = columns // groups
    u = await _no_less(a, ranked, horizons)
    share = ranked.share.reshape(n, 1, horizons, groups) * np.ones((1, scores, 1, 1), dtype=np.int64)
    size = ranked.controls.sum(0).assume(n, "a count of patients").reshape(1, columns)
    one = public(size, np.ones((1, columns, 1), dtype=np.int64), 0)
    weight, chosen = await together(
        weights_by_count(a, u, share.reshape(n, scores * horizons, groups), n, WHOLE * 2.0**UNIT_BITS),
        weights_by_count(a, size, one, n, 1.0),
    )
    up_to = np.tril(np.ones((n + 1, n + 1), dtype=np.int64)) @ weight.reshape(n + 1, scores * columns)
    allowed = np.array([(100 - one) * np.arange(n + 1) // 100 for one in percent])
    picked = up_to.assume(WHOLE * 2.0**UNIT_BITS, "shares of a whole")[allowed].reshape(len(percent), n + 1, scores, columns)
    total = a.times(picked, chosen.reshape(1, n + 1, 1, columns)).sum(1)
    found = await a.lift(total.assume(WHOLE * 2.0**UNIT_BITS, "one number of controls each"))
    found = found.scaled(2.0**-UNIT_BITS, UNIT_BITS).assume(WHOLE, "shares of a whole, in units")
    (found,) = await a.reduce(found, fraction=SENSITIVITY_BITS.value)
    shape = (len(percent), horizons, groups)
    return await together(*(a.reveal(name, found[:, k].reshape(*shape), SENSITIVITY_BITS.value) for k, name in enumerate(names)))


async def _no_less(a: Arithmetic, ranked: Ranked, horizons: int) -> Value:
    """Controls of one's own group that score as high or higher (N, scores · horizons)."""
    n, groups = ranked.members.shape
    twice = [
        a.dot((won + equal).assume(2.0, "2 or 0").T, ranked.controls).assume(2.0 * n, "two a control")
        for won, equal in zip(ranked.won, ranked.equal, strict=True)
    ]
    members = ranked.members.reshape(n, 1, groups)
    own = [a.times(one.reshape(n, horizons, groups), members).sum(2) for one in await a.reduce(*twice)]
    found = await a.reduce(*(one.assume(2.0 * n, "of one group") for one in own))
    return concatenate(found, 1).divided_exactly(2)
