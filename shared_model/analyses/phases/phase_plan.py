"""A phase's computation on shared rows: the same value at the coordinator, at every hospital and at every holder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from shared_model.analyses.patient_slots import Part, Rows
from shared_model.disclosure.limits import GROUP_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.replay import replay
from shared_model.statistics.statistic_parameters import ScoreSpec
from site_config.study.plan_and_lock import Phase, Role, Study, StudyLock, canonical

Earlier = Mapping[str, Mapping[str, NDArray[Any]]]
"""Phase → opened numbers by name."""
Circuit = Callable[[Arithmetic, Rows], Awaitable[Any]]


@dataclass(frozen=True)
class SharedPlan:
    """One computation: `parts` of a slot in their order, the results that may be revealed, the circuit, and whose rows it reads.

    scores: how the scores among the parts are formed, by model. slopes: what a score is multiplied by to be a linear predictor.
    """

    phase: Phase
    roles: tuple[Role, ...]
    splits: tuple[str, ...]
    parts: tuple[Part, ...]
    declaration: Declaration
    circuit: Circuit
    context: bytes
    scores: Mapping[str, ScoreSpec] = field(default_factory=dict)
    slopes: Mapping[str, float] = field(default_factory=dict)

    def sites(self, lock: StudyLock) -> tuple[str, ...]:
        """The hospitals whose rows are read, sorted by name."""
        return tuple(sorted(entry.name for entry in lock.roster if entry.role in self.roles))

    def permits(self, lock: StudyLock, sites: Iterable[str]) -> bool:
        """Whether these are the hospitals whose rows are read, each once; whole training blocks may be left out, but no holder.

        Named twice, a hospital would count twice towards the minima.
        """
        named = tuple(sites)
        asked = set(named)
        missing = set(self.sites(lock)) - asked
        blocks = [set(block) for block in lock.blocks.get("development", ())]
        out = [block for block in blocks if block <= missing]
        known = len(named) == len(asked) and asked <= set(self.sites(lock)) and missing == set().union(*out)
        return known and not missing & set(lock.holders) and (not out or len(out) < len(blocks))

    def splits_of(self, role: Role) -> tuple[str, ...]:
        """The analysis sets of a hospital of this role that are read."""
        return tuple(split for split in self.splits if (split == "test") == (role == "evaluation"))

    def read(self, opened: Mapping[str, NDArray[Any]]) -> Any:
        """What the circuit returned, from what it opened."""
        return replay(self.circuit, self.parts, self.declaration, opened)


def context(lock: StudyLock, phase: Phase) -> bytes:
    """What everything sealed and every key stream of a computation is bound to."""
    return canonical(["fedhcc shared rows", lock.study_id, phase])


def lifted(study: Study) -> bool:
    """Whether minima are lifted: a demonstration with simulated patients."""
    return study.privacy.demonstration and study.simulated


def group_minimum(study: Study) -> int:
    """Patients of a group that is shown, and of the rest of its set."""
    return 2 if lifted(study) else GROUP_PATIENTS.value


def minima(study: Study) -> tuple[int, int]:
    """Patients of a Cox model, and deaths a column; a demonstration with simulated patients lifts both."""
    privacy = study.privacy
    if lifted(study):
        return 1, 0
    return privacy.minimum_cox_patients, privacy.minimum_events_per_variable
