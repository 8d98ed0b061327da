"""Only studies that opened something are earlier ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import published_studies
from server.asking.office_ledger import StudyLedger
from server.study.earlier_studies import begun
from server.study.study_results import LedgerEntry
from tests.client.release.test_handed_over import study_lock


@pytest.mark.parametrize(("run", "outcome", "counts"), [("run", "opened", True), ("canary", "opened", True), ("run", "refused", False)])
def test_a_study_that_opened_nothing_is_no_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str, outcome: str, counts: bool
) -> None:
    lock = study_lock()
    monkeypatch.setattr(published_studies, "published", lambda _home: (lock,))
    folder = tmp_path / "studies" / lock.study_id / run
    folder.mkdir(parents=True)
    assert begun(tmp_path) == ()
    ledger = StudyLedger(folder / "ledger.jsonl")
    entry = LedgerEntry(time="", phase="clinical", round=0, statistic="precounts", block=0, roster=[], outcome=outcome, masked=True)
    ledger.append(entry)
    ledger.close()
    assert begun(tmp_path) == ((lock,) if counts else ())
    path = folder / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-20] + b"damaged, so it counts")
    assert begun(tmp_path) == (lock,)
