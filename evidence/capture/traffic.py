"""A site's recorded traffic as requests and replies in a normal form, in which two recordings can be compared byte by byte.

What is random or a clock by construction is replaced, by name, by a word of its own; everything else stays as it was sent, and
every size is kept. `RANDOM` lists what is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flwr.proto import fleet_pb2, heartbeat_pb2, message_pb2, recorddict_pb2, run_pb2

from evidence.capture.recorder import Pieces
from shared_model.flower.several_calls import FLEET_PATH, split_calls

POST: Final = re.compile(rb"^(\S+) (\S+) HTTP/1\.1$")
FLEET: Final = "/v1/fleet/"
Proto = Any
"""A protobuf message; its library has no types."""
REQUESTS: Final[dict[str, Any]] = {
    "activate-node": fleet_pb2.ActivateNodeRequest,
    "deactivate-node": fleet_pb2.DeactivateNodeRequest,
    "receive": fleet_pb2.PullMessagesRequest,
    "push-messages": fleet_pb2.PushMessagesRequest,
    "send-node-heartbeat": heartbeat_pb2.SendNodeHeartbeatRequest,
    "get-run": run_pb2.GetRunRequest,
    "push-object": message_pb2.PushObjectRequest,
    "pull-object": message_pb2.PullObjectRequest,
    "confirm-message-received": message_pb2.ConfirmMessageReceivedRequest,
}
HEADERS: Final = {
    b"host": "address of the recorder",
    b"flwr-timestamp": "clock",
    b"flwr-signature": "signature of the clock",
    b"fedhcc-wait": "patience of the line",
}
IDS: Final = {"node_id", "run_id", "src_node_id", "dst_node_id", "src_task_id", "dst_task_id"}
HASHES: Final = {"message_id", "reply_to_message_id", "session_id", "object_id", "message_object_id"}
CLOCKS: Final = {"created_at", "ttl"}
SECRETS: Final = {"public_key", "signature", "hash", "seed"}
RANDOM: Final = {
    "HTTP headers": "the clock that Flower's node signs, and the signature; the recorder's address, which has a port of its own each time",
    "Flower's metadata": "numbers of node, run and task; ids of messages, objects and sessions (random, or SHA-256 of content that holds "
    "such); time of making and what of the deadline is left",
    "bodies of replies": "ephemeral key, signature, hash of the masked vector, seed: of equal length each",
    "arrays": "the masked values; their number, type and length stay",
}


@dataclass(frozen=True)
class Request:
    """One HTTP request of a site."""

    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    @property
    def call(self) -> str:
        """The Fleet API's method, or the whole path of anything else."""
        return self.path.removeprefix(FLEET)


@dataclass(frozen=True)
class Reply:
    """One reply of a site: the kind of its message, its push and its objects in normal form, and the size of its objects."""

    kind: str
    form: tuple[str, ...]
    size: int


def requests(pieces: Pieces) -> Iterator[Request]:
    """The requests of a site, and the calls of its lists one by one, in the order in which they were whole, over all its connections.

    Raises `ValueError` at anything that is not HTTP/1.1 with a length. What was cut off when the recording ended is left out.
    """
    waiting: dict[int, bytes] = {}
    for number, data in pieces:
        rest = waiting.get(number, b"") + data
        while (taken := _first(rest)) is not None:
            request, rest = taken
            yield from calls_of(request)
        waiting[number] = rest


def calls_of(request: Request) -> Iterator[Request]:
    """The calls of a request that carries a list of them, each as a request of its own; any other request as it is."""
    if request.path != FLEET_PATH:
        yield request
        return
    for name, payload in split_calls(request.body):
        yield Request(request.method, FLEET + name, request.headers, payload)


def _first(data: bytes) -> tuple[Request, bytes] | None:
    """The first request of some bytes and what follows it; None while it is not whole."""
    head, mark, rest = data.partition(b"\r\n\r\n")
    if not mark:
        return None
    first, *lines = head.split(b"\r\n")
    match = POST.match(first)
    headers = tuple((name.strip().lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines))
    if match is None or b"transfer-encoding" in dict(headers):
        raise ValueError("a recorded stream is not HTTP/1.1 with lengths")
    size = int(dict(headers).get(b"content-length", b"0"))
    if len(rest) < size:
        return None
    return Request(match[1].decode(), match[2].decode(), headers, rest[:size]), rest[size:]


def normal(request: Request) -> str:
    """A request in normal form: method, path, headers and body, with what is random replaced."""
    body = _body(request)
    headers = []
    for name, value in request.headers:
        if name == b"content-length":
            continue  # the body's own length is in its normal form; numbers of nodes and runs are written as 9 or 10 bytes
        word = HEADERS.get(name)
        headers.append([name.decode(), f"<{word}>" if word else value.decode("latin-1")])
    return json.dumps([request.method, request.path, headers, body], sort_keys=True)


