"""The SuperLink's front: answers lists of calls by itself, and hands every other request to Flower's own application.

A list of calls costs one authentication. Sites are known by the key that signs the clock, as in Flower's own middleware; the
coordinator by the token of the task it holds. Flower answers its control interface to whoever reaches its port; here only to
whoever knows the office's secret, so that another account of the machine can start nothing.
"""

from __future__ import annotations

import asyncio
import binascii
import hmac
import time
from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_HEADER, TIMESTAMP_TOLERANCE
from flwr.proto import fleet_pb2, runtime_pb2
from flwr.proto.task_pb2 import Task
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER, TASK_TOKEN_HEADER
from flwr.supercore.date import now
from flwr.supercore.error import FlowerError
from flwr.supercore.error.catalog import API_ERROR_MAP
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature
from google.protobuf.message import DecodeError

from server.link.superlink_calls import Answered, Desk
from shared_model.flower.several_calls import FLEET_PATH, OFFICE_HEADER, RUNTIME_PATH, WAIT_HEADER, Reply, join_replies, split_calls

ALIVE_PATH = "/v1/alive"
LARGEST_BODY = 24 << 20
LONGEST_WAIT_S = 25.0
HEAVY = 1 << 20
"""A body from so many bytes on is worked on in a thread, so that nobody waits for its hashes."""
TICK_S, ASLEEP_S = 0.5, 5.0
OK, BAD, WHO, NO, GONE, LARGE = 200, 400, 401, 403, 404, 413
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
known_key = lru_cache(maxsize=4096)(bytes_to_public_key)


class TurnedAway(Exception):
    """A request that is answered with a status and nothing else."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Front:
    """The application that the SuperLink's HTTP server runs; `look` is called twice a second."""

    def __init__(self, flower: Application, desk: Desk, secret: bytes, look: Callable[[], None], tell: Callable[[str], None]) -> None:
        self._flower, self._desk, self._secret, self._look, self._tell = flower, desk, secret, look, tell
        self._last = time.time()
        self._clock: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            self._clock = asyncio.create_task(self._tick())
        if scope["type"] != "http":
            await self._flower(scope, receive, send)
            return
        self._awake()
        path = scope["path"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if path.startswith("/v1/control/") and not hmac.compare_digest(headers.get(OFFICE_HEADER, "").encode(), self._secret):
            await _answer(send, NO)
        elif path == ALIVE_PATH:
            await _answer(send, OK)
        elif path in (FLEET_PATH, RUNTIME_PATH):
            try:
                body = await _whole_body(receive)
                await _answer(send, OK, await (self._site if path == FLEET_PATH else self._office)(headers, body))
            except TurnedAway as refused:
                await _answer(send, refused.status)
        else:
            await self._flower(scope, receive, send)

    async def _site(self, headers: dict[str, str], body: bytes) -> bytes:
        key = signed_by(headers)
        node = self._desk.state.get_node_id_by_public_key(key)
        if node is None:
            self._look()  # enrolled this very moment
            node = self._desk.state.get_node_id_by_public_key(key)
        if node is None:
            self._tell(f"a key that is not enrolled was refused: {headers.get(FLEET_HTTP_PUBLIC_KEY_HEADER, '')[:80]}")
            raise TurnedAway(WHO)
        calls = _calls(body)
        if [name for name, _ in calls] == ["receive"]:
            request = _parsed(fleet_pb2.PullMessagesRequest, calls[0][1])
            if request.node.node_id != node:
                raise TurnedAway(WHO)
            return join_replies([(OK, await self._desk.receive(request, _wait(headers)))])
        try:
            todo = self._desk.fleet(calls, node, key)
        except PermissionError:
            raise TurnedAway(WHO) from None
        except (KeyError, DecodeError):
            raise TurnedAway(BAD) from None
        return await self._done(todo, len(body))

    async def _office(self, headers: dict[str, str], body: bytes) -> bytes:
        task: Task | None = self._desk.state.get_task_by_token(headers.get(TASK_TOKEN_HEADER, ""))
        if task is None:
            raise TurnedAway(WHO)
        calls = _calls(body)
        if [name for name, _ in calls] == ["collect"]:
            request = _parsed(runtime_pb2.PullAppMessagesRequest, calls[0][1])
            return join_replies([(OK, await self._desk.collect(request, _wait(headers), task))])
        try:
            todo = self._desk.runtime(calls, task)
        except (KeyError, DecodeError):
            raise TurnedAway(BAD) from None
        return await self._done(todo, len(body))

    async def _done(self, todo: Iterator[Answered], size: int) -> bytes:
        def work() -> list[Reply]:
            return self._work(todo)

        replies = await asyncio.get_running_loop().run_in_executor(None, work) if size > HEAVY else work()
        self._desk.announce()
        return join_replies(replies)

    def _work(self, todo: Iterator[Answered]) -> list[Reply]:
        replies: list[Reply] = []
        try:
            for answered in todo:
                replies.append((OK, answered.SerializeToString()))
        except FlowerError as error:
            self._tell(str(error.message))
            replies.append((API_ERROR_MAP[error.code].http_status_code, b""))
        except KeyError:
            replies.append((GONE, b""))  # a run that this SuperLink does not know (any more)
        except ValueError as error:
            self._tell(f"{type(error).__name__}: {error}")
            replies.append((BAD, b""))
        return replies

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._awake()
            self._look()

    def _awake(self) -> None:
        """Notice that this machine slept, or that this process was stopped."""
        moment = time.time()
        gap, self._last = moment - self._last, moment
        if gap > ASLEEP_S:
            self._desk.slept(gap)


def signed_by(headers: dict[str, str]) -> bytes:
    """The public key (PEM) that signed the clock of a request; `TurnedAway` where none did, or a clock too far from ours."""
    try:
        key = b64decode(headers[FLEET_HTTP_PUBLIC_KEY_HEADER], validate=True)
        signature = b64decode(headers[FLEET_HTTP_SIGNATURE_HEADER], validate=True)
        stamp = headers[TIMESTAMP_HEADER]
        age = (now() - datetime.fromisoformat(stamp)).total_seconds()
        fresh = -SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE
        if not (fresh and verify_signature(known_key(key), stamp.encode("ascii"), signature)):
            raise TurnedAway(WHO)
    except (KeyError, ValueError, TypeError, UnicodeError, binascii.Error):
        raise TurnedAway(WHO) from None
    return key


def _wait(headers: dict[str, str]) -> float:
    try:
        return min(max(float(headers.get(WAIT_HEADER, "0")), 0.0), LONGEST_WAIT_S)
    except ValueError:
        return 0.0


def _calls(body: bytes) -> list[tuple[str, bytes]]:
    try:
        return split_calls(body)
    except (ValueError, UnicodeError):
        raise TurnedAway(BAD) from None


def _parsed(form: Any, payload: bytes) -> Any:
    try:
        return form.FromString(payload)
    except DecodeError:
        raise TurnedAway(BAD) from None


async def _whole_body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise TurnedAway(BAD)
        part = event.get("body", b"")
        size += len(part)
        if size > LARGEST_BODY:
            raise TurnedAway(LARGE)
        parts.append(part)
        if not event.get("more_body"):
            return b"".join(parts)


async def _answer(send: Send, status: int, body: bytes = b"") -> None:
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
