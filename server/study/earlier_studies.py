"""Which published studies count as earlier ones: those in which something was opened.

A study that was published and never run, or refused before its first result, is nothing that rows could be subtracted from. Were it
compared with all the same, every hospital's rows would count as new against it, and a small set would wait for ever.
A hospital that uploaded rows to such a study knows that itself, and asks for enough changes of its own (FH-531).
"""

from __future__ import annotations

from pathlib import Path

from server import published_studies
from server.asking.ask_on_shares import STATISTIC
from server.asking.office_ledger import asks, history
from server.study.resume_state import StudyFolder
from server.study.study_results import ADMISSION, LedgerEntry
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock

RUNS = ("run", "canary")


def begun(home: Path) -> tuple[StudyLock, ...]:
    """The published studies of an office that opened something; one whose ledger cannot be read counts as one."""

    def opened(study: str) -> bool:
        folders = [home / "studies" / study / run for run in RUNS]
        return any(_opened(StudyFolder(folder).ledger_file) for folder in folders if folder.is_dir())

    return tuple(lock for lock in published_studies.published(home) if opened(lock.study_id))


def check_named(home: Path, lock: StudyLock) -> None:
    """Before a study begins: raise FH-513 where one over other hospitals began since it was locked, which its lock does not name.

    North, south, and both with one hospital more: locked together before any of them began, nobody would hold the third against the
    first two. Over the very same hospitals each of them compares its own rows.
    """
    privacy_asked, earlier = lock.study.privacy, (*lock.earlier, *lock.beside)
    named, linked = {one.study for one in earlier}, set(_roles(lock)).union(*(one.roster for one in earlier))
    if not lock.holders or privacy_asked.demonstration or privacy_asked.dp is not None or lock.leaving is not None:
        return
    studies = begun(home)
    if lock.study_id in {one.study_id for one in studies}:
        return
    for one in studies:
        if one.study_id not in named and set(_roles(one)) & linked and _roles(one) != _roles(lock):
            raise privacy.VALUE_DIFFERS_BY_FEW.problem(
                f"study {one.study_id[:12]} of some of these hospitals opened results since this one was locked, which does not name it",
                fix="Lock it anew, beside what was opened since: `fedhcc-coordinator again STUDY`. Hospitals decide anew.",
            )


def _roles(lock: StudyLock) -> dict[str, str]:
    return {entry.name: entry.role for entry in lock.roster}


def _opened(ledger: Path) -> bool:
    if not ledger.exists():
        return False
    try:
        return any(one.outcome == "opened" and not _of_comparison(one) for one in asks(history(ledger)))
    except Problem:
        return True


def _of_comparison(entry: LedgerEntry) -> bool:
    """Whether holders only found out which rows a study may use: of the rows of one that was refused then, nothing was opened."""
    return entry.phase == "admission" and (entry.statistic == ADMISSION or entry.statistic.startswith(f"{STATISTIC}."))
