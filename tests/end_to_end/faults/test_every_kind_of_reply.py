"""Two hundred malformed replies of every kind that the other files leave: admission, status, finish and refusal; and no kind is forgotten.

Hospitals answer here as their programs did once, so that a reply costs what reading it costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from flwr.app import Message as FlowerMessage

from client.app import app as installed
from client.app import forget_agents
from server.asking.ask_masked_sum import Asker
from server.asking.clocks_and_waiting import Effects
from server.asking.office_ledger import StudyLedger
from server.asking.planned_pauses import Pauses
from server.link.flower_grid import FlowerTransport
from server.link.transport import Failure
from server.phases.admission_phase import admit
from server.phases.phase_context import Running
from server.study.resume_state import StudyFolder
from server.study.study_results import StudyResult
from shared_model.flower.flower_records import from_records, to_records
from shared_model.secure_sum.federation_messages import Message, StatusReply, StudyReference
from shared_model.secure_sum.message_bytes import KINDS
from simulations.engines.local_engine import LocalGrid
from simulations.study.site_folders import Homes
from site_config.keys_and_signatures import CoordinatorIdentity
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock
from tests.end_to_end.faults import test_hostile_messages as sums
from tests.end_to_end.shares import test_hostile_shares as shares
from tests.hostile_messages import broken, memory_limit

Make = Callable[..., tuple[Homes, StudyLock]]
TIMES = 200
HERE = ("admission", "status", "finish", "refusal")


class Remembering(LocalGrid):
    """A grid whose nodes give the reply they gave first; `evil`'s come broken while `spoilt` is set."""

    def __init__(self, homes: dict[int, Path], evil: int) -> None:
        super().__init__(installed, homes)
        self.evil, self.spoilt = evil, False
        self.kept: dict[tuple[int, str], Message] = {}
        self.random = np.random.default_rng(15)

    def pull_messages(self, message_ids: Iterable[str]) -> Iterable[FlowerMessage]:
        found = []
        for message in [self._inbox.pop(identifier) for identifier in message_ids if identifier in self._inbox]:
            node = message.metadata.dst_node_id
            key = node, from_records(message.content).kind
            if key not in self.kept:
                self.kept[key] = from_records(self._app(message, self._contexts[node]).content)
            evil = self.spoilt and node == self.evil
            found.append(FlowerMessage(self.malformed(self.kept[key]) if evil else to_records(self.kept[key]), reply_to=message))
        return found

    def malformed(self, honest: Message):
        content = broken(honest, self.random)
        while honest.kind == "admission" and sums.well_formed(content):
            content = broken(honest, self.random)
        return content


class Scene:
    """An office that heard every hospital once."""

    def __init__(self, homes: Homes, lock: StudyLock) -> None:
        self.names = lock.names("development") + lock.names("evaluation")
        self.evil = lock.names("development")[1]
        self.nodes = {name: number for number, name in enumerate(self.names, start=1)}
        self.grid = Remembering({self.nodes[name]: homes.site(name) for name in self.names}, self.nodes[self.evil])
        self.now = 0.0
        self.effects = Effects(lambda: self.now, self.sleep)
        folder = StudyFolder(homes.coordinator / "studies" / lock.study_id / "run")
        self.signed = StudyFolder(folder.root.parent).signed_lock()
        self.transport = FlowerTransport(lambda: self.grid, self.nodes)
        identity, ledger = CoordinatorIdentity.load(homes.coordinator), StudyLedger(folder.ledger_file)
        self.asker = Asker(lock, identity, self.transport, folder, ledger, self.effects)
        result = StudyResult(study_id=lock.study_id, title="", label="INCOMPLETE", simulated=True, created="", software="", lock={})
        self.running = Running(self.asker, folder, result)
        self.admit()

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def admit(self) -> None:
        admit(self.running, self.signed, self.transport)

    def answers(self, kind: str) -> None:
        """Every hospital's honest reply of a kind, where its program is not asked."""
        bodies = {"status": StatusReply(), "finish": StudyReference(study=self.asker.lock.study_id)}
        reply = Message("refusal", {"code": "FH-502", "until": 0}) if kind == "refusal" else Message(kind, bodies[kind].model_dump())
        self.grid.kept |= {(node, asked): reply for node in self.nodes.values() for asked in ("status", "finish")}


@pytest.fixture
def scene(tables: Make) -> Iterator[Scene]:
    forget_agents()
    yield Scene(*tables(sites=(3, 1), patients=(30, 10), deadlines={"admission": 2.0}))
    forget_agents()


def test_no_kind_of_message_is_forgotten() -> None:
    """Replies: here and in the two other files. Requests at a hospital: in the two other files."""
    assert {*HERE, *sums.REPLIES, *shares.REPLIES} == KINDS
    assert {*sums.FORMS, *shares.REQUESTS} == KINDS - {"refusal"}
    assert min(TIMES, sums.TIMES, shares.TIMES) >= 200


def test_a_malformed_admission_is_one_hospitals_fault(scene: Scene) -> None:
    scene.grid.spoilt = True
    with memory_limit():
        for _ in range(TIMES):
            with pytest.raises(Problem) as stalled:
                scene.admit()
            assert stalled.value.code == "FH-716"
            assert re.findall(r"site-\d+|hospital-\d+", stalled.value.what) == [scene.evil], stalled.value.what
    scene.grid.spoilt = False
    scene.admit()


@pytest.mark.parametrize("kind", ["status", "finish", "refusal"])
def test_a_malformed_answer_is_one_hospitals_failure(scene: Scene, kind: str) -> None:
    """What the office does with such a reply goes on: the others' replies are whole, and no failure is theirs."""
    scene.answers(kind)
    asked = "finish" if kind == "finish" else "status"
    honest = scene.asker.exchange({name: Message(asked, {}) for name in scene.names}, 1.0)
    scene.grid.spoilt, codes = True, set()
    with memory_limit():
        for _ in range(TIMES):
            done = scene.asker.exchange({name: Message(asked, {}) for name in scene.names}, 1.0)
            codes |= {failure.code for name, failure in done.failures.items() if name == scene.evil}
            for name in set(scene.names) - {scene.evil}:
                assert done.replies.get(name) == honest.replies.get(name)
                assert done.failures.get(name) == honest.failures.get(name)
    assert codes - {"FH-502"} == {federation.REPLY_MALFORMED.label}, "a refusal that lacks a field with a default is whole"


def test_a_malformed_status_ends_a_pause_and_nothing_else(scene: Scene) -> None:
    scene.answers("status")
    scene.grid.spoilt = True
    until = int(scene.effects.now().timestamp()) + 3600
    with memory_limit():
        for _ in range(TIMES):
            pauses, before = Pauses(scene.asker.exchange, scene.effects, 3600.0), scene.now
            stood = pauses.wait({scene.evil: Failure(federation.SITE_PAUSED.label, "refused", until)}, lambda _words: None)
            assert stood == scene.now - before <= 60.0
