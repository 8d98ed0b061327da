"""Quantiles of a score by bisection on counts: the cut-off of the risk groups and the edges of score bins.

Nothing but "how many patients lie above these thresholds" is opened, and never with fewer than a minimum on one side of
a cut-off that is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from site_config.problems import survival as problems

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class CountOpener(Protocol):
    """Opens the sum over sites of `counts_above`."""

    def counts_above(self, thresholds: Floats) -> Counts:
        """Patients (k,) with a score above each threshold (k,)."""


@dataclass(frozen=True)
class MedianCutoff:
    """High risk is a score above `value`; counts of patients on both sides."""

    value: float
    above: int
    below: int
    queries: int


def counts_above(score: ArrayLike, thresholds: ArrayLike) -> Counts:
    """One site's patients above each threshold (k,)."""
    scores = np.sort(np.asarray(score, dtype=np.float64))
    found = len(scores) - np.searchsorted(scores, np.asarray(thresholds, dtype=np.float64), side="right")
    return np.asarray(found, dtype=np.int64)


def median_cutoff(
    open_: CountOpener, n: int, mean: float, sd: float, *, minimum: int = 10, steps: int = 24, relative: float = 2.0**-16
) -> MedianCutoff:
    """The smallest threshold with at most n//2 patients above it, which splits as `score > median` does.

    Bisection between mean ± sd, where every median lies; it ends when exactly n//2 are above, or the bracket is below
    `relative`·sd. Raises FH-812 when a side would hold fewer than `minimum` patients.
    """
    if n < 2 * minimum or not sd > 0:
        raise problems.NO_CUTOFF.problem(f"{n} patients cannot be split with {minimum} on either side")
    low, high = mean - sd * (1 + 1e-9), mean + sd * (1 + 1e-9)
    value, above, queries = high, -1, 0
    while queries < steps and high - low > relative * sd:
        middle = (low + high) / 2
        count = int(open_.counts_above(np.asarray([middle]))[0])
        queries += 1
        if count <= n // 2:
            high, value, above = middle, middle, count
            if count == n // 2:
                break
        else:
            low = middle
    if above < 0:
        above = int(open_.counts_above(np.asarray([high]))[0])
        queries += 1
    if min(above, n - above) < minimum:
        raise problems.NO_CUTOFF.problem(f"the median leaves fewer than {minimum} patients on one side")
    return MedianCutoff(float(value), above, n - above, queries)


def quantile_edges(
    open_: CountOpener, n: int, mean: float, sd: float, *, bins: int = 16, minimum: int = 10, steps: int = 12, slack: int = 1
) -> Floats:
    """Edges (B+1,) −∞, …, ∞ of at most `bins` score bins of about equal size, none below `minimum` patients.

    All inner edges are bisected together, one opened vector a step, each until its count is within `slack` of its goal.
    Bins left too small by ties are merged with the next.
    """
    count = max(1, min(bins, n // max(minimum, 1)))
    goals = np.asarray([n - round(n * k / count) for k in range(1, count)], dtype=np.int64)
    if count == 1 or not sd > 0:
        return np.asarray([-np.inf, np.inf])
    # One-sided Chebyshev: the q-quantile lies within sd·√((1−q)/q) below and sd·√(q/(1−q)) above the mean.
    reach = sd * (np.sqrt(count) + 1e-6)
    low, high = np.full(len(goals), mean - reach), np.full(len(goals), mean + reach)
    edges, above, done = (low + high) / 2, np.full(len(goals), -1), np.zeros(len(goals), dtype=bool)
    for _ in range(steps):
        edges = np.where(done, edges, (low + high) / 2)
        above = open_.counts_above(edges)
        done = np.abs(above - goals) <= slack
        if done.all():
            break
        high = np.where(~done & (above <= goals), edges, high)
        low = np.where(~done & (above > goals), edges, low)
    return _merged(edges, above, n, minimum)


def _merged(edges: Floats, above: Counts, n: int, minimum: int) -> Floats:
    kept = [-np.inf]
    last = n
    for order in np.argsort(edges, kind="stable"):
        if last - above[order] >= minimum and above[order] >= minimum:
            kept.append(float(edges[order]))
            last = int(above[order])
    return np.asarray([*kept, np.inf])
