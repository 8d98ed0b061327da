"""The last hash of every hospital's journal, as it was shown at its last admission, over all studies.

A hospital that put an old backup of its state folder back has forgotten what it opened since; it cannot know that by itself.
So it is told at its next admission what it showed last, and decides. The hash says nothing about a patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from site_config.hash_chained_journal import Journal, read
from site_config.problems import federation, privacy
from site_config.problems.base import Problem

JOURNAL = "journal"
NAME = "journals.jsonl"
FIX = (
    "Restore `journals.jsonl` and `journals.head` of the coordinator's folder from a backup; without one move both away: "
    "every hospital's journal is then taken as it is shown next."
)


class Journals:
    """The file below a coordinator's `home`, chained like a hospital's journal."""

    def __init__(self, home: Path) -> None:
        self._path = home / NAME
        try:
            entries = read(self._path)
        except Problem as problem:
            raise _damaged(problem) from None
        self._last = {str(entry.data["site"]): str(entry.data["hash"]) for entry in entries if entry.kind == JOURNAL}

    def last(self, site: str) -> str:
        """What a hospital showed last; '' for nothing."""
        return self._last.get(site, "")

    def keep(self, shown: Mapping[str, str]) -> None:
        """Keep what hospitals show now, by name; one that shows nothing leaves what it showed before."""
        new = {site: last for site, last in shown.items() if last and last != self.last(site)}
        if not new:
            return
        try:
            with Journal(self._path) as book:
                for site, last in new.items():
                    book.append(JOURNAL, {"site": site, "hash": last})
        except Problem as problem:
            raise _damaged(problem) from None
        self._last |= new


def _damaged(problem: Problem) -> Problem:
    if problem.kind in (privacy.JOURNAL_TAMPERED, privacy.JOURNAL_TRUNCATED, privacy.JOURNAL_GONE):
        return federation.LEDGER_DAMAGED.problem(f"the hospitals' journals at the office: {problem.what}", where=NAME, fix=FIX)
    return problem
