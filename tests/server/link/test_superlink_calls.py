"""The SuperLink's desk on Flower's state in memory: what is handed over, what is handed over again, and what can never come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import Message as FlowerMessage
from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID, SUPERLINK_NODE_ID
from flwr.proto.control_pb2 import StartRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest, PullMessagesResponse, PushMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import PushObjectRequest
from flwr.proto.node_pb2 import Node
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullAppMessagesRequest,
    PullAppMessagesResponse,
    PullTaskInputRequest,
    PushAppMessagesRequest,
)
from flwr.supercore.auth.typing import AccountInfo
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME, NodeStatus, TaskType
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.config_loader import get_federation_manager, get_objectstore_linkstate_factories
from flwr.superlink.servicer.control.control_handlers import start_run
from flwr.superlink.servicer.runtime import runtime_handlers

from client import keys_kit_and_decisions as at_site
from server import hospital_register as enrol
from server import office_setup
from server.link.node_registration import Registration, key_of
from server.link.superlink_calls import Desk
from shared_model.flower.flower_records import MESSAGE_TYPE, from_records, to_records
from shared_model.flower.parcels import Parcel, gathered, opened, pushes, small
from shared_model.flower.several_calls import STANDS_STILL, join_calls, split_calls, split_replies, together
from shared_model.secure_sum.federation_messages import Message
from site_config.study.flower_app_bundle import app_bundle


def absent(identifier: str) -> bytes:
    raise AssertionError(f"{identifier} did not come along")


class Office:
    """A desk with the register of an office, a run, and hospitals that speak to the desk directly."""

    def __init__(self, home: Path) -> None:
        self.home = home
        office_setup.init(home, "Trial office", "127.0.0.1:9443")
        _, factory = get_objectstore_linkstate_factories(FLWR_IN_MEMORY_DB_NAME, get_federation_manager())
        self.desk = Desk(factory.state())
        self.registration = Registration(home, self.desk)
        account = AccountInfo(flwr_aid=NOOP_FLWR_AID, account_name=NOOP_ACCOUNT_NAME)
        state = self.desk.state
        start_run(StartRunRequest(fab=Fab(content=app_bundle()), federation=""), account, state, None)
        token = runtime_handlers.acquire_task(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]), state).token
        self.task = state.get_task_by_token(token)
        taken = runtime_handlers.pull_task_input(PullTaskInputRequest(), state, self.task)
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = taken.task_id, taken.run.run_id, SUPERLINK_NODE_ID

    def enrol(self, name: str) -> enrol.Enrolled:
        folder = self.home.with_name(f"{name}-{time.time_ns()}")
        enrol.enrol(self.home, at_site.init(folder, name).request().model_dump_json().encode(), replace=True)
        self.registration.look()
        return enrol.load(self.home).active()[name]

    def activate(self, site: enrol.Enrolled) -> None:
        request = ActivateNodeRequest(public_key=key_of(site), heartbeat_interval=10)
        list(self.desk.fleet([("activate-node", request.SerializeToString())], site.node_id, key_of(site)))

    def ask(self, site: enrol.Enrolled, message: Message) -> str:
        parcel = Parcel.of(FlowerMessage(to_records(message), site.node_id, MESSAGE_TYPE, ttl=60))
        head = PushAppMessagesRequest(messages_list=[parcel.head], message_object_trees=[parcel.tree]).SerializeToString()
        own = Node(node_id=SUPERLINK_NODE_ID)
        calls = [("push-messages", head), *pushes(parcel.contents, own, self.task.run_id)]
        pushed, *_ = self.desk.runtime(calls, self.task)
        self.desk.announce()
        return str(pushed.message_ids[0])

    def receive(self, site: enrol.Enrolled, wait: float = 0.0) -> FlowerMessage | None:
        answer = asyncio.run(self.desk.receive(PullMessagesRequest(node=Node(node_id=site.node_id)), wait))
        response, objects = opened(answer, PullMessagesResponse)
        return gathered(response.message_object_trees[0], objects, 1 << 20, absent) if response.messages_list else None

    def reply(self, site: enrol.Enrolled, to: FlowerMessage, reply: Message, pieces: int | None = None) -> None:
        parcel = Parcel.of(FlowerMessage(to_records(reply), reply_to=to))
        node = Node(node_id=site.node_id)
        head = PushMessagesRequest(node=node, messages_list=[parcel.head], message_object_trees=[parcel.tree]).SerializeToString()
        sent = dict(list(parcel.contents.items())[:pieces])
        list(self.desk.fleet([("push-messages", head), *pushes(sent, node, self.task.run_id)], site.node_id, key_of(site)))
        self.desk.announce()

    def collect(self, *questions: str, wait: float = 0.0) -> dict[str, FlowerMessage | str]:
        answer = asyncio.run(self.desk.collect(PullAppMessagesRequest(message_ids=questions), wait, self.task))
        response, objects = opened(answer, PullAppMessagesResponse)
        found: dict[str, FlowerMessage | str] = {}
        for head, tree in zip(response.messages_list, response.message_object_trees, strict=True):
            whole = gathered(tree, objects, 1 << 20, absent)
            found[head.metadata.reply_to_message_id] = "unavailable" if whole.has_error() else whole
        return found


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    yield Office(tmp_path / "office")


def question(number: int = 1) -> Message:
    return Message("status", {"n": number}, {"w": np.arange(3.0)})


def test_a_question_and_its_answer_pass_whole(office: Office) -> None:
    alpha = office.enrol("alpha")
    office.activate(alpha)
    asked = office.ask(alpha, question())
    got = office.receive(alpha)
    assert got is not None and from_records(got.content).body == {"n": 1}
    assert office.collect(asked) == {}
    office.reply(alpha, got, question(2))
    found = office.collect(asked)[asked]
    assert isinstance(found, FlowerMessage) and from_records(found.content).body == {"n": 2}


def test_what_was_lost_on_the_way_is_handed_out_again_and_what_was_answered_is_not(office: Office) -> None:
    alpha = office.enrol("alpha")
    office.activate(alpha)
    asked = office.ask(alpha, question())
    first, second = office.receive(alpha), office.receive(alpha)
    assert first is not None and second is not None and first.metadata.message_id == second.metadata.message_id == asked
    office.reply(alpha, second, question())
    assert office.receive(alpha) is None


def test_half_a_reply_is_nobodys_and_is_given_up_with_its_sender(office: Office) -> None:
    alpha = office.enrol("alpha")
    office.activate(alpha)
    asked = office.ask(alpha, question())
    got = office.receive(alpha)
    assert got is not None
    office.reply(alpha, got, question(), pieces=1)
    assert office.collect(asked) == {}, "a piece is no reply"
    assert office.receive(alpha) is None
    assert office.collect(asked) == {asked: "unavailable"}


def test_a_program_that_was_started_anew_cannot_answer_what_its_forerunner_was_asked(office: Office) -> None:
    alpha = office.enrol("alpha")
    office.activate(alpha)
    asked = office.ask(alpha, question())
    assert office.receive(alpha) is not None
    office.desk.state.deactivate_node(alpha.node_id)
    office.activate(alpha)
    assert office.collect(asked) == {asked: "unavailable"} and office.receive(alpha) is None


def test_a_reply_counts_although_its_site_has_gone_since(office: Office) -> None:
    alpha = office.enrol("alpha")
    office.activate(alpha)
    asked = office.ask(alpha, question())
    got = office.receive(alpha)
    assert got is not None
    office.reply(alpha, got, question(3))
    office.desk.state.deactivate_node(alpha.node_id)
    assert isinstance(office.collect(asked)[asked], FlowerMessage)


def test_who_waits_is_rung_for(office: Office) -> None:
    alpha = office.enrol("alpha")
    office.activate(alpha)

    async def both() -> tuple[Any, float]:
        waiting = asyncio.create_task(office.desk.receive(PullMessagesRequest(node=Node(node_id=alpha.node_id)), 20.0))
        await asyncio.sleep(0.05)
        began = time.monotonic()
        office.ask(alpha, question())
        answer = await waiting
        return opened(answer, PullMessagesResponse)[0], time.monotonic() - began

    response, seconds = asyncio.run(both())
    assert len(response.messages_list) == 1 and seconds < 5


def test_striking_one_hospital_ends_nothing_of_the_others_and_it_comes_back_with_new_keys(office: Office) -> None:
    alpha, beta = office.enrol("alpha"), office.enrol("beta")
    for site in (alpha, beta):
        office.activate(site)
    of_alpha, of_beta = office.ask(alpha, question()), office.ask(beta, question())
    enrol.revoke(office.home, "beta")
    office.registration.look()
    assert office.collect(of_alpha, of_beta) == {of_beta: "unavailable"}
    assert office.desk.state.get_node_id_by_public_key(key_of(beta)) is None
    got = office.receive(alpha)
    assert got is not None, "the others' questions stay"
    again = office.enrol("beta")
    assert again.node_id != beta.node_id
    office.activate(again)
    assert office.desk.state.get_node_id_by_public_key(key_of(again)) == again.node_id


def test_numbers_are_the_same_after_every_start(office: Office, tmp_path: Path) -> None:
    alpha = office.enrol("alpha")
    _, factory = get_objectstore_linkstate_factories(FLWR_IN_MEMORY_DB_NAME, get_federation_manager())
    second = Desk(factory.state())
    Registration(office.home, second).look()
    assert set(second.state.nodes) == {alpha.node_id}


def test_the_offices_own_sleep_is_nobodys_fault(office: Office) -> None:
    alpha = office.enrol("alpha")
    office.activate(alpha)
    asked = office.ask(alpha, question())
    office.desk.state.nodes[alpha.node_id].online_until = time.time() - 600
    office.desk.slept(620.0)
    assert office.collect(asked) == {} and office.desk.state.nodes[alpha.node_id].status == NodeStatus.ONLINE
    assert office.desk.state.message_ins_store[asked].metadata.ttl > 600


def test_a_heartbeat_that_says_the_worker_stands_still_is_told_once_and_is_a_heartbeat(office: Office) -> None:
    said: list[str] = []
    office.desk._tell = said.append
    alpha = office.enrol("alpha")
    office.activate(alpha)

    def beat(name: str) -> bool:
        request = SendNodeHeartbeatRequest(node=Node(node_id=alpha.node_id), heartbeat_interval=10)
        (answer,) = office.desk.fleet([(name, request.SerializeToString())], alpha.node_id, key_of(alpha))
        return bool(answer.success)

    assert beat("send-node-heartbeat") and said == []
    assert beat(STANDS_STILL) and beat(STANDS_STILL) and len(said) == 1 and str(alpha.node_id) in said[0]
    assert beat("send-node-heartbeat") and beat(STANDS_STILL) and len(said) == 2


def test_a_site_speaks_for_itself_only(office: Office) -> None:
    alpha, beta = office.enrol("alpha"), office.enrol("beta")
    request = PushObjectRequest(node=Node(node_id=beta.node_id), run_id=1).SerializeToString()
    with pytest.raises(PermissionError):
        office.desk.fleet([("push-object", request)], alpha.node_id, key_of(alpha))
    request = ActivateNodeRequest(public_key=key_of(beta), heartbeat_interval=10).SerializeToString()
    with pytest.raises(PermissionError):
        office.desk.fleet([("activate-node", request)], alpha.node_id, key_of(alpha))


@pytest.mark.parametrize("body", [b"\x05ab", join_calls([("get-run", b"abc")])[:-1], b"\x01a\x00\x00"])
def test_a_list_that_is_cut_off_is_none(body: bytes) -> None:
    with pytest.raises(ValueError):
        split_calls(body)


def test_replies_that_are_cut_off_are_none() -> None:
    with pytest.raises(ValueError):
        split_replies(b"\x00\xc8\x00\x00\x00\x05abc")


def test_large_objects_travel_alone() -> None:
    assert together([("a", 10), ("b", 5 << 20), ("c", 20)]) == {"a", "c"}
    assert len(together([(str(n), 200 << 10) for n in range(40)])) == 20
    large = Parcel.of(FlowerMessage(to_records(Message("release", {}, {"w": np.zeros(2_000_000, np.uint32)})), 7, MESSAGE_TYPE, ttl=60))
    assert sum(len(content) for content in small([large]).values()) < 1 << 20
