"""Table 1 on shared rows, by set and overall: counts of levels, mean and standard deviation of numbers, medians on a declared grid.

A count of 1 to 4 is opened as that and nothing more, together with a second one that would give it away. Means and deviations
come on a grid finer than they are printed. A median of whole steps (days between scans) is found by asking, for every value of
the grid, whether at least half of the known values are at most that: bits that say the median and nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.count_minimum import minimum_result
from shared_model.analyses.groups.hidden_counts import Hidden, suppressed
from shared_model.analyses.groups.means_and_medians_on_shares import (
    GridVariable,
    Measure,
    TableColumns,
    least_known,
    mean_results,
    means_and_deviations,
    median_results,
    medians,
    with_all,
)
from shared_model.analyses.groups.patient_groups import Admitted, Partition, admitted
from shared_model.analyses.patient_slots import Floats, OneHot, Part, Rows
from shared_model.disclosure.limits import FEW, GROUP_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.survival.cox.cox_result import FitFinding


@dataclass(frozen=True)
class CharacteristicsModel:
    """Which sets (a part of the rows), which variables of levels, which means, which medians."""

    name: str
    sets: Partition
    levels: tuple[OneHot, ...] = ()
    measures: tuple[Measure, ...] = ()
    grids: tuple[GridVariable, ...] = ()
    minimum: int = GROUP_PATIENTS.value

    def parts(self, _n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return (*self.sets.parts, *self.levels, *(measure.part for measure in self.measures), *(grid.part for grid in self.grids))

    @property
    def columns(self) -> int:
        """Sets, and all of them together."""
        return self.sets.n + 1

    @property
    def cells(self) -> int:
        """Rows of counts: the levels of every variable and, each, those of whom it is not known."""
        return sum(part.n + 1 for part in self.levels)

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        name, n = self.name, self.columns
        test, group = "none: it is the test of the minimum", f"{self.minimum} patients in the set and in the rest"
        found = [*self.sets.results(name), Result(f"{name}.patients", (n,), 0, 2.0**20, group)]
        if self.levels:
            shape = (self.cells, self.sets.n)
            found += [
                Result(f"{name}.small", shape, 0, 1.0, test, bit=True),
                minimum_result(f"{name}.covered", self.cells * self.sets.n),
                Result(f"{name}.counts", shape, 0, 2.0**20, f"{group}, not from 1 to {FEW.value}, and giving no such count away"),
            ]
        known = f"{group}, {least_known(self.minimum)} known values, and of all sets where every set has them"
        return (*found, *mean_results(name, len(self.measures), n, known), *median_results(name, self.grids, n, known))


@dataclass(frozen=True)
class CharacteristicsEstimate:
    """By column (sets, then all together), NaN where closed: `patients`; by variable `counts` (levels + unknown, columns) with the
    reason each is `hidden`; by measure (columns,) `means` and `deviations`; by grid (columns,) `medians`."""

    patients: Floats
    counts: dict[str, Floats]
    hidden: dict[str, NDArray[np.int64]]
    means: dict[str, Floats]
    deviations: dict[str, Floats]
    medians: dict[str, Floats]
    findings: tuple[FitFinding, ...] = ()


async def characteristics(a: Arithmetic, rows: Rows, model: CharacteristicsModel) -> CharacteristicsEstimate:
    """The whole table; about 25 openings, most of them shared with others."""
    if model.sets.groups is None:
        raise ValueError("a table needs sets")
    sets = rows[model.sets.groups.name]
    slots, why = len(sets), "a count of patients"
    wanted: list[Awaitable[Any]] = [a.lift(sets.sum(0).assume(slots, why)), a.lift(sets)]
    for part in model.levels + tuple(grid.part for grid in model.grids):
        wanted.append(a.lift(a.dot(rows[part.name].T, sets).assume(slots, why)))
    sizes, members, *tables = await together(*wanted)
    groups = await admitted(a, model.name, sizes, model.sets)
    shown = _columns(groups)
    columns = TableColumns(shown, groups.empty, model.minimum)
    patients = await a.reveal(f"{model.name}.patients", with_all(sizes) * shown.astype(np.int64), 0)
    counted, gridded = tables[: len(model.levels)], tables[len(model.levels) :]
    last: list[Awaitable[Any]] = [
        _counts(a, sizes, counted, shown, model),
        means_and_deviations(a, model.name, rows, members, columns, model.measures),
        medians(a, model.name, gridded, columns, int(patients.max(initial=0)), model.grids),
    ]
    (counts, hidden), (means, deviations), middles = await together(*last)
    return CharacteristicsEstimate(np.where(shown, patients, np.nan), counts, hidden, means, deviations, middles, groups.findings())


def _columns(groups: Admitted) -> NDArray[np.bool_]:
    """Which columns are shown: no total where it would give away the one set that is closed."""
    return np.append(groups.shown, bool((groups.shown | groups.empty).all() and groups.shown.any()))


async def _counts(
    a: Arithmetic, sizes: Value, tables: Sequence[Value], shown: NDArray[np.bool_], model: CharacteristicsModel
) -> tuple[dict[str, Floats], dict[str, NDArray[np.int64]]]:
    """Counts of levels and of the unknown by set, but for small ones and what would give them away; and their sums."""
    if not tables:
        return {}, {}
    name, levels = model.name, tuple(part.n + 1 for part in model.levels)
    full = [concatenate([table, (sizes - table.sum(0)).assume(sizes.bound, "the rest of a set").reshape(1, -1)]) for table in tables]
    cells = concatenate(full).assume(sizes.bound, "a count of patients") * shown[:-1].astype(np.int64)
    hidden = await suppressed(a, name, cells, levels)
    keep = (hidden == Hidden.NO) & shown[:-1]
    opened = np.where(keep, await a.reveal(f"{name}.counts", cells * keep.astype(np.int64), 0), np.nan)
    every = ((hidden == Hidden.NO).all(axis=1) & shown[-1])[:, None]
    opened = np.concatenate([opened, np.where(every, np.nansum(opened, axis=1, keepdims=True), np.nan)], axis=1)
    hidden = np.concatenate([hidden, np.where(every | ~shown[-1], Hidden.NO, Hidden.COMPLEMENT)], axis=1)
    starts = np.cumsum([0, *levels])
    named = {part.name: slice(starts[k], starts[k + 1]) for k, part in enumerate(model.levels)}
    return {key: opened[at] for key, at in named.items()}, {key: hidden[at] for key, at in named.items()}
