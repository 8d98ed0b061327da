"""Which of several scans of a visit is used, and how the two visits compare.

The order is `client.intake.volume_order`'s: declared day, phase, completeness (here the organ's measured volume), slice distance,
day. Scans that are equal in all of it are never chosen between silently: the choice is left to a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from client.intake.names.scanner_makers import closed_set
from client.intake.volume_order import OrderFacts, decide
from site_config.problems import scans as problems
from site_config.problems import which_scan
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Organ, Study
from site_config.tables.cohort_csv import Scan
from site_config.tables.patient_moments import Declared

MOST_SPACING_RATIO = 1.5
PARTIAL = 1e-3


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


def best(candidates: Sequence[C], visit: str, organ: Organ, declared: Declared | None = None) -> tuple[C | None, list[Problem]]:
    """The candidate the order leaves; None, with FH-318, where two are equal."""
    if not candidates:
        return None, []
    days = [day for day in (moment(candidate.scan) for candidate in candidates) if day is not None]
    stated = None if declared is None or declared.zero is None else declared.moment(visit)
    wanted = stated + float(declared.zero or 0) if stated is not None and declared is not None else None
    if wanted is None and days:
        wanted = max(days) if visit == "baseline" else min(days)

    def facts(candidate: C) -> OrderFacts:
        day = moment(candidate.scan)
        gap = 0.0 if day is None or wanted is None else abs(day - wanted)
        record = candidate.record
        size = record.organ_ml * (PARTIAL if record.partial else 1.0)
        return OrderFacts(0 if gap == 0 else 1, record.phase, None, False, None, size, record.slice_mm, gap, (id(candidate),))

    decision = decide(candidates, facts, organ.region)
    place = f"{visit} {organ.region}"
    if len(decision.left) > 1:
        largest = sorted(decision.left, key=lambda one: (one.record.partial, -one.record.organ_ml))
        if largest[0].record.organ_ml == largest[1].record.organ_ml or decision.doubt is not None:
            why = decision.doubt or "they are equally eligible"
            return None, [problems.CHOICE_OPEN.problem(f"{len(largest)} scans of the {organ.name}: {why}", where=place)]
        return _said(largest[0], organ, place)
    return _said(decision.left[0], organ, place)


def _said(first: C, organ: Organ, place: str) -> tuple[C, list[Problem]]:
    """The chosen candidate with a remark on its phase."""
    if organ.region != "abdomen" or first.record.phase == "portal":
        return first, []
    if first.record.phase is None:
        return first, [which_scan.PHASE_UNKNOWN.problem(f"the phase in which the {organ.name} is seen is not known", where=place)]
    return first, [problems.NOT_VENOUS.problem(f"the {organ.name} is seen in the phase {first.record.phase!r}", where=place)]


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
