"""A person's table as holders of shares read it: patients in slots, times as places of a grid, columns with levels or bounds.

A study declares levels, bounds and days beforehand. Here they are taken from the table itself, and times are replaced by their
places among all times and declared points, which is all that any analysis on shares reads of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.covariates_on_shares import Column, Continuous, Levels
from shared_model.analyses.patient_slots import PaddedPatients, Part, Rows
from shared_model.analyses.run_locally import Computed, compute_locally
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration, Result
from shared_model.survival.cox.cox_result import FitFinding
from simulations.tabular.complete_rows import FitRows
from site_config.problems import survival as problems
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
Circuit = Callable[[Arithmetic, Rows], Awaitable[Any]]
MOST_LEVELS = 12
"""A covariate of at most so many values is one of levels, of more a continuous one."""
SLOTS = (8, 4, 2)
"""A hospital's slots are filled to a multiple of these, as a study does, unless empty ones were many."""
MOST_EMPTY = 512


@dataclass(frozen=True)
class SharedTable:
    """The rows, who holds their shares (3 or 5 holders; 0: plain numbers at the same fixed point), and declared points (days)."""

    rows: FitRows
    holders: int
    points: tuple[float, ...] = ()

    @cached_property
    def times(self) -> Floats:
        """The grid: every time and point once, ascending, and one place before and one behind all of them."""
        found = np.unique(np.concatenate([self.rows.time, np.asarray(self.points, dtype=np.float64)]))
        return np.concatenate([found[:1] - 1, found, found[-1:] + 1])

    def places(self, days: Iterable[float]) -> tuple[int, ...]:
        """Where points stand in the grid."""
        return tuple(int(place) for place in np.searchsorted(self.times, list(days)))

    def patients(self, values: Mapping[str, Floats], *, whole_days: bool = False) -> list[PaddedPatients]:
        """Every hospital's patients, with further values (n,) in the order of the rows; `day` is a place in the grid or the whole day."""
        found, start = [], 0
        for site in self.rows.sites:
            mine = slice(start, start + len(site.time))
            start = mine.stop
            day = (np.floor(site.time) if whole_days else np.searchsorted(self.times, site.time)).astype(np.int64)
            found.append(PaddedPatients(day, site.event, {name: np.asarray(one[mine], dtype=np.float64) for name, one in values.items()}))
        return found

    def compute(
        self,
        parts: Sequence[Part],
        results: Iterable[Result],
        circuit: Circuit,
        values: Mapping[str, Floats],
        *,
        whole_days: bool = False,
    ) -> Computed:
        """What the circuit returns, and what it cost a holder."""
        sites = self.patients(values, whole_days=whole_days)
        return compute_locally(parts, sites, Declaration.of(results), circuit, holders=self.holders, multiple=self._multiple)

    @property
    def _multiple(self) -> int:
        """One for the plain twin, whose results do not depend on empty slots."""
        if not self.holders:
            return 1
        sizes = np.array([len(site.time) for site in self.rows.sites])
        enough = max(MOST_EMPTY, int(1.25 * sizes.sum()))
        return next((one for one in SLOTS if int((-(-sizes // one) * one).sum()) <= enough), 1)

    def said(self, costs: Sequence[Computed]) -> FitFinding:
        """Who computed, at what cost, and what a study would need."""
        who = f"{self.holders} holders of shares in this process" if self.holders else "the plain twin of the computation on shares"
        openings, megabytes, seconds = (sum(getattr(one, name) for one in costs) for name in ("openings", "megabytes", "seconds"))
        cost = f", {openings} openings, {megabytes:.0f} MB and {seconds:.1f} CPU-s a holder" if self.holders else ""
        sites = len(self.rows.sites)
        few = (
            f"; with {plural(sites, 'hospital')} a study has too few holders (three at least, each at a hospital of its own): here they are"
            " simulated"
            if sites < 3
            else ""
        )
        return FitFinding.of(
            problems.ON_SHARES, f"computed by {who}{cost}; levels and bounds are the table's own, a study declares them beforehand{few}"
        )


def column_of(name: str, values: Floats) -> Column | None:
    """The declaration that fits a column; None for a constant one."""
    distinct = np.unique(values)
    if len(distinct) < 2:
        return None
    if len(distinct) <= MOST_LEVELS:
        return Levels(name, tuple(float(value) for value in distinct))
    return Continuous(name, float(distinct[0]), float(distinct[-1]))


def as_carried(column: Column, values: Floats) -> Floats:
    """A column's values (n,) as patients carry them: the number of a level, or the value itself."""
    return np.searchsorted(column.values, values).astype(np.float64) if isinstance(column, Levels) else values


def leveled(score: Floats) -> tuple[Floats, Floats]:
    """The distinct values of a score, ascending (two at least), and of every patient the number of theirs."""
    values, level = np.unique(score, return_inverse=True)
    return (values if len(values) > 1 else np.append(values, values[-1] + 1)), level.astype(np.float64)
