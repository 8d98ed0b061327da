"""Flower at the coordinator: messages to named sites over a Grid, and the attachment to a SuperLink.

Every touch of Flower's internals on this side lives here and in `server/app.py`; `INTERNALS` holds the first 16
digits of the SHA-256 of the modules this was written against, and a test fails where the installed Flower differs.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from flwr.app import Message as FlowerMessage
from flwr.app.message import Array
from flwr.common.constant import SUPERLINK_NODE_ID, ErrorCode, SubStatus
from flwr.common.serde import run_from_proto
from flwr.proto.control_pb2 import ListNodesRequest, RegisterNodeRequest, StartRunRequest, UnregisterNodeRequest
from flwr.proto.fab_pb2 import Fab
from flwr.proto.runtime_pb2 import AcquireTaskRequest, PullTaskInputRequest, PushTaskOutputRequest, SendTaskHeartbeatRequest
from flwr.serverapp.grid import Grid
from flwr.supercore.auth import load_superexec_auth_secret
from flwr.supercore.constant import TaskType
from flwr.supercore.control.control_http_client import ControlHttpClient
from flwr.supercore.inflatable import inflatable_utils
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor, SuperExecAuthHttpInterceptor
from flwr.supercore.retry import RetryInvoker, exponential
from flwr.supercore.run import RunNotRunningException
from flwr.supercore.runtime import RuntimeHttpClient
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid import HttpGrid, http_grid

from server.enrol import Enrolled, load
from server.transport import Exchange, Failure
from shared_model.protocol import Message
from shared_model.wire import Packed, WireError, pack, unpack
from site_config.bundle_file import app_bundle
from site_config.catalogue import federation
from site_config.files import read_limited

FLOWER = "1.41.0"
INTERNALS = {
    "flwr.superlink.grid.http_grid": "0c33918af5016310",
    "flwr.supercore.retry.retry_invoker": "d386007aca8d4e36",
    "flwr.supercore.control.control_http_client": "e5111a5314d49b15",
    "flwr.supercore.runtime.runtime_http_client": "efdac833ff305507",
    "flwr.supercore.interceptors.http.superexec_auth": "8d929df267d13271",
    "flwr.supercore.task_identity": "5c6b5ac44068f7ca",
    "flwr.serverapp.grid.grid": "4e86ee39e682552a",
    "flwr.superlink.servicer.runtime.runtime_handlers": "3facf815e9360dd6",
    "flwr.superlink.servicer.fleet.fleet_handlers": "117665fa865c30dc",
}
MESSAGE_TYPE = "query.fedhcc"
HEADER, LARGE = "fedhcc", "arrays"
LOST = (httpx.HTTPError, RunNotRunningException, ConnectionError, ValueError)
HEARTBEAT_S = 10.0
OUTAGE_S = 30.0
FIRST_POLL_S, LAST_POLL_S = 0.03, 0.3

CODES = {
    ErrorCode.LOAD_CLIENT_APP_EXCEPTION: federation.BUNDLE_REFUSED,
    ErrorCode.CLIENT_APP_RAISED_EXCEPTION: federation.SITE_CRASHED,
    ErrorCode.MESSAGE_UNAVAILABLE: federation.SITE_UNAVAILABLE,
    ErrorCode.REPLY_MESSAGE_UNAVAILABLE: federation.SITE_UNAVAILABLE,
    ErrorCode.NODE_UNAVAILABLE: federation.SITE_UNAVAILABLE,
    ErrorCode.INVALID_FAB: federation.BUNDLE_REFUSED,
    ErrorCode.CLIENT_APP_CRASHED: federation.SITE_CRASHED,
}


def check_version() -> None:
    """FH-717 where another Flower is installed than the one this module was written against."""
    found = version("flwr")
    if found != FLOWER:
        raise federation.FLOWER_DIFFERS.problem(f"flwr {found} is installed, {FLOWER} is needed")


def to_records(message: Message) -> RecordDict:
    """A message as Flower's records: the header and the small arrays in one, large arrays in another."""
    packed = pack(message)
    records = RecordDict({HEADER: ConfigRecord({"header": packed.header, "inline": packed.inline})})
    if packed.arrays:
        records[LARGE] = ArrayRecord({name: Array(array) for name, array in packed.arrays.items()})
    return records


def from_records(records: RecordDict) -> Message:
    """A message from Flower's records; `WireError` when they are not one of ours."""
    config = records.get(HEADER)
    if not isinstance(config, ConfigRecord):
        raise WireError("record")
    header, inline = config.get("header"), config.get("inline")
    if not (isinstance(header, bytes) and isinstance(inline, bytes)):
        raise WireError("record")
    large = records.get(LARGE)
    arrays = {name: array.numpy() for name, array in large.items()} if isinstance(large, ArrayRecord) else {}
    return unpack(Packed(header, inline, arrays))


