"""Comparing and combining C-indices: paired jackknife, the paper's t test, fixed-effect pooling, clustered errors.

Nothing here opens a joint table of two scores. Once two tables are open, their influence functions are known; a site
that receives them sends Σ_i a_i b_i over its patients, one number, which is the covariance of the two C-indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_model.survival.concordance import Concordance, concordance
from shared_model.survival.evaluation_table import Cells, EvaluationTable, as_cells, score_bin, time_cell
from shared_model.survival.normal_tails import Z95, two_sided, upper_tail

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A difference of two C-indices with its standard error; p one-sided (first is higher) and two-sided."""

    difference: float
    se: float
    statistic: float
    p_one_sided: float
    p_two_sided: float


def influence_table(table: EvaluationTable) -> Floats:
    """∂C/∂w of one patient by (score bin, time cell, censored/event), (B, T, 2); 0 in empty entries."""
    found = concordance(table)
    shape = (*table.events.shape, 2)
    values = np.zeros(shape)
    if found is not None:
        values[..., 1][np.nonzero(table.events)] = found.influence[: np.count_nonzero(table.events)]
        values[..., 0][np.nonzero(table.censored)] = found.influence[np.count_nonzero(table.events) :]
    return values


def patient_influence(influence: ArrayLike, score: ArrayLike, event_day: ArrayLike, event: ArrayLike, table: EvaluationTable) -> Floats:
    """Influence (n,) of one site's patients, read from a broadcast `influence_table` with the table's edges."""
    bins, cells = score_bin(score, table.score_edges), time_cell(event_day, table.time_edges)
    return np.asarray(influence, dtype=np.float64)[bins, cells, np.asarray(event, dtype=np.int64)]


def squared_site_sum(influence_of_patients: Floats) -> float:
    """(Σ_i a_i)² of one site; summed over sites it is the clustered variance of C."""
    return float(np.sum(influence_of_patients)) ** 2


def cross_sum(first: Floats, second: Floats) -> float:
    """Σ_i a_i b_i of one site; summed over sites it is the covariance of the two C-indices."""
    return float(first @ second)


def paired_difference(first: Concordance, second: Concordance, covariance: float) -> Difference:
    """z = (C1 − C2)/√(v1 + v2 − 2 cov), two scores of the same patients (infinitesimal jackknife)."""
    gap = first.c - second.c
    se = float(np.sqrt(max(first.se**2 + second.se**2 - 2 * covariance, 0.0)))
    # Two identical scores differ by nothing: no evidence either way.
    z = gap / se if se > 1e-12 else 0.0
    return Difference(gap, se, z, upper_tail(z), two_sided(z))


def paired_cells(first: Cells, second: Cells) -> Difference | None:
    """The paired test of two scores whose cells describe the same patients in the same order; None without pairs."""
    one, two = concordance(first), concordance(second)
    if one is None or two is None:
        return None
    return paired_difference(one, two, float(np.sum(first.count * one.influence * two.influence)))


def correlated_t(c1: float, se1: float, c2: float, se2: float, correlation: float, n: int) -> Difference:
    """survcomp's `cindex.comp`: t = (C1−C2)/√(se1² + se2² − 2 r se1 se2) on n−1 degrees of freedom.

    r is the Spearman correlation of the scores. The paper prints the one-sided p (Haibe-Kains et al. 2008).
    """
    from scipy.special import stdtr

    gap = c1 - c2
    se = float(np.sqrt(max(se1**2 + se2**2 - 2 * correlation * se1 * se2, 0.0)))
    t = gap / se if se > 1e-12 else 0.0
    one = float(stdtr(n - 1, -t))
    return Difference(gap, se, t, one, 2 * min(one, 1 - one))


