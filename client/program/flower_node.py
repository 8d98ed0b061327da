"""Flower at the hospital: our own node, which runs the code of this installation and nothing that was shipped.

The node speaks Flower's Fleet API in lists of calls (`shared_model.flower`), and does with each message: fetch it, check that the
run's bundle is the one this very version makes, hand the message to the site's resident process, send the reply. No bundle is
ever fetched, written or imported, and nothing listens for Flower on the hospital's machine.

Why not Flower's SuperNode with a runner beside it: it fetches the bundle, starts a process per message, polls every three
seconds, and ends the process for a refusal. Masks' keys live in memory between three messages, so one process must stay.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from flwr.app import Message as FlowerMessage
from flwr.app.error import Error
from flwr.common.constant import ErrorCode
from flwr.common.serde import message_from_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    ActivateNodeResponse,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
    PushMessagesResponse,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest, SendNodeHeartbeatResponse
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest, PullObjectResponse, PushObjectResponse
from flwr.proto.node_pb2 import Node as NodeNumber
from flwr.proto.run_pb2 import GetRunRequest, GetRunResponse
from flwr.supercore.interceptors import RuntimeVersionHttpInterceptor
from flwr.supercore.primitives.asymmetric import public_key_to_bytes
from flwr.supernode.node_auth_http_interceptor import NodeAuthHttpInterceptor

from shared_model.flower.flower_connection import Connection, proxy_for
from shared_model.flower.flower_records import MALFORMED, from_records, to_records
from shared_model.flower.parcels import Parcel, gathered, on_lines, opened, push, pushes, small
from shared_model.flower.several_calls import FLEET_PATH, STANDS_STILL, Call
from shared_model.secure_sum.federation_messages import Message
from shared_model.secure_sum.message_bytes import MAX_BROADCAST, WireError
from site_config.health.proxy_question import hidden, proxy_fault
from site_config.keys_and_signatures import Kit, SiteIdentity
from site_config.problems import federation
from site_config.problems.base import Kind, Problem

HEARTBEAT_S, IDLE_HEARTBEAT_S, LOOK_S = 10.0, 25.0, 1.0
"""Flower counts a node as gone after twice the interval it told. Between studies that is 50 s, and somebody is told within a minute."""
LONGEST_HOLD_S, SHORTEST_HOLD_S = 20.0, 2.0
"""Seconds for which the SuperLink may keep a question open; fewer where a line does not stand that long in silence."""
TRANSIENT = frozenset({502, 503, 504})
PIECE_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0)
Handle = Callable[[Message], Message]


def answer(request: FlowerMessage, handle: Handle) -> FlowerMessage:
    """The Flower reply to a Flower message; a message that is not one of ours is refused with its code."""
    try:
        reply = handle(from_records(request.content))
    except WireError:
        reply = Message("refusal", {"code": federation.REPLY_MALFORMED.label})
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
    if "certificate has expired" in text:
        return federation.CERTIFICATE_EXPIRED.problem("The coordinator's server certificate has expired")
    if "certificate is not yet valid" in text:
        return federation.CLOCK_SKEW.problem("The coordinator's certificate is not valid yet by this machine's clock")
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
        self._hold_s = LONGEST_HOLD_S
        self._proxy = proxy_for(f"https://{kit.address}")
        self._connection = Connection.from_server_address(
            kit.address,
            False,
            kit.ca.encode(),
            [RuntimeVersionHttpInterceptor(component_name="SuperNode"), NodeAuthHttpInterceptor(identity.node_key, public)],
        )

    @property
    def node_id(self) -> int:
        """Flower's number for this node, 0 before it is active."""
        return int(self._node.node_id) if self._node is not None else 0

    def activate(self) -> None:
        """Tell the coordinator that this node is here."""
        request = ActivateNodeRequest(public_key=self._public, heartbeat_interval=HEARTBEAT_S)
        try:
            (answer,) = self._connection.ask(FLEET_PATH, [("activate-node", request.SerializeToString())])
        except httpx.HTTPStatusError as error:
            raise _activation_problem(error) from None
        except (httpx.HTTPError, OSError) as error:
            raise self._why(error) from None
        self._node = NodeNumber(node_id=ActivateNodeResponse.FromString(answer).node_id)

    def _why(self, error: Exception) -> Interrupted | Problem:
        """What an error means; a proxy that does not answer is named, since the office behind it was never asked."""
        if self._proxy and isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) and (fault := proxy_fault(self._proxy)):
            return Interrupted(federation.PROXY_SILENT, f"{hidden(self._proxy)}: {fault}")
        return _interrupted(error)

    def deactivate(self) -> None:
        """Say goodbye, so that a restart is accepted at once and an open question ends; a coordinator that is away is not waited for."""
        node, self._node = self._node, None
        if node is not None:
            try:
                self._connection.ask(FLEET_PATH, [("deactivate-node", DeactivateNodeRequest(node_id=node.node_id).SerializeToString())])
            except (httpx.HTTPError, OSError):
                return
            except RuntimeError:  # httpx: the client was closed meanwhile, because the coordinator did not answer in time
                return

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def beat(self, *, lives: bool = True, interval_s: float = HEARTBEAT_S) -> None:
        """One heartbeat, which says too where the working process shows no sign of life; of nothing else it does.

        `interval_s`: in how many seconds the next one comes at the latest.
        """
        request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=interval_s).SerializeToString()
        (answer,) = self._ask([("send-node-heartbeat" if lives else STANDS_STILL, request)])
        if not SendNodeHeartbeatResponse.FromString(answer).success:
            raise Interrupted(federation.LINK_LOST, "the coordinator forgot this node")

    def receive(self) -> Delivery | None:
        """The next message, whole, or None after a while. A run of another bundle is marked as not allowed and its content dropped."""
        node = self._node
        if node is None:
            return None
        request = PullMessagesRequest(node=node).SerializeToString()
        began = time.monotonic()
        try:
            (answer,) = self._ask([("receive", request)], self._hold_s)
            response, objects = opened(answer, PullMessagesResponse)
        except Interrupted:
            if 1.0 < time.monotonic() - began < self._hold_s:
                self._hold_s = max(self._hold_s / 2, SHORTEST_HOLD_S)
            raise
        except MALFORMED:
            raise Interrupted(federation.GATEWAY_UNREACHABLE, "an answer that is none of the coordinator's") from None
        if not response.messages_list:
            return None
        try:
            head, tree = message_from_proto(response.messages_list[0]), response.message_object_trees[0]
        except MALFORMED:
            raise Interrupted(federation.MESSAGE_MALFORMED, "a message without a head") from None
        run = head.metadata.run_id
        if not self._is_allowed(run):
            return Delivery(head, False)
        try:
            return Delivery(gathered(tree, objects, MAX_BROADCAST, lambda one: self._piece(run, one)), True)
        except MALFORMED:
            return Delivery(head, allowed=True, whole=False)

    def _piece(self, run: int, identifier: str) -> bytes:
        """One object, asked for again where the line was cut."""
        request = PullObjectRequest(node=self._node, run_id=run, object_id=identifier).SerializeToString()
        for pause in PIECE_PAUSES_S:
            try:
                answer = PullObjectResponse.FromString(self._ask([("pull-object", request)])[0])
            except Interrupted as error:
                if error.kind == federation.LINK_LOST:
                    raise
                time.sleep(pause)
                continue
            if not answer.object_available:
                raise Interrupted(federation.LINK_LOST, "a message is gone")
            return bytes(answer.object_content)
        raise Interrupted(federation.GATEWAY_UNREACHABLE, "a piece of a message")

    def reply(self, message: FlowerMessage) -> None:
        """Send a reply with everything it holds; after an interruption, what the coordinator does not hold yet.

        Flower's field for how long the site worked is sent as 0: seconds follow the number of patients.
        """
        node, run = self._node, message.metadata.run_id
        parcel = Parcel.of(message)
        first = small([parcel])
        confirm = ConfirmMessageReceivedRequest(node=node, run_id=run, message_object_id=message.metadata.reply_to_message_id)
        head = PushMessagesRequest(node=node, messages_list=[parcel.head], message_object_trees=[parcel.tree], clientapp_runtime_list=[0.0])
        answers = self._ask(
            [
                ("confirm-message-received", confirm.SerializeToString()),
                ("push-messages", head.SerializeToString()),
                *pushes(first, node, run),
            ]
        )
        pushed = PushMessagesResponse.FromString(answers[1])
        stored = {one: PushObjectResponse.FromString(answer).stored for one, answer in zip(first, answers[2:], strict=True)}
        if not all(stored[one] for one in first if one in pushed.objects_to_push):
            raise Interrupted(federation.LINK_LOST, "the coordinator does not want this reply")
        rest = [one for one in pushed.objects_to_push if one not in first]
        on_lines(lambda one: self._push_piece(push(one, parcel.contents[one], node, run, pushed.session_id)), rest)

    def _push_piece(self, request: bytes) -> None:
        """Push one object; a repeated one may be held already."""
        again = False
        for pause in PIECE_PAUSES_S:
            try:
                stored = PushObjectResponse.FromString(self._ask([("push-object", request)])[0]).stored
            except Interrupted as error:
                if error.kind == federation.LINK_LOST:
                    raise
                again = True
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

    def frozen(self, delivery: Delivery) -> FlowerMessage:
        """Our reply when the resident process stood still and was ended."""
        refusal = Message("refusal", {"code": federation.SITE_FROZEN.label})
        return FlowerMessage(to_records(refusal), reply_to=delivery.flower)

    def crashed(self, delivery: Delivery) -> FlowerMessage:
        """Flower's own reply when the resident process ended."""
        return FlowerMessage(Error(ErrorCode.CLIENT_APP_CRASHED, federation.SITE_CRASHED.label), reply_to=delivery.flower)

    def _is_allowed(self, run: int) -> bool:
        if run not in self._allowed:
            (answer,) = self._ask([("get-run", GetRunRequest(node=self._node, run_id=run).SerializeToString())])
            self._allowed[run] = GetRunResponse.FromString(answer).run.fab_hash == self._bundle
        return self._allowed[run]

    def _ask(self, calls: list[Call], wait_s: float = 0.0) -> list[bytes]:
        try:
            return list(self._connection.ask(FLEET_PATH, calls, wait_s))
        except (httpx.HTTPError, OSError) as error:
            raise self._why(error) from None
        except ValueError:
            raise Interrupted(federation.GATEWAY_UNREACHABLE, "an answer that is none of the coordinator's") from None


