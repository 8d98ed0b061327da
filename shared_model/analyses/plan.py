"""What a study computes on shared rows in each phase: the same value at the coordinator, at every hospital and at every holder.

A plan follows from the lock and from what earlier phases opened, and from nothing else. It says whose rows are read, what a
slot holds, which results may be revealed on which grid, and the circuit that reveals them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared_model.analyses.phases.admission import admission
from shared_model.analyses.phases.base import Earlier as Earlier
from shared_model.analyses.phases.base import SharedPlan as SharedPlan
from shared_model.analyses.phases.clinical import clinical
from shared_model.analyses.phases.clinical import clinical_model as clinical_model
from shared_model.analyses.phases.evaluation import evaluation
from shared_model.analyses.phases.fusion import fusion
from site_config.problems import shares as problems
from site_config.study.model import Phase, StudyLock


def plan_of(lock: StudyLock, phase: Phase, earlier: Earlier) -> SharedPlan:
    """The plan of a phase; FH-554 for a phase that computes nothing on shares."""
    if phase not in BUILDERS:
        raise problems.RESULT_REFUSED.problem(f"nothing is computed on shares in the phase {phase}")
    return BUILDERS[phase](lock, earlier)


BUILDERS: Mapping[Phase, Callable[[StudyLock, Earlier], SharedPlan]] = {
    "admission": admission,
    "clinical": clinical,
    "fusion": fusion,
    "evaluation": evaluation,
}
