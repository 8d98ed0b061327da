"""What results of several studies, added and subtracted, leave: North, South, then both with one hospital more is that hospital."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations, product
from typing import Final

import numpy as np

from site_config.study.plan_and_lock import StudyLock

TOGETHER: Final = 3
"""So many earlier results at most are taken together with a new one."""


def earlier_rosters(lock: StudyLock) -> tuple[frozenset[str], ...]:
    """The hospitals of the earlier studies that a lock names; none for a study that goes on after a leaving, or that compares nothing."""
    return tuple({frozenset(one.roster) for one in lock.earlier}) if lock.compares and lock.leaving is None else ()


@lru_cache(maxsize=64)
def fewest_left(now: frozenset[str], earlier: frozenset[frozenset[str]]) -> int:
    """The fewest hospitals that a roster leaves with two or three earlier ones, each added or subtracted; 0 where none leaves any.

    One earlier roster alone is not in it: pairs have their own rule, which knows patients too. Nor is a roster that was studied before.

    >>> north, south = frozenset("abcd"), frozenset("efgh")
    >>> fewest_left(north | south | {"x"}, frozenset({north, south})), fewest_left(north | south, frozenset({north, south}))
    (1, 0)
    """
    if now in earlier:
        return 0
    names = sorted(now.union(*earlier))
    rows = np.array([_row(names, one) for one in sorted(earlier, key=sorted)], dtype=np.int64).reshape(len(earlier), len(names))
    found = 0
    for many in range(2, min(TOGETHER, len(earlier)) + 1):
        signs = np.array(list(product((1, -1), repeat=many)), dtype=np.int64)
        for some in combinations(range(len(earlier)), many):
            left = ((_row(names, now) + signs @ rows[list(some)]) != 0).sum(axis=1)
            found = min((int(n) for n in (*left[left > 0], *([found] if found else []))), default=0)
    return found


def _row(names: Iterable[str], roster: frozenset[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([name in roster for name in names], dtype=np.int64)
