"""Where this study differs from the paper it follows, and why."""

from __future__ import annotations

from collections.abc import Iterator

from server.report.common.estimate_kinds import Numbers
from server.report.page_blocks import Block, TableBlock
from server.report.parts.conduct.reproduce import REPRODUCE
from server.report.parts.part import ReportedStudy, ReportPart, reads_scans
from site_config.study.deviations_from_paper import CITED, differences


class PaperDifference(Numbers):
    """One deviation from the paper."""

    what: str
    paper: str
    here: str
    why: str


def numbers(report: ReportedStudy) -> list[PaperDifference]:
    """Every deviation of the locked settings."""
    return [PaperDifference(what=one.what, paper=one.paper, here=one.here, why=one.why) for one in differences(report.study)]


def blocks(found: list[PaperDifference], _report: ReportedStudy) -> Iterator[Block]:
    """One table."""
    rows = [[words.replace("`", "") for words in (one.what, one.paper, one.here, one.why)] for one in found]
    note = f"The study this follows: {CITED}. The same table, item by item, stands in docs/reference/paper.md."
    header = ["Of what", "As published", "Here", "Why"]
    yield TableBlock("Where this differs from the paper, and why", header, rows, align="llll", note=note)


PAPER = ReportPart(
    name="paper", heading=REPRODUCE.heading, numbers=numbers, blocks=blocks, shape=list[PaperDifference], belongs=reads_scans
)
