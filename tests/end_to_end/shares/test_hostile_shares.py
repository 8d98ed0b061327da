"""Malformed messages of the kinds that secret shares need (holder, rows, hold) and of statements, both ways, under a memory limit."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from flwr.app import Message as FlowerMessage
from flwr.supercore.task_identity import TaskIdentity
from pydantic import BaseModel, ValidationError

import client.program.flower_node as at_site
from client.app import forget_agents
from client.program.message_agent import Agent
from server.asking.ask_masked_sum import Asker
from server.asking.ask_on_shares import Shared, SharedComputation
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger
from server.link.transport import Exchange, Failure
from server.phases.admission_phase import exchange_statements
from server.phases.phase_context import Running
from server.study.resume_state import StudyFolder
from server.study.study_results import StudyResult
from shared_model.analyses.analysis_plan import plan_of
from shared_model.secure_sum.federation_messages import AdmissionRequest, Message
from shared_model.secure_sum.message_bytes import WireError
from shared_model.secure_sum.statements import StatementsReply, StatementsRequest
from shared_model.shares.messages.share_messages import HolderKeyReply, HolderKeyRequest, HoldReply, HoldRequest, RowsReply, RowsRequest
from simulations.study.site_folders import Homes, approve_everywhere
from site_config.documents.read_yaml_documents import load_site
from site_config.hash_chained_journal import read as read_journal
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Privacy, StudyLock
from tests.hostile_messages import broken, memory_limit

Make = Callable[..., tuple[Homes, StudyLock]]
TIMES = 200
CODE = re.compile(r"FH-\d{3}")
REQUESTS: dict[str, type[BaseModel]] = {
    "holder": HolderKeyRequest,
    "rows": RowsRequest,
    "hold": HoldRequest,
    "statements": StatementsRequest,
}
REPLIES: dict[str, type[BaseModel]] = {"holder": HolderKeyReply, "rows": RowsReply, "hold": HoldReply, "statements": StatementsReply}


@dataclass
class Canned:
    """Hospitals that answer as their agents did once, message by message; `evil`'s replies of one kind come broken.

    The agents are asked where nothing was kept yet, so the first run is an honest one.
    """

    agents: dict[str, Agent]
    kept: dict[tuple[str, str, int], Message] = field(default_factory=dict)
    asked: dict[tuple[str, str], Message] = field(default_factory=dict)
    evil: str = ""
    kind: str = ""
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(8))

    def sites(self) -> dict[str, bool]:
        return dict.fromkeys(self.agents, True)

    def exchange(self, messages: dict[str, Message], _left: float) -> Exchange:
        replies: dict[str, Message] = {}
        failures: dict[str, Failure] = {}
        for site, message in messages.items():
            self.asked.setdefault((site, message.kind), message)
            key = (site, message.kind, int(message.body.get("step", 0)))
            if key not in self.kept:
                self.kept[key] = self.agents[site].handle(message)
            reply = self.kept[key]
            if (site, message.kind) == (self.evil, self.kind):
                try:
                    reply = at_site.from_records(broken(reply, self.random))
                except WireError:  # as `server.link.flower_grid` tells it
                    failures[site] = Failure(federation.REPLY_MALFORMED.label, "reply")
                    continue
            if reply.kind == "refusal":
                failures[site] = Failure(str(reply.body["code"]), "refusal")
            else:
                replies[site] = reply
        return Exchange(replies, failures)


@dataclass
class Scene:
    homes: Homes
    lock: StudyLock
    canned: Canned
    asker: Asker
    runs: int = 0

    def compute(self) -> Any:
        """The clinical phase on shares, in a folder of its own."""
        self.runs += 1
        folder = StudyFolder(self.homes.coordinator / "studies" / self.lock.study_id / f"run-{self.runs}")
        folder.root.mkdir(parents=True, exist_ok=True)
        plan = plan_of(self.lock, "clinical", {})
        return SharedComputation(self.asker, folder, Shared(plan, plan.sites(self.lock))).results()


@pytest.fixture
def scene(tables: Make) -> Iterator[Scene]:
    homes, lock = tables(sites=(3, 1), patients=(30, 10), resolution="shares", models=("CLN",))
    approve_everywhere(homes, lock)
    agents = {name: Agent(load_site(homes.site(name) / "site.yaml")) for name in homes.sites()}
    folder = StudyFolder(homes.coordinator / "studies" / lock.study_id / "run")
    signed = StudyFolder(homes.coordinator / "studies" / lock.study_id).signed_lock()
    for agent in agents.values():
        reply = agent.handle(Message("admission", AdmissionRequest(signed=signed).model_dump(mode="json")))
        assert reply.body["accepted"], reply.body
    canned, clock = Canned(agents), iter(range(1 << 30))
    effects = Effects(lambda: float(next(clock)), lambda _seconds: None)
    asker = Asker(lock, CoordinatorIdentity.load(homes.coordinator), canned, folder, StudyLedger(folder.ledger_file), effects)  # type: ignore[arg-type]
    yield Scene(homes, lock, canned, asker)
    for agent in agents.values():
        agent.close()
    forget_agents()


def valid(form: type[BaseModel], message: Message) -> bool:
    try:
        form.model_validate(message.body)
    except ValidationError:
        return False
    return True


def test_malformed_replies_are_one_hospitals_fault(scene: Scene) -> None:
    honest = scene.compute()
    canned = scene.canned
    canned.evil = scene.lock.holders[1]
    for kind in ("holder", "rows", "hold"):
        canned.kind, stalled = kind, 0
        with memory_limit():
            for _ in range(TIMES):
                try:
                    again = scene.compute()
                except Problem as problem:
                    stalled += 1
                    assert problem.code == "FH-716", problem
                    assert set(re.findall(r"hospital-\d+", problem.what)) == {canned.evil}, (kind, problem.what)
                else:
                    assert again.results == honest.results, "whole all the same: another number nobody reads, or a default"
        assert stalled >= TIMES // 2, (kind, stalled)
    canned.kind = ""
    assert scene.compute().results == honest.results


def test_malformed_messages_are_refused_by_number_and_journalled(scene: Scene) -> None:
    scene.compute()
    site = scene.lock.holders[0]
    agent, random = scene.canned.agents[site], np.random.default_rng(9)
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1  # Flower's replies name the process's task
    journal = scene.homes.config(site).state / "journal.jsonl"
    asked = {kind: scene.canned.asked[site, kind] for kind in ("holder", "rows", "hold")}
    asked["statements"] = Message("statements", {"study": scene.lock.study_id, "opened": [], "boxes": {}})
    before = sum(entry.kind == "shared-rows" for entry in read_journal(journal))
    with memory_limit():
        for kind, request in asked.items():
            refused = 0
            for _ in range(TIMES):
                outer = FlowerMessage(broken(request, random), 1, "query.fedhcc")
                outer.metadata.__dict__["_message_id"] = "1"
                reply = at_site.from_records(at_site.answer(outer, agent.handle).content)
                if reply.kind == "refusal":
                    refused += 1
                    assert CODE.fullmatch(reply.body["code"]), (kind, reply)
                else:
                    assert reply.kind == kind and valid(REPLIES[kind], reply), (kind, reply)
                    assert valid(REQUESTS[kind], at_site.from_records(outer.content)), (kind, reply)
            assert refused >= TIMES // 2, (kind, refused)
    opened = {entry.data["result"]["name"] for entry in read_journal(journal) if entry.kind == "revealed"}
    declared = set(plan_of(scene.lock, "clinical", {}).declaration.results)
    assert opened <= declared, "nothing was opened that the lock does not declare"
    assert sum(entry.kind == "shared-rows" for entry in read_journal(journal)) >= before


REQUESTS_OUTSIDE = 1_000


def outside(asked: dict[str, Message], others: tuple[str, ...], random: np.random.Generator) -> Message:
    """A whole message with one thing that the lock or the signatures do not allow."""
    kind = sorted(asked)[random.integers(len(asked))]
    message = asked[kind]
    body, arrays = dict(message.body), dict(message.arrays)
    changes: list[tuple[str, Any]] = [("study", random.bytes(32).hex()), ("phase", "admission" if kind in ("rows", "hold") else None)]
    if "holders" in body:
        names = sorted(body["holders"])
        first, second = (body["holders"][name] for name in names[:2])
        changes += [
            ("holders", {**body["holders"], names[0]: second}),
            ("holders", {name: body["holders"][name] for name in names[1:]}),
            ("holders", {**body["holders"], names[0]: {**first, "public_key": random.bytes(32).hex()}}),
            ("holders", {**body["holders"], names[0]: {**first, "signature": random.bytes(64).hex()}}),
        ]
    if "sites" in body:
        sites = list(body["sites"])
        changes += [("sites", sites[1:]), ("sites", [*sites, "ghost"]), ("sites", [*sites, sites[0]]), ("sites", [])]
    if "earlier" in body:
        record = {"name": "cln.step.1", "shape": [1], "bits": 14, "units": [int(random.integers(1 << 14))]}
        made_up = {"phase": "clinical", "results": [record], "signatures": {name: random.bytes(64).hex() for name in others}}
        changes += [("earlier", [made_up]), ("earlier", [{**made_up, "signatures": {}}])]
    if kind == "hold":
        changes += [("step", int(random.integers(1, 1 << 20))), ("attempt", int(random.integers(2, 1 << 16))), ("rows", {})]
    name, value = [change for change in changes if change[1] is not None][random.integers(sum(change[1] is not None for change in changes))]
    return Message(message.kind, {**body, name: value}, arrays)


def test_a_thousand_requests_outside_the_lock_are_refused_and_journalled(scene: Scene) -> None:
    scene.compute()
    site = scene.lock.holders[0]
    agent, random = scene.canned.agents[site], np.random.default_rng(10)
    asked = {kind: scene.canned.asked[site, kind] for kind in ("holder", "rows", "hold")}
    asked["statements"] = Message("statements", {"study": scene.lock.study_id, "opened": [], "boxes": {}})
    journal = scene.homes.config(site).state / "journal.jsonl"
    before = list(read_journal(journal))
    codes: dict[str, int] = {}
    for _ in range(REQUESTS_OUTSIDE):
        message = outside(asked, scene.lock.holders, random)
        reply = agent.handle(message)
        assert reply.kind == "refusal", (message.kind, {name: str(value)[:80] for name, value in message.body.items()})
        codes[reply.body["code"]] = codes.get(reply.body["code"], 0) + 1
    assert all(CODE.fullmatch(code) for code in codes), codes
    after = list(read_journal(journal))[len(before) :]
    assert [entry.kind for entry in after] == ["refusal"] * REQUESTS_OUTSIDE


def test_malformed_statements_are_one_hospitals_fault(tables: Make) -> None:
    """What hospitals state of themselves: the study stalls naming the one, or goes on; each other one's is carried as it came."""
    homes, lock = tables(sites=(3, 1), patients=(30, 10), resolution="shares", models=("CLN",))
    approve_everywhere(homes, lock)
    lock = lock.model_copy(update={"study": lock.study.model_copy(update={"privacy": Privacy()})})
    boxes = {name: {other: "00" * 60 for other in homes.sites() if other != name} for name in homes.sites()}
    kept = {(name, "statements", 0): Message("statements", {"boxes": boxes[name]}) for name in boxes}
    kept |= {(name, "status", 0): Message("status", {"phase": ""}) for name in boxes}
    canned = Canned({}, kept, kind="statements")
    folder = StudyFolder(homes.coordinator / "studies" / lock.study_id / "run")
    folder.root.mkdir(parents=True, exist_ok=True)
    clock = iter(range(1 << 30))
    effects = Effects(lambda: float(next(clock)), lambda _seconds: None)
    asker = Asker(lock, CoordinatorIdentity.load(homes.coordinator), canned, folder, StudyLedger(folder.ledger_file), effects)  # type: ignore[arg-type]
    result = StudyResult(study_id=lock.study_id, title="", label="INCOMPLETE", simulated=True, created="", software="", lock={})
    running = Running(asker, folder, result)
    exchange_statements(running)
    canned.evil, stalled = lock.names("development")[1], 0
    with memory_limit():
        for _ in range(TIMES):
            try:
                exchange_statements(running)
            except Problem as problem:
                stalled += 1
                assert problem.code == "FH-716", problem
                assert set(re.findall(r"hospital-\d+", problem.what)) == {canned.evil}, problem.what
    assert stalled >= TIMES // 4, stalled
    canned.evil = ""
    exchange_statements(running)
