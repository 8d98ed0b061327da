"""Who has to be there when a study begins, and who when it goes on; and what a hospital that was away is sent again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from client import keys_kit_and_decisions as at_site
from server import hospital_register as enrol
from server import office_setup
from server.asking.ask_masked_sum import REMEMBERED_S, Asker, Question
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger
from server.link.transport import Exchange, Failure
from server.phases.admission_phase import NOBODY_S, UNDER_WAY_S, admit, count
from server.phases.phase_context import Running, left_out_column
from server.study.resume_state import StudyFolder
from server.study.run_study import nothing_missing
from server.study.study_results import StudyResult
from shared_model.disclosure.limits import PAIRED_PATIENTS
from shared_model.secure_sum.federation_messages import Message
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
from site_config.problems import federation, shares
from site_config.problems.base import Problem
from site_config.study.clinical_variables import ClinicalVariable
from site_config.study.plan_and_lock import Study, StudyLock, StudySite

NAMES = ("alpha", "beta", "gamma", "delta")


class Line:
    """Hospitals that accept, without those that are away; the clock stands at the deadline where one is waited for.

    From `back` on only those in `still` are away.
    """

    def __init__(self) -> None:
        self.now, self.away = 0.0, set[str]()
        self.back, self.still = float("inf"), set[str]()

    def sites(self) -> Mapping[str, bool]:
        return {name: name not in self.away for name in NAMES}

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        if self.now >= self.back:
            self.away = self.still
        here = {site: Message("admission", {"accepted": True}) for site in requests if site not in self.away}
        missing = {site: Failure(federation.SITE_SILENT.label, "deadline") for site in requests if site in self.away}
        self.now += deadline_s if missing else 1.0
        return Exchange(here, missing)

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def asker(tmp_path: Path, line: Line) -> Iterator[Asker]:
    home = tmp_path / "office"
    key = office_setup.init(home, "Trial office", "127.0.0.1:9443")
    for name in NAMES:
        enrol.enrol(home, at_site.init(tmp_path / name, name).request().model_dump_json().encode())
    study = Study(title="A", models=("CLN",), resolution="exact", sites=tuple(StudySite(name=name, role="development") for name in NAMES))
    blocks = {"development": (NAMES[:2], NAMES[2:]), "evaluation": ()}
    entries = enrol.roster(home, dict.fromkeys(NAMES, "development"))
    lock = StudyLock(study=study, roster=entries, blocks=blocks, code_digest="", coordinator_key=key.public_key)
    folder = StudyFolder(home / "studies" / lock.study_id / "run")
    folder.root.mkdir(parents=True, exist_ok=True)
    ledger = StudyLedger(folder.ledger_file)
    yield Asker(lock, key, line, folder, ledger, Effects(lambda: line.now, line.sleep))
    ledger.close()


def go(asker: Asker) -> frozenset[str]:
    result = StudyResult(study_id=asker.lock.study_id, title="", label="INCOMPLETE", simulated=True, created="", software="", lock={})
    folder = asker._folder
    identity = CoordinatorIdentity.load(folder.home)
    return admit(Running(asker, folder, result), sign_lock(asker.lock, identity), asker._transport)


def begin(asker: Asker) -> None:
    """Something beyond admission was opened."""
    asker.write("training", "training.update", NAMES, "opened", {}, round=0, block=0)


def test_a_study_does_not_begin_without_one_of_its_hospitals(asker: Asker, line: Line) -> None:
    line.away = {"beta"}
    with pytest.raises(Problem) as stalled:
        go(asker)
    assert stalled.value.kind == federation.STUDY_STALLED and "beta" in str(stalled.value)
    assert line.now >= asker.lock.study.deadlines.admission
    line.away = set()
    assert go(asker) == frozenset()


def test_a_study_that_goes_on_waits_a_minute_and_not_for_whoever_is_gone(asker: Asker, line: Line) -> None:
    go(asker)
    begin(asker)
    line.away, before = {"beta"}, line.now
    assert go(asker) == {"beta"}
    assert line.now - before <= UNDER_WAY_S + 5
    assert [entry.missing for entry in asker.ledger.entries if entry.missing] == [{"beta": federation.SITE_SILENT.label}]
    assert nothing_missing(asker.ledger.entries), "being admitted opens nothing; a block that misses a round says so by itself"


def test_a_study_that_goes_on_at_night_waits_until_somebody_is_there(asker: Asker, line: Line) -> None:
    go(asker)
    begin(asker)
    line.away, line.back = set(NAMES), line.now + 1800.0
    line.still = {"delta"}
    assert go(asker) == {"delta"}
    assert line.back <= line.now <= line.back + NOBODY_S + UNDER_WAY_S


def test_nobody_at_all_is_a_stall(asker: Asker, line: Line) -> None:
    go(asker)
    begin(asker)
    line.away = set(NAMES)
    with pytest.raises(Problem, match="FH-716"):
        go(asker)


def test_who_was_away_or_asked_long_ago_is_sent_the_weights_again(asker: Asker, line: Line) -> None:
    for name in NAMES:
        asker.told(name, "ab")
    assert not asker.needs_state("alpha", "ab") and asker.needs_state("alpha", "cd")
    line.away = {"beta"}
    asker.exchange({name: Message("keys", {}) for name in NAMES}, 10.0)
    assert asker.needs_state("beta", "ab") and not asker.needs_state("gamma", "ab")
    line.now += REMEMBERED_S
    assert asker.needs_state("gamma", "ab"), "its machine may have been switched off in a pause"


def test_a_share_for_validation_that_took_everybody_is_named(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    most = asker.lock.study.model_copy(update={"validation_fraction": 0.999})
    monkeypatch.setattr(asker, "lock", asker.lock.model_copy(update={"study": most}))
    nobody = {"sites": np.array([2.0]), "patients": np.array([0.0]), "events": np.array([0.0]), "flow": np.array([9, 9, 0, 0])}
    monkeypatch.setattr(asker, "remembered", lambda _question: nobody)
    result = StudyResult(study_id=asker.lock.study_id, title="", label="INCOMPLETE", simulated=True, created="", software="", lock={})
    with pytest.raises(Problem, match=r"`validation_fraction: 0.999` keeps that share") as empty:
        count(Running(asker, asker._folder, result))
    assert empty.value.kind == federation.EMPTY_AGGREGATE


def test_what_becomes_of_a_level_that_is_left_out_is_said(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    line = ClinicalVariable(name="line", label="Line", kind="nominal", values={0: "First", 1: "None", 2: "Second"})
    study = asker.lock.study.model_copy(update={"clinical": (line, *asker.lock.study.clinical)})
    monkeypatch.setattr(asker, "lock", asker.lock.model_copy(update={"study": study}))
    result = StudyResult(study_id=asker.lock.study_id, title="", label="INCOMPLETE", simulated=True, created="", software="", lock={})
    running = Running(asker, asker._folder, result)
    assert left_out_column(running, "line_1", "rare") == "Line: None: rare; patients with it count with the reference level, First"
    assert left_out_column(running, "ebrt", "rare") == "EBRT: rare"


@pytest.mark.parametrize("patients", [750, 751])
def test_more_patients_than_pairs_allow_are_refused_before_a_row_is_uploaded(
    asker: Asker, monkeypatch: pytest.MonkeyPatch, patients: int
) -> None:
    many = asker.lock.model_copy(update={"study": asker.lock.study.model_copy(update={"resolution": "shares"})})
    monkeypatch.setattr(asker, "lock", many)
    opened = {"train": patients, "validation": 0}

    def remembered(question: Question) -> dict[str, np.ndarray]:
        n = opened[question.parameters.split]
        return {"sites": np.array([2.0]), "patients": np.array([float(n)]), "events": np.array([n / 2]), "flow": np.array([n, 0, 0, n])}

    monkeypatch.setattr(asker, "remembered", remembered)
    result = StudyResult(study_id=many.study_id, title="", label="INCOMPLETE", simulated=True, created="", software="", lock={})
    running = Running(asker, asker._folder, result)
    if 2 * patients <= PAIRED_PATIENTS.value:
        count(running)
        assert result.flow["train.analysed"] == 2 * patients
        return
    with pytest.raises(Problem) as refused:
        count(running)
    assert refused.value.kind == shares.TOO_MANY_PATIENTS and "1502 patients, at most 1500" in str(refused.value)
