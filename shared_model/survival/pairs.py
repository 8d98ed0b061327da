"""Counting comparable pairs in O(n log² n): for every patient how many later ones rank below, equal or above.

Patients stand in the order time, deaths before censorings, score; then whoever stands after a death is comparable with it,
except deaths at the same time. Counts over "stands after and ranks below" come from merging blocks bottom-up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ranks = NDArray[np.int64]


def ordered_pairs(time: Floats, event: NDArray[np.bool_], rank: Ranks, count: Floats) -> Floats:
    """(3, m) concordant, discordant and tied pairs that one patient of every cell is part of; one stratum, any order."""
    order = np.lexsort((rank, ~event, time))
    t, dead, r, w = time[order], event[order], rank[order], count[order]
    weight_dead = np.where(dead, w, 0.0)
    after_below, after_upto = _after(r, w)
    before_below, before_upto = _before(r, weight_dead)
    behind = w.sum() - np.cumsum(w)
    ahead = np.cumsum(weight_dead) - weight_dead
    group = np.cumsum(np.concatenate([[True], (t[1:] != t[:-1]) | (dead[1:] != dead[:-1])])) - 1
    run = np.cumsum(np.concatenate([[True], (np.diff(group) != 0) | (np.diff(r) != 0)])) - 1
    in_group_before, in_group_after = _within(group, w)
    in_run_before, in_run_after = _within(run, w)
    # A death with whoever comes after it. Deaths at its time follow in rising score: they are above it or tied.
    found = np.zeros((3, len(t)))
    tied = after_upto - after_below - in_run_after
    above = behind - after_upto - (in_group_after - in_run_after)
    for row, values in zip(found, (after_below, above, tied), strict=True):
        row += np.where(dead, values, 0.0)
    # Everybody with the deaths before them; of those at one's own time, only a death's own are no pair.
    own_group, own_run = np.where(dead, in_group_before, 0.0), np.where(dead, in_run_before, 0.0)
    found[0] += ahead - before_upto
    found[1] += before_below - (own_group - own_run)
    found[2] += before_upto - before_below - own_run
    back = np.empty_like(found)
    back[:, order] = found
    return back


def _within(code: Ranks, weight: Floats) -> tuple[Floats, Floats]:
    """Weight before and after each position among those with its code; codes rise."""
    total = np.bincount(code, weights=weight)
    start = np.concatenate([[0.0], np.cumsum(total)])[code]
    before = np.cumsum(weight) - weight - start
    return before, total[code] - before - weight


def _after(rank: Ranks, weight: Floats) -> tuple[Floats, Floats]:
    """For every position the weight at later positions with a lower rank, and with a rank up to its own."""
    below, upto = np.zeros(len(rank)), np.zeros(len(rank))
    for key, pair_start, right in _levels(rank):
        _add(below, upto, key, pair_start, np.flatnonzero(right), np.flatnonzero(~right), weight)
    return below, upto


def _before(rank: Ranks, weight: Floats) -> tuple[Floats, Floats]:
    """The same over earlier positions."""
    below, upto = np.zeros(len(rank)), np.zeros(len(rank))
    for key, pair_start, right in _levels(rank):
        _add(below, upto, key, pair_start, np.flatnonzero(~right), np.flatnonzero(right), weight)
    return below, upto


def _levels(rank: Ranks) -> list[tuple[Ranks, Ranks, NDArray[np.bool_]]]:
    """Neighbouring blocks of 1, 2, 4, … positions: a key that sorts by pair then rank, each pair's first key, who is right."""
    position, width = np.arange(len(rank)), int(rank.max(initial=0)) + 1
    levels, size = [], 1
    while size < len(rank):
        block = position // size
        start = (block // 2) * width
        levels.append((start + rank, start, block % 2 == 1))
        size *= 2
    return levels


def _add(below: Floats, upto: Floats, key: Ranks, start: Ranks, data: Ranks, query: Ranks, weight: Floats) -> None:
    order = np.argsort(key[data], kind="stable")
    keys, total = key[data][order], np.concatenate([[0.0], np.cumsum(weight[data][order])])
    first = total[np.searchsorted(keys, start[query], side="left")]
    below[query] += total[np.searchsorted(keys, key[query], side="left")] - first
    upto[query] += total[np.searchsorted(keys, key[query], side="right")] - first
