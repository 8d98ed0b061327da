"""What a study computes on shared rows in each phase: the same value at the coordinator, at every hospital and at every holder.

A plan follows from the lock and from what earlier phases opened, and from nothing else. It says whose rows are read, what a
slot holds, which results may be revealed on which grid, and the circuit that reveals them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from shared_model.analyses.phases.admission_plan import admission
from shared_model.analyses.phases.clinical_plan import clinical
from shared_model.analyses.phases.clinical_plan import clinical_model as clinical_model
from shared_model.analyses.phases.earlier_results import every_score
from shared_model.analyses.phases.evaluation_openings import EvaluationModel
from shared_model.analyses.phases.evaluation_plan import evaluation
from shared_model.analyses.phases.frozen_models import NOTHING_FROZEN, Frozen, frozen_models
from shared_model.analyses.phases.fusion_plan import fusion, fusion_results
from shared_model.analyses.phases.noised_plan import noised
from shared_model.analyses.phases.phase_plan import Earlier as Earlier
from shared_model.analyses.phases.phase_plan import SharedPlan as SharedPlan
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.messages.share_messages import SignedResults, believe
from site_config.problems import shares as problems
from site_config.study.plan_and_lock import Phase, StudyLock


def plan_of(lock: StudyLock, phase: Phase, earlier: Earlier, frozen: Frozen = NOTHING_FROZEN) -> SharedPlan:
    """The plan of a phase, with the models of the bundle that a validation study names; FH-554 where nothing is computed on shares."""
    if phase not in computed_phases(lock):
        raise problems.RESULT_REFUSED.problem(f"nothing is computed on shares in the phase {phase}")
    if lock.study.privacy.dp is not None:
        return noised(lock, earlier)
    return evaluation(lock, earlier, frozen) if phase == "evaluation" else FITTING[phase](lock, earlier)


FITTING: Mapping[Phase, Callable[[StudyLock, Earlier], SharedPlan]] = {"admission": admission, "clinical": clinical, "fusion": fusion}
"""Phases before the evaluation."""
BUILDERS: Mapping[Phase, Callable[..., SharedPlan]] = {**FITTING, "evaluation": evaluation}
"""Every phase that can compute on shares, by the function that says what."""


def computed_phases(lock: StudyLock) -> tuple[Phase, ...]:
    """The phases of a study that compute on shares; a validation study fits nothing, and under noise only counts are opened."""
    if not lock.study.shares_rows:
        return ()
    if lock.study.privacy.dp is not None:
        return ("evaluation",)
    fitted: tuple[Phase, ...] = ("clinical", "fusion") if lock.study.kind == "develop" else ()
    return (*(("admission",) if lock.compares else ()), *fitted, "evaluation")


def request_plan(lock: StudyLock, phase: Phase, signed: tuple[SignedResults, ...], manifest: str) -> SharedPlan:
    """The plan a request means: FH-561 where too few holders signed earlier results, FH-562 where a manifest is not the lock's."""
    return plan_of(lock, phase, believe(lock, signed), frozen_models(lock, manifest))


def results_at_most(lock: StudyLock, phase: Phase) -> tuple[Result, ...]:
    """What may be opened in a phase at most: all of it where every model is fitted, known from the lock alone."""
    if phase == "fusion":
        return fusion_results(lock.study)
    if phase == "evaluation" and lock.study.privacy.dp is None:
        return tuple(EvaluationModel(lock.study, every_score(lock.study)).results)
    return tuple(plan_of(lock, phase, {}).declaration.results.values())