def _body(request: Request) -> Any:
    form = REQUESTS.get(request.call)
    if form is None:
        return request.body.hex()
    message = form.FromString(request.body)
    if isinstance(message, message_pb2.PushObjectRequest):
        message.object_content = b""  # told apart from its envelope by `contents`
    return _proto(message)


def _proto(message: Proto) -> dict[str, Any]:
    """Every set field of a protobuf message, unknown ones included, with what is random replaced."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        repeated = isinstance(value, (list, tuple)) or hasattr(value, "append")
        found[field.name] = [_value(field.name, one) for one in value] if repeated else _value(field.name, value)
    known = type(message).FromString(message.SerializeToString())
    known.DiscardUnknownFields()
    if known.ByteSize() != message.ByteSize():
        raise ValueError("a message with fields its form does not have")
    return found


def _value(name: str, value: Any) -> Any:
    if hasattr(value, "ListFields"):
        return _proto(value)
    if name in IDS:
        return "<number>"
    if name in CLOCKS:
        return "<clock>"
    if name in HASHES:
        return f"<{len(value)} characters>"
    return value.hex() if isinstance(value, bytes) else value


def _object(content: bytes) -> list[Any]:
    """One of Flower's objects: type, number of children, length, and its body in normal form."""
    head, _, body = content.partition(b"\0")
    kind, children, length = head.decode().split(" ")
    count = len(children.split(",")) if children else 0
    if length != str(len(body)):
        raise ValueError("an object with another length than it says")
    if kind == "Message":  # numbers of nodes and runs take 9 or 10 bytes
        return [kind, count, _proto(message_pb2.Message.FromString(body))]
    if kind == "ConfigRecord":
        return [kind, count, len(body), _config(body)]
    if kind == "ArrayChunk":
        return [kind, count, len(body)]
    fields = json.loads(body)
    if kind in ("RecordDict", "ArrayRecord"):
        fields = {name: f"<{len(value)} characters>" for name, value in fields.items()}
    return [kind, count, len(body), fields]


def _config(body: bytes) -> dict[str, Any]:
    items = {item.key: item.value for item in recorddict_pb2.ConfigRecord.FromString(body).items}
    found: dict[str, Any] = {name: value.SerializeToString().hex() for name, value in items.items() if name not in ("header", "inline")}
    header = json.loads(items["header"].bytes)
    for name in SECRETS & header["body"].keys():
        header["body"][name] = f"<{len(header['body'][name])} characters>"
    return {**found, "header": header, "inline": len(items["inline"].bytes)}


Known = Mapping[str, tuple[str, int]]
"""Objects by id: normal form, and size in bytes (0 for a `Message`, in which numbers of nodes take 9 or 10 bytes)."""


def contents(sent: Iterable[Pieces]) -> dict[str, tuple[str, int]]:
    """Every object that any site pushed. The coordinator asks for equal content only once, from whoever comes first."""
    found: dict[str, tuple[str, int]] = {}
    for pieces in sent:
        for request in requests(pieces):
            if request.call == "push-object":
                push = message_pb2.PushObjectRequest.FromString(request.body)
                content = push.object_content
                size = 0 if content.startswith(b"Message ") else len(content)
                found[push.object_id] = (json.dumps(_object(content), sort_keys=True), size)
    return found


def replies(pieces: Pieces, known: Known) -> list[Reply]:
    """The replies of one site in their order, with all objects they consist of, these in sorted order."""
    found: list[Reply] = []
    for request in requests(pieces):
        if request.call == "push-messages":
            trees = fleet_pb2.PushMessagesRequest.FromString(request.body).message_object_trees
            # The coordinator holds what it sent itself, such as the body of `finish`; an id is the SHA-256 of the content.
            objects = [known.get(identifier, (f"held already: {identifier}", 0)) for tree in trees for identifier in _ids(tree)]
            forms = tuple(sorted(form for form, _ in objects))
            found.append(Reply(_kind(forms), (normal(request), *forms), sum(size for _, size in objects)))
    return found


def _ids(tree: Any) -> Iterator[str]:
    yield tree.object_id
    for child in tree.children:
        yield from _ids(child)


def _kind(forms: tuple[str, ...]) -> str:
    """The kind of the message a reply carries, as far as this recording holds its content."""
    for content in (json.loads(form) for form in forms if form.startswith("[")):
        if content[0] == "ConfigRecord":
            return str(content[3]["header"]["kind"])
    return "held already" if any(form.startswith("held") for form in forms) else "flower error"


def others(pieces: Pieces) -> dict[str, set[str]]:
    """The distinct normal forms of everything but replies: heartbeats, polls, fetches, and pushes of objects without the object.

    How many there are of each is the clock's.
    """
    found: dict[str, set[str]] = {}
    for request in requests(pieces):
        if request.call != "push-messages":
            found.setdefault(request.call, set()).add(normal(request))
    return found
