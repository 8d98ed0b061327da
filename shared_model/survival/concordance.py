"""Harrell's C-index from counts, with its infinitesimal-jackknife standard error.

Conventions of R's `survival::concordance`: a pair is comparable when one died and the other was still followed at that
time (an event against a censoring on the same day is comparable), pairs of deaths on one day are dropped, tied scores
count one half (Therneau and Watson 2015). The variance is Σ (∂C/∂w_i)² over patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.evaluation_table import Cells, EvaluationTable, as_cells
from shared_model.survival.normal_tails import Z95
from shared_model.survival.pairs import ordered_pairs

Floats = NDArray[np.float64]
Interval = tuple[float, float]


@dataclass(frozen=True)
class PairCounts:
    """Comparable pairs by order of their scores, and per cell (m,) the pairs one of its patients is part of."""

    concordant: float
    discordant: float
    tied: float
    cell_concordant: Floats
    cell_discordant: Floats
    cell_tied: Floats

    @property
    def comparable(self) -> float:
        """All comparable pairs."""
        return self.concordant + self.discordant + self.tied


@dataclass(frozen=True)
class Concordance:
    """C in [0, 1], its standard error, its pairs, and the influence (m,) ∂C/∂w of one patient of every cell."""

    c: float
    se: float
    pairs: PairCounts
    influence: Floats

    @property
    def plain_ci(self) -> Interval:
        """C ± 1.96 se, cut at 0 and 1; what R's summary and the paper print."""
        return max(0.0, self.c - Z95 * self.se), min(1.0, self.c + Z95 * self.se)

    @property
    def logit_ci(self) -> Interval:
        """The interval on the logit scale (delta method): stays within (0, 1). At C = 0 or 1 it is the plain one."""
        return logit_interval(self.c, self.se)


def logit_interval(c: float, se: float) -> Interval:
    """expit(logit C ± 1.96 se/(C(1−C)))."""
    if not 0 < c < 1:
        return max(0.0, c - Z95 * se), min(1.0, c + Z95 * se)
    middle, half = float(np.log(c / (1 - c))), Z95 * se / (c * (1 - c))
    return 1 / (1 + float(np.exp(half - middle))), 1 / (1 + float(np.exp(-half - middle)))


def count_pairs(source: Cells | EvaluationTable) -> PairCounts:
    """Comparable pairs of all patients, within strata."""
    cells = as_cells(source)
    totals = np.zeros((3, len(cells.count)))
    rank = np.unique(cells.score, return_inverse=True)[1].astype(np.int64)
    for code in np.unique(cells.stratum):
        mine = np.flatnonzero(cells.stratum == code)
        totals[:, mine] = ordered_pairs(cells.time[mine], cells.event[mine], rank[mine], cells.count[mine])
    sums = (totals * cells.count).sum(axis=1) / 2
    return PairCounts(float(sums[0]), float(sums[1]), float(sums[2]), totals[0], totals[1], totals[2])


def concordance(source: Cells | EvaluationTable) -> Concordance | None:
    """C-index of the pooled patients; None when no pair is comparable (no events, one patient)."""
    cells = as_cells(source)
    pairs = count_pairs(cells)
    total = pairs.comparable
    if total == 0:
        return None
    c = (pairs.concordant + pairs.tied / 2) / total
    mine = pairs.cell_concordant + pairs.cell_tied / 2
    of = pairs.cell_concordant + pairs.cell_discordant + pairs.cell_tied
    influence = (mine - c * of) / total
    se = float(np.sqrt(np.sum(cells.count * influence**2)))
    return Concordance(c, se, pairs, influence)


def error_bound(table: EvaluationTable) -> Interval:
    """Lowest and highest C any patients with this coarse table can have.

    Pairs in one score bin may be ordered either way; pairs in one time cell may or may not be comparable, either way.
    """
    cells = table.cells()
    pairs = count_pairs(cells)
    width = table.events.shape[1]
    unsure = 0.0
    for cell in range(width):
        dead, alive = int(table.events[:, cell].sum()), int(table.censored[:, cell].sum())
        unsure += dead * (dead - 1) / 2 + dead * alive
    same_cell_counted = _same_cell_pairs(table)
    sure = pairs.comparable - sum(same_cell_counted)
    concordant = pairs.concordant - same_cell_counted[0]
    tied = pairs.tied - same_cell_counted[2]
    if sure + unsure == 0:
        return 0.0, 1.0
    return concordant / (sure + unsure), (concordant + tied + unsure) / (sure + unsure)


def _same_cell_pairs(table: EvaluationTable) -> tuple[float, float, float]:
    """Event-against-censored pairs within one time cell that `count_pairs` counted: concordant, discordant, tied."""
    lower = np.cumsum(table.censored, axis=0) - table.censored
    total = table.censored.sum(axis=0, keepdims=True)
    concordant = float((table.events * lower).sum())
    tied = float((table.events * table.censored).sum())
    return concordant, float((table.events * total).sum()) - concordant - tied, tied
