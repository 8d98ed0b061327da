"""Survival analysis of anybody's table, site by site: rows are split by hospital, and only sums are pooled.

`fit_cox` is what `fedhcc-sim cox` prints.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.broadcast_hazard import Ties
from shared_model.survival.concordance import concordance
from shared_model.survival.cox import cox_by_day as cox
from shared_model.survival.cox.covariate_moments import standardise
from shared_model.survival.cox.exact_sums import cell_sums
from shared_model.survival.evaluation_table import patient_cells
from simulations.tabular.complete_rows import FitRows, SiteRows, load_rows
from simulations.tabular.too_small import rounded_away, small_parts

__all__ = ["FitRows", "SiteRows", "TableOpener", "default_cuts", "fit_cox", "load_rows"]

Floats = NDArray[np.float64]
CellNumbers = NDArray[np.int64]
Sum = TypeVar("Sum")


class TableOpener:
    """Adds the sums of a table's sites in a loop: what the coordinator of a study opens under masks."""

    def __init__(self, rows: FitRows, cut_days: Sequence[float] = ()) -> None:
        self.rows, self.cut_days = rows, tuple(cut_days)
        self.grid = cox.DayGrid(np.unique(rows.time), rows.strata)
        self._local = [self._local_cells(site) for site in rows.sites]

    def _local_cells(self, site: SiteRows) -> tuple[CellNumbers, CellNumbers]:
        """The distinct cells of a site, and each patient's number among them."""
        cell = site.stratum * len(self.grid.time) + np.searchsorted(self.grid.time, site.time)
        distinct, local = np.unique(cell, return_inverse=True)
        return distinct, local

    def _total(self, of: Callable[[SiteRows], Sum]) -> Sum:
        total: Sum = reduce(add, [of(site) for site in self.rows.sites])
        return total

    def moments(self, origin: Floats) -> cox.CovariateMoments:
        """Sum of `site_moments`."""
        return self._total(lambda site: cox.site_moments(site.x, site.event, origin))

    def exact(self, beta: Floats, mean: Floats, sd: Floats) -> cox.ExactSums:
        """Sum of `cell_sums`; a site fills its own cells only."""
        total = cox.ExactSums.zeros(self.grid.n_cells, len(beta))
        for site, (distinct, local) in zip(self.rows.sites, self._local, strict=True):
            total.add_at(distinct, cell_sums(standardise(site.x, mean, sd), local, site.event, beta, len(distinct)))
        return total


def fit_cox(rows: FitRows, *, ties: Ties | None = None) -> cox.CoxFit:
    """The federated Cox model of a table from its day sums, with the C-index of its linear predictor."""
    opener = TableOpener(rows)
    fit = cox.fit_exact(opener, rows.names, opener.grid, ties=ties or "efron", sites=len(rows.sites), dropped_rows=rows.dropped)
    fit = rounded_away(rows, fit)
    fit = replace(fit, findings=(*rows.findings, *small_parts(rows), *fit.findings))
    if not fit.events or not fit.kept.any():
        return fit
    return fit.with_concordance(concordance(patient_cells(fit.linear_predictor(rows.x), rows.time, rows.event, rows.stratum)))


def default_cuts(rows: FitRows, intervals: int = 10) -> tuple[float, ...]:
    """Cut points (at most intervals−1,) between equal numbers of deaths: a table does not tell its unit of time."""
    deaths = rows.time[rows.event]
    if not len(deaths):
        return ()
    found = np.unique(np.quantile(deaths, np.arange(1, intervals) / intervals, method="inverted_cdf"))
    return tuple(float(cut) for cut in found if 0 < cut < rows.time.max())
