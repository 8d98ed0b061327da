"""The control service of a running site: gRPC on a Unix socket in the state folder.

`grpc.health.v1` answers SERVING only while the site is *registered with the coordinator*, since a program that runs with a
stale kit is not healthy. `fedhcc.Control` tells the status, streams it, and pauses and resumes. Payloads are JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from client.program.sleeping_socket import SleepingSocket, Stop, private_sockets
from site_config.keys_and_signatures import private_folder
from site_config.problems import federation

Connection = Literal["starting", "registered", "disconnected", "stopped"]
SERVICE = "fedhcc.Control"
SOCKET_LIMIT = 100
WATCH_S = 1.0
UNPLANNED = 4e9
"""The end of a pause that was given none: until somebody resumes."""


@dataclass(frozen=True)
class Status:
    """What a person at the hospital may know: connection, activity, pause, and the last problem's code.

    `studies` gives what each study asks of this hospital now, in a word: admitted, its phase, holding shares, or why it was refused.
    `trouble` is why the last question could not be answered, in words; it stays until one is.
    """

    site: str
    connection: Connection = "starting"
    working: str = ""
    paused_until: float | None = None
    answered: int = 0
    refused: int = 0
    problem: str = ""
    trouble: str = ""
    studies: dict[str, str] = field(default_factory=dict)
    since: float = 0.0
    software: str = ""


class Board:
    """The status, changed by the program's threads and read by the service; `changed` wakes whoever waits."""

    def __init__(self, site: str, software: str = "", clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._status = Status(site, software=software, since=clock())
        self._changed = threading.Condition()

    @property
    def status(self) -> Status:
        """The present status."""
        with self._changed:
            return self._status

    def tell(self, **changes: Any) -> None:
        """Change fields of the status; `since` follows a change of the connection."""
        with self._changed:
            if "connection" in changes and changes["connection"] != self._status.connection:
                changes["since"] = self._clock()
            self._status = replace(self._status, **changes)
            self._changed.notify_all()

    def paused(self) -> bool:
        """Whether messages wait."""
        until = self.status.paused_until
        return until is not None and self._clock() < until

    def planned_pause(self) -> float | None:
        """When a pause that was given an end is over, seconds since 1970; None while there is no such pause."""
        until = self.status.paused_until
        return until if until is not None and self._clock() < until < UNPLANNED else None

    def wait(self, seconds: float) -> None:
        """Wait for a change, at most so long."""
        with self._changed:
            self._changed.wait(seconds)


def socket_path(state: Path) -> Path:
    """Where the socket is; a short name under the temporary folder where the state folder's path is too long for one."""
    path = state.resolve() / "control.sock"
    if len(os.fsencode(path)) <= SOCKET_LIMIT:
        return path
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    return private_folder(Path(tempfile.gettempdir()) / f"fedhcc-{os.getuid()}") / f"{digest}.sock"


def _encode(value: Any) -> bytes:
    return json.dumps(value).encode()


def _decode(data: bytes) -> Any:
    return json.loads(data) if data else {}


class ControlServer:
    """Serves a `Board` on the socket of a state folder; gRPC runs only while somebody is connected."""

    def __init__(self, state: Path, board: Board) -> None:
        self.board = board
        self._path = socket_path(state)
        self._over = threading.Event()
        self._socket = SleepingSocket(self._path, self._path.with_suffix(".grpc"), self._serve)

    @property
    def awake(self) -> bool:
        """Whether somebody is connected."""
        return self._socket.awake

    def start(self) -> None:
        """Bind the socket, readable by this account only."""
        self._socket.start()

    def stop(self) -> None:
        """Stop serving and remove the socket."""
        self._over.set()
        self._socket.stop()

    def _serve(self, path: Path) -> Stop:
        """A gRPC server on a socket of its own, and what ends it."""
        import grpc
        from grpc_health.v1 import health, health_pb2_grpc

        server, states = grpc.server(futures.ThreadPoolExecutor(max_workers=8)), health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(states, server)
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        methods = {
            "Status": unary(self._status, request_deserializer=_decode, response_serializer=_encode),
            "Pause": unary(self._pause, request_deserializer=_decode, response_serializer=_encode),
            "Resume": unary(self._resume, request_deserializer=_decode, response_serializer=_encode),
            "Watch": stream(self._watch, request_deserializer=_decode, response_serializer=_encode),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
        path.unlink(missing_ok=True)
        with private_sockets():
            server.add_insecure_port(f"unix:{path}")
        ended = threading.Event()
        self._say_health(states)
        follower = threading.Thread(target=self._follow, args=(states, ended), daemon=True, name="health")
        server.start()
        follower.start()

        def stop() -> None:
            ended.set()
            server.stop(grace=0.5 if self._over.is_set() else None).wait()
            follower.join(timeout=5)

        return stop

    def _follow(self, states: Any, ended: threading.Event) -> None:
        while not ended.is_set():
            self._say_health(states)
            self.board.wait(WATCH_S)

    def _say_health(self, states: Any) -> None:
        from grpc_health.v1 import health_pb2

        known = health_pb2.HealthCheckResponse
        healthy = self.board.status.connection == "registered"
        for service in ("", SERVICE):
            states.set(service, known.SERVING if healthy else known.NOT_SERVING)

    def _status(self, _request: Any, _context: Any) -> dict[str, Any]:
        return asdict(self.board.status)

    def _pause(self, request: Any, _context: Any) -> dict[str, Any]:
        self.board.tell(paused_until=float(request.get("until", UNPLANNED)))
        return asdict(self.board.status)

    def _resume(self, _request: Any, _context: Any) -> dict[str, Any]:
        self.board.tell(paused_until=None)
        return asdict(self.board.status)

    def _watch(self, _request: Any, context: Any) -> Iterator[dict[str, Any]]:
        last = None
        while context.is_active() and not self._over.is_set():
            now = self.board.status
            if now != last:
                yield asdict(now)
                last = now
            self.board.wait(WATCH_S)


class ControlClient:
    """Speaks to a running site's control service; FH-709 where none answers."""

    def __init__(self, state: Path) -> None:
        import grpc

        self._grpc = grpc
        self._channel = grpc.insecure_channel(f"unix:{socket_path(state)}")

    def call(self, method: Literal["Status", "Pause", "Resume"], request: dict[str, Any] | None = None) -> Status:
        """One call; the status after it."""
        stub = self._channel.unary_unary(f"/{SERVICE}/{method}", request_serializer=_encode, response_deserializer=_decode)
        try:
            return Status(**stub(request or {}, timeout=5))
        except self._grpc.RpcError:
            raise federation.CONTROL_UNREACHABLE.problem("Nothing answers on the control socket") from None

    def watch(self) -> Iterator[Status]:
        """Statuses as they change, until the program ends."""
        stub = self._channel.unary_stream(f"/{SERVICE}/Watch", request_serializer=_encode, response_deserializer=_decode)
        try:
            for found in stub({}):
                yield Status(**found)
        except self._grpc.RpcError:
            raise federation.CONTROL_UNREACHABLE.problem("The site's program ended") from None

    def healthy(self) -> bool:
        """Whether `grpc.health.v1` says SERVING: registered with the coordinator."""
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        try:
            answer = health_pb2_grpc.HealthStub(self._channel).Check(health_pb2.HealthCheckRequest(service=""), timeout=5)
        except self._grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()
