"""Survival analysis of anybody's table, site by site: rows are split by hospital, and only sums are pooled.

`fit_cox` and `fit_metrics` are what `fedhcc-sim cox` and `fedhcc-sim metrics` print.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.concordance import concordance
from shared_model.survival.cox import api as cox
from shared_model.survival.cox.exact_sums import cell_sums
from shared_model.survival.cox.moments import standardise
from shared_model.survival.cox.result import Finding
from shared_model.survival.hazard import Ties
from shared_model.survival.table import patient_cells
from simulations.tabular.read import Covariates, Table, covariates, events, in_order, labels, merge_near_times, numbers, read_table
from site_config.problems import survival as problems

Floats = NDArray[np.float64]
Resolution = Literal["exact", "totals"]
CellNumbers = NDArray[np.int64]


@dataclass(frozen=True)
class SiteRows:
    """One hospital's complete rows: x (n, p), time (n,), event (n,) bool, stratum (n,) codes, label of its group."""

    name: str
    x: Floats
    time: Floats
    event: NDArray[np.bool_]
    stratum: CellNumbers
    group: tuple[str, ...]


@dataclass(frozen=True)
class Rows:
    """A table of survival data by site; `strata` and `groups` are the distinct labels in order."""

    sites: tuple[SiteRows, ...]
    names: tuple[str, ...]
    strata: tuple[str, ...]
    groups: tuple[str, ...]
    dropped: int
    findings: tuple[Finding, ...] = ()

    @property
    def x(self) -> Floats:
        """(n, p)."""
        return np.concatenate([site.x for site in self.sites])

    @property
    def time(self) -> Floats:
        """(n,)."""
        return np.concatenate([site.time for site in self.sites])

    @property
    def event(self) -> NDArray[np.bool_]:
        """(n,)."""
        return np.concatenate([site.event for site in self.sites])

    @property
    def stratum(self) -> CellNumbers:
        """(n,)."""
        return np.concatenate([site.stratum for site in self.sites])

    @property
    def group(self) -> tuple[str, ...]:
        """(n,)."""
        return tuple(label for site in self.sites for label in site.group)


def load_rows(
    path: Path, site: str, time: str, event: str, numeric: Sequence[str], *, strata: str | None = None, group: str | None = None
) -> Rows:
    """Read a table and split its complete rows by site, near-equal times merged over all sites.

    Raises FH-821 to FH-825, and FH-802 when no row is complete.
    """
    table = read_table(path)
    return rows_of(table, site, time, event, covariates(table, numeric), strata=strata, group=group)


def rows_of(table: Table, site: str, time: str, event: str, design: Covariates, *, strata: str | None, group: str | None) -> Rows:
    """As `load_rows`, from a table in memory."""
    hospital, followed, died = labels(table, site), numbers(table, time, lowest=0.0), events(table, event)
    in_stratum = labels(table, strata) if strata else [""] * len(hospital)
    in_group = labels(table, group) if group else [""] * len(hospital)
    complete = ~(np.isnan(followed) | np.isnan(died) | np.isnan(design.x).any(axis=1))
    complete &= np.asarray([None not in labelled for labelled in zip(hospital, in_stratum, in_group, strict=True)], dtype=bool)
    dropped = int(np.sum(~complete))
    if not complete.any():
        raise problems.NO_PATIENTS.problem(f"none of the {len(hospital)} rows is complete in the columns named")
    findings = [Finding.of(problems.ROWS_DROPPED, f"{dropped} rows with missing values were left out")] if dropped else []
    findings += [Finding.of(problems.TEXT_COVARIATE, f"{name} is text: its first level is the reference") for name in design.expanded]
    chosen = np.flatnonzero(complete)
    merged = np.full(len(followed), np.nan)
    merged[chosen] = merge_near_times(followed[chosen])
    strata_labels = in_order([in_stratum[i] for i in chosen])
    code = {label: index for index, label in enumerate(strata_labels)}
    rows_at: dict[str, list[int]] = {}
    for i in chosen:
        rows_at.setdefault(str(hospital[i]), []).append(int(i))
    sites = []
    for name in in_order(list(rows_at)):
        mine = np.asarray(rows_at[name])
        codes = np.asarray([code[str(in_stratum[i])] for i in mine], dtype=np.int64)
        held = tuple(str(in_group[i]) for i in mine)
        sites.append(SiteRows(name, design.x[mine], merged[mine], died[mine] > 0, codes, held))
    groups = tuple(in_order([in_group[i] for i in chosen])) if group else ()
    return Rows(tuple(sites), design.names, tuple(strata_labels), groups, dropped, tuple(findings))


