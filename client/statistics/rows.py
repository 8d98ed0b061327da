"""This hospital's rows for a computation on shares: its patients of the analysis set as the analyses declare them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.cohort.patients import Patients
from client.statistics.bench import Bench
from shared_model.analyses import rows as declared
from shared_model.analyses.plan import Earlier, SharedPlan
from site_config.problems import shares as problems
from site_config.study.variables import DesignColumn

Arrays = Mapping[str, NDArray[Any]]


def shared_rows(
    bench: Bench, plan: SharedPlan, earlier: Earlier, arrays: Arrays, longest_days: int
) -> tuple[declared.PaddedPatients, tuple[str, ...]]:
    """The rows a plan reads and the keys of the patients they are of, in the same order.

    A day beyond the declared grid, or a code that is no level, is refused (FH-559): nothing is cut or guessed.
    """
    del earlier, arrays
    patients = bench.patients.subset(bench.analysed() & _members(bench, plan))
    day = np.asarray(np.rint(patients.event_day), dtype=np.int64)
    if len(day) and (day.min() < 0 or day.max() >= longest_days):
        raise problems.ROW_OUT_OF_RANGE.problem(f"a follow-up is longer than the {longest_days} days of the study's grid")
    values = {column.name: _slot(column, patients) for column in bench.study.design}
    return declared.PaddedPatients(day, patients.event, values), patients.keys


def padded(n: int, multiple: int) -> int:
    """Slots for n patients: the next multiple, and one of them where there is nobody."""
    return max(-(-n // multiple), 1) * multiple


def _members(bench: Bench, plan: SharedPlan) -> NDArray[np.bool_]:
    chosen = np.zeros(len(bench.patients), dtype=np.bool_)
    for split in plan.splits:
        chosen |= bench.members(split)
    return chosen


def _slot(column: DesignColumn, patients: Patients) -> NDArray[np.float64]:
    """The number of each patient's level, -1, which is refused, for a value without one; a continuous value as it enters."""
    held = patients.clinical[:, patients.clinical_names.index(column.name)]
    if column.levels is None:
        return held
    known = {level: float(place) for place, level in enumerate(column.levels)}
    return np.array([known.get(float(value), -1.0) for value in held], dtype=np.float64)
