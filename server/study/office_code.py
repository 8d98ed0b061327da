"""Which code a study is run with: the hospitals' half is the lock's, the office's half changes only on the record."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from server.asking.office_ledger import REMARK, StudyLedger
from site_config.hash_chained_journal import Entry
from site_config.problems import identity
from site_config.study.code_digest import code_digest, office_digest, software
from site_config.study.plan_and_lock import StudyLock

CODE = "code"


def expected(lock: StudyLock, entries: Iterable[Entry]) -> str:
    """The digest of the office's code the study goes on with: the lock's, or that of the last recorded upgrade; '' for any."""
    upgrades = [str(entry.data["office"]) for entry in entries if entry.kind == CODE]
    return upgrades[-1] if upgrades else lock.office_digest


def check_code(lock: StudyLock, entries: Iterable[Entry]) -> None:
    """CODE_DIFFERS where the code both sides share is not the lock's, OFFICE_CODE_DIFFERS where the office's is not the recorded one."""
    if lock.code_digest and lock.code_digest != code_digest():
        raise identity.CODE_DIFFERS.problem("the lock was made for other shared code than this office runs")
    wanted = expected(lock, entries)
    if wanted and wanted != office_digest():
        raise identity.OFFICE_CODE_DIFFERS.problem(f"the study goes on with office code {wanted[:12]}, installed is {office_digest()[:12]}")


def upgrade(path: Path, lock: StudyLock) -> str:
    """Record that the study goes on with the installed office code; the words of the record, '' where nothing changed."""
    if lock.code_digest and lock.code_digest != code_digest():
        raise identity.CODE_DIFFERS.problem("this release computes with other shared code than the hospitals' lock names")
    ledger = StudyLedger(path)
    try:
        before = expected(lock, ledger.chain)
        if before == office_digest():
            return ""
        words = f"the office's code was changed from {before[:12] or 'any'} to {office_digest()[:12]} ({software()})"
        ledger.note(CODE, office=office_digest(), software=software())
        ledger.note(REMARK, words=words)
        return words
    finally:
        ledger.close()