@dataclass(frozen=True)
class Effects:
    """Waiting and time, passed in so that tests never sleep."""

    wait: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class FlowerTransport:
    """Carries messages to named sites over a Grid.

    `attach` makes a Grid; it is called at once, and again after the SuperLink lost the run. `nodes` gives Flower's node id of
    every site. Nothing here raises for a site's or a network's sake: each becomes a `Failure`.
    """

    def __init__(self, attach: Callable[[], Grid], nodes: Mapping[str, int], effects: Effects | None = None) -> None:
        self._attach = attach
        self._nodes = dict(nodes)
        self._effects = effects or Effects()
        self._grid: Grid | None = attach()

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """Send one request to each named site and wait up to `deadline_s` seconds for the replies."""
        done = Exchange()
        end = self._effects.clock() + deadline_s
        try:
            grid = self._connected()
            pending = self._push(grid, requests, deadline_s, done)
            self._collect(grid, pending, end, done)
        except LOST as error:
            self._lose(error, requests, done)
        except _Lost as lost:
            self._lose(lost, requests, done)
        return done

    def sites(self) -> Mapping[str, bool]:
        """Every site, and whether its heartbeats arrive."""
        try:
            online = {node.node_id for node in self._connected().get_nodes()}
        except (*LOST, _Lost):
            self._drop()
            online = set()
        return {site: node in online for site, node in self._nodes.items()}

    def close(self) -> None:
        """End the run."""
        self._drop()

    def _connected(self) -> Grid:
        if self._grid is None:
            self._grid = self._attach()
        return self._grid

    def _drop(self) -> None:
        grid, self._grid = self._grid, None
        close = getattr(grid, "close", None)
        if close is not None:
            close()

    def _lose(self, error: Exception, requests: Mapping[str, Message], done: Exchange) -> None:
        for site in requests:
            if site not in done.replies and site not in done.failures:
                done.failures[site] = Failure(federation.LINK_LOST.label, type(error).__name__)
        self._drop()

    def _push(self, grid: Grid, requests: Mapping[str, Message], ttl: float, done: Exchange) -> dict[str, str]:
        sites = [site for site in requests if site in self._nodes]
        for site in requests:
            if site not in self._nodes:
                done.failures[site] = Failure(federation.SITE_UNAVAILABLE.label, "not registered")
        outgoing = [FlowerMessage(to_records(requests[site]), self._nodes[site], MESSAGE_TYPE, ttl=max(ttl, 1.0)) for site in sites]
        identifiers = list(grid.push_messages(outgoing)) if outgoing else []
        if len(identifiers) != len(sites):
            raise _Lost("push")
        pending: dict[str, str] = {}
        for site, identifier in zip(sites, identifiers, strict=True):
            if identifier:
                pending[identifier] = site
            else:
                done.failures[site] = Failure(federation.SITE_UNAVAILABLE.label, "not registered")
        return pending

    def _collect(self, grid: Grid, pending: dict[str, str], end: float, done: Exchange) -> None:
        pause = FIRST_POLL_S
        while pending:
            if self._effects.clock() >= end:
                done.failures.update({site: Failure(federation.SITE_SILENT.label, "deadline") for site in pending.values()})
                return
            arrived = False
            for reply in grid.pull_messages(list(pending)):
                site = pending.pop(reply.metadata.reply_to_message_id, None)
                if site is not None:
                    arrived = True
                    self._take(site, reply, done)
            if pending:
                pause = FIRST_POLL_S if arrived else min(pause * 1.3, LAST_POLL_S)
                self._effects.wait(pause)

    @staticmethod
    def _take(site: str, reply: FlowerMessage, done: Exchange) -> None:
        if reply.has_error():
            kind = CODES.get(reply.error.code, federation.SITE_UNAVAILABLE)
            done.failures[site] = Failure(kind.label, f"flower {int(reply.error.code)}")
            return
        try:
            done.replies[site] = from_records(reply.content)
        except WireError:
            done.failures[site] = Failure(federation.REPLY_MALFORMED.label, "format")


class _Lost(Exception):
    """The run cannot be used any more."""


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


class AttachedGrid(HttpGrid):  # type: ignore[misc]
    """A Grid on a run that this process started and whose server task it holds; `close` ends the run."""

    def __init__(self, link: SuperLinkAddress, token: str) -> None:
        super().__init__(link.address, False, link.ca, token=token)
        self._retry_invoker = _retries()
        self._over = threading.Event()
        self._pulse = threading.Thread(target=self._beat, daemon=True)

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
        with contextlib.suppress(*LOST):  # the run may be gone with its SuperLink
            self._runtime_client.PushTaskOutput(PushTaskOutputRequest(sub_status=SubStatus.COMPLETED, details=""))
        super().close()


def attach(link: SuperLinkAddress, bundle: bytes | None = None, effects: Effects | None = None) -> AttachedGrid:
    """Start a Flower run and take its server task into this process; LINK_LOST where the SuperLink does not give it."""
    check_version()
    chosen = effects or Effects()
    http_grid.pull_objects = partial(inflatable_utils.pull_objects, initial_backoff=0.05, backoff_cap=0.5)
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
        content = app_bundle() if bundle is None else bundle
        run_id = control.StartRun(StartRunRequest(fab=Fab(content=content), federation="")).run_id
        if not run_id:
            raise _Lost("start")
        end = chosen.clock() + OUTAGE_S
        while chosen.clock() < end:
            offer: Any = runtime.AcquireTask(AcquireTaskRequest(supported_task_types=[TaskType.SERVER_APP]))
            if offer.token and offer.task.run_id == run_id:
                grid = AttachedGrid(link, offer.token)
                grid.begin()
                return grid
            chosen.wait(0.1)
        raise _Lost("task")
    finally:
        control.close()
        runtime.close()
