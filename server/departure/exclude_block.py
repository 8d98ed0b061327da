"""A training block taken out of a study between two of its rounds or phases: what a person decides, written into the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.asking.ask_masked_sum import Outcome
from server.asking.office_ledger import StudyLedger
from server.link.owner_lock import held
from server.study.resume_state import StudyFolder
from server.study.study_results import LedgerEntry
from server.watch import study_status
from site_config.file_lock import Lock
from site_config.hash_chained_journal import local_time
from site_config.keys_and_signatures import CoordinatorIdentity, verify_lock
from site_config.problems import federation
from site_config.study.plan_and_lock import StudyLock

EXCLUDED: Outcome = "excluded"
WHAT = "exclude"
"""What the participation ledger calls it."""


def exclude(home: Path, study: str, block: int) -> tuple[str, ...]:
    """Take the block with this number (from 1) out of a study that does not run; its hospitals. The report will say INCOMPLETE.

    What was opened with the block stays, and so do its last hazard sums in a network's training; nothing is asked of its hospitals
    any more. FH-766 where it has to stay, FH-758 while the study runs.
    """
    with _between_rounds(home, study, block) as (sites, ledger):
        phase = ledger.entries[-1].phase
        now = local_time().isoformat(timespec="seconds")
        entry = LedgerEntry(time=now, phase=phase, round=0, statistic=WHAT, block=block - 1, roster=list(sites), outcome=EXCLUDED)
        ledger.append(entry)
    return sites


def may_go(home: Path, study: str, block: int) -> tuple[str, ...]:
    """The hospitals of a block that can be taken out; raises as `exclude` does, and changes nothing."""
    with _between_rounds(home, study, block) as (sites, _):
        return sites


@contextmanager
def _between_rounds(home: Path, study: str, block: int) -> Iterator[tuple[tuple[str, ...], StudyLedger]]:
    """The block's hospitals and the ledger of a study that cannot start meanwhile."""
    root = home / "studies" / study
    lock = verify_lock(StudyFolder(root).signed_lock(), CoordinatorIdentity.load(home).public_key)
    office = Lock(study_status.folder_of(home, study) / study_status.STUDY_LOCK)
    if not office.take():
        raise held(office.path, f"study {study[:12]}")
    try:
        folder = StudyFolder(study_status.folder_of(home, study))
        ledger = StudyLedger(folder.ledger_file)
        try:
            _check(lock, ledger, block, finished=folder.result_file.exists())
            yield lock.blocks["development"][block - 1], ledger
        finally:
            ledger.close()
    finally:
        office.release()


def _check(lock: StudyLock, ledger: StudyLedger, block: int, *, finished: bool) -> None:
    blocks = lock.blocks.get("development", ())
    left = [number for number in range(1, len(blocks) + 1) if number - 1 not in ledger.excluded]
    why = ""
    if finished:
        why = "the study is finished"
    elif block not in left:
        there = f"{'its only one is' if len(left) == 1 else 'there are'} {', '.join(map(str, left))}"
        why = f"there is no block {block} of training hospitals in it; {there}"
    elif len(left) == 1:
        why = "it is the only block of training hospitals"
    elif lock.study.privacy.dp is not None:
        why = "its noise was sized for all blocks"
    elif not any(entry.outcome == "opened" for entry in ledger.entries):
        why = "nothing was opened yet, so single hospitals can leave"
    elif holders := sorted(set(blocks[block - 1]) & set(lock.holders)):
        why = f"{', '.join(holders)} of it hold shares, without which nothing can be computed"
    if why:
        raise federation.BLOCK_STAYS.problem(f"Block {block} of study {lock.study_id[:12]}: {why}")
