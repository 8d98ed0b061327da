"""What results of several studies, added and subtracted, leave: North, South, then both with one hospital more is that hospital."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import combinations, product
from typing import Final

import numpy as np

from site_config.study.plan_and_lock import EarlierStudy, StudyLock

TOGETHER: Final = 3
"""So many earlier results at most are taken together with a new one."""


Rosters = tuple[frozenset[str], frozenset[frozenset[str]]]
"""Hospitals of a study's results, and those of earlier studies' results of the same kind."""


def sums(lock: StudyLock) -> tuple[Rosters, ...]:
    """What may be added and subtracted: results of all hospitals, of those that develop, of those held out, each with earlier ones.

    Three studies with the same held-out hospitals differ by more when all are counted than where those count that trained. None for
    a study that goes on after a leaving, or that compares nothing.
    """
    if not lock.compares or lock.leaving is not None:
        return ()
    return _beside(lock, lock.earlier)


def _beside(lock: StudyLock, earlier: Collection[EarlierStudy]) -> tuple[Rosters, ...]:
    parted = [(frozenset(one.roster), frozenset(one.development)) for one in earlier if one.development is not None]
    kinds = (
        ({entry.name for entry in lock.roster}, {frozenset(one.roster) for one in earlier}),
        (lock.names("development"), {developed for _, developed in parted}),
        (lock.names("evaluation"), {every - developed for every, developed in parted}),
    )
    return tuple((frozenset(now), frozenset(before) - {frozenset()}) for now, before in kinds if now)


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
