"""A study goes on without a patient who withdrew or a hospital that is gone: companions leave too, and nobody has to approve again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from client import keys_kit_and_decisions as at_site
from client.app import forget_agents
from client.cohort.pseudonyms import patient_key, site_secret
from client.cohort.withdrawal import withdraw
from server import published_studies
from server.cli import app as office_app
from server.departure.leave_study import departure, leave
from server.study.resume_state import StudyFolder
from server.watch.study_status import status_of
from site_config.console import invoke
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
from site_config.problems import identity, privacy
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


def test_too_few_companions_are_refused_and_the_same_command_takes_one_more(office: Office) -> None:
    first = office.study()
    home, study = office.homes.coordinator, first.lock.study_id
    one_withdraws(office, max(office.names, key=lambda one: len(office._table(one))))
    few = departure(home, study, (), 0)
    leave(home, study, few)
    with pytest.raises(Problem) as refused:
        office.opened(few.lock)
    assert refused.value.kind == privacy.ROWS_WAIT and "`fedhcc-coordinator leave STUDY` again" in refused.value.fix
    for tries in range(1, 6):  # as a person types it: the study's id leads to the last one
        now = published_studies.find_study(home, study)
        more = departure(home, now)
        assert more.lock.leaving is not None and more.lock.leaving.study == study, "the refused study is given up"
        assert set(more.lock.leaving.companions.values()) == {tries} and more.counts == few.counts
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
