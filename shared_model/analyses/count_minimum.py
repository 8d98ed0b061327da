"""Whether counts reach a minimum, opened as bits and nothing more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.shared_value import public

MINIMUM_TEST = "none: it is the test of the minimum"
"""What stands before a bit that only tells whether a minimum is reached."""


def minimum_result(name: str, n: int) -> Result:
    """The declared bits of n counts."""
    return Result(name, (n,), 0, 1.0, MINIMUM_TEST, bit=True)


async def reaches(a: Arithmetic, name: str, counts: Value, minimum: int) -> NDArray[np.bool_]:
    """For counts (n,) of the main field: which are at least `minimum`. A few openings: c (c − 1) … is zero exactly below."""
    below = concatenate([counts.reshape(1, -1)] * minimum) - public(counts, np.arange(minimum)[:, None], 0)
    return ~await a.reveal_zero(name, *(below[k] for k in range(minimum)))
