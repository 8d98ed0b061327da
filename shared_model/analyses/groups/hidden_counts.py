"""Which counts of a column (levels that add up to a known total) stay closed, so that none of 1 to 4 patients can be worked out.

Say k of the counts are small. They are hidden, and with them the others in their order until all hidden ones together reach
4k + 5. Then whatever the small ones are, each from 1 to 4, the last hidden one may be the rest, which is at least 5, and the
hidden ones before it may be 0: what is opened fits all of them. The bits that are opened say no more, as they follow from what
is shown afterwards or speak of hidden counts only.

A total over several columns is shown where none of them is hidden; it is then their sum and tells nothing.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.count_minimum import reaches
from shared_model.disclosure.limits import FEW
from shared_model.shares.circuits.arithmetic import Arithmetic, Value

Bits = NDArray[np.bool_]


class Hidden(IntEnum):
    """Why a count is closed."""

    NO = 0
    SMALL = 1
    COMPLEMENT = 2


async def suppressed(a: Arithmetic, name: str, counts: Value, levels: tuple[int, ...]) -> NDArray[np.int64]:
    """`Hidden` of every count (Σ levels, columns) of the main field, variable by variable one below the other.

    Opens `<name>.small` (Σ levels, columns) and `<name>.covered` (Σ levels · columns,), declared as bits.
    """
    small = await a.reveal_zero(f"{name}.small", *(counts - k for k in range(1, FEW.value + 1)))
    same = np.repeat(np.arange(len(levels)), levels)
    same_variable = (same[:, None] == same[None, :]).astype(np.int64)
    needed = np.where(same_variable @ small, FEW.value * (same_variable @ small) + FEW.value + 1, 0)
    most = FEW.value * (max(levels) + 1) + 1
    asked = (needed > 0).astype(np.int64)
    alone, others = counts * small.astype(np.int64), counts * (~small).astype(np.int64)
    hidden_sum = (same_variable @ alone + np.tril(same_variable) @ others).assume(counts.bound, "some of one column's patients")
    compared = hidden_sum * asked + (most - needed)
    covered = (await reaches(a, f"{name}.covered", compared.reshape(compared.size), most)).reshape(small.shape)
    return hidden_counts(small, covered, levels)


def hidden_counts(small: Bits, covered: Bits, levels: tuple[int, ...]) -> NDArray[np.int64]:
    """From the bits: small counts, and the others down to the first one with which the hidden ones are enough."""
    hidden = np.where(small, Hidden.SMALL, Hidden.NO).astype(np.int64)
    start = 0
    for n in levels:
        mine = slice(start, start + n)
        start += n
        for column in range(small.shape[1]):
            if small[mine, column].any():
                enough = np.flatnonzero(covered[mine, column])
                last = enough[0] if enough.size else n - 1
                hidden[mine, column][: last + 1][~small[mine, column][: last + 1]] = Hidden.COMPLEMENT
    return hidden
