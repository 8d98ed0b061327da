"""Flower at the hospital: our own node, which runs the code of this installation and nothing that was shipped.

The node speaks Flower's Fleet API with Flower's own client, and does with each message: fetch it, check that the run's
bundle is the one this very version makes, hand the message to the site's resident process, send the reply. No bundle is
ever fetched, written or imported, and nothing listens for Flower on the hospital's machine.

Why not Flower's SuperNode with a runner beside it: it fetches the bundle, starts a process per message, polls every three
seconds, and ends the process for a refusal. Masks' keys live in memory between three messages, so one process must stay.

Every touch of Flower's internals on this side lives here and in `client/app.py`; `INTERNALS` holds the first 16 digits of the
SHA-256 of the modules this was written against, and a test fails where the installed Flower differs.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from flwr.app import Message as FlowerMessage
from flwr.app.error import Error
from flwr.app.message import Array, remove_content_from_message
from flwr.common.constant import ErrorCode
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import ActivateNodeRequest, DeactivateNodeRequest, PullMessagesRequest, PushMessagesRequest
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import PushObjectRequest
from flwr.proto.node_pb2 import Node as NodeNumber
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree, no_object_id_recompute
from flwr.supercore.inflatable.inflatable_protobuf_utils import (
    make_confirm_message_received_fn_protobuf,
    make_pull_object_fn_protobuf,
)
from flwr.supercore.inflatable.inflatable_utils import ObjectPullError, pull_and_inflate_object_from_tree
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supernode.fleet_http_client import FleetHttpClient
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from shared_model.secure_sum.pieces import Pieces
from shared_model.secure_sum.protocol import Message
from shared_model.secure_sum.wire import MAX_BROADCAST, WireError, pack, received
from site_config.identity import Kit, SiteIdentity
from site_config.problems import federation
from site_config.problems.base import Kind, Problem

FLOWER = "1.41.0"
INTERNALS = {
    "flwr.supernode.fleet_http_client": "9b09bd3e5237f2a9",
    "flwr.supernode.node_auth_http_interceptor": "a4f3f51424039a14",
    "flwr.supercore.inflatable.inflatable_utils": "077b26d921aa8638",
    "flwr.supercore.inflatable.inflatable_protobuf_utils": "aeac102e54a87609",
    "flwr.supercore.protobuf.client": "0bb91b4a9336b8cc",
    "flwr.app.message.message": "1d223bba91a32f83",
    "flwr.common.constant": "bf7e70193aee9ca2",
}
MESSAGE_TYPE = "query.fedhcc"
HEADER, LARGE = "fedhcc", "arrays"
HEARTBEAT_S = 10.0
TRANSIENT = frozenset({502, 503, 504})
PIECE_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
Handle = Callable[[Message], Message]
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError, RecursionError, AssertionError, DecodeError)
"""What Flower raises while it puts pieces together that do not belong together; a `WireError` is a ValueError."""


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


def from_records(records: RecordDict, room: int = MAX_BROADCAST) -> Message:
    """A message from Flower's records; `WireError` when they are not one of ours, or its arrays hold more than `room` bytes."""
    config = records.get(HEADER)
    if not isinstance(config, ConfigRecord):
        raise WireError("record")
    large = records.get(LARGE)
    arrays = {name: (array.stype, array.data) for name, array in large.items()} if isinstance(large, ArrayRecord) else {}
    return received(config.get("header"), config.get("inline"), arrays, room)


def answer(request: FlowerMessage, handle: Handle) -> FlowerMessage:
    """The Flower reply to a Flower message; a message that is not one of ours is refused with its code."""
    try:
        reply = handle(from_records(request.content))
    except WireError:
        reply = Message("refusal", {"code": federation.MESSAGE_MALFORMED.label})
    return FlowerMessage(to_records(reply), reply_to=request)


