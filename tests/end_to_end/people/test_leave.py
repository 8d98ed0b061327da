"""A study goes on without a patient who withdrew or a hospital that is gone: companions leave too, and nobody has to approve again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import keys_kit_and_decisions as at_site
from client.app import forget_agents
from client.cohort.pseudonyms import patient_key, site_secret
from client.cohort.withdrawal import withdraw
from server import published_studies
from server.asking.office_ledger import StudyLedger
from server.cli import app as office_app
from server.departure.going_on import agreed, run_and_go_on
from server.departure.leave_study import departure, later_too, leave
from server.study.resume_state import StudyFolder
from server.study.study_results import LedgerEntry, StudyResult
from server.watch import office_backup, study_status
from server.watch.study_status import status_of
from site_config.console import invoke
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
from site_config.problems import federation, identity, privacy
from site_config.problems.base import Problem
from tests.end_to_end.shares.test_generations import Office

LEAST = 20


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    forget_agents()
    yield Office(tmp_path)
    forget_agents()


def one_withdraws(office: Office, name: str) -> None:
    state = office.homes.config(name).state
    gone = next(row["patient"] for row in office._table(name) if office._trains(name, row))
    withdraw(state, state / "prepared", patient_key(site_secret(state), gone), ())


def test_a_withdrawal_takes_companions_along_in_its_set_alone(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    first = office.study()
    home, study = office.homes.coordinator, first.lock.study_id
    one_withdraws(office, max(office.names, key=lambda one: len(office._table(one))))
    assert invoke(office_app, ["leave", study[:12], "--home", str(home), "--yes"]) == 0
    told = capsys.readouterr()
    assert "up to" in told.err and "train" in told.err and "asked again" in told.err, "the price is said before"
    new = published_studies.find_study(home, study)
    assert new != study and status_of(home, study).state == "left"
    lock = StudyFolder(home / "studies" / new).signed_lock().lock
    second = office.opened(lock)
    left = first.every["train"] - second.every["train"]
    assert LEAST <= left <= 2 * LEAST
    assert (second.every["validation"], second.every["test"]) == (first.every["validation"], first.every["test"])
    assert second.flow["train.left"] == left and second.flow["train.enrolled"] == first.flow["train.enrolled"]
    assert "validation.left" not in second.flow
    assert {at_site.decision(office.homes.config(entry.name).state, new) for entry in lock.roster} == {"approved"}, "nobody was asked again"


def test_a_hospital_that_is_gone_hides_among_companions(office: Office) -> None:
    first = office.study()
    home, study = office.homes.coordinator, first.lock.study_id
    gone = next(name for name in office.names if name not in first.lock.holders)
    found = departure(home, study, (gone,))
    leave(home, study, found)
    second = office.opened(found.lock)
    assert gone not in {entry.name for entry in second.lock.roster}
    mine = sum(office._trains(gone, row) for row in office._table(gone))
    for name, own in (("train", mine), ("validation", 0)):
        assert first.every[name] - second.every[name] >= LEAST + own, "at least the minimum beside the hospital's own"
    assert second.every["test"] == first.every["test"], "it had no test patient"


def test_before_anything_was_opened_a_hospital_leaves_alone(office: Office) -> None:
    office.study()
    lock = office.publish_next()
    gone = next(name for name in office.names if name not in lock.holders)
    found = departure(office.homes.coordinator, lock.study_id, (gone,))
    assert found.lock.leaving is not None and not found.lock.leaving.companions and not found.opened
    assert any("nobody leaves with them" in line for line in found.words())


def test_what_is_not_the_same_study_needs_a_decision_of_its_own(office: Office) -> None:
    first = office.study()
    found = departure(office.homes.coordinator, first.lock.study_id)
    key = CoordinatorIdentity.load(office.homes.coordinator)
    state = office.homes.config(office.names[0]).state
    finer = found.lock.study.model_copy(update={"evaluation": found.lock.study.evaluation.model_copy(update={"horizons": (365,)})})
    for wrong in ({"study": finer}, {"code_digest": "0" * 64}):
        with pytest.raises(Problem) as refused:
            at_site.offer(state, sign_lock(found.lock.model_copy(update=wrong), key))
        assert refused.value.kind == identity.ANOTHER_STUDY
    foreign = found.lock.leaving.model_copy(update={"study": "f" * 64})  # type: ignore[union-attr]
    with pytest.raises(Problem) as unknown:
        at_site.offer(state, sign_lock(found.lock.model_copy(update={"leaving": foreign}), key))
    assert unknown.value.kind == identity.ANOTHER_STUDY
    with pytest.raises(Problem) as nobody:
        departure(office.homes.coordinator, first.lock.study_id, ("hospital-99",))
    assert nobody.value.kind == identity.NOT_ENROLLED


def test_a_run_takes_one_companion_more_by_itself_and_agrees_to_later_withdrawals_only_where_a_person_did(office: Office) -> None:
    first = office.study()
    home, study = office.homes.coordinator, first.lock.study_id
    one_withdraws(office, max(office.names, key=lambda one: len(office._table(one))))
    few = departure(home, study, (), 0)
    leave(home, study, few, later=True)
    told: list[tuple[str, str]] = []

    def once(one: str) -> StudyResult:
        folder = StudyFolder(home / "studies" / one)
        office.opened(folder.signed_lock().lock)
        return StudyResult(study_id=one, title="", label="COMPLETE", simulated=True, created="", software="", lock={})

    last, result = run_and_go_on(home, few.lock.study_id, once, lambda left, problem, _found: told.append((left, problem.code)))
    assert result.study_id == last == published_studies.find_study(home, study) != few.lock.study_id
    assert told and told[0] == (few.lock.study_id, "FH-531") and {code for _, code in told} == {"FH-531"}
    assert later_too(home, last), "what was agreed holds for the next one too"
    stalled = federation.STUDY_STALLED.problem("one withdrew")
    ledger = StudyLedger(StudyFolder(home / "studies" / last / "run").ledger_file)
    missed = LedgerEntry(
        time="", phase="training", round=3, statistic="training.update", block=0, roster=[], outcome="refused", masked=True
    )
    ledger.append(missed.model_copy(update={"missing": {office.names[0]: "FH-531"}}))
    assert agreed(home, last, stalled) is not None
    away = {office.names[0]: "FH-531", office.names[1]: "FH-701", office.names[2]: "FH-518"}
    ledger.append(missed.model_copy(update={"missing": away}))
    assert agreed(home, last, stalled) is not None, "two machines were switched off when the third refused"
    ledger.append(missed.model_copy(update={"missing": {office.names[0]: "FH-531", office.names[1]: "FH-511"}}))
    assert agreed(home, last, stalled) is None, "one refuses for another reason"
    ledger.append(missed.model_copy(update={"missing": {office.names[1]: "FH-701"}, "outcome": "missed"}))
    ledger.close()
    assert agreed(home, last, stalled) is None, "no hospital is left out by itself"
    assert agreed(home, study, stalled) is None, "of this one nobody agreed to anything"


def test_a_restored_office_says_that_companions_may_leave_though_it_remembers_nothing(office: Office, tmp_path: Path) -> None:
    """Backed up before anything was opened, put back after: the holders find out, and the same run takes the companions that it named."""
    lock = office.publish_next()
    home, folder = office.homes.coordinator, office.homes.coordinator / "studies" / lock.study_id / "run"
    StudyLedger(StudyFolder(folder).ledger_file).close()
    office_backup.write(home, tmp_path / "office.tar.gz")
    office.opened(lock)
    shutil.rmtree(home)
    office_backup.restore(tmp_path / "office.tar.gz", home)
    assert study_status.under_way(home) == lock.study_id
    one_withdraws(office, max(office.names, key=lambda one: len(office._table(one))))
    found = departure(home, lock.study_id)
    assert not found.opened and found.lock.leaving is not None and not found.lock.leaving.companions
    assert any("restored from a backup" in line and "train 4 of a hospital" in line for line in found.words()), found.words()
    leave(home, lock.study_id, found)
    with pytest.raises(Problem) as refused:
        office.opened(found.lock)
    more = agreed(home, found.lock.study_id, refused.value)
    assert more is not None and more.lock.leaving is not None and more.lock.leaving.companions["train"] == 4
    leave(home, found.lock.study_id, more)
    assert office.opened(more.lock).every["train"] >= LEAST


def test_too_few_companions_are_refused_and_the_same_command_takes_one_more(office: Office) -> None:
    first = office.study()
    home, study = office.homes.coordinator, first.lock.study_id
    one_withdraws(office, max(office.names, key=lambda one: len(office._table(one))))
    few = departure(home, study, (), 0)
    leave(home, study, few)
    with pytest.raises(Problem) as refused:
        office.opened(few.lock)
    assert refused.value.kind == privacy.ROWS_WAIT and "`fedhcc-coordinator leave STUDY` again" in refused.value.fix
    usual = departure(home, study).lock.leaving
    assert usual is not None
    for tries in range(5):  # as a person types it: the study's id leads to the last one
        now = published_studies.find_study(home, study)
        more = departure(home, now)
        assert more.lock.leaving is not None and more.lock.leaving.study == study, "the refused study is given up"
        taken = {"train": usual.companions["train"] + tries}
        assert more.lock.leaving.companions == taken and more.counts == few.counts, "the sets that were permitted keep their number"
        leave(home, now, more)
        try:
            second = office.opened(more.lock)
        except Problem as problem:
            assert problem.kind == privacy.ROWS_WAIT
            continue
        break
    left = first.every["train"] - second.every["train"]
    assert LEAST <= left == second.flow["train.left"]
    assert (second.every["validation"], second.every["test"]) == (first.every["validation"], first.every["test"])
    assert published_studies.find_study(home, study) == published_studies.find_study(home, few.lock.study_id) == second.lock.study_id
