"""Flower's SuperLink as the coordinator uses it: registering nodes, starting a run, and taking its server task.

The run's server task is taken into this process (Flower calls that process isolation), so that the code that runs is the
code that is installed, and resuming is ours: a run of Flower never survives its SuperLink, a study does.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
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
from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest, StartRunRequest, StopRunRequest, UnregisterNodeRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.runtime_pb2 import (
    AcquireTaskRequest,
    PullAppMessagesRequest,
    PullTaskInputRequest,
    PushTaskOutputRequest,
    SendTaskHeartbeatRequest,
)
from flwr.supercore.auth import load_superexec_auth_secret
from flwr.supercore.constant import TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.inflatable.inflatable_protobuf_utils import make_confirm_message_received_fn_protobuf, make_pull_object_fn_protobuf
from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.retry import RetryInvoker, exponential
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid import HttpGrid

from server.enrolment import Enrolled, load
from server.link.grid import LOST, MALFORMED, MESSAGE_TYPE, LinkEffects, RunLost, check_version
from shared_model.secure_sum.pieces import Pieces
from site_config.files import read_limited, write_atomic
from site_config.study.flower_bundle import app_bundle

HEARTBEAT_S = 10.0
ARRIVAL_S = 240.0
FETCHERS = 8
OUTAGE_S = 30.0
PRESENCE_S = 3.0


@dataclass(frozen=True)
class SuperLinkAddress:
    """Where the private SuperLink listens, how it is known, and the runner's secret."""

    address: str
    ca: bytes
    secret_file: str

    def control(self) -> ControlHttpClient:
        """A client of the control API (registration of nodes, runs)."""
        return ControlHttpClient.from_server_address(
            self.address, False, self.ca, [RuntimeVersionHttpInterceptor(component_name="flwr CLI")], retry_invoker=_retries()
        )


def link_of(home: Path) -> SuperLinkAddress:
    """The private SuperLink of a coordinator's home."""
    ca = read_limited(home / "tls" / "ca.pem", 1 << 16)
    return SuperLinkAddress(f"127.0.0.1:{load(home).superlink_port}", ca, str(home / "identity" / "runtime.secret"))


def _retries() -> RetryInvoker:
    """Retry while the SuperLink restarts, then give up; Flower's own never gives up and kills the process on a refusal."""
    transient = {502, 503, 504}

    def hopeless(error: Exception) -> bool:
        return isinstance(error, httpx.HTTPStatusError) and error.response.status_code not in transient

    return RetryInvoker(
        wait_gen_factory=lambda: exponential(base_delay=0.1, multiplier=1.5, max_delay=2),
        recoverable_exceptions=(httpx.TransportError, httpx.HTTPStatusError),
        max_tries=None,
        max_time=OUTAGE_S,
        should_giveup=hopeless,
    )


def register_nodes(link: SuperLinkAddress, sites: Iterable[Enrolled]) -> dict[str, int]:
    """Register every site's node key that is not registered yet; the node ids by site name."""
    client = link.control()
    try:
        known = {
            bytes(node.public_key): int(node.node_id)
            for node in client.ListNodes(ListNodesRequest()).nodes_info
            if not node.unregistered_at
        }
        found: dict[str, int] = {}
        for site in sites:
            pem = _pem(site)
            if pem not in known:
                known[pem] = int(client.RegisterNode(RegisterNodeRequest(public_key=pem, name=site.name)).node_id)
            found[site.name] = known[pem]
        return found
    finally:
        client.close()


def _pem(site: Enrolled) -> bytes:
    """A site's node key as Flower keeps it."""
    from cryptography.hazmat.primitives import serialization

    public = serialization.load_ssh_public_key(site.node_key.encode())
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def unregister_strangers(link: SuperLinkAddress, sites: Iterable[Enrolled]) -> int:
    """Strike every registered node that is none of these sites' (revoked while the SuperLink was down); how many."""
    wanted = {_pem(site) for site in sites}
    client = link.control()
    try:
        nodes = client.ListNodes(ListNodesRequest()).nodes_info
        strangers = [int(node.node_id) for node in nodes if not node.unregistered_at and bytes(node.public_key) not in wanted]
        for node_id in strangers:
            client.UnregisterNode(UnregisterNodeRequest(node_id=node_id))
        return len(strangers)
    finally:
        client.close()


