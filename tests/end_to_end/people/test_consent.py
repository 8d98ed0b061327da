"""Decisions, withdrawals and a changed site.yaml hold from the next message on, in the running program's own process."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator

import pytest

from client import keys_kit_and_decisions as at_site
from client.cli import app as site_app
from client.program.resident_worker import Worker
from client.release.verified_journal import withdrawals_known
from shared_model.secure_sum.federation_messages import (
    AdmissionRequest,
    Context,
    KeysRequest,
    Message,
    ReleaseRequest,
    canonical_parameters,
    parameters_hash,
    roster_hash,
    state_hash,
)
from shared_model.statistics.statistic_parameters import SplitOnly
from simulations.study.site_folders import Homes, approve_everywhere
from site_config.hash_chained_journal import read
from site_config.keys_and_signatures import CoordinatorIdentity, sign_lock
from site_config.study.plan_and_lock import StudyLock
from tests.support import run_cli

Make = Callable[..., tuple[Homes, StudyLock]]
PARAMETERS = SplitOnly(split="train")


class Hospital:
    """One hospital's resident process, of a study whose others answer in theirs."""

    def __init__(self, homes: Homes, lock: StudyLock) -> None:
        self.homes, self.lock = homes, lock
        self.names = lock.names("development")
        self.workers = {name: Worker(homes.site(name)) for name in self.names}
        self.home = homes.site(self.names[0])
        self.attempt = 0
        signed = sign_lock(lock, CoordinatorIdentity.load(homes.coordinator))
        self.offer = AdmissionRequest(signed=signed).model_dump(mode="json")
        for name in self.names:
            assert self.send("admission", self.offer, name).body["accepted"]

    def send(self, kind: str, body: dict, name: str | None = None) -> Message:
        return self.workers[name or self.names[0]].handle(Message(kind, body))  # type: ignore[arg-type]

    def release(self) -> str:
        """The watched hospital's answer to one more ask: `release`, or the code it refused with."""
        self.attempt += 1
        signing = {entry.name: entry.signing_key for entry in self.lock.roster}
        context = Context(
            study=self.lock.study_id,
            phase="evaluation",
            round=0,
            attempt=self.attempt,
            statistic="characteristics",
            parameters=parameters_hash(canonical_parameters(PARAMETERS)),
            state=state_hash({}),
            roster=roster_hash(self.names, signing),
        )
        body = KeysRequest(context=context, sites=self.names).model_dump(mode="json")
        keys = {name: self.send("keys", body, name) for name in self.names}
        if keys[self.names[0]].kind == "refusal":
            return str(keys[self.names[0]].body["code"])
        request = ReleaseRequest(context=context, parameters=canonical_parameters(PARAMETERS), keys={}).model_dump(mode="json")
        reply = self.send("release", {**request, "keys": {name: key.body for name, key in keys.items()}})
        return str(reply.body["code"]) if reply.kind == "refusal" else reply.kind

    def stop(self) -> None:
        for worker in self.workers.values():
            worker.stop()


@pytest.fixture
def hospital(tables: Make) -> Iterator[Hospital]:
    homes, lock = tables(sites=(3, 1), patients=(30, 10))
    approve_everywhere(homes, lock)
    running = Hospital(homes, lock)
    yield running
    running.stop()


def entries(hospital: Hospital) -> list[str]:
    return [entry.kind for entry in read(hospital.home / "state" / "journal.jsonl")]


def test_after_decline_nothing_is_released(hospital: Hospital) -> None:
    assert hospital.release() == "release"
    ran = run_cli(site_app, "decline", hospital.lock.study_id, "--home", hospital.home)
    assert ran.status == 0, ran.err
    released = entries(hospital).count("release")
    assert hospital.release() == "FH-419"
    assert hospital.send("admission", hospital.offer).body["refusals"] == ["FH-419"]
    assert entries(hospital).count("release") == released
    assert run_cli(site_app, "approve", hospital.lock.study_id, "--yes", "--home", hospital.home).status == 0
    assert hospital.release() == "release"


def test_a_decision_holds_also_against_the_open_step(hospital: Hospital) -> None:
    at_site.decide(hospital.home / "state", hospital.lock.study_id, "declined", "2026-11-26T15:00:00+00:00")
    for kind in ("keys", "release", "open"):
        fields = {"study": hospital.lock.study_id, "phase": "evaluation", "round": 0, "attempt": 1, "statistic": "characteristics"}
        context = {**fields, "parameters": "", "state": "", "roster": ""}
        more = {"keys": {"sites": []}, "release": {"parameters": {}, "keys": {}}, "open": {"hashes": {}, "signature": ""}}[kind]
        assert hospital.send(kind, {"context": context, **more}).body["code"] == "FH-419"


def test_withdrawal_works_without_images_and_holds_at_once(hospital: Hospital) -> None:
    assert hospital.release() == "release"
    with (hospital.home / "cohort.csv").open() as stream:
        patient = next(csv.DictReader(stream))["patient"]
    ran = run_cli(site_app, "data", "withdraw", patient, "--yes", "--home", hospital.home)
    assert ran.status == 0, ran.err
    hospital.release()
    assert len(withdrawals_known(read(hospital.home / "state" / "journal.jsonl"))) == 1


def test_a_changed_policy_holds_from_the_next_message(hospital: Hospital) -> None:
    assert hospital.release() == "release"
    path = hospital.home / "site.yaml"
    before = path.read_text()
    path.write_text(before.replace("policy:\n", "policy:\n  statistics: [precounts]\n"))
    assert hospital.release() == "FH-503"
    path.write_text(before + "nonsense: [\n")
    assert hospital.release().startswith("FH-"), "a policy that does not read permits nothing"
    path.write_text(before)
    assert hospital.release() == "release"
    assert entries(hospital).count("configuration") == 2


def test_without_its_journal_nothing_is_released(hospital: Hospital) -> None:
    """Taken away, put back from yesterday, or emptied while the program runs; put back whole, the program goes on."""
    journal = hospital.home / "state" / "journal.jsonl"
    yesterday = journal.read_bytes()
    assert hospital.release() == "release"
    kept = journal.with_name("kept")
    journal.rename(kept)
    assert hospital.release() == "FH-534"
    journal.write_bytes(yesterday)
    assert hospital.release() == "FH-534"
    journal.unlink()
    whole = kept.read_bytes()
    kept.write_bytes(b"")
    kept.rename(journal)
    assert hospital.release().startswith("FH-")
    journal.write_bytes(whole)
    assert hospital.release() == "release"
