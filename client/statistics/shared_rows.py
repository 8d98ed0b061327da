"""This hospital's rows for a computation on shares: its patients of the analysis set as the analyses declare them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.cohort.prepared_cohort import Patients
from client.statistics.study_patients import Bench
from client.statistics.table1_rows import described
from shared_model.analyses import patient_slots as declared
from shared_model.analyses.analysis_plan import SharedPlan
from shared_model.analyses.scores.score_levels import LOW, STEP, level_of
from site_config.problems import shares as problems
from site_config.study.clinical_variables import DesignColumn
from site_config.study.plan_and_lock import Role

Arrays = Mapping[str, NDArray[Any]]


def shared_rows(
    bench: Bench, plan: SharedPlan, role: Role, arrays: Arrays, longest_days: int
) -> tuple[declared.PaddedPatients, tuple[str, ...]]:
    """The rows a plan reads and the keys of the patients they are of, in the same order.

    A day beyond the declared grid, or a code that is no level, is refused (FH-559): nothing is cut or guessed. Scores are cut at the
    ends of their grid.
    """
    patients = bench.patients.subset(bench.analysed() & _members(bench, plan.splits_of(role)))
    day = np.asarray(np.rint(patients.event_day), dtype=np.int64)
    if len(day) and (day.min() < 0 or day.max() >= longest_days):
        raise problems.ROW_OUT_OF_RANGE.problem(f"a follow-up is longer than the {longest_days} days of the study's grid")
    values: dict[str, NDArray[np.float64]] = {}
    for column in bench.study.design:
        values[column.name] = held = _slot(column, patients)
        values[f"first.{column.name}"] = (held == 0).astype(np.float64)
        values[f"others.{column.name}"] = (held > 0).astype(np.float64)
    for model, spec in plan.scores.items():
        level = level_of(bench.score(patients, spec, arrays))
        values[model] = level.astype(np.float64)
        values[f"lp.{model}"] = np.asarray(plan.slopes.get(model, 1.0) * (LOW + STEP * level), dtype=np.float64)
    values |= described(bench.study, patients, role)
    return declared.PaddedPatients(day, patients.event, values), patients.keys


def counted_patients(bench: Bench, plan: SharedPlan, role: Role) -> declared.PaddedPatients:
    """The patients whom a plan counts under differential privacy; a day that is no number is -1, and nothing is refused."""
    patients = bench.patients.subset(bench.analysed() & _members(bench, plan.splits_of(role)))
    bench.read.update(patients.keys)
    day = np.where(np.isfinite(patients.event_day), np.rint(np.nan_to_num(patients.event_day, posinf=0.0, neginf=0.0)), -1.0)
    return declared.PaddedPatients(day.astype(np.int64), patients.event, described(bench.study, patients, role))


def padded(n: int, multiple: int) -> int:
    """Slots for n patients: the next multiple, and one of them where there is nobody."""
    return max(-(-n // multiple), 1) * multiple


def _members(bench: Bench, splits: Sequence[str]) -> NDArray[np.bool_]:
    chosen = np.zeros(len(bench.patients), dtype=np.bool_)
    for split in splits:
        chosen |= bench.members(split)
    return chosen


def _slot(column: DesignColumn, patients: Patients) -> NDArray[np.float64]:
    """The number of each patient's level, -1, which is refused, for a value without one; a continuous value as it enters."""
    held = patients.clinical[:, patients.clinical_names.index(column.name)]
    if column.levels is None:
        return held
    known = {level: float(place) for place, level in enumerate(column.levels)}
    return np.array([known.get(float(value), -1.0) for value in held], dtype=np.float64)
