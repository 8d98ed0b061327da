"""Malformed messages of every kind, both ways: one hospital's fault by its name, a numbered refusal, and never more memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message as FlowerMessage
from flwr.app import RecordDict
from flwr.clientapp import ClientApp
from pydantic import BaseModel

import client.program.flower_node as at_site
from client.app import app as installed
from client.app import forget_agents
from client.program.message_agent import Agent
from server.asking.ask_masked_sum import Asker, Missed
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger
from server.link.flower_grid import FlowerTransport
from server.phases.admission_phase import admit
from server.phases.phase_context import Running
from server.study.resume_state import StudyFolder
from server.study.study_results import StudyResult
from shared_model.secure_sum.federation_messages import (
    AdmissionReply,
    AdmissionRequest,
    KeysRequest,
    Message,
    OpenRequest,
    ReleaseRequest,
    StudyReference,
)
from shared_model.statistics.statistic_parameters import PreCounts
from simulations.engines.local_engine import LocalGrid
from simulations.study.site_folders import Homes
from site_config.documents.read_yaml_documents import load_site
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.study.plan_and_lock import StudyLock
from tests.hostile_messages import broken, memory_limit


class Anything(BaseModel):
    """What a status message may hold, which nobody reads."""


Make = Callable[..., tuple[Homes, StudyLock]]
TIMES = 200
CODE = re.compile(r"FH-\d{3}")


REPLIES = ("keys", "release", "open")
FORMS: dict[str, type[BaseModel]] = {
    "admission": AdmissionRequest,
    "keys": KeysRequest,
    "release": ReleaseRequest,
    "open": OpenRequest,
    "finish": StudyReference,
    "status": Anything,
}


def well_formed(content: RecordDict, form: type[BaseModel] = AdmissionReply) -> bool:
    """Whether a broken message still is one: it lacks a field with a default, or has other words."""
    try:
        form.model_validate(at_site.from_records(content).body)
    except ValueError:
        return False
    return True


class Hostile(LocalGrid):
    """A Grid on which one node's replies of one kind come broken."""

    def __init__(self, app: ClientApp, homes: dict[int, Path], evil: int) -> None:
        super().__init__(app, homes)
        self.evil, self.kind = evil, ""
        self.random = np.random.default_rng(6)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[FlowerMessage]:
        replies = list(super().pull_messages(message_ids))
        for reply in replies:
            if reply.metadata.src_node_id == self.evil:
                honest = at_site.from_records(reply.content)
                if honest.kind == self.kind:
                    reply.content = broken(honest, self.random)
        return replies


class Office:
    """A coordinator whose hospitals are all honest but one."""

    def __init__(self, homes: Homes, lock: StudyLock) -> None:
        names = lock.names("development") + lock.names("evaluation")
        self.evil = lock.names("development")[1]
        nodes = {name: number for number, name in enumerate(names, start=1)}
        self.grid = Hostile(installed, {nodes[name]: homes.site(name) for name in names}, nodes[self.evil])
        self.transport = FlowerTransport(lambda: self.grid, nodes)
        self.now = 0.0
        folder = StudyFolder(homes.coordinator / "studies" / lock.study_id / "run")
        self.signed = StudyFolder(homes.coordinator / "studies" / lock.study_id).signed_lock()
        identity = CoordinatorIdentity.load(homes.coordinator)
        effects = Effects(lambda: self.now, self._sleep)
        self.asker = Asker(lock, identity, self.transport, folder, StudyLedger(folder.ledger_file), effects)
        result = StudyResult(study_id=lock.study_id, title="", label="INCOMPLETE", simulated=True, created="", software="", lock={})
        self.running = Running(self.asker, folder, result)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def admit(self) -> None:
        admit(self.running, self.signed, self.transport)

    def ask(self) -> dict[str, str]:
        """Who kept the sum closed, by whose fault; empty where it opened."""
        question = self.asker.question(
            "precounts", PreCounts(split="train", columns=()), phase="admission", role="development", block=0, round=0
        )
        question = type(question)(**{**vars(question), "deadline_s": 1.0, "next_round": 1})
        try:
            self.asker.once(question)
        except Missed as missed:
            return missed.missing
        return {}


@pytest.fixture(autouse=True)
def fresh_agents():
    forget_agents()
    yield
    forget_agents()


@pytest.fixture
def office(tables: Make) -> Office:
    return Office(*tables(sites=(3, 1), patients=(30, 10)))


@pytest.mark.parametrize("kind", REPLIES)
def test_a_malformed_reply_is_one_hospitals_fault(office: Office, kind: str) -> None:
    office.admit()
    assert office.ask() == {}
    office.grid.kind = kind
    with memory_limit():
        named = [office.ask() for _ in range(TIMES)]
    assert [one for one in named if set(one) - {office.evil}] == [], "nobody else is named"
    assert sum(not one for one in named) <= TIMES // 10, "a reply that lacks a field with a default is whole"
    assert {code for one in named for code in one.values()} <= {"FH-705", "FH-721"}
    office.grid.kind = ""
    assert office.ask() == {}, "the next honest attempt opens"


def test_a_malformed_message_is_refused_by_number(tables: Make) -> None:
    """Every kind of request, broken at one place, at a hospital's node and agent."""
    homes, lock = tables(sites=(3, 1), patients=(30, 10))
    office = Office(homes, lock)
    seen: dict[str, Message] = {}

    def watch(request: Message) -> Message:
        seen.setdefault(request.kind, request)
        return agent.handle(request)

    watched = lock.names("development")[0]
    forget_agents()
    agent = Agent(load_site(homes.site(watched) / "site.yaml"))
    from client import app as module

    module._agents[homes.site(watched).resolve()] = watch
    office.admit()
    assert office.ask() == {}
    seen["status"], seen["finish"] = Message("status", {}), Message("finish", {"study": lock.study_id})
    random = np.random.default_rng(7)
    assert set(seen) == {"admission", "keys", "release", "open", "status", "finish"}
    with memory_limit():
        for kind, request in seen.items():
            for _ in range(TIMES):
                outer = FlowerMessage(broken(request, random), 1, "query.fedhcc")
                outer.metadata.__dict__["_message_id"] = "1"
                reply = at_site.from_records(at_site.answer(outer, agent.handle).content)
                refused = reply.kind == "refusal" and CODE.fullmatch(reply.body["code"])
                assert refused or (reply.kind == kind and well_formed(outer.content, FORMS[kind])), (kind, reply)
    agent.close()
    assert AdmissionRequest.model_validate(seen["admission"].body).signed.lock == lock
