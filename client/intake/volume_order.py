"""Which of several volumes: the one documented order, used by `data scan`, by `prepare` and for a row that names a folder.

1. **declared**: what a person wrote in scans.csv (series, acquisition, phase), and the day that cohort.csv states;
2. **phase** (abdomen and trunk): portal venous, then unknown, then any other;
3. **original** before derived (reformats) and before low dose or cone beam; maps of another quantity or energy (iodine, virtual
   monoenergetic, maximum intensity) are no candidates while anything else is there;
4. **kernel**: soft, then unknown, then sharp;
5. **completeness**: within a tenth of the longest;
6. **thickness**: slice distance nearest to 5 mm;
7. **day**: nearest to the day that cohort.csv states.

What is equal in all seven is left to a person. So is a choice in which an unknown phase decided: another volume of the same
visit could have been the venous one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from client.intake.names.image_kind_and_region import Kernel

GRID_MM = 5.0
AS_LONG = 0.9
SAME_STEP_MM = 0.01
PHASE_RANK: dict[str | None, int] = {"portal": 0, None: 1}
OTHER_PHASE = 2
PERSON = 0
KERNEL_RANK: dict[str | None, int] = {"soft": 0, None: 1, "sharp": 2}


@dataclass(frozen=True)
class OrderFacts:
    """What the order looks at. `declared`: 0 a person's row, 1 the day of cohort.csv, 2 another day; `day_gap` in days.

    `acquired` names the acquisition: reconstructions of one share it.
    """

    declared: int
    phase: str | None
    derived: str | None
    low_dose: bool
    kernel: Kernel | None
    extent_mm: float
    step_mm: float
    day_gap: float
    acquired: tuple[object, ...] = ()


C = TypeVar("C")


@dataclass(frozen=True)
class OrderDecision(Generic[C]):
    """The volumes the order leaves (one: chosen), the step that decided, and a doubt a person must settle."""

    left: tuple[C, ...]
    because: str
    doubt: str | None = None

    @property
    def chosen(self) -> C | None:
        """The one volume, where there is one and no doubt."""
        return self.left[0] if len(self.left) == 1 and self.doubt is None else None


def decide(candidates: Sequence[C], facts: Callable[[C], OrderFacts], region: str) -> OrderDecision[C]:
    """Apply the order. A doubt carries every volume it is about in `left`."""
    if not candidates:
        return OrderDecision((), "nothing to choose from")
    usable = [one for one in candidates if facts(one).derived != "map"]
    if not usable:
        return OrderDecision(
            tuple(candidates), "maps only", "only images of another quantity or energy are here (iodine, monoenergetic, projections)"
        )
    left, because = list(usable), "the only one"
    for name, rank in _steps(region):
        if len(left) == 1:
            break
        before = left
        best = min(rank(facts(one)) for one in left)
        left = [one for one in left if rank(facts(one)) == best]
        left = _long(left, facts) if name == "completeness" else left
        if len(left) < len(before):
            because = name
    doubt = _doubt(left, usable, facts, region)
    if doubt is not None:
        return OrderDecision(doubt[1], because, doubt[0])
    return OrderDecision(tuple(left), because)


BEHIND = {
    "declared": "another day than cohort.csv states",
    "phase": "another phase, or none known",
    "original": "reformatted, low dose or cone beam",
    "kernel": "a sharp or unknown kernel",
    "completeness": "shorter",
    "thickness": "slice distance farther from 5 mm",
    "day": "farther from the day that cohort.csv states",
}
AHEAD = {
    "the only one": "the only candidate of its region and visit",
    "declared": "of the day that cohort.csv states",
    "phase": "by its phase",
    "original": "original and of full dose",
    "kernel": "by its kernel",
    "completeness": "the longest",
    "thickness": "slice distance nearest to 5 mm",
    "day": "nearest to the day that cohort.csv states",
}


def passed_over(one: C, chosen: C, facts: Callable[[C], OrderFacts], region: str) -> str:
    """The first rule in which a volume stands behind the chosen one, in words."""
    if facts(one).derived == "map":
        return "of another quantity or energy (iodine, monoenergetic, projection)"
    for name, rank in _steps(region):
        shorter = name == "completeness" and facts(one).extent_mm < AS_LONG * facts(chosen).extent_mm
        if shorter or rank(facts(one)) > rank(facts(chosen)):
            return BEHIND[name]
    return "equal in every rule"


def _steps(region: str) -> tuple[tuple[str, Callable[[OrderFacts], float]], ...]:
    chest = region == "chest"
    return (
        ("declared", lambda one: one.declared),
        ("phase", lambda one: 0 if chest else PHASE_RANK.get(one.phase, OTHER_PHASE)),
        ("original", lambda one: 2 * (one.derived is not None) + one.low_dose),
        ("kernel", lambda one: KERNEL_RANK[one.kernel]),
        ("completeness", lambda one: 0),
        ("thickness", lambda one: round(abs(one.step_mm - GRID_MM) / SAME_STEP_MM)),
        ("day", lambda one: one.day_gap),
    )


def _long(left: list[C], facts: Callable[[C], OrderFacts]) -> list[C]:
    longest = max(facts(one).extent_mm for one in left)
    return [one for one in left if facts(one).extent_mm >= AS_LONG * longest]


def _doubt(left: list[C], usable: list[C], facts: Callable[[C], OrderFacts], region: str) -> tuple[str, tuple[C, ...]] | None:
    """What a person must settle although the order leaves one, with the volumes concerned."""
    first = facts(left[0])
    if first.declared <= PERSON:
        return None
    peers = [one for one in usable if facts(one).declared <= first.declared]
    alternatives = _once([*left, *peers])
    if region != "chest" and first.phase != "portal":
        venous = [one for one in usable if facts(one).phase == "portal" and not facts(one).low_dose]
        if venous:
            return "the scan of the stated day is not venous, and one of another day is", _once([*left, *venous])
        if len({(facts(one).phase, facts(one).acquired) for one in peers}) > 1:
            unknown = "its phase is unknown, and another could be the venous one"
            return unknown if first.phase is None else "none is venous, and they show different phases", alternatives
    if first.derived is not None:
        return "only reformatted images are left, no original reconstruction", alternatives
    if first.low_dose:
        return "only a low-dose or cone-beam scan is left", alternatives
    return None


def _once(candidates: list[C]) -> tuple[C, ...]:
    return tuple({id(one): one for one in candidates}.values())
