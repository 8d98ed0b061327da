"""What a hospital counts under differential privacy: each patient once by set and survival, and once in each variable.

The cells of survival are, for every set, deaths by interval, then ends of follow-up by interval, then whoever was followed beyond
the last day. A patient whose day is no number counts nowhere, and an unknown or undeclared level counts as unknown: nothing is
refused, since a refusal would leave without noise. A hospital adds its patients up and shares the sums, in as many slots whatever
their number.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.groups.declared_days import MONTH
from shared_model.analyses.patient_slots import Floats, Integers, PaddedPatients, Part
from shared_model.analyses.phases.table1_slots import TableVariable, counted, sets_of
from shared_model.shares.circuits.shared_value import Field
from site_config.study.plan_and_lock import Study

MOST = 4096
"""A hospital's count of a cell is held within this; holding it there moves no two cohorts further apart."""
STEP_MONTHS = 6
SET = "set"


def edges_of(study: Study) -> tuple[int, ...]:
    """Ends of the intervals in days: half-years up to the last horizon, those near a horizon moved onto it."""
    horizons = tuple(sorted(study.evaluation.horizons))
    last = horizons[-1] if horizons else 730
    halves = [round(MONTH * STEP_MONTHS * k) for k in range(1, int(last / (MONTH * STEP_MONTHS)) + 1)]
    kept = [day for day in halves if all(abs(day - horizon) > MONTH for horizon in horizons) and day < last]
    return tuple(sorted({*kept, *horizons, last}))


@dataclass(frozen=True)
class CellsBySet(Part):
    """Counts of a hospital in cells, so many for every set."""

    sets: int = 1

    @property
    @abstractmethod
    def of_set(self) -> int:
        """Cells of one set."""

    @property
    def width(self) -> int:
        """Cells of all sets."""
        return self.sets * self.of_set

    @property
    def field(self) -> Field:
        """Sums are opened as they are."""
        return Field.MAIN

    @property
    def bound(self) -> float:
        """Patients of a hospital."""
        return float(MOST)


@dataclass(frozen=True)
class SurvivalCells(CellsBySet):
    """Cells by set, kind and interval; a death on an interval's last day belongs to it."""

    edges: tuple[int, ...] = ()

    @property
    def of_set(self) -> int:
        """Cells of one set."""
        return 2 * len(self.edges) + 1

    def of(self, patients: PaddedPatients) -> Floats:
        """One 1 a patient (n, width), none for a day that is no number or a set that there is not."""
        day, n, k = np.asarray(patients.day, dtype=np.float64), len(patients), len(self.edges)
        group = np.asarray(patients.values[SET], dtype=np.float64)
        real = np.isfinite(day) & (day >= 0) & np.isin(group, np.arange(self.sets))
        interval = np.searchsorted(np.array(self.edges, dtype=np.float64), np.where(real, day, 0.0), side="left")
        cell = np.where(interval == k, 2 * k, interval + np.where(patients.event, 0, k))
        found = np.zeros((n, self.width))
        rows = np.flatnonzero(real)
        found[rows, (group[rows] * self.of_set + cell[rows]).astype(np.int64)] = 1.0
        return found


@dataclass(frozen=True)
class LevelCells(CellsBySet):
    """Cells of one variable by set and level, the last level being unknown."""

    levels: int = 1

    @property
    def of_set(self) -> int:
        """Cells of one set."""
        return self.levels + 1

    def of(self, patients: PaddedPatients) -> Floats:
        """One 1 a patient (n, width), none for a set that there is not."""
        level = np.asarray(patients.values[self.name], dtype=np.float64)
        group = np.asarray(patients.values[SET], dtype=np.float64)
        place = np.where(np.isin(level, np.arange(self.levels)), level, self.levels)
        rows = np.flatnonzero(np.isin(group, np.arange(self.sets)))
        found = np.zeros((len(patients), self.width))
        found[rows, (group[rows] * self.of_set + place[rows]).astype(np.int64)] = 1.0
        return found


def survival_part(study: Study) -> SurvivalCells:
    """The survival table of a study."""
    return SurvivalCells("survival", len(sets_of(study)), edges_of(study))


def level_part(study: Study, variable: TableVariable) -> LevelCells:
    """The counts of a variable."""
    return LevelCells(variable.part.name, len(sets_of(study)), len(variable.labels))


def parts_of(study: Study) -> tuple[Part, ...]:
    """Everything a hospital counts."""
    return (survival_part(study), *(level_part(study, one) for one in counted(study)))


def summed(parts: tuple[Part, ...], patients: PaddedPatients, slots: int) -> dict[str, Integers]:
    """A hospital's counts by part: (slots, width) integers, all of them in the first slot."""
    found: dict[str, Integers] = {}
    for part in parts:
        vectors: NDArray[np.int64] = np.zeros((slots, part.width), dtype=np.int64)
        vectors[0] = np.clip(part.of(patients).sum(axis=0), 0, MOST)
        found[part.name] = vectors
    return found
