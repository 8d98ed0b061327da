"""What a run of a study opened on shares, by its results and by its holders' journals, and how far it is from another run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from evidence.opened_units import LAST_UNITS, opened_units
from server.watch.study_status import folder_of
from simulations.study.site_folders import Homes
from site_config.hash_chained_journal import read as read_journal
from site_config.study.plan_and_lock import StudyLock

Journals = Mapping[str, Mapping[str, list[Any]]]


def journals(homes: Homes, names: Iterable[str]) -> dict[str, dict[str, list[Any]]]:
    """By hospital: every revealed name with what was revealed under it, in order."""
    found: dict[str, dict[str, list[Any]]] = {}
    for name in names:
        mine = found.setdefault(name, {})
        for entry in read_journal(homes.config(name).state / "journal.jsonl"):
            if entry.kind == "revealed":
                mine.setdefault(f"{entry.data['phase']} {entry.data['result']['name']}", []).append(entry.data["result"]["units"])
    return found


def opened_twice(found: Journals) -> list[str]:
    """Names that one holder opened more than once, or two holders differently."""
    twice = {name for mine in found.values() for name, units in mine.items() if len(units) > 1}
    first = next(iter(found.values()))
    return sorted(twice | {name for mine in found.values() for name in first.keys() | mine.keys() if first.get(name) != mine.get(name)})


@dataclass(frozen=True)
class Openings:
    """By name the opened numbers in units of their grids (of a fit, the sum of its steps), and names that holders opened twice."""

    units: dict[str, tuple[int, ...]]
    twice: list[str]

    @classmethod
    def of(cls, homes: Homes, lock: StudyLock) -> Openings:
        """Of a finished study."""
        return cls(opened_units(folder_of(homes.coordinator, lock.study_id)), opened_twice(journals(homes, lock.holders)))

    def beside(self, known: Openings) -> dict[str, Any]:
        """Beside an undisturbed run: how many numbers, which names only one of the two has, and the distance in units of their grids."""
        both = known.units.keys() & self.units.keys()
        distances = {name: [abs(one - other) for one, other in zip(known.units[name], self.units[name], strict=True)] for name in both}
        gaps = {name: max(one, default=0) for name, one in sorted(distances.items())}
        return {
            "numbers": sum(map(len, self.units.values())),
            "most grid units apart": max(gaps.values(), default=0),
            f"more than {LAST_UNITS} units apart": {name: gap for name, gap in gaps.items() if gap > LAST_UNITS},
            "opened here alone": sorted(self.units.keys() - known.units.keys()),
            "opened there alone": sorted(known.units.keys() - self.units.keys()),
            "opened twice, or differently at two holders": self.twice,
        }
