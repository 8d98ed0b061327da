"""Flower's SuperLink as the coordinator uses it: registering nodes, starting a run, and taking its server task.

The run's server task is taken into this process (Flower calls that process isolation), so that the code that runs is the
code that is installed, and resuming is ours: a run of Flower never survives its SuperLink, a study does.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from flwr.app import Message as FlowerMessage
from flwr.app import Metadata
from flwr.app.error import Error
from flwr.app.message import make_message
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode, SubStatus
from flwr.common.serde import run_from_proto
from flwr.proto.control_pb2 import ListNodesRequest, StartRunRequest, StopRunRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest, PullObjectResponse, PushObjectResponse
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullAppMessagesRequest,
    PullAppMessagesResponse,
    PullTaskInputRequest,
    PushAppMessagesRequest,
    PushAppMessagesResponse,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.supercore.auth import load_superexec_auth_secret
from flwr.supercore.constant import TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.interceptors import RuntimeTokenHttpInterceptor, RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supercore.retry import RetryInvoker, exponential
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid import HttpGrid

from server.hospital_register import load
from server.link.flower_grid import LOST, LinkEffects, RunLost
from shared_model.flower.flower_connection import Connection
from shared_model.flower.flower_records import MALFORMED, MESSAGE_TYPE
from shared_model.flower.flower_version import check_version
from shared_model.flower.parcels import gathered, lacking, on_lines, opened, parcels_of, push, pushes, small
from shared_model.flower.several_calls import OFFICE_HEADER, RUNTIME_PATH
from site_config.atomic_files import read_limited, write_atomic
from site_config.heap_memory import keep_heap
from site_config.study.flower_app_bundle import app_bundle

HEARTBEAT_S = 10.0
FETCHERS = 3
OUTAGE_S = 30.0
COLLECT_S, LOOK_S = 5.0, 0.05
"""Seconds for which the SuperLink waits for a reply to hand over, alone, and while others are being fetched."""


class Control(Connection, ControlHttpClient):  # type: ignore[misc]
    """Flower's client of the control API over a connection of ours."""


class Runtime(Connection, RuntimeHttpClient):  # type: ignore[misc]
    """Flower's client of the runtime API over a connection of ours."""


class OfficeInterceptor:
    """Shows the office's secret, without which the SuperLink answers nothing on its control API."""

    def __init__(self, secret_file: str) -> None:
        self._secret = read_limited(Path(secret_file), 4096).decode()

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """Add the header."""
        context.request.headers[OFFICE_HEADER] = self._secret
        response: httpx.Response = call_next(context)
        return response


@dataclass(frozen=True)
class SuperLinkAddress:
    """Where the private SuperLink listens, how it is known, and the runner's secret."""

    address: str
    ca: bytes
    secret_file: str

    def control(self, patience_s: float = OUTAGE_S) -> Control:
        """A client of the control API (nodes, runs), which waits so long for a SuperLink that is starting."""
        interceptors = [RuntimeVersionHttpInterceptor(component_name="flwr CLI"), OfficeInterceptor(self.secret_file)]
        client: Control = Control.from_server_address(self.address, False, self.ca, interceptors, retry_invoker=_retries(patience_s))
        return client


def link_of(home: Path) -> SuperLinkAddress:
    """The private SuperLink of a coordinator's home."""
    ca = read_limited(home / "tls" / "ca.pem", 1 << 16)
    return SuperLinkAddress(f"127.0.0.1:{load(home).superlink_port}", ca, str(home / "identity" / "runtime.secret"))


def _retries(seconds: float = OUTAGE_S) -> RetryInvoker:
    """Retry while the SuperLink restarts, then give up; Flower's own never gives up and kills the process on a refusal."""
    transient = {502, 503, 504}

    def hopeless(error: Exception) -> bool:
        return isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in transient

    return RetryInvoker(
        wait_gen_factory=lambda: exponential(base_delay=0.1, multiplier=1.5, max_delay=2),
        recoverable_exceptions=(httpx.TransportError, httpx.HTTPStatusError),
        max_tries=None,
        max_time=seconds,
        should_giveup=hopeless,
    )