Sum = TypeVar("Sum")


class TableOpener:
    """Adds the sums of a table's sites in a loop: what the coordinator of a study opens under masks."""

    def __init__(self, rows: Rows, cut_days: Sequence[float] = ()) -> None:
        self.rows, self.cut_days = rows, tuple(cut_days)
        self.grid = cox.Grid(np.unique(rows.time), rows.strata)
        self._local = [self._local_cells(site) for site in rows.sites]

    def _local_cells(self, site: SiteRows) -> tuple[CellNumbers, CellNumbers]:
        """The distinct cells of a site, and each patient's number among them."""
        cell = site.stratum * len(self.grid.time) + np.searchsorted(self.grid.time, site.time)
        distinct, local = np.unique(cell, return_inverse=True)
        return distinct, local

    def _total(self, of: Callable[[SiteRows], Sum]) -> Sum:
        total: Sum = reduce(add, [of(site) for site in self.rows.sites])
        return total

    def moments(self, origin: Floats) -> cox.Moments:
        """Sum of `site_moments`."""
        return self._total(lambda site: cox.site_moments(site.x, site.event, origin))

    def exact(self, beta: Floats, mean: Floats, sd: Floats) -> cox.ExactSums:
        """Sum of `cell_sums`; a site fills its own cells only."""
        total = cox.ExactSums.zeros(self.grid.n_cells, len(beta))
        for site, (distinct, local) in zip(self.rows.sites, self._local, strict=True):
            total.add_at(distinct, cell_sums(standardise(site.x, mean, sd), local, site.event, beta, len(distinct)))
        return total

    def totals_start(self, mean: Floats, sd: Floats) -> cox.TotalsStart:
        """Sum of `totals_start`."""
        strata = len(self.rows.strata)
        return self._total(lambda site: cox.totals_start(site.x, site.time, site.event, self.cut_days, mean, sd, site.stratum, strata))

    def totals_round(self, beta: Floats, rates: Floats, mean: Floats, sd: Floats) -> cox.TotalsRound:
        """Sum of `totals_round`."""
        strata = len(self.rows.strata)
        return self._total(lambda site: cox.totals_round(site.x, site.time, self.cut_days, beta, rates, mean, sd, site.stratum, strata))

    def totals_end(self, beta: Floats, rates: Floats, centres: Floats, mean: Floats, sd: Floats) -> cox.TotalsEnd:
        """Sum of `totals_end`."""
        strata = len(self.rows.strata)
        return self._total(
            lambda site: cox.totals_end(site.x, site.time, self.cut_days, beta, rates, centres, mean, sd, site.stratum, strata)
        )


def fit_cox(rows: Rows, *, ties: Ties = "efron", resolution: Resolution = "exact", cut_points: Sequence[float] | None = None) -> cox.CoxFit:
    """The federated Cox model of a table, with the C-index of its linear predictor."""
    if resolution == "exact":
        opener = TableOpener(rows)
        fit = cox.fit_exact(opener, rows.names, opener.grid, ties=ties, sites=len(rows.sites), dropped_rows=rows.dropped)
    else:
        cuts = tuple(cut_points) if cut_points else default_cuts(rows)
        fit = cox.fit_totals(
            TableOpener(rows, cuts), rows.names, cuts, sites=len(rows.sites), dropped_rows=rows.dropped, strata=rows.strata
        )
    fit = replace(fit, findings=(*rows.findings, *fit.findings))
    if not fit.events:
        return fit
    return fit.with_concordance(concordance(patient_cells(fit.linear_predictor(rows.x), rows.time, rows.event, rows.stratum)))


def default_cuts(rows: Rows, intervals: int = 10) -> tuple[float, ...]:
    """Cut points (at most intervals−1,) between equal numbers of deaths: a table does not tell its unit of time."""
    deaths = rows.time[rows.event]
    if not len(deaths):
        return ()
    found = np.unique(np.quantile(deaths, np.arange(1, intervals) / intervals, method="inverted_cdf"))
    return tuple(float(cut) for cut in found if 0 < cut < rows.time.max())
