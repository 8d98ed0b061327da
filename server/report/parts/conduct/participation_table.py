"""Who took part: asks, answers and misses of every hospital, from the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from pydantic import Field

from server.report import number_text
from server.report.common.estimate_kinds import Numbers
from server.report.page_blocks import Block, Paragraph, TableBlock
from server.report.parts.part import Heading, ReportedStudy, ReportPart

SHORT_LIST = 12


class Participation(Numbers):
    """What a hospital did: how often asked, how often it took part, why it missed. Never its patients."""

    site: str
    role: str
    asked: int
    took_part: int
    missed: int
    reasons: dict[str, int] = Field(default_factory=dict)


def numbers(report: ReportedStudy) -> list[Participation]:
    """Asks, answers and misses by hospital, in the order of the roster."""
    asked: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in report.result.ledger:
        for site in entry.roster:
            asked[site] += 1
            if site in entry.missing:
                missed[site] += 1
                reasons[site][entry.missing[site]] += 1
    roles = {entry["name"]: entry["role"] for entry in report.result.lock.get("roster", [])}
    names = [name for name in roles if asked[name]] + [name for name in asked if name not in roles]
    return [
        Participation(
            site=name,
            role=roles.get(name, ""),
            asked=asked[name],
            took_part=asked[name] - missed[name],
            missed=missed[name],
            reasons=dict(reasons[name]),
        )
        for name in names
    ]


def blocks(found: list[Participation], _report: ReportedStudy) -> Iterator[Block]:
    """A long list is folded below the hospitals that missed something."""
    if not found:
        return
    missing_ones = [row for row in found if row.missed]
    some = (
        f"{number_text.plural(len(missing_ones), 'hospital')} missed {number_text.plural(sum(row.missed for row in missing_ones), 'ask')}."
    )
    yield Paragraph(f"{number_text.plural(len(found), 'hospital')} took part. {some if missing_ones else 'No hospital missed an ask.'}")
    if len(found) <= SHORT_LIST:
        yield table(found, "Participation by hospital")
        return
    if missing_ones:
        yield table(missing_ones, "Hospitals that missed an ask")
    yield replace(table(found, "Participation by hospital"), folded=True)


def table(rows: Sequence[Participation], caption: str) -> TableBlock:
    """Who took part; never how many patients they have."""
    body = [
        [
            row.site,
            row.role,
            str(row.asked),
            str(row.took_part),
            str(row.missed),
            ", ".join(f"{code} × {n}" for code, n in row.reasons.items()) or number_text.MISSING,
        ]
        for row in rows
    ]
    note = "Counts of asks, not of patients: numbers of patients are shown for the whole study only."
    return TableBlock(caption, ["Hospital", "Role", "Asked", "Took part", "Missed", "Why"], body, align="llrrrl", note=note)


def missing(found: list[Participation], report: ReportedStudy) -> dict[str, str]:
    """An empty ledger says so."""
    return {} if report.result.ledger else {"participation": report.why("participation", "The ledger is empty.")}


PARTICIPATION = ReportPart(
    name="participation",
    heading=Heading("participation", "Participation"),
    numbers=numbers,
    blocks=blocks,
    missing=missing,
    shape=list[Participation],
)
