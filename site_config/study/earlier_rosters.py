"""What results of several studies, added and subtracted, leave: North, South, then both with one hospital more is that hospital."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import combinations, product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from site_config.study.plan_and_lock import EarlierStudy, StudyLock

TOGETHER: Final = 3
"""So many earlier results at most are taken together with a new one."""


Ints = NDArray[np.int8]
Rosters = tuple[frozenset[str], frozenset[frozenset[str]]]
"""Hospitals of a study's results, and those of every earlier result."""


def sums(lock: StudyLock) -> tuple[Rosters, ...]:
    """What may be added and subtracted: results of all hospitals, of those that develop, of those held out, with every earlier one.

    Three studies with the same held-out hospitals differ by more when all are counted than where those count that trained; and who
    trained in one study may be held out in another. A study that goes on after a leaving takes companions along from the ones that
    it leaves, which rosters do not tell, so that these are left out. None for a study that compares nothing.
    """
    if not lock.compares:
        return ()
    everybody = frozenset(entry.name for entry in lock.roster)
    earlier = [one for one in (*lock.earlier, *lock.beside) if lock.leaving is None or not everybody <= set(one.roster)]
    before = frozenset(roster for one in earlier for roster in _results(one))
    kinds = (everybody, frozenset(lock.names("development")), frozenset(lock.names("evaluation")))
    return tuple((now, before) for now in dict.fromkeys(kinds) if now and before)


def _results(earlier: EarlierStudy) -> set[frozenset[str]]:
    """The hospitals of an earlier study's results: all, those that developed, those held out, and each block."""
    every = frozenset(earlier.roster)
    developed = every if earlier.development is None else frozenset(earlier.development)
    return {every, developed, every - developed, *map(frozenset, earlier.blocks)} - {frozenset()}


@lru_cache(maxsize=64)
def fewest_left(now: frozenset[str], earlier: frozenset[frozenset[str]]) -> int:
    """The fewest hospitals that a roster leaves with two or three earlier ones, each added or subtracted; 0 where none leaves any.

    One earlier roster alone is not in it, nor what leaves the same as one alone: pairs have their own rule, which knows patients too.
    Nor is a roster that was studied before.

    >>> north, south = frozenset("abcd"), frozenset("efgh")
    >>> fewest_left(north | south | {"x"}, frozenset({north, south})), fewest_left(north | south, frozenset({north, south}))
    (1, 4)
    """
    if now in earlier:
        return 0
    names = sorted(now.union(*earlier))
    mine = _row(names, now)
    rows = np.array([_row(names, one) for one in sorted(earlier, key=sorted)], dtype=np.int8).reshape(len(earlier), len(names))
    pairs = {left.tobytes() for row in rows for left in (mine - row, row - mine)}
    most = found = len(names) + 1
    for many in range(1, min(TOGETHER, len(earlier))):
        signs = np.array(list(product((1, -1), repeat=many)), dtype=np.int8)
        for some in combinations(range(len(earlier)), many):
            left = (mine + signs @ rows[list(some)])[:, None, :]
            found = _fewer(left, rows[some[-1] + 1 :], pairs, found)
    return found if found < most else 0


def _fewer(left: Ints, rows: Ints, pairs: Collection[bytes], found: int) -> int:
    """The fewest hospitals of `left` (signs, 1, names) with one more row added or subtracted, none of `pairs`; `found` where no fewer."""
    for one in (left + rows, left - rows):
        sizes = np.count_nonzero(one, axis=2)
        for at in sorted(zip(*np.nonzero((sizes > 0) & (sizes < found)), strict=True), key=lambda at: int(sizes[at])):
            if one[at].tobytes() not in pairs:
                found = int(sizes[at])
                break
    return found


def _row(names: Iterable[str], roster: frozenset[str]) -> Ints:
    return np.array([name in roster for name in names], dtype=np.int8)