def _activation_problem(error: httpx.HTTPStatusError) -> Exception:
    """Why a node was not activated: an unknown key, a clock, or another program that is still connected."""
    status = error.response.status_code
    if status in TRANSIENT or status == httpx.codes.UNAUTHORIZED:
        return _interrupted(error)
    return Interrupted(federation.NODE_ACTIVE, f"HTTP {status}")


class Pulse:
    """Heartbeats in a thread of their own, so that a long computation does not look like a dead site.

    `lives` is asked every second whether the working process does; a change is told at once. While `idle` says so, beats are
    further apart; when it no longer does, the next one comes at once.
    """

    def __init__(
        self,
        node: FleetNode,
        told: Callable[[Exception | None], None],
        lives: Callable[[], bool] = lambda: True,
        idle: Callable[[], bool] = lambda: False,
    ) -> None:
        self._node = node
        self._told = told
        self._lives = lives
        self._idle = idle
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
        pause, lived, idled = 0.0, True, False
        while not self._over.wait(min(pause, LOOK_S)):
            pause, lives, idle = pause - LOOK_S, self._lives(), self._idle()
            if pause > 0 and lives == lived and idle >= idled:
                continue
            interval = IDLE_HEARTBEAT_S if idle else HEARTBEAT_S
            try:
                self._node.beat(lives=lives, interval_s=interval)
                self._told(None)
                pause, lived, idled = interval * 0.8, lives, idle
            except (Interrupted, Problem) as error:
                self._told(error)
                pause = 2.0
