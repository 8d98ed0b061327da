"""The evaluation phase: everything that is reported of the models, over the rows of all hospitals, in one computation.

Training quantiles of every score come first (the median is the frozen cut-off); groups are formed on shares by what was opened of
them, so a held-out hospital uploads its rows once and never learns of a group. A validation study has its quantiles, and everything
else it needs of a model, from the bundle; it reads the held-out set alone.
"""

from __future__ import annotations

from shared_model.analyses.patient_slots import Rows
from shared_model.analyses.phases.earlier_results import known_scores
from shared_model.analyses.phases.evaluation_circuit import EvaluationEstimate, evaluated
from shared_model.analyses.phases.evaluation_openings import EvaluationModel
from shared_model.analyses.phases.frozen_models import NOTHING_FROZEN, Frozen
from shared_model.analyses.phases.phase_plan import Earlier, SharedPlan, context
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from site_config.study.plan_and_lock import StudyLock


def evaluation(lock: StudyLock, earlier: Earlier, frozen: Frozen = NOTHING_FROZEN) -> SharedPlan:
    """C-indices and their differences, AUC, Kaplan-Meier, log-rank, hazard ratios, calibration and Table 1, of every set and model."""
    from_earlier = known_scores(lock, earlier, frozen)
    model = EvaluationModel(lock.study, from_earlier)

    async def circuit(a: Arithmetic, rows: Rows) -> EvaluationEstimate:
        return await evaluated(a, rows, model)

    return SharedPlan(
        phase="evaluation",
        roles=("development", "evaluation"),
        splits=model.read,
        parts=model.parts,
        declaration=Declaration.of(model.results),
        circuit=circuit,
        context=context(lock, "evaluation"),
        scores=from_earlier.specs,
        slopes=from_earlier.slopes,
    )
