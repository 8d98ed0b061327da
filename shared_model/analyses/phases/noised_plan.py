"""The evaluation phase under differential privacy: counts by set with noise of every holder, and nothing else.

Survival curves are computed from the noised counts after they are opened, and never noised themselves. C-indices, AUC, log-rank tests,
hazard ratios, calibration, cut-offs and means stay closed (FH-540): their sensitivity is that of the whole cohort, and nothing
approximate is opened in their place.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared_model.analyses.noised.noise_budget import UNIT_BITS, ResultsNoise
from shared_model.analyses.noised.noised_cells import level_part, parts_of, survival_part
from shared_model.analyses.patient_slots import Floats, Part, Rows, layout
from shared_model.analyses.phases.phase_plan import Earlier, SharedPlan, context
from shared_model.analyses.phases.table1_slots import counted, sets_of
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Declaration, Result
from shared_model.survival.noised_table import NoisedSurvival, noised_survival
from site_config.problems import shares as problems
from site_config.study.plan_and_lock import Study, StudyLock

LARGEST = 2.0**32
"""Beyond every hospital's slots filled to the last, and any noise."""


@dataclass(frozen=True)
class NoisedEstimate:
    """By set: the survival table's curve; by variable its counts (sets, levels and unknown), noised."""

    survival: tuple[NoisedSurvival, ...]
    counts: dict[str, Floats]


def results_noise(study: Study) -> ResultsNoise:
    """The noise of a study's results; FH-554 where it opens none under differential privacy."""
    found = ResultsNoise.of(study)
    if found is None:
        raise problems.RESULT_REFUSED.problem("the study opens no results under differential privacy")
    return found


def noised_results(study: Study) -> tuple[Result, ...]:
    """What may be opened: every count with its noise."""
    noise = results_noise(study)
    survival = _result(survival_part(study), noise.survival, noise.survival_deviation)
    return (survival, *(_result(level_part(study, one), noise.table, noise.table_deviation) for one in counted(study)))


def _result(part: Part, variance: int, deviation: float) -> Result:
    guard = f"noise of every holder, standard deviation {deviation:.1f} patients in all"
    return Result(_name(part), (part.width,), UNIT_BITS, LARGEST, guard, noise=variance)


def _name(part: Part) -> str:
    return f"noised.{part.name.removeprefix('table.')}"


def noised(lock: StudyLock, _earlier: Earlier) -> SharedPlan:
    """Counts of every set: survival by interval, and the levels of every variable of Table 1."""
    study = lock.study
    noise, survival, levels = results_noise(study), survival_part(study), [level_part(study, one) for one in counted(study)]
    variance = noise.survival_deviation**2

    async def circuit(a: Arithmetic, rows: Rows) -> NoisedEstimate:
        wanted: list[Awaitable[Any]] = [a.reveal(_name(part), rows[part.name].sum(0), UNIT_BITS) for part in (survival, *levels)]
        cells, *counts = await together(*wanted)
        curves = tuple(noised_survival(one, variance) for one in cells.reshape(survival.sets, survival.of_set))
        by_set = {part.name: np.asarray(found).reshape(part.sets, part.of_set) for part, found in zip(levels, counts, strict=True)}
        return NoisedEstimate(curves, by_set)

    return SharedPlan(
        phase="evaluation",
        roles=("development", "evaluation"),
        splits=sets_of(study),
        parts=layout(parts_of(study)),
        declaration=Declaration.of(noised_results(study)),
        circuit=circuit,
        context=context(lock, "evaluation"),
    )
