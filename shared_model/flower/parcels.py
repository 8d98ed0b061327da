"""Flower's messages as parcels: what is handed over with `receive` and `collect`, and what goes up with a message.

A message of Flower is a tree of objects that are named by the SHA-256 of their content. The small ones travel in the list of
calls; the pieces of large arrays, 5 MB each, one by one, so that a cut line costs one piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from flwr.app import Message as FlowerMessage
from flwr.app.message import remove_content_from_message
from flwr.common.serde import message_to_proto
from flwr.proto.message_pb2 import PushObjectRequest
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree, iterate_object_tree, no_object_id_recompute
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from shared_model.flower.several_calls import Call, split_calls, together
from shared_model.secure_sum.message_bytes import WireError
from shared_model.secure_sum.message_pieces import MOST_PIECES, Pieces

LINES = 3
"""Pieces of arrays that are on their way at once: on a long line, one waits for the other's answer."""


@dataclass(frozen=True)
class Parcel:
    """A message in Flower's own form: its head, its tree, and every object by id."""

    head: Any
    tree: Any
    contents: dict[str, bytes]

    @staticmethod
    def of(message: FlowerMessage) -> Parcel:
        """The parcel of a message, which gets its id."""
        return parcels_of([message])[0]


def parcels_of(messages: Iterable[FlowerMessage]) -> list[Parcel]:
    """The parcels of messages, which get their ids; an object that several of them hold is hashed and written once."""
    made: list[Parcel] = []
    written: dict[str, bytes] = {}
    with no_object_id_recompute():
        for message in messages:
            message.metadata.__dict__["_message_id"] = message.object_id
            nested = get_all_nested_objects(message)
            written |= {identifier: one.deflate() for identifier, one in nested.items() if identifier not in written}
            contents = {identifier: written[identifier] for identifier in nested}
            made.append(Parcel(message_to_proto(remove_content_from_message(message)), get_object_tree(message), contents))
    return made


def small(parcels: Iterable[Parcel]) -> dict[str, bytes]:
    """The objects of some parcels that travel in the list of calls."""
    known = {identifier: content for parcel in parcels for identifier, content in parcel.contents.items()}
    chosen = together([(identifier, len(content)) for identifier, content in known.items()])
    return {identifier: content for identifier, content in known.items() if identifier in chosen}


def pushes(contents: dict[str, bytes], node: Any, run: int) -> Iterator[Call]:
    """The calls that push objects, in the session of the message pushed before them."""
    for identifier, content in contents.items():
        yield "push-object", push(identifier, content, node, run)


def push(identifier: str, content: bytes, node: Any, run: int, session: str = "") -> bytes:
    """Flower's request that pushes one object."""
    request = PushObjectRequest(node=node, run_id=run, session_id=session, object_id=identifier, object_content=content)
    return bytes(request.SerializeToString())


def opened(answer: bytes, form: Any) -> tuple[Any, dict[str, bytes]]:
    """What `receive` and `collect` answered: Flower's own answer, and objects by id; `ValueError` where it is malformed."""
    parts = split_calls(answer)
    if not parts or parts[0][0]:
        raise ValueError("an answer without its head")
    return form.FromString(parts[0][1]), dict(parts[1:])


def lacking(tree: Any, objects: dict[str, bytes]) -> list[str]:
    """The objects of a tree that are to be fetched one by one; `WireError` where a tree has more than any message of ours."""
    names = list(dict.fromkeys(piece.object_id for piece in iterate_object_tree(tree)))
    if len(names) > MOST_PIECES:
        raise WireError("pieces of a message")
    return [name for name in names if name not in objects]


def gathered(tree: Any, objects: dict[str, bytes], room: int, pull: Callable[[str], bytes]) -> FlowerMessage:
    """The message of a tree from the objects that came along, and the others one by one.

    Every object is counted against `room`, the most bytes the message's arrays may hold, before anything is put together.
    Raises what `records.MALFORMED` names where they make no message.
    """
    missing = lacking(tree, objects)
    pieces = Pieces(room)
    whole = {piece.object_id: b"" for piece in iterate_object_tree(tree)}
    whole |= {name: pieces.take(objects[name]) for name in whole if name in objects}
    whole |= zip(missing, on_lines(lambda name: pieces.take(pull(name)), missing), strict=True)
    message = inflate_object_from_contents(tree.object_id, whole)
    if not isinstance(message, FlowerMessage):
        raise WireError("a message")
    message.metadata.__dict__["_message_id"] = tree.object_id
    return message


def on_lines(work: Callable[[str], Any], items: list[str]) -> list[Any]:
    """Do something for every item, a few at once; the first error is raised, when what began has ended."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(LINES, len(items)), thread_name_prefix="pieces") as pool:
        return list(pool.map(work, items))
