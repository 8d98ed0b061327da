"""Several of Flower's calls in one HTTP request.

Flower asks once for every object of a message: an exchange with five sites takes about 95 requests, and each costs the
SuperLink several milliseconds of middleware, signatures and TLS. Here a request carries a list of calls, `name` and the bytes
of Flower's own protobuf message, and the answer carries for each an HTTP status and the bytes of Flower's own reply. Calls of
one request are handled in their order; the first that fails ends the list. Names are the last part of Flower's own paths.

Three calls are ours. `worker-stands-still` is a heartbeat that says so of the site's working process. `receive` (at a site)
and `collect` (at the coordinator) are Flower's `pull-messages`, which wait at the SuperLink, up to the seconds in the header
`fedhcc-wait`, until there is something whole to hand over; the answer holds Flower's reply first, under the empty name, and
then the small objects of the messages under their ids.

>>> split_calls(join_calls([("get-run", b"abc"), ("push-object", b"")]))
[('get-run', b'abc'), ('push-object', b'')]
>>> split_replies(join_replies([(200, b"abc"), (404, b"")]))
[(200, b'abc'), (404, b'')]
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

FLEET_PATH, RUNTIME_PATH = "/v1/fleet/calls", "/v1/runtime/calls"
STANDS_STILL = "worker-stands-still"
WAIT_HEADER, OFFICE_HEADER = "fedhcc-wait", "fedhcc-office"
"""Seconds for which the SuperLink may wait; the office's secret, for its control API."""
SMALL, TOGETHER = 256 << 10, 4 << 20
"""Bytes of an object that travels in the list of calls, and of all of them together; anything larger has a request of its own."""
MOST_CALLS = 20_000
_NAME, _STATUS, _LENGTH = struct.Struct(">B"), struct.Struct(">H"), struct.Struct(">I")

Call = tuple[str, bytes]
Reply = tuple[int, bytes]


def join_calls(calls: Iterable[Call]) -> bytes:
    """Calls as the body of a request."""
    parts: list[bytes] = []
    for name, payload in calls:
        word = name.encode("ascii")
        parts += (_NAME.pack(len(word)), word, _LENGTH.pack(len(payload)), payload)
    return b"".join(parts)


def split_calls(body: bytes) -> list[Call]:
    """The calls of a request's body; `ValueError` where it is not one."""
    found: list[Call] = []
    at = 0
    while at < len(body):
        (size,) = _take(_NAME, body, at)
        name = body[at + 1 : at + 1 + size].decode("ascii")
        payload, at = _payload(body, at + 1 + size)
        found.append((name, payload))
        if len(found) > MOST_CALLS:
            raise ValueError("too many calls")
    return found


def join_replies(replies: Iterable[Reply]) -> bytes:
    """Replies as the body of an answer."""
    parts: list[bytes] = []
    for status, payload in replies:
        parts += (_STATUS.pack(status), _LENGTH.pack(len(payload)), payload)
    return b"".join(parts)


def split_replies(body: bytes) -> list[Reply]:
    """The replies of an answer's body; `ValueError` where it is not one."""
    found: list[Reply] = []
    at = 0
    while at < len(body):
        (status,) = _take(_STATUS, body, at)
        payload, at = _payload(body, at + _STATUS.size)
        found.append((status, payload))
    return found


def together(sizes: Sequence[tuple[str, int]]) -> set[str]:
    """Which objects travel in the list of calls: the small ones, as many as fit, in the order given (name, bytes)."""
    chosen: set[str] = set()
    total = 0
    for name, size in sizes:
        if size <= SMALL and total + size <= TOGETHER:
            chosen.add(name)
            total += size
    return chosen


def _take(form: struct.Struct, body: bytes, at: int) -> tuple[int, ...]:
    if at + form.size > len(body):
        raise ValueError("a list of calls is cut off")
    return tuple(form.unpack_from(body, at))


def _payload(body: bytes, at: int) -> tuple[bytes, int]:
    (size,) = _take(_LENGTH, body, at)
    begin = at + _LENGTH.size
    if begin + size > len(body):
        raise ValueError("a list of calls is cut off")
    return body[begin : begin + size], begin + size
