"""How many patients, events and hospitals every set has; nothing of its own on the page."""

from __future__ import annotations

from server.report.common.estimates import SETS, Numbers
from server.report.parts.part import Heading, ReportedStudy, ReportPart
from server.study.results import SetName

PATIENTS = Heading("patients", "Patients")


class SetSize(Numbers):
    """Patients, events and hospitals of a set."""

    set: SetName
    n: int
    events: int
    sites: int


def numbers(report: ReportedStudy) -> list[SetSize]:
    """The sets that have patients, training first."""
    by_set = {one.set: one for one in report.result.characteristics}
    return [SetSize(set=s, n=by_set[s].n, events=by_set[s].events, sites=by_set[s].sites) for s in SETS if s in by_set and by_set[s].n]


SIZES = ReportPart(name="sets", heading=PATIENTS, numbers=numbers, blocks=lambda _found, _report: (), shape=list[SetSize])
