"""Standardised differences of two groups, as a Table 1 prints them (Austin 2009; Yang and Dalton 2012)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np


def difference_of_means(mean: float, sd: float, other_mean: float, other_sd: float) -> float | None:
    """|m₁ − m₂| / √((s₁² + s₂²)/2); None where neither group varies.

    >>> difference_of_means(63.0, 10.0, 60.0, 10.0)
    0.3
    """
    spread = math.sqrt((sd**2 + other_sd**2) / 2)
    return abs(mean - other_mean) / spread if spread > 0 else None


def difference_of_shares(counts: Mapping[str, int | None], others: Mapping[str, int | None]) -> float | None:
    """Mahalanobis distance of the levels' shares, the last level left out; of two levels |p₁ − p₂| / √((p₁q₁ + p₂q₂)/2).

    None where a count is hidden, a group is empty, or nothing varies.

    >>> round(difference_of_shares({"no": 50, "yes": 50}, {"no": 70, "yes": 30}), 4)
    0.417
    """
    levels = list(dict.fromkeys([*counts, *others]))
    table = [[group.get(level, 0) for level in levels] for group in (counts, others)]
    if any(count is None for row in table for count in row):
        return None
    known = np.asarray(table, dtype=np.float64)
    if (known.sum(axis=1) == 0).any() or len(levels) < 2:
        return None
    share = known / known.sum(axis=1, keepdims=True)
    share = share[:, share.any(axis=0)][:, :-1]
    if not share.size:
        return None
    spread = sum(np.diag(p) - np.outer(p, p) for p in share) / 2
    gap = share[0] - share[1]
    if np.linalg.matrix_rank(spread) < len(gap):
        return None
    return math.sqrt(float(gap @ np.linalg.solve(spread, gap)))
