"""How many companions leave with those who left, so that neither who left nor who stays are too few.

A hospital draws its companions itself, so the office only says how many of each hospital: from opened counts, without knowing how ragged
the hospitals are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shared_model.analyses.phases.admission_plan import BASE, LIVE, SETS, SETS_OF, change_model
from shared_model.shares.messages.share_messages import SignedResults
from site_config.atomic_files import read_json
from site_config.study.plan_and_lock import Role, StudyLock

EVERYBODY = 1_000
"""Companions of a hospital where all patients of a set have to leave."""
SPARE = 1.5
"""How many times the minimum of companions is aimed at: hospitals are ragged, and where too few left another try is needed."""


@dataclass(frozen=True)
class SetCount:
    """What was opened of a set: hospitals that have one of its patients, and patients."""

    sites: int
    patients: int

    def left_by(self, each: int) -> int:
        """At most so many patients leave, where up to so many of each hospital do."""
        return min(each * self.sites, self.patients)


def staying(name: str, count: SetCount, gone: Mapping[str, Role]) -> SetCount:
    """What is left of a set's opened counts without the hospitals that are gone, each taken for a mean one."""
    out = sum(name in SETS_OF[role] for role in gone.values())
    sites = max(count.sites - out, 0)
    return SetCount(sites, count.patients * sites // max(count.sites, 1))


def companions_each(count: SetCount, least: int) -> int:
    """How many of each hospital's patients of a set leave, so that the whole change is above the minimum with something to spare.

    Where that could leave fewer than the minimum in the set, as few as should still do.

    >>> companions_each(SetCount(35, 148), 20), companions_each(SetCount(15, 60), 20), companions_each(SetCount(15, 45), 20)
    (1, 2, 2)
    """
    if count.patients < least or not count.sites:
        return 0
    mean = count.patients / count.sites
    each = next((k for k in range(1, int(4 * mean) + 2) if count.sites * _few(k, mean) >= SPARE * least), EVERYBODY)
    while each > 1 and count.patients - count.left_by(each) < least:
        fewer = min(each, int(4 * mean) + 2) - 1
        if count.sites * _few(fewer, mean) < least:
            break
        each = fewer
    return each


def _few(k: int, mean: float) -> float:
    """E[min(k, X)] of a geometric number of patients X ≥ 1, as ragged as hospitals are.

    >>> _few(1, 4.0), _few(2, 4.0)
    (1.0, 1.75)
    """
    return mean * (1.0 - (1.0 - 1.0 / mean) ** k)


def refused_sets(lock: StudyLock, folder: Path) -> frozenset[str] | None:
    """The sets of which the holders found that neither choice of rows may be used; None where they did not compare."""
    path = folder / "shares" / "admission" / "results.json"
    if not path.exists():
        return None
    model = change_model(lock)
    opens = model.opens(SignedResults.model_validate(read_json(path)).numbers()[model.results[0].name])
    return frozenset(name for name in SETS if not (opens[f"{LIVE}.{name}"] or opens[f"{BASE}.{name}"]))
