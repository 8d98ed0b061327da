"""Which of several scans of a visit is used, and how the two visits compare.

The rules, in this order: the visit's eligible day (baseline: the latest; follow-up: the earliest), for the abdomen the
portal venous phase before an unknown phase before any other, a complete organ before a partial one, the largest organ
volume. Scans that are equal in all of it are never chosen between silently: the choice is left to a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from client.intake.makers import closed_set
from site_config.problems import scans as problems
from site_config.problems.base import Problem
from site_config.study.model import Organ, Study
from site_config.tables.cohort import Scan

PHASE_ORDER: dict[str | None, int] = {"portal": 0, None: 1}
OTHER_PHASE = 2
MOST_SPACING_RATIO = 1.5


class RecordLike(Protocol):
    """The facts about one organ in one scan that the rules look at."""

    @property
    def partial(self) -> bool:
        """Whether the organ is cut off."""

    @property
    def organ_ml(self) -> float:
        """The organ's volume."""

    @property
    def phase(self) -> str | None:
        """Contrast phase of the table or the header."""

    @property
    def slice_mm(self) -> float:
        """Slice spacing of the source."""


class OrganOffer(Protocol):
    """One scan's offer for one organ."""

    @property
    def scan(self) -> Scan:
        """The row."""

    @property
    def record(self) -> RecordLike:
        """Its facts."""

    @property
    def manufacturer(self) -> str | None:
        """As stated by table or header."""


C = TypeVar("C", bound=OrganOffer)


@dataclass(frozen=True)
class VisitComparison:
    """How the two visits compare."""

    findings: tuple[Problem, ...]
    manufacturer: str
    interval_days: float | None


def moment(scan: Scan) -> float | None:
    """The scan's day as a number that can be subtracted within one patient."""
    return float(scan.date.toordinal()) if scan.date is not None else scan.day


def best(candidates: Sequence[C], visit: str, organ: Organ) -> tuple[C | None, list[Problem]]:
    """The candidate the rules choose; None, with FH-318, where two are equal."""
    if not candidates:
        return None, []
    days = [day for day in (moment(candidate.scan) for candidate in candidates) if day is not None]
    wanted = (max(days) if visit == "baseline" else min(days)) if days else None
    eligible = [candidate for candidate in candidates if moment(candidate.scan) in (None, wanted)]

    def rank(candidate: C) -> tuple[int, bool, float]:
        phase = PHASE_ORDER.get(candidate.record.phase, OTHER_PHASE) if organ.region == "abdomen" else 0
        return phase, candidate.record.partial, -candidate.record.organ_ml

    ordered = sorted(eligible, key=rank)
    if len(ordered) > 1 and rank(ordered[0]) == rank(ordered[1]):
        place = f"{visit} {organ.region}"
        return None, [problems.CHOICE_OPEN.problem(f"two scans of the {organ.name} are equally eligible", where=place)]
    first = ordered[0]
    if organ.region == "abdomen" and first.record.phase not in ("portal", None):
        place = f"{visit} {organ.region}"
        return first, [problems.NOT_VENOUS.problem(f"the {organ.name} is seen in the phase {first.record.phase!r}", where=place)]
    return first, []


def compare_visits(chosen: Mapping[tuple[str, str], C], study: Study) -> VisitComparison:
    """Findings about what differs between baseline and follow-up; the manufacturer is the baseline's, from the closed set."""
    findings: list[Problem] = []
    makers = {key: closed_set(view.manufacturer) for key, view in chosen.items()}
    interval: float | None = None
    for organ in study.organs:
        first, second = chosen.get(("baseline", organ.name)), chosen.get(("followup", organ.name))
        if first is None or second is None:
            continue
        place = f"{organ.region}"
        before, after = makers["baseline", organ.name], makers["followup", organ.name]
        if before != after and "unknown" not in (before, after):
            findings.append(problems.SCANNER_DIFFERS.problem(f"{organ.name}: {before}, then {after}", where=place))
        if (
            organ.region == "abdomen"
            and None not in (first.record.phase, second.record.phase)
            and first.record.phase != second.record.phase
        ):
            findings.append(problems.PHASE_DIFFERS.problem(f"{organ.name}: {first.record.phase}, then {second.record.phase}", where=place))
        thin, thick = sorted((first.record.slice_mm, second.record.slice_mm))
        if thin > 0 and thick / thin > MOST_SPACING_RATIO:
            text = f"{organ.name}: slices every {first.record.slice_mm:g} mm, then every {second.record.slice_mm:g} mm"
            findings.append(problems.THICKNESS_DIFFERS.problem(text, where=place))
        start, end = moment(first.scan), moment(second.scan)
        if start is not None and end is not None and interval is None:
            interval = end - start
    low, high = study.imaging.interval_days
    if interval is not None and not low <= interval <= high:
        findings.append(problems.INTERVAL_OUTSIDE.problem(f"{interval:g} days lie between the visits; the window is {low} to {high}"))
    known = [maker for (visit, _), maker in sorted(makers.items()) if maker != "unknown"]
    return VisitComparison(tuple(findings), known[0] if known else "unknown", interval)
