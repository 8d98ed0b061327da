"""The last hash of every hospital's journal, as it was shown at its last admission, over all studies.

A hospital that put an old backup of its state folder back has forgotten what it opened since; it cannot know that by itself.
So it is told at its next admission what it showed last, and decides. The hash says nothing about a patient.
"""

from __future__ import annotations

from pathlib import Path

from site_config.journal import Journal, read
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

    def keep(self, site: str, shown: str) -> None:
        """Keep what it shows now; a hospital that shows nothing leaves what it showed before."""
        if not shown or shown == self.last(site):
            return
        try:
            with Journal(self._path) as book:
                book.append(JOURNAL, {"site": site, "hash": shown})
        except Problem as problem:
            raise _damaged(problem) from None
        self._last[site] = shown


def _damaged(problem: Problem) -> Problem:
    if problem.kind in (privacy.JOURNAL_TAMPERED, privacy.JOURNAL_TRUNCATED):
        return federation.LEDGER_DAMAGED.problem(f"the hospitals' journals at the office: {problem.what}", where=NAME, fix=FIX)
    return problem
