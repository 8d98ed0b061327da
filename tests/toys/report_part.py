"""A part of the report in one file: the longest time a curve of the sets is drawn to."""

from __future__ import annotations

from collections.abc import Iterator

from server.report.common.estimate_kinds import Numbers
from server.report.page_blocks import Block, TableBlock
from server.report.parts.part import Heading, ReportedStudy, ReportPart
from server.report.parts.patients.set_survival import SET_SURVIVAL


class DrawnTo(Numbers):
    """How long one set is drawn."""

    label: str
    days: float


def numbers(report: ReportedStudy) -> list[DrawnTo]:
    return [DrawnTo(label=curve.label, days=curve.day[-1]) for curve in report.of(SET_SURVIVAL).curves]


def blocks(found: list[DrawnTo], _report: ReportedStudy) -> Iterator[Block]:
    if found:
        yield TableBlock("How long the toy looks", ["Set", "Days"], [[one.label, f"{one.days:.0f}"] for one in found])


def missing(found: list[DrawnTo], report: ReportedStudy) -> dict[str, str]:
    return {} if found else {"toy": report.why("toy", "The toy has no curves to look at.")}


TOY_PART = ReportPart(
    name="toy_part", heading=Heading("toy", "A toy"), numbers=numbers, blocks=blocks, missing=missing, shape=list[DrawnTo]
)
