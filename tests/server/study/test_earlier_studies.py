"""Only studies that opened something are earlier ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import published_studies
from server.asking.office_ledger import StudyLedger
from server.study.earlier_studies import begun, check_named
from server.study.study_results import LedgerEntry
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import EarlierStudy, Privacy, StudyLock, StudySite
from tests.client.release.test_handed_over import study_lock


@pytest.mark.parametrize(("run", "outcome", "counts"), [("run", "opened", True), ("canary", "opened", True), ("run", "refused", False)])
def test_a_study_that_opened_nothing_is_no_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: str, outcome: str, counts: bool
) -> None:
    lock = study_lock()
    monkeypatch.setattr(published_studies, "published", lambda _home: (lock,))
    folder = tmp_path / "studies" / lock.study_id / run
    assert begun(tmp_path) == () and not folder.exists()
    folder.mkdir(parents=True)
    assert begun(tmp_path) == () and list(folder.parent.iterdir()) == [folder]
    ledger = StudyLedger(folder / "ledger.jsonl")
    entry = LedgerEntry(time="", phase="clinical", round=0, statistic="precounts", block=0, roster=[], outcome=outcome, masked=True)
    ledger.append(entry)
    ledger.close()
    assert begun(tmp_path) == ((lock,) if counts else ())
    path = folder / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-20] + b"damaged, so it counts")
    assert begun(tmp_path) == (lock,)


def test_a_study_that_was_refused_when_rows_were_compared_is_no_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its holders found out that its rows may not be used; compared with, its hospitals' rows would all count as new."""
    lock = study_lock()
    monkeypatch.setattr(published_studies, "published", lambda _home: (lock,))
    folder = tmp_path / "studies" / lock.study_id / "run"
    folder.mkdir(parents=True)
    ledger = StudyLedger(folder / "ledger.jsonl")
    one = LedgerEntry(time="", phase="admission", round=0, statistic="", block=0, roster=[], outcome="opened", masked=True)
    for statistic in ("admission", "shares.keys", "shares.rows", "shares.steps"):
        ledger.append(one.model_copy(update={"statistic": statistic}))
    assert begun(tmp_path) == ()
    ledger.append(one.model_copy(update={"statistic": "precounts"}))
    ledger.close()
    assert begun(tmp_path) == (lock,)


def regions() -> tuple[StudyLock, StudyLock]:
    """A study, and one over some of its hospitals, both locked before either began."""
    both = study_lock(title="both")
    sites = tuple(StudySite(name=one.name, role=one.role) for one in both.roster[:9])
    north = both.model_copy(update={"study": both.study.model_copy(update={"title": "north", "sites": sites}), "roster": both.roster[:9]})
    return north, both


def opened(home: Path, lock: StudyLock) -> None:
    folder = home / "studies" / lock.study_id / "run"
    folder.mkdir(parents=True, exist_ok=True)
    ledger = StudyLedger(folder / "ledger.jsonl")
    ledger.append(LedgerEntry(time="", phase="clinical", round=0, statistic="precounts", block=0, roster=[], outcome="opened", masked=True))
    ledger.close()


def test_a_study_that_began_since_is_named_by_the_lock_or_nothing_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """North, south, both and one more, locked together: their three results, subtracted, would be the one hospital's."""
    north, both = regions()
    same = both.model_copy(update={"study": both.study.model_copy(update={"title": "the same hospitals"})})
    monkeypatch.setattr(published_studies, "published", lambda _home: (north, both, same))
    for one in (north, both, same):
        check_named(tmp_path, one)
    opened(tmp_path, north)
    with pytest.raises(Problem) as refused:
        check_named(tmp_path, both)
    assert refused.value.kind == privacy.VALUE_DIFFERS_BY_FEW and "again STUDY" in refused.value.fix
    check_named(tmp_path, north)
    named = EarlierStudy(study=north.study_id, roster=tuple(one.name for one in north.roster))
    check_named(tmp_path, both.model_copy(update={"earlier": (named,)}))
    lifted = both.study.model_copy(update={"simulated": True, "privacy": Privacy(demonstration=True)})
    check_named(tmp_path, both.model_copy(update={"study": lifted}))


def test_a_study_over_hospitals_of_a_named_one_is_asked_for_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It began since, over none of these hospitals, but over others of a study that the lock names: its results add up with that one's."""
    north, both = regions()
    others = both.roster[9:]
    sites = tuple(StudySite(name=one.name, role=one.role) for one in others)
    south = both.model_copy(update={"study": both.study.model_copy(update={"title": "south", "sites": sites}), "roster": others})
    named = EarlierStudy(study=both.study_id, roster=tuple(one.name for one in both.roster))
    lock = north.model_copy(update={"earlier": (named,)})
    monkeypatch.setattr(published_studies, "published", lambda _home: (south, both, lock))
    opened(tmp_path, both)
    check_named(tmp_path, lock)
    opened(tmp_path, south)
    check_named(tmp_path, north.model_copy(update={"earlier": (EarlierStudy(study=both.study_id, roster=lock.names("development")),)}))
    with pytest.raises(Problem):
        check_named(tmp_path, lock)
    beside = EarlierStudy(study=south.study_id, roster=tuple(one.name for one in others))
    check_named(tmp_path, lock.model_copy(update={"beside": (beside,)}))


def test_over_the_same_hospitals_two_studies_locked_together_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, both = regions()
    same = both.model_copy(update={"study": both.study.model_copy(update={"title": "the same hospitals"})})
    monkeypatch.setattr(published_studies, "published", lambda _home: (both, same))
    opened(tmp_path, both)
    check_named(tmp_path, same)
    check_named(tmp_path, both)
