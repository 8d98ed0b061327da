"""A message of ours in Flower's records, and back."""

from __future__ import annotations

from collections.abc import Iterable

from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from flwr.app.message import Array
from google.protobuf.message import DecodeError

from shared_model.secure_sum.federation_messages import Message
from shared_model.secure_sum.message_bytes import MAX_BROADCAST, WireError, pack, received

MESSAGE_TYPE = "query.fedhcc"
HEADER, LARGE = "fedhcc", "arrays"
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError, RecursionError, AssertionError, DecodeError)
"""What Flower raises while it puts pieces together that do not belong together; a `WireError` is a ValueError."""


def to_records(message: Message, shared: ArrayRecord | None = None) -> RecordDict:
    """A message as Flower's records: the header and the small arrays in one, large arrays in another.

    `shared` is the record of the same large arrays in another message, which is then made and hashed once for both.
    """
    packed = pack(message)
    records = RecordDict({HEADER: ConfigRecord({"header": packed.header, "inline": packed.inline})})
    if packed.arrays:
        records[LARGE] = shared or ArrayRecord({name: Array(array) for name, array in packed.arrays.items()})
    return records


def to_many(messages: Iterable[Message]) -> list[RecordDict]:
    """Messages as Flower's records. Those that carry the very same arrays, as a broadcast does, share one record of them."""
    made: list[tuple[Message, RecordDict]] = []
    for message in messages:
        alike = next((records for other, records in made if _same_arrays(message, other)), None)
        large = alike.get(LARGE) if alike is not None else None
        made.append((message, to_records(message, large if isinstance(large, ArrayRecord) else None)))
    return [records for _, records in made]


def _same_arrays(one: Message, other: Message) -> bool:
    """Whether two messages hold the same objects under the same names; equal content in other objects does not count."""
    return list(one.arrays) == list(other.arrays) and all(array is other.arrays[name] for name, array in one.arrays.items())


def from_records(records: RecordDict, room: int = MAX_BROADCAST, *, own: bool = True) -> Message:
    """A message from Flower's records; `WireError` when they are not one of ours, or its arrays hold more than `room` bytes.

    Without `own` its large arrays are read only, and Flower's own bytes.
    """
    config = records.get(HEADER)
    if not isinstance(config, ConfigRecord):
        raise WireError("record")
    large = records.get(LARGE)
    arrays = {name: (array.stype, array.data) for name, array in large.items()} if isinstance(large, ArrayRecord) else {}
    return received(config.get("header"), config.get("inline"), arrays, room, own=own)
