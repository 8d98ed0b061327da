"""What left the hospital, as a data-protection officer reads it: rows folded from the journal."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields

from client.release.journal_entries import CONSENT, OPEN, REFUSAL, RELEASE, OpenedMask, Refused, Released
from site_config.hash_chained_journal import Entry


@dataclass(frozen=True)
class Egress:
    """One vector that passed the door.

    `shape` gives the length of each part; `bytes` is what was sent. `masked` says whether the vector was hidden by masks;
    only where `opened` is true did its sum over `roster` become readable, and never the vector itself unless it left in
    the clear. `rule` is what allowed it.
    """

    number: int
    time: str
    study: str
    phase: str
    round: int
    attempt: int
    statistic: str
    parameters: str
    shape: str
    bytes: int
    masked: bool
    noise: str
    roster: str
    opened: bool
    rule: str


@dataclass(frozen=True)
class Turned:
    """One request that was turned away, with the reason that stayed in the hospital."""

    number: int
    time: str
    study: str
    phase: str
    round: int
    statistic: str
    step: str
    code: str
    reason: str


@dataclass(frozen=True)
class Filter:
    """Which rows to show; a study may be given by the first digits of its id."""

    study: str = ""
    statistic: str = ""
    phase: str = ""
    since: str = ""

    def takes(self, study: str, statistic: str, phase: str, time: str) -> bool:
        """Whether a row passes; `since` compares ISO times as text, so a date is enough."""
        wanted = (not self.statistic or statistic == self.statistic) and (not self.phase or phase == self.phase)
        return wanted and study.startswith(self.study) and time >= self.since


def released(entries: Iterable[Entry], chosen: Filter = Filter()) -> list[Egress]:
    """Every release in order, with whether its mask was opened later."""
    book = tuple(entries)
    opened = {OpenedMask.model_validate(entry.data).release for entry in book if entry.kind == OPEN}
    rows = []
    for entry in book:
        if entry.kind != RELEASE:
            continue
        found = Released.model_validate(entry.data)
        context = found.context
        if chosen.takes(context.study, context.statistic, context.phase, entry.time):
            rows.append(
                Egress(
                    entry.number,
                    entry.time,
                    context.study,
                    context.phase,
                    context.round,
                    context.attempt,
                    context.statistic,
                    json.dumps(found.parameters, sort_keys=True),
                    " ".join(f"{name}[{'×'.join(map(str, shape))}]" for name, shape in found.shape.items()),
                    found.bytes,
                    found.masked,
                    found.noise,
                    " ".join(found.roster),
                    entry.number in opened or not found.masked,
                    found.rule,
                )
            )
    return rows


def turned_away(entries: Iterable[Entry], chosen: Filter = Filter()) -> list[Turned]:
    """Every refusal in order."""
    rows = []
    for entry in entries:
        if entry.kind == REFUSAL:
            found = Refused.model_validate(entry.data)
            if chosen.takes(found.study, found.statistic, found.phase, entry.time):
                place = (found.study, found.phase, found.round, found.statistic)
                rows.append(Turned(entry.number, entry.time, *place, found.step, found.code, found.what))
    return rows


def consents(entries: Iterable[Entry]) -> list[str]:
    """Studies for which the hospital agreed to small differences."""
    return [str(entry.data["study"]) for entry in entries if entry.kind == CONSENT]


def _safe(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def as_csv(rows: Iterable[Egress]) -> str:
    """The rows as CSV with a header, for any spreadsheet."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = [item.name for item in fields(Egress)]
    writer.writerow(names)
    for row in rows:
        writer.writerow([_safe(getattr(row, name)) for name in names])
    return out.getvalue()


@dataclass(frozen=True)
class StudyEgress:
    """Everything that left for one study: releases, how many were opened, bytes, phases in order, whether all were masked, when last."""

    study: str
    phases: str
    releases: int
    opened: int
    bytes: int
    masked: bool
    last: str


def summaries(rows: Iterable[Egress]) -> list[StudyEgress]:
    """One summary a study, in the order of their first release."""
    by_study: dict[str, list[Egress]] = {}
    for row in rows:
        by_study.setdefault(row.study, []).append(row)
    return [
        StudyEgress(
            study=study,
            phases=", ".join(dict.fromkeys(row.phase for row in mine)),
            releases=len(mine),
            opened=sum(row.opened for row in mine),
            bytes=sum(row.bytes for row in mine),
            masked=all(row.masked for row in mine),
            last=mine[-1].time,
        )
        for study, mine in by_study.items()
    ]
