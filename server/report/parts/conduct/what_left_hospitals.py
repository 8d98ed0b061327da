"""Everything that left a hospital, by name, from the ledger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from server.report import number_text
from server.report.common.estimate_kinds import Numbers
from server.report.page_blocks import Block, Paragraph, TableBlock
from server.report.parts.part import Heading, ReportedStudy, ReportPart
from server.study.study_results import ADMISSION, LedgerEntry
from shared_model.statistics import list_of_statistics
from shared_model.statistics.statistic_declaration import REGISTRY


class OpenedStatistic(Numbers):
    """What left the hospitals under one name: how often opened, over which rosters, how many bytes, masked or not."""

    phase: str
    name: str
    opened: int
    other: int
    smallest_roster: int
    largest_roster: int
    bytes_out: int
    masked: bool


def numbers(report: ReportedStudy) -> list[OpenedStatistic]:
    """One row a phase and statistic, in the order they were first asked."""
    grouped: dict[tuple[str, str], list[LedgerEntry]] = defaultdict(list)
    for entry in report.result.ledger:
        if entry.statistic != ADMISSION:
            grouped[(entry.phase, entry.statistic)].append(entry)
    return [_statistic(phase, name, entries) for (phase, name), entries in grouped.items()]


def _statistic(phase: str, name: str, entries: Sequence[LedgerEntry]) -> OpenedStatistic:
    opened = [entry for entry in entries if entry.outcome == "opened"]
    sizes = [len(entry.roster) for entry in opened or entries]
    return OpenedStatistic(
        phase=phase,
        name=name,
        opened=len(opened),
        other=len(entries) - len(opened),
        smallest_roster=min(sizes, default=0),
        largest_roster=max(sizes, default=0),
        bytes_out=sum(entry.bytes_out for entry in entries),
        masked=all(entry.masked for entry in entries),
    )


def titles() -> dict[str, str]:
    """What each named statistic is, from the catalogue."""
    assert list_of_statistics.__doc__  # importing it registers the statistics
    return {name: REGISTRY[name].title for name in REGISTRY} | SHARED


SHARED = {
    "shares.keys": "Keys that shares of rows are sealed with",
    "shares.rows": "Shares of patients' rows, each sealed to its holder",
    "shares.steps": "Messages of the holders; the declared results were opened from them",
}
"""What hospitals send for the results on secret shares."""


def blocks(found: list[OpenedStatistic], report: ReportedStudy) -> Iterator[Block]:
    """The sentence that sums up, and the table."""
    if not found:
        return
    total = sum(row.bytes_out for row in found)
    clear = [row.name for row in found if not row.masked]
    image = "No image left a hospital" if report.study.reads_scans else ""
    if report.result.analyses is None:
        kept = f"{image} and no patient's row." if image else "No patient's row left a hospital."
    else:
        rows = "patient's row in the clear: rows were split into shares, each sealed to the hospital that holds it."
        kept = f"{image}, and no {rows}" if image else f"No {rows.replace('row in the clear', 'row left a hospital in the clear')}"
    what = "the named sums" if report.result.analyses is None else "what is named"
    yield Paragraph(
        f"Nothing but {what} below, {number_text.bytes_size(total)} in all, sent by all hospitals together. {kept}"
        + (f" Not masked: {number_text.listed(sorted(set(clear)))}." if clear else "")
    )
    yield table(found, titles())


def table(rows: Sequence[OpenedStatistic], names: Mapping[str, str]) -> TableBlock:
    """Everything that left a hospital, by name."""
    body = [
        [
            names.get(row.name, row.name),
            row.name,
            row.phase,
            str(row.opened),
            str(row.other),
            str(row.smallest_roster) if row.smallest_roster == row.largest_roster else f"{row.smallest_roster}–{row.largest_roster}",
            number_text.bytes_size(row.bytes_out),
            "yes" if row.masked else "no",
        ]
        for row in rows
    ]
    header = ["What", "Statistic", "Phase", "Opened", "Not opened", "Hospitals a sum", "Sent by hospitals", "Masked"]
    return TableBlock("What left the hospitals", header, body, align="lllrrrrr")


def missing(_found: list[OpenedStatistic], report: ReportedStudy) -> dict[str, str]:
    """An empty ledger says so."""
    return {} if report.result.ledger else {"statistics": report.why("participation", "The ledger is empty.")}


EGRESS = ReportPart(
    name="statistics",
    heading=Heading("egress", "What left the hospitals"),
    numbers=numbers,
    blocks=blocks,
    missing=missing,
    shape=list[OpenedStatistic],
)
