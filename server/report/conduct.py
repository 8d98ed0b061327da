"""Folds of the ledger: who took part, and what left the hospitals."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from server.report.numbers import OpenedStatistic, Participation
from server.study.results import ADMISSION, LedgerEntry, StudyResult


def participation(result: StudyResult) -> list[Participation]:
    """Asks, answers and misses by hospital, in the order of the roster."""
    asked: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in result.ledger:
        for site in entry.roster:
            asked[site] += 1
            if site in entry.missing:
                missed[site] += 1
                reasons[site][entry.missing[site]] += 1
    roles = {entry["name"]: entry["role"] for entry in result.lock.get("roster", [])}
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


def statistics(result: StudyResult) -> list[OpenedStatistic]:
    """One row a phase and statistic, in the order they were first asked."""
    grouped: dict[tuple[str, str], list[LedgerEntry]] = defaultdict(list)
    for entry in result.ledger:
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
