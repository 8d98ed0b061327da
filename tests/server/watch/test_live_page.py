"""The live page's data, its server, the events it reads, and the command of `--on-event`."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from server import office_setup
from server.asking.office_ledger import StudyLedger
from server.study.study_results import LedgerEntry, StudyResult
from server.watch import live_page, opened_so_far, study_status
from server.watch.awaited_hospitals import Awaited
from server.watch.study_events import Hook, StudyEvents, events_of
from shared_model.secure_sum.federation_messages import Message
from site_config.file_lock import Lock
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
from site_config.study.plan_and_lock import RosterEntry, Study, StudyLock, StudySite

NAMES = ("alpha", "beta", "gamma")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    office = tmp_path / "office"
    office_setup.init(office, "Trial office", "127.0.0.1:9443")
    return office


@pytest.fixture
def study(home: Path) -> str:
    identity = CoordinatorIdentity.load(home)
    sites = tuple(StudySite(name=name, role="development") for name in NAMES)
    roster = tuple(
        RosterEntry(name=name, role="development", signing_key=f"{i:064x}", node_fingerprint=f"{i:064x}") for i, name in enumerate(NAMES)
    )
    lock = StudyLock(
        study=Study(title="A <b>study</b>", sites=sites),
        roster=roster,
        blocks={"development": (NAMES,), "evaluation": ()},
        code_digest="",
        coordinator_key=identity.public_key,
    )
    folder = home / "studies" / lock.study_id
    (folder / "run").mkdir(parents=True)
    (folder / "lock.json").write_text(sign_lock(lock, identity).model_dump_json())
    return lock.study_id


def entry(outcome: str, **more: object) -> LedgerEntry:
    given = {"time": "2026-11-26T10:00:00", "phase": "training", "round": 3, "statistic": "training.update", "block": 0, **more}
    return LedgerEntry.model_validate({"roster": list(NAMES), "missing": {}, "outcome": outcome, **given})


def test_a_study_that_runs_that_waits_and_that_was_lost(home: Path, study: str) -> None:
    folder = study_status.folder_of(home, study)
    assert live_page.snapshot(home, study, None)["state"] == "published"
    events = StudyEvents(folder, study)
    events.write("progress", "block 1", phase="training Rad-D", done=1, total=9, numbers={"loss": 2.5, "validation loss": np.nan})
    events.write("progress", "block 1", phase="training Rad-D", done=2, total=9, numbers={"loss": 2.25, "validation loss": 2.0})
    events.write("notice", "beta needs longer than usual")
    ledger = StudyLedger(folder / "ledger.jsonl")
    ledger.append(entry("opened"))
    ledger.append(entry("retried", missing={"beta": "FH-702"}))
    lock = Lock(folder / study_status.STUDY_LOCK)
    assert lock.take()
    now = [1000.0]
    awaited = Awaited(folder / "awaited.json", lambda _site, _words: None, lambda: now[0])
    awaited.asked(dict.fromkeys(NAMES, Message("release", {"context": {"statistic": "training.update", "phase": "training"}})), 600.0)
    now[0] += 5.0
    awaited.answered("alpha", Message("release", {}))
    found = live_page.snapshot(home, study, {"alpha", "gamma"}, now=1010.0)
    assert (found["state"], found["phase"], found["done"], found["total"]) == ("running", "training Rad-D", 2, 9)
    assert found["loss"] == {"Rad-D": [[1, 2.5, None], [2, 2.25, 2.0]]}
    assert found["waits"]["awaited"] == ("beta", "gamma") and found["waits"]["until"] == 1600.0
    by_name = {one["name"]: one for one in found["hospitals"]}
    assert [by_name[name]["connected"] for name in NAMES] == [True, False, True]
    assert by_name["beta"]["code"] == "FH-702" and by_name["beta"]["awaited"] and not by_name["alpha"]["awaited"]
    assert [one["text"] for one in found["notices"]] == ["beta needs longer than usual"]
    assert found["opened"] == [{"phase": "training", "statistic": "training.update", "times": 1, "sites": 3, "last": "2026-11-26T10:00:00"}]
    json.dumps(found, allow_nan=False)
    lock.release()
    ledger.close()
    lost = live_page.snapshot(home, study, set())
    assert lost["state"] == "LOST" and lost["waits"] is None, "its program is gone"


def test_the_page_is_served_to_this_machine_under_a_secret_path(home: Path, study: str) -> None:
    page = live_page.LivePage(home, study, lambda: None)
    page.start()
    try:
        with urllib.request.urlopen(page.address) as answer:
            text = answer.read().decode()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "https://" not in text and "http://www.w3.org" in text and text.count("http://") == 1
        with urllib.request.urlopen(f"{page.address}state.json") as answer:
            assert json.load(answer)["title"] == "A <b>study</b>"
        root = page.address.rsplit("/", 2)[0]
        for path in ("/", "/state.json", "/wrong/state.json", "/../register.json"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(root + path)
    finally:
        page.close()


def test_connected_hospitals_are_asked_for_every_few_seconds() -> None:
    asked, now = list[int](), [0.0]

    def ask() -> set[str]:
        asked.append(1)
        return {"alpha"}

    remembered = live_page.Remembered(ask, 5.0, lambda: now[0])
    assert remembered() == remembered() == {"alpha"} and len(asked) == 1
    now[0] = 5.0
    assert remembered() == {"alpha"} and len(asked) == 2


def test_the_command_is_run_for_notices_and_states_and_a_fault_of_it_stops_nothing(tmp_path: Path) -> None:
    out, said = tmp_path / "out.txt", list[str]()
    script = tmp_path / "hook.py"
    script.write_text(
        "import json, os, sys\n"
        f"with open({str(out)!r}, 'a') as out:\n"
        "    event = json.load(sys.stdin)\n"
        "    print(os.environ['FEDHCC_EVENT'], event['text'], file=out)\n"
        "sys.exit(3 if event['text'] == 'bad' else 0)\n"
    )
    events = StudyEvents(tmp_path / "run", "s" * 64, Hook(f"{sys.executable} {script}", said.append))
    events.state("running")
    events.state("running")
    events.write("progress", "round 1", phase="training", done=1, total=2, numbers={})
    events.write("notice", "bad")
    events.state("COMPLETE")
    events.close()
    assert out.read_text().splitlines() == ["state running", "notice bad", "state COMPLETE"]
    assert said == ["the command of --on-event ended with status 3"]
    assert [one["kind"] for one in events_of(tmp_path / "run")] == ["state", "progress", "notice", "state"]


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    events = StudyEvents(tmp_path / "run", "s", Hook("/no/such/program", said.append))
    events.state("running")
    events.close()
    assert said == ["the command of --on-event did not run: FileNotFoundError"]


def test_an_event_that_was_cut_off_and_many_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.watch.study_events.LIMIT", 2000)
    events = StudyEvents(tmp_path, "s")
    for number in range(40):
        events.write("progress", f"round {number}", phase="training", done=number, total=40, numbers={})
    with (tmp_path / "events.jsonl").open("a") as out:
        out.write('{"time": "2026-')
    found = events_of(tmp_path)
    assert found[-1]["text"] == "round 39" and len(found) < 40
    assert sum(path.stat().st_size for path in tmp_path.glob("events*")) < 5000


def test_what_was_opened_so_far_is_shown_with_its_interval_and_its_curves(home: Path, study: str) -> None:
    folder = study_status.folder_of(home, study)
    assert live_page.snapshot(home, study, set())["so_far"] == {"values": [], "curves": []}
    groups = [{"value": "low", "day": [30, 60], "survival": [0.9, 0.8], "n": 20, "events": 3}]
    analyses = {
        "concordance": [{"model": "CLN", "set": "test", "c": 0.7, "se": 0.05, "n": 40, "events": 9}],
        "kaplan_meier": [{"grouping": "risk", "set": "test", "model": "CLN", "groups": groups}],
    }
    result = StudyResult.model_validate(
        {
            "study_id": study,
            "title": "t",
            "label": "INCOMPLETE",
            "simulated": True,
            "created": "",
            "software": "",
            "lock": {},
            "flow": {"train.analysed": 120},
            "clinical": {"covariates": ["age", "nash"], "coef": [0.1, None], "se": [0.02, None]},
            "analyses": analyses,
        }
    )
    opened_so_far.keep(folder, result)
    shown = live_page.snapshot(home, study, set())["so_far"]
    assert [(row["what"], row["of"], row["value"]) for row in shown["values"]] == [
        ("patients", "train", "120"),
        ("hazard ratio", "CLN age", "1.11 (1.06 to 1.15)"),
        ("C-index", "CLN test", "0.700 ± 0.098"),
    ]
    assert shown["curves"] == [
        {"title": "CLN: risk groups, test", "groups": [{"name": "low", "day": [0, 30, 60], "survival": [1.0, 0.9, 0.8]}]}
    ]
    (folder / opened_so_far.NAME).write_text("{")
    assert not live_page.snapshot(home, study, set())["so_far"]["values"], "a file cut off shows nothing and harms nothing"