def combined_correlation(correlations: Sequence[float], patients: Sequence[int]) -> float | None:
    """One Spearman correlation of several sets, as survcomp's `cindex.comp.meta` makes it: a set at a time, then their mean.

    Fisher's z of each set's correlation times √((n − 3)/1.06), averaged with weights n − 3, and back with all patients. Sets of
    three patients or fewer do not enter; None where none does.
    """
    kept = [(r, n) for r, n in zip(correlations, patients, strict=True) if n > 3]
    if not kept:
        return None
    size = np.asarray([n - 3 for _, n in kept], dtype=np.float64)
    r = np.clip([r for r, _ in kept], -1 + 1e-15, 1 - 1e-15)
    mean = float((size * np.sqrt(size / 1.06) * np.arctanh(r)).sum() / size.sum())
    return float(np.tanh(mean / np.sqrt((sum(n for _, n in kept) - 3) / 1.06)))


DEGENERATE = 1e-3
"""A standard error of C at or below this says that all pairs are in one order, not that C is known: √n · SE is 0.3 or more elsewhere."""


def is_degenerate(c: float, se: float, patients: int, events: int) -> bool:
    """Whether an error of C means nothing: 0, or smaller than if all possible pairs were independent.

    A set of six whose pairs are all in order has C = 1 and an error of 0 (of 4e-6 after rounding), and would take all weight in
    an inverse-variance mean.
    """
    independent = float(np.sqrt(max(c * (1 - c), 0.0) / max(patients * events, 1)))
    return not se > max(DEGENERATE, independent)


def combine_fixed(values: Sequence[float], errors: Sequence[float]) -> tuple[float, float]:
    """Inverse-variance fixed-effect mean and its standard error (survcomp's `combine.est`)."""
    weight = 1 / np.square(np.asarray(errors, dtype=np.float64))
    return float(weight @ np.asarray(values, dtype=np.float64) / weight.sum()), float(np.sqrt(1 / weight.sum()))


def normal_interval(value: float, se: float) -> tuple[float, float]:
    """value ± 1.96 se."""
    return value - Z95 * se, value + Z95 * se


def noether(source: Cells | EvaluationTable) -> tuple[float, float] | None:
    """C and standard error of survcomp's `concordance.index(method="noether")` (Pencina and D'Agostino 2004).

    Pairs strict in time, tied scores dropped: not the C of `concordance` where there are ties. None without pairs.
    """
    cells = as_cells(source)
    concordant, discordant = _strict_pairs(cells)
    n = float(cells.count.sum())
    if n < 3 or float((concordant + discordant) @ cells.count) == 0:
        return None
    two, three = n * (n - 1), n * (n - 1) * (n - 2)
    pc, pd = float(concordant @ cells.count) / two, float(discordant @ cells.count) / two
    pcc = float(cells.count @ (concordant * (concordant - 1))) / three
    pdd = float(cells.count @ (discordant * (discordant - 1))) / three
    pcd = float(cells.count @ (concordant * discordant)) / three
    variance = 4 / (pc + pd) ** 4 * (pd**2 * pcc - 2 * pc * pd * pcd + pc**2 * pdd)
    return pc / (pc + pd), float(np.sqrt(max(variance, 0.0) / n))


def _strict_pairs(cells: Cells) -> tuple[Floats, Floats]:
    """Concordant and discordant pairs (m,) of one patient of every cell, times strictly ordered, score ties dropped."""
    concordant, discordant = np.zeros(len(cells.count)), np.zeros(len(cells.count))
    for row in np.flatnonzero(cells.event):
        later = cells.time > cells.time[row]
        for found, chosen in (
            (concordant, later & (cells.score < cells.score[row])),
            (discordant, later & (cells.score > cells.score[row])),
        ):
            found[row] += chosen @ cells.count
            found += cells.count[row] * chosen
    return concordant, discordant


def suppressed(sizes: Sequence[int], minimum: int = 10) -> list[bool]:
    """Which groups of a partition stay hidden: those below `minimum`, and the next smallest with a single such one.

    Complementary suppression: one hidden group would follow from the total by subtraction. Empty groups hide nobody.
    """
    hidden = [0 < size < minimum for size in sizes]
    if sum(hidden) == 1:
        shown = [index for index, flag in enumerate(hidden) if not flag and sizes[index] > 0]
        if shown:
            hidden[min(shown, key=lambda index: sizes[index])] = True
    return hidden