def online_nodes(link: SuperLinkAddress, patience_s: float = OUTAGE_S) -> set[int]:
    """Node ids whose heartbeats arrive."""
    client = link.control(patience_s)
    try:
        return {int(node.node_id) for node in client.ListNodes(ListNodesRequest()).nodes_info if node.status == "online"}
    finally:
        client.close()


class AttachedGrid(HttpGrid):  # type: ignore[misc]
    """A Grid on a run that this process started and whose server task it holds; `close` ends the run."""

    def __init__(self, link: SuperLinkAddress, token: str) -> None:
        super().__init__(link.address, False, link.ca, token=token)
        self._retry_invoker = _retries()
        self._fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="replies")
        self._arriving: dict[str, Future[FlowerMessage]] = {}
        self.rooms: dict[str, int] = {}
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._beat, daemon=True)

    def _connect(self) -> None:
        interceptors = [RuntimeVersionHttpInterceptor(component_name="flwr-serverapp"), RuntimeTokenHttpInterceptor(token=self._token)]
        self._client = Runtime.from_server_address(self._addr, False, self._cert, interceptors, retry_invoker=self._retry_invoker)

    def _try_push_messages(self, run_id: int, messages: Iterable[FlowerMessage]) -> list[str]:
        """Push all messages: the small objects with them, of the large ones what the SuperLink does not hold."""
        parcels = parcels_of(messages)
        first = small(parcels)
        heads = PushAppMessagesRequest(messages_list=[p.head for p in parcels], message_object_trees=[p.tree for p in parcels])
        ask = self._runtime_client.ask
        answer = ask(RUNTIME_PATH, [("push-messages", heads.SerializeToString()), *pushes(first, self.node, run_id)])[0]
        pushed = PushAppMessagesResponse.FromString(answer)
        known = {identifier: content for parcel in parcels for identifier, content in parcel.contents.items()}

        def send(identifier: str) -> None:
            request = push(identifier, known[identifier], self.node, run_id, pushed.session_id)
            if not PushObjectResponse.FromString(ask(RUNTIME_PATH, [("push-object", request)])[0]).stored:
                raise inflatable_utils.ObjectPushError(identifier, run_id, pushed.session_id)

        on_lines(send, [identifier for identifier in pushed.objects_to_push if identifier not in first])
        return list(pushed.message_ids)

    def pull_messages(self, message_ids: Iterable[str]) -> list[FlowerMessage]:
        """Replies that are here whole."""
        return self.pull_within(message_ids, COLLECT_S)

    def pull_within(self, message_ids: Iterable[str], wait_s: float) -> list[FlowerMessage]:
        """Replies that are here whole, waited for so long. The rest of large ones is fetched beside, so that a slow one holds nobody up."""
        wait_s = min(wait_s, COLLECT_S)
        wanted = [identifier for identifier in message_ids if identifier not in self._arriving]
        if wanted:
            request = PullAppMessagesRequest(message_ids=wanted).SerializeToString()
            wait_s = wait_s if not self._arriving else LOOK_S
            answer, objects = opened(self._runtime_client.ask(RUNTIME_PATH, [("collect", request)], wait_s)[0], PullAppMessagesResponse)
            for head, tree in zip(answer.messages_list, answer.message_object_trees, strict=True):
                asked = head.metadata.reply_to_message_id
                room = self.rooms.pop(asked, 0)
                self._arriving[asked] = self._fetchers.submit(self._fetch, head.metadata, tree, objects, room)
        if self._arriving:
            futures.wait(self._arriving.values(), wait_s, futures.FIRST_COMPLETED)
        done = [asked for asked, fetched in self._arriving.items() if fetched.done()]
        return [self._arriving.pop(asked).result() for asked in done]

    def _fetch(self, head: Any, tree: Any, objects: dict[str, bytes], room: int) -> FlowerMessage:
        """A reply, of which the large objects are still at the SuperLink, which holds all of them."""
        run, client = self.run.run_id, self._runtime_client

        def pull(identifier: str) -> bytes:
            request = PullObjectRequest(node=self.node, run_id=run, object_id=identifier).SerializeToString()
            found = PullObjectResponse.FromString(client.ask(RUNTIME_PATH, [("pull-object", request)])[0])
            if not found.object_available:
                raise inflatable_utils.ObjectPullError(identifier, "it is gone")
            return bytes(found.object_content)

        try:
            message = gathered(tree, objects, room, pull)
        except inflatable_utils.ObjectPullError:
            return self._failed(head, ErrorCode.MESSAGE_UNAVAILABLE)
        except MALFORMED:
            return self._failed(head, ErrorCode.UNKNOWN)
        if lacking(tree, objects):
            taken = ConfirmMessageReceivedRequest(node=self.node, run_id=run, message_object_id=tree.object_id)
            client.ask(RUNTIME_PATH, [("confirm-message-received", taken.SerializeToString())])
        return message

    def _failed(self, head: Any, code: int) -> FlowerMessage:
        """What stands for a reply that did not come whole, or makes no message: this site's failure and nobody else's."""
        node = self.node.node_id
        metadata = Metadata(self.run.run_id, "", node, node, head.reply_to_message_id, "", time.time(), 1.0, MESSAGE_TYPE)
        return make_message(metadata=metadata, error=Error(code, "reply"))

    def begin(self) -> None:
        """Take the task's input (which activates it) and keep the task alive."""
        taken = self._runtime_client.PullTaskInput(PullTaskInputRequest())
        TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = taken.task_id, taken.run.run_id, SUPERLINK_NODE_ID
        self.set_run(run_from_proto(taken.run))
        self._pulse.start()

    def _beat(self) -> None:
        while not self._over.wait(HEARTBEAT_S):
            try:
                self._runtime_client.SendTaskHeartbeat(SendTaskHeartbeatRequest())
            except LOST:
                continue  # the next exchange notices a lost run; a beat may be missed

    def close(self) -> None:
        """Finish the task, which finishes the run."""
        if self._over.is_set():
            return
        self._over.set()
        self._retry_invoker.max_tries = 1
        self._fetchers.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(*LOST):  # the run may be gone with its SuperLink
            self._runtime_client.PushTaskOutput(PushTaskOutputRequest(sub_status=SubStatus.COMPLETED, details=""))
        super().close()


