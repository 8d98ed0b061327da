"""How many patients, events and hospitals every set has; nothing of its own on the page."""

from __future__ import annotations

from server.report.common.estimate_kinds import SETS, Numbers
from server.report.parts.part import Heading, ReportedStudy, ReportPart
from server.study.study_results import SetName

PATIENTS = Heading("patients", "Patients")


class SetSize(Numbers):
    """Patients, events and hospitals of a set."""

    set: SetName
    n: int
    events: int | None
    sites: int


def numbers(report: ReportedStudy) -> list[SetSize]:
    """The sets that have patients, training first. On shares nobody learns which hospitals have some: all of a role are counted."""
    if report.analyses is not None:
        known = {one.set: one for one in report.analyses.sets}
        return [
            SetSize(set=s, n=known[s].n or 0, events=known[s].events, sites=_asked(report, "evaluation" if s == "test" else "development"))
            for s in SETS
            if s in known and known[s].n
        ]
    by_set = {one.set: one for one in report.result.characteristics}
    return [SetSize(set=s, n=by_set[s].n, events=by_set[s].events, sites=by_set[s].sites) for s in SETS if s in by_set and by_set[s].n]


def _asked(report: ReportedStudy, role: str) -> int:
    return sum(entry["role"] == role for entry in report.result.lock.get("roster", []))


SIZES = ReportPart(name="sets", heading=PATIENTS, numbers=numbers, blocks=lambda _found, _report: (), shape=list[SetSize])
