"""Before anything else of a study on shares: which rows it may use, compared with those of every earlier study."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from shared_model.analyses.generation_change import ChangeModel, change
from shared_model.analyses.patient_slots import Rows, layout
from shared_model.analyses.phases.phase_plan import Earlier, SharedPlan, context
from shared_model.disclosure.limits import GROUP_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from site_config.problems import shares as problems
from site_config.study.plan_and_lock import EarlierStudy, Role, StudyLock

SETS_OF: Mapping[Role, tuple[str, ...]] = {"development": ("train", "validation"), "evaluation": ("test",)}
"""The sets of patients at a hospital of each role."""
SETS = tuple(one for sets in SETS_OF.values() for one in sets)
LIVE, BASE = "live", "base"


def change_model(lock: StudyLock) -> ChangeModel:
    """Each set's rows as they stand and as they were used last, against every earlier study of the lock.

    Three comparisons follow each other: each earlier study; each again by what was read of a patient, since a new column makes every
    row another one; and each four results of which few could be left (`fours`). In the later two nobody is always permitted.
    """
    choices = tuple(f"{rows}.{of}" for rows in (LIVE, BASE) for of in SETS)
    permitted = (True,) * len(choices)
    return ChangeModel(
        "change",
        choices=choices,
        nobody=(
            *(tuple(_same(lock, one, choice.partition(".")[2]) for choice in choices) for one in lock.earlier),
            *(permitted for _ in lock.earlier),
            *(permitted for _ in fours(lock)),
        ),
        minimum_patients=max(GROUP_PATIENTS.value, lock.study.privacy.minimum_patients),
    )


def fours(lock: StudyLock) -> tuple[tuple[int, int, int], ...]:
    """Places of three earlier studies beside this one: two whose rows are taken away from this one's, and a third whose are added.

    Of all patients, and of those with scans, before and after some came: the four results leave who came without scans. What studies
    ask of a patient is told by words, and a setting moved by a hair is another word, so that all are counted but four of one kind.
    """
    mine, asked = lock.study.complete, [one.complete for one in lock.earlier]
    found: list[tuple[int, int, int]] = []
    for third in range(len(asked)):
        others = (place for place in range(len(asked)) if place != third)
        found += [(one, two, third) for one, two in combinations(others, 2) if {asked[one], asked[two], asked[third]} != {mine}]
    return tuple(found)


def _same(lock: StudyLock, earlier: EarlierStudy, of: str) -> bool:
    """Whether every hospital of an earlier study that may have had patients of a set is in this one too.

    Of a validation set that the study does not have, nothing is opened, so nobody of it has to change.
    """
    if of == "validation" and lock.study.validation_fraction == 0:
        return True
    gone = set(earlier.roster) - {entry.name for entry in lock.roster}
    roles = lock.leaving.gone if lock.leaving is not None else {}
    return not any(of in SETS_OF[roles[name]] if name in roles else True for name in gone)


def admission(lock: StudyLock, _earlier: Earlier) -> SharedPlan:
    """Which rows may be used; only where there are earlier studies to compare with (FH-554)."""
    if not lock.compares:
        raise problems.RESULT_REFUSED.problem("there is no earlier study to compare the rows with")
    model = change_model(lock)

    async def circuit(a: Arithmetic, rows: Rows) -> dict[str, bool]:
        return await change(a, rows, model)

    return SharedPlan(
        phase="admission",
        roles=("development", "evaluation"),
        splits=SETS,
        parts=layout(model.parts(0)),
        declaration=Declaration.of(model.results),
        circuit=circuit,
        context=context(lock, "admission"),
    )