def attach(
    link: SuperLinkAddress, bundle: bytes | None = None, effects: LinkEffects | None = None, kept: Path | None = None
) -> AttachedGrid:
    """Start a Flower run and take its server task into this process; LINK_LOST where the SuperLink does not give it.

    `kept` is where the number of the run is kept: the run that a killed process left there is ended first, because sites
    wait for what it did not finish sending until the SuperLink misses its heartbeats, a minute later.
    """
    check_version()
    keep_heap()
    chosen = effects or LinkEffects()
    secret = load_superexec_auth_secret(secret_file=link.secret_file)
    runtime = Runtime.from_server_address(
        link.address,
        False,
        link.ca,
        interceptors=[
            RuntimeVersionHttpInterceptor(component_name="SuperExec"),
            SuperExecAuthHttpInterceptor(master_secret=secret, protected_methods={"/flwr.proto.Runtime/AcquireTask"}),
        ],
        retry_invoker=_retries(),
    )
    control = link.control()
    try:
        if kept is not None and kept.exists():
            with contextlib.suppress(*LOST):  # it may be over
                control.StopRun(StopRunRequest(run_id=int(read_limited(kept, 64))))
        content = app_bundle() if bundle is None else bundle
        run_id = control.StartRun(StartRunRequest(fab=Fab(content=content), federation="")).run_id
        if not run_id:
            raise RunLost("start")
        if kept is not None:
            write_atomic(kept, str(run_id).encode())
        end = chosen.clock() + OUTAGE_S
        while chosen.clock() < end:
            offer: Any = runtime.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]))
            if offer.token and offer.task.run_id == run_id:
                grid = AttachedGrid(link, offer.token)
                grid.begin()
                return grid
            chosen.wait(0.1)
        raise RunLost("task")
    finally:
        control.close()
        runtime.close()