def unregister_node(link: SuperLinkAddress, node_id: int) -> None:
    """Strike a node: its key is refused from now on."""
    client = link.control()
    try:
        client.UnregisterNode(UnregisterNodeRequest(node_id=node_id))
    finally:
        client.close()


def online_nodes(link: SuperLinkAddress) -> set[int]:
    """Node ids whose heartbeats arrive."""
    client = link.control()
    try:
        return {int(node.node_id) for node in client.ListNodes(ListNodesRequest()).nodes_info if node.status == "online"}
    finally:
        client.close()


class Presence:
    """Which nodes are there, and since when, asked again where the last answer is `PRESENCE_S` old or had no such node.

    A site that comes back within seconds would else be taken for the one that is gone, and its reply for half a reply.
    A site that died while it sent a reply leaves pieces that never come: it is gone, or was started again since.
    """

    def __init__(self, look: Callable[[], dict[int, str]], clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._clock = look, clock
        self._known: dict[int, str] = {}
        self._asked = float("-inf")
        self._lock = threading.Lock()

    def since(self, node: int) -> str:
        """When a node came, as the SuperLink writes it; empty where it is not there."""
        with self._lock:
            if self._clock() - self._asked > PRESENCE_S or node not in self._known:
                self._known, self._asked = self._look(), self._clock()
            return self._known.get(node, "")


class AttachedGrid(HttpGrid):  # type: ignore[misc]
    """A Grid on a run that this process started and whose server task it holds; `close` ends the run."""

    def __init__(self, link: SuperLinkAddress, token: str) -> None:
        super().__init__(link.address, False, link.ca, token=token)
        self._retry_invoker = _retries()
        self._fetchers = ThreadPoolExecutor(FETCHERS, thread_name_prefix="replies")
        self._arriving: dict[str, Future[FlowerMessage]] = {}
        self.rooms: dict[str, int] = {}
        self._presence = Presence(lambda: {int(node.node_id): str(node.last_activated_at) for node in self.get_nodes()})
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._beat, daemon=True)

    def pull_messages(self, message_ids: Iterable[str]) -> list[FlowerMessage]:
        """Replies that are here whole. Those that still arrive are fetched beside, so that a slow line holds nobody up.

        The SuperLink forgets a message when it names the reply, and calls it unavailable when asked again: it is asked once.
        """
        wanted = [identifier for identifier in message_ids if identifier not in self._arriving]
        if wanted:
            answer = self._runtime_client.PullMessages(PullAppMessagesRequest(message_ids=wanted))
            for head, tree in zip(answer.messages_list, answer.message_object_trees, strict=True):
                asked = head.metadata.reply_to_message_id
                self._arriving[asked] = self._fetchers.submit(self._fetch, head.metadata, tree)
        done = [asked for asked, fetched in self._arriving.items() if fetched.done()]
        return [self._arriving.pop(asked).result() for asked in done]

    def _fetch(self, head: Any, tree: Any) -> FlowerMessage:
        """A reply with everything it holds, as long as the site that sends it is there."""
        run, sender, there = self.run.run_id, int(head.src_node_id), self._presence.since(int(head.src_node_id))
        ask: Callable[[str], bytes] = make_pull_object_fn_protobuf(self._runtime_client.PullObject, self.node, run)
        confirm = make_confirm_message_received_fn_protobuf(self._runtime_client.ConfirmMessageReceived, self.node, run)

        pieces = Pieces(self.rooms.pop(head.reply_to_message_id, 0))

        def pull(identifier: str) -> bytes:
            try:
                return pieces.take(ask(identifier))
            except inflatable_utils.ObjectUnavailableError:
                if not there or self._presence.since(sender) != there:
                    raise inflatable_utils.ObjectPullError(identifier, "the site is gone") from None
                raise

        try:
            message = pull_and_inflate_object_from_tree(
                tree, pull, confirm, return_type=FlowerMessage, max_time=ARRIVAL_S, initial_backoff=0.05, backoff_cap=0.5
            )
        except inflatable_utils.ObjectPullError:
            return self._failed(head, ErrorCode.MESSAGE_UNAVAILABLE)
        except MALFORMED:
            return self._failed(head, ErrorCode.UNKNOWN)
        message.metadata.__dict__["_message_id"] = head.message_id
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
    chosen = effects or LinkEffects()
    secret = load_superexec_auth_secret(secret_file=link.secret_file)
    runtime = RuntimeHttpClient.from_server_address(
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