class Interrupted(Exception):
    """The coordinator could not be reached just now; `kind` says how, `detail` is for the site's own log."""

    def __init__(self, kind: Kind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


def _interrupted(error: Exception) -> Interrupted | Problem:
    """What an error of the HTTP client means: something to wait for, or a problem that waiting does not mend."""
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        if status == httpx.codes.UNAUTHORIZED:
            return federation.NODE_REFUSED.problem("The coordinator refused the site's key (HTTP 401)")
        if status in (httpx.codes.FORBIDDEN, httpx.codes.NOT_FOUND, httpx.codes.GONE):
            return Interrupted(federation.LINK_LOST, f"HTTP {status}")
        return Interrupted(federation.GATEWAY_UNREACHABLE, f"HTTP {status}")
    text = str(error).lower()
    if isinstance(error, ssl.SSLError) or "certificate" in text:
        return federation.GATEWAY_UNTRUSTED.problem("The coordinator's certificate does not fit the kit")
    return Interrupted(federation.GATEWAY_UNREACHABLE, type(error).__name__)


@dataclass(frozen=True)
class Delivery:
    """A message that arrived: Flower's own form, whether its run is ours, and whether it makes a message at all."""

    flower: FlowerMessage
    allowed: bool
    whole: bool = True


class FleetNode:
    """A registered node's connection: activate, receive, reply, heartbeat, deactivate. One thread uses it, another beats.

    Methods raise `Interrupted` for what passes and a `Problem` for what does not (FH-711, FH-712, FH-713, FH-714).
    """

    def __init__(self, kit: Kit, identity: SiteIdentity, bundle: str) -> None:
        public = identity.node_key.public_key()
        self._public = public_key_to_bytes(public)
        self._bundle = bundle
        self._allowed: dict[int, bool] = {}
        self._node: NodeNumber | None = None
        self._ca = kit.ca.encode()
        self._client = FleetHttpClient.from_server_address(
            kit.address,
            False,
            self._ca,
            [RuntimeVersionHttpInterceptor(component_name="SuperNode"), NodeAuthHttpInterceptor(identity.node_key, public)],
        )

    @property
    def node_id(self) -> int:
        """Flower's number for this node, 0 before it is active."""
        return int(self._node.node_id) if self._node is not None else 0

    def activate(self) -> None:
        """Tell the coordinator that this node is here."""
        try:
            response = self._client.ActivateNode(ActivateNodeRequest(public_key=self._public, heartbeat_interval=HEARTBEAT_S))
        except httpx.HTTPStatusError as error:
            raise _activation_problem(error) from None
        except (httpx.HTTPError, OSError) as error:
            raise _interrupted(error) from None
        self._node = NodeNumber(node_id=response.node_id)

    def deactivate(self) -> None:
        """Say goodbye, so that a restart is accepted at once; a coordinator that is away is not waited for."""
        node, self._node = self._node, None
        if node is not None:
            try:
                self._client.DeactivateNode(DeactivateNodeRequest(node_id=node.node_id))
            except (httpx.HTTPError, OSError):
                return

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def beat(self) -> None:
        """One heartbeat."""
        response = self._call(self._client.SendNodeHeartbeat, SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT_S))
        if not response.success:
            raise Interrupted(federation.LINK_LOST, "the coordinator forgot this node")

    def receive(self) -> Delivery | None:
        """The next message, whole, or None. A run of another bundle is marked as not allowed and its content is not fetched."""
        response = self._call(self._client.PullMessages, PullMessagesRequest(node=self._node))
        if not response.messages_list:
            return None
        try:
            head, tree = message_from_proto(response.messages_list[0]), response.message_object_trees[0]
        except MALFORMED:
            raise Interrupted(federation.MESSAGE_MALFORMED, "a message without a head") from None
        run = head.metadata.run_id
        if not self._is_allowed(run):
            return Delivery(head, False)
        pieces = Pieces(MAX_BROADCAST)
        ask = make_pull_object_fn_protobuf(self._client.PullObject, self._node, run)
        try:
            whole = pull_and_inflate_object_from_tree(
                tree,
                lambda identifier: pieces.take(ask(identifier)),
                self._confirm(run),
                return_type=FlowerMessage,
                max_time=600,
                initial_backoff=0.05,
                backoff_cap=0.5,
            )
        except ObjectPullError as error:
            raise Interrupted(federation.LINK_LOST, type(error).__name__) from None
        except (httpx.HTTPError, OSError) as error:
            raise _interrupted(error) from None
        except MALFORMED:
            return Delivery(head, allowed=True, whole=False)
        whole.metadata.__dict__["_message_id"] = tree.object_id
        return Delivery(whole, True)

    def reply(self, message: FlowerMessage, *, again: bool = False) -> None:
        """Send a reply with everything it holds.

        Flower's field for how long the site worked is sent as 0: seconds follow the number of patients. `again` says that an
        earlier try was interrupted, so that the coordinator may hold some of it.
        """
        message.metadata.__dict__["_message_id"] = message.object_id
        run = message.metadata.run_id
        with no_object_id_recompute():
            tree = get_object_tree(message)
            head = message_to_proto(remove_content_from_message(message))
            request = PushMessagesRequest(node=self._node, messages_list=[head], message_object_trees=[tree], clientapp_runtime_list=[0.0])
            response = self._call(self._client.PushMessages, request)
            pieces = get_all_nested_objects(message)
            wanted = set(pieces) if again else set(response.objects_to_push)
            for identifier in wanted:
                self._push_piece(run, "" if again else response.session_id, identifier, pieces[identifier].deflate(), again)

    def _push_piece(self, run: int, session: str, identifier: str, content: bytes, again: bool) -> None:
        """Push one object; a repeated one is found by its own id, and the coordinator says no to what it holds already."""
        for pause in PIECE_PAUSES_S:
            request = PushObjectRequest(node=self._node, run_id=run, session_id=session, object_id=identifier, object_content=content)
            try:
                stored = self._call(self._client.PushObject, request).stored
            except Interrupted as error:
                if error.kind == federation.LINK_LOST:
                    raise
                session, again = "", True
                time.sleep(pause)
                continue
            if not (stored or again):
                raise Interrupted(federation.LINK_LOST, "the coordinator does not want this reply")
            return
        raise Interrupted(federation.GATEWAY_UNREACHABLE, "a piece of the reply")

    def refuse_bundle(self, delivery: Delivery) -> FlowerMessage:
        """Flower's own reply for a bundle that is not on the allow-list."""
        return FlowerMessage(Error(ErrorCode.INVALID_FAB, federation.BUNDLE_REFUSED.label), reply_to=delivery.flower)

    def not_understood(self, delivery: Delivery) -> FlowerMessage:
        """Our reply to pieces that make no message."""
        refusal = Message("refusal", {"code": federation.MESSAGE_MALFORMED.label})
        return FlowerMessage(to_records(refusal), reply_to=delivery.flower)

    def crashed(self, delivery: Delivery) -> FlowerMessage:
        """Flower's own reply when the resident process ended."""
        return FlowerMessage(Error(ErrorCode.CLIENT_APP_CRASHED, federation.SITE_CRASHED.label), reply_to=delivery.flower)

    def _is_allowed(self, run: int) -> bool:
        if run not in self._allowed:
            answered = self._call(self._client.GetRun, GetRunRequest(node=self._node, run_id=run))
            self._allowed[run] = answered.run.fab_hash == self._bundle
        return self._allowed[run]

    def _confirm(self, run: int) -> Callable[[str], None]:
        confirm: Callable[[str], None] = make_confirm_message_received_fn_protobuf(self._client.ConfirmMessageReceived, self._node, run)
        return confirm

    @staticmethod
    def _call(method: Callable[[Any], Any], request: Any) -> Any:
        try:
            return method(request)
        except (httpx.HTTPError, OSError) as error:
            raise _interrupted(error) from None


def _activation_problem(error: httpx.HTTPStatusError) -> Exception:
    """Why a node was not activated: an unknown key, a clock, or another program that is still connected."""
    status = error.response.status_code
    if status in TRANSIENT or status == httpx.codes.UNAUTHORIZED:
        return _interrupted(error)
    return Interrupted(federation.NODE_ACTIVE, f"HTTP {status}")


class Pulse:
    """Heartbeats in a thread of their own, so that a long computation does not look like a dead site."""

    def __init__(self, node: FleetNode, told: Callable[[Exception | None], None]) -> None:
        self._node = node
        self._told = told
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="heartbeat")

    def start(self) -> None:
        """Begin; the first heartbeat goes out at once."""
        self._thread.start()

    def stop(self) -> None:
        """End and wait for the thread."""
        self._over.set()
        self._thread.join(timeout=15)

    def _run(self) -> None:
        pause = 0.0
        while not self._over.wait(pause):
            try:
                self._node.beat()
                self._told(None)
                pause = HEARTBEAT_S * 0.8
            except (Interrupted, Problem) as error:
                self._told(error)
                pause = 2.0
