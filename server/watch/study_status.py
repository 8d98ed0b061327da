"""Where a study stands, read from its folder: for `fedhcc-coordinator status` and for whoever watches a running one.

Nothing here speaks to the running process: it reads what is on disk, so it also works after a crash.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from server.asking.office_ledger import KeptDigests, asks, history
from server.published_studies import goes_on_as
from server.study.resume_state import StudyFolder
from server.study.study_results import LedgerEntry, StudyResult
from site_config.atomic_files import read_limited, write_atomic
from site_config.file_lock import holder_of
from site_config.keys_and_signatures import private_folder
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.words_of_messages import plural

STOP_FILE = "stop"
FLOWER_RUN = "flower-run"
STUDY_LOCK = "run.lock"
UNFINISHED = frozenset({"running", "PAUSED", "STALLED", "stopped", "interrupted"})
"""States of a study that was begun and has not ended."""


@dataclass(frozen=True)
class StudyStatus:
    """One published study: what its files say."""

    study: str
    title: str
    sites: int
    state: str
    last: str = ""
    missing: dict[str, str] | None = None
    problem: str = ""


def folder_of(home: Path, study: str) -> Path:
    """The run folder of a study."""
    return home / "studies" / study / "run"


def ask_stop(home: Path, study: str) -> None:
    """Ask the running study to end after the present exchange."""
    write_atomic(private_folder(folder_of(home, study)) / STOP_FILE, b"stop\n")


def clear_stop(home: Path, study: str) -> None:
    """Take the wish back, before a run begins."""
    (folder_of(home, study) / STOP_FILE).unlink(missing_ok=True)


def stop_asked(home: Path, study: str) -> bool:
    """Whether somebody asked."""
    return (folder_of(home, study) / STOP_FILE).exists()


def was_killed(home: Path, study: str) -> bool:
    """Whether a run began, and neither came to a result nor said with which problem it ended."""
    folder = folder_of(home, study)
    begun = (folder / "ended").exists() and (folder / "ledger.jsonl").exists()
    return begun and not read_limited(folder / "ended", 64) and not (folder / "result.json").exists()


def note_end(home: Path, study: str, code: str) -> None:
    """Keep with which problem the last run ended ('' for none)."""
    write_atomic(private_folder(folder_of(home, study)) / "ended", code.encode())


def ledger_of(home: Path, study: str) -> tuple[LedgerEntry, ...]:
    """The participation ledger so far."""
    return asks(history(folder_of(home, study) / "ledger.jsonl"))


def hospitals(home: Path, study: str) -> set[str]:
    """The study's hospitals, without those of blocks that were taken out."""
    gone = {site for entry in ledger_of(home, study) if entry.outcome == "excluded" for site in entry.roster}
    return {entry.name for entry in StudyFolder(home / "studies" / study).signed_lock().lock.roster} - gone


def result_of(home: Path, study: str) -> StudyResult:
    """The finished study, with the digest the ledger holds; STATE_DIFFERS where it is another."""
    folder = folder_of(home, study)
    kept = KeptDigests(history(folder / "ledger.jsonl")).believed(folder, folder / "result.json")
    if kept is None:
        raise federation.STUDY_MISSING.problem(
            f"study {study[:12]} has no result yet",
            why="A report is made of a finished study, and this one has not ended.",
            fix=f"See where it stands: `fedhcc-coordinator status`. Run it, or go on with it: `fedhcc-coordinator run {study[:12]}`.",
        )
    return StudyResult.model_validate_json(kept)


def status_of(home: Path, study: str) -> StudyStatus:
    """Where a study stands; a damaged one is said to be, and keeps nobody from seeing the others."""
    try:
        return _status(home, study)
    except Problem as problem:
        return StudyStatus(study, "", 0, "DAMAGED", problem.what, problem=problem.code)


def _status(home: Path, study: str) -> StudyStatus:
    lock = StudyFolder(home / "studies" / study).signed_lock().lock
    folder = folder_of(home, study)
    title, sites = lock.study.title, len(lock.roster)
    if (later := goes_on_as(home, study)) != study:
        return StudyStatus(study, title, sites, "left", f"goes on as {later[:12]}")
    if (folder / "result.json").exists():
        return StudyStatus(study, title, sites, result_of(home, study).label)
    entries = ledger_of(home, study)
    ended = read_limited(folder / "ended", 64).decode(errors="replace") if (folder / "ended").exists() else ""
    if not entries:
        state = "STALLED" if ended == federation.STUDY_STALLED.label else "stopped" if ended else "published"
        return StudyStatus(study, title, sites, state, "admission" if ended else "", problem=ended)
    last = entries[-1]
    holder = holder_of(folder / STUDY_LOCK)
    state = "running" if holder else "STALLED" if last.outcome in ("missed", "refused") else "stopped" if ended else "interrupted"
    if last.outcome == "paused" and not ended:
        state = "PAUSED"
    where = f"{last.phase} round {last.round} block {last.block + 1}: {last.outcome}" + (f" until {last.until}" if last.until else "")
    return StudyStatus(study, title, sites, state, where, dict(last.missing) or None, ended)


def under_way(home: Path) -> str:
    """The one study that was begun and has not ended. FH-718 where there is none, or several."""
    every = statuses(home)
    found = [one for one in every if one.state in UNFINISHED]
    found = found or [one for one in every if one.state == "published" and (folder_of(home, one.study) / "ledger.jsonl").exists()]
    if len(found) == 1:
        return found[0].study
    what = f"{plural(len(found), 'study', 'studies')} of this office are under way; one is needed to go on with"
    raise federation.STUDY_MISSING.problem(what, fix="`fedhcc-coordinator status` lists them; then `fedhcc-coordinator resume STUDY`.")


def statuses(home: Path) -> list[StudyStatus]:
    """Every published study, newest last."""
    folder = home / "studies"
    known = sorted(folder.glob("*/lock.json"), key=lambda path: path.stat().st_mtime) if folder.is_dir() else []
    return [status_of(home, path.parent.name) for path in known]
