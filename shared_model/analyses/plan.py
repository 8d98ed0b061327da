"""What a study computes on shared rows in each phase: the same value at the coordinator, at every hospital and at every holder.

A plan follows from the lock and from what earlier phases opened, and from nothing else. It says whose rows are read, what a
slot holds, which results may be revealed on which grid, and the circuit that reveals them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from shared_model.analyses.covariates import Continuous, Levels, SlotCovariates
from shared_model.analyses.cox import CoxModel, cox
from shared_model.analyses.pairs import make_pairs
from shared_model.analyses.rows import Part, Rows, layout
from shared_model.shares.arithmetic import Arithmetic
from shared_model.shares.declaration import Declaration
from site_config.problems import shares as problems
from site_config.study.model import Phase, Role, Study, StudyLock, canonical
from site_config.study.variables import DesignColumn

Earlier = Mapping[str, Mapping[str, NDArray[Any]]]
"""Phase → opened numbers by name."""
Circuit = Callable[[Arithmetic, Rows], Awaitable[Any]]


@dataclass(frozen=True)
class SharedPlan:
    """One computation: `parts` of a slot in their order, the results that may be revealed, the circuit, and whose rows it reads."""

    phase: Phase
    roles: tuple[Role, ...]
    splits: tuple[str, ...]
    parts: tuple[Part, ...]
    declaration: Declaration
    circuit: Circuit
    context: bytes

    def sites(self, lock: StudyLock) -> tuple[str, ...]:
        """The hospitals whose rows are read, sorted by name."""
        return tuple(sorted(entry.name for entry in lock.roster if entry.role in self.roles))


def plan_of(lock: StudyLock, phase: Phase, earlier: Earlier) -> SharedPlan:
    """The plan of a phase; FH-554 for a phase that computes nothing on shares."""
    if phase not in BUILDERS:
        raise problems.RESULT_REFUSED.problem(f"nothing is computed on shares in the phase {phase}")
    return BUILDERS[phase](lock, earlier)


def design_column(column: DesignColumn) -> Levels | Continuous:
    """A design column of the study: declared levels in their order, or a number within the declared bounds."""
    return Levels(column.name, column.levels) if column.levels is not None else Continuous(column.name, *column.span)


def clinical_model(study: Study) -> CoxModel:
    """CLN: the study's clinical variables, with the study's minima."""
    privacy = study.privacy
    lifted = privacy.demonstration and study.simulated
    return CoxModel(
        "cln",
        SlotCovariates(tuple(design_column(column) for column in study.design)),
        ties=study.training.ties,
        minimum_patients=1 if lifted else privacy.minimum_cox_patients,
        events_a_column=0 if lifted else privacy.minimum_events_per_variable,
    )


def clinical(lock: StudyLock, _earlier: Earlier) -> SharedPlan:
    """The clinical phase: CLN on the training patients of the development hospitals."""
    model = clinical_model(lock.study)

    async def circuit(a: Arithmetic, rows: Rows) -> Any:
        return await cox(a, rows, await make_pairs(a, rows), model)

    return SharedPlan(
        phase="clinical",
        roles=("development",),
        splits=("train",),
        parts=layout(model.parts(lock.study.shares.longest_days)),
        declaration=Declaration.of(model.results),
        circuit=circuit,
        context=context(lock, "clinical"),
    )


def context(lock: StudyLock, phase: Phase) -> bytes:
    """What everything sealed and every key stream of a computation is bound to."""
    return canonical(["fedhcc shared rows", lock.study_id, phase])


BUILDERS: Mapping[str, Callable[[StudyLock, Earlier], SharedPlan]] = {"clinical": clinical}
