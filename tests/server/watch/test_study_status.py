"""Where a study stands, read from its folder alone."""

from __future__ import annotations

from pathlib import Path

from server.asking.office_ledger import Kept, StudyLedger
from server.study.study_results import LedgerEntry, StudyResult
from server.watch import study_status as watch
from site_config.file_lock import Lock
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
from site_config.study.plan_and_lock import Study, StudyLock, StudySite

STUDY = {"title": "A study", "sites": (StudySite(name="alpha", role="development"),)}


def published(home: Path) -> str:
    coordinator = CoordinatorIdentity.load(home) if (home / "identity").exists() else CoordinatorIdentity.create(home)
    lock = StudyLock(
        study=Study(**STUDY),
        roster=(),
        blocks={"development": (), "evaluation": ()},
        code_digest="",
        coordinator_key=coordinator.public_key,
    )
    folder = home / "studies" / lock.study_id
    (folder / "run").mkdir(parents=True)
    (folder / "lock.json").write_text(sign_lock(lock, coordinator).model_dump_json())
    return lock.study_id


def entry(outcome: str, missing: dict[str, str]) -> LedgerEntry:
    return LedgerEntry(
        time="2026-11-23T00:00:00",
        phase="training",
        round=3,
        statistic="training.update",
        block=0,
        roster=["alpha"],
        missing=missing,
        outcome=outcome,
    )


def test_from_published_to_stalled_to_complete(tmp_path: Path) -> None:
    study = published(tmp_path)
    assert watch.status_of(tmp_path, study).state == "published"
    ledger = StudyLedger(watch.folder_of(tmp_path, study) / "ledger.jsonl")
    ledger.append(entry("opened", {}))
    assert watch.status_of(tmp_path, study).state == "interrupted"
    lock = Lock(watch.folder_of(tmp_path, study) / watch.STUDY_LOCK)
    assert lock.take() and watch.status_of(tmp_path, study).state == "running"
    lock.release()
    ledger.append(entry("paused", {"alpha": "FH-721"}).model_copy(update={"until": "2026-11-24T06:00:00+00:00"}))
    found = watch.status_of(tmp_path, study)
    assert found.state == "PAUSED" and found.last.endswith("paused until 2026-11-24T06:00:00+00:00")
    ledger.append(entry("missed", {"alpha": "FH-702"}))
    watch.note_end(tmp_path, study, "FH-716")
    found = watch.status_of(tmp_path, study)
    assert (found.state, found.missing, found.problem) == ("STALLED", {"alpha": "FH-702"}, "FH-716")
    result = StudyResult(study_id=study, title="A study", label="COMPLETE", simulated=True, created="", software="", lock={})
    folder = watch.folder_of(tmp_path, study)
    Kept(folder, ledger).save(folder / "result.json", result.model_dump_json().encode())
    assert [one.state for one in watch.statuses(tmp_path)] == ["COMPLETE"]


def test_a_wish_to_stop_is_kept_and_taken_back(tmp_path: Path) -> None:
    study = published(tmp_path)
    assert not watch.stop_asked(tmp_path, study)
    watch.ask_stop(tmp_path, study)
    assert watch.stop_asked(tmp_path, study)
    watch.clear_stop(tmp_path, study)
    assert not watch.stop_asked(tmp_path, study)


def test_a_run_that_ended_without_a_word_is_known(tmp_path: Path) -> None:
    folder = watch.folder_of(tmp_path, "s")
    assert not watch.was_killed(tmp_path, "s")
    watch.note_end(tmp_path, "s", "")
    assert not watch.was_killed(tmp_path, "s"), "it did not begin to ask"
    (folder / "ledger.jsonl").write_text("")
    assert watch.was_killed(tmp_path, "s")
    watch.note_end(tmp_path, "s", "FH-716")
    assert not watch.was_killed(tmp_path, "s")
    watch.note_end(tmp_path, "s", "")
    (folder / "result.json").write_text("{}")
    assert not watch.was_killed(tmp_path, "s")
