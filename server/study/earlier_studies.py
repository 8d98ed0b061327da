"""Which published studies count as earlier ones: those in which something was opened.

A study that was published and never run, or refused before its first result, is nothing that rows could be subtracted from. Were it
compared with all the same, every hospital's rows would count as new against it, and a small set would wait for ever.
A hospital that uploaded rows to such a study knows that itself, and asks for enough changes of its own (FH-531).
"""

from __future__ import annotations

from pathlib import Path

from server import published_studies
from server.asking.office_ledger import asks, history
from server.study.resume_state import StudyFolder
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock

RUNS = ("run", "canary")


def begun(home: Path) -> tuple[StudyLock, ...]:
    """The published studies of an office that opened something; one whose ledger cannot be read counts as one."""

    def opened(study: str) -> bool:
        return any(_opened(StudyFolder(home / "studies" / study / run).ledger_file) for run in RUNS)

    return tuple(lock for lock in published_studies.published(home) if opened(lock.study_id))


def _opened(ledger: Path) -> bool:
    if not ledger.exists():
        return False
    try:
        return any(one.outcome == "opened" for one in asks(history(ledger)))
    except Problem:
        return True
