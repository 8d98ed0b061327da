"""A broadcast to many sites is made, hashed and written once; other arrays of the same content are not mistaken for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from flwr.app import Message as FlowerMessage
from flwr.app.message import arraychunk
from flwr.supercore.task_identity import TaskIdentity

from shared_model.flower.flower_records import LARGE, MESSAGE_TYPE, from_records, to_many
from shared_model.flower.parcels import parcels_of
from shared_model.secure_sum.federation_messages import Message

WEIGHTS = np.arange(200_000, dtype=np.float32)


def _sent(messages: list[Message]) -> list[FlowerMessage]:
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 1  # Flower's messages name the process's task
    return [FlowerMessage(records, number + 1, MESSAGE_TYPE, ttl=60.0) for number, records in enumerate(to_many(messages))]


def test_the_same_arrays_share_one_record_and_arrive_everywhere() -> None:
    messages = [Message("release", {"site": name}, {"weights": WEIGHTS}) for name in "abc"]
    records = to_many(messages)
    assert len({id(one[LARGE]) for one in records}) == 1
    for message, one in zip(messages, records, strict=True):
        back = from_records(one)
        assert back.body == message.body and np.array_equal(back.arrays["weights"], WEIGHTS)


@pytest.mark.parametrize("other", [{"weights": WEIGHTS.copy()}, {"other": WEIGHTS}, {"weights": WEIGHTS, "more": WEIGHTS[:2]}, {}])
def test_other_arrays_or_names_are_made_anew(other: dict[str, Any]) -> None:
    first, second = to_many([Message("release", {}, {"weights": WEIGHTS}), Message("release", {}, other)])
    assert second.get(LARGE) is not first[LARGE]
    assert list(from_records(second).arrays) == list(other)


def test_shared_pieces_are_written_at_most_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    deflate = arraychunk.ArrayChunk.deflate

    def counted(chunk: arraychunk.ArrayChunk) -> bytes:
        written.append(1)
        return deflate(chunk)

    alone = parcels_of(_sent([Message("release", {}, {"weights": WEIGHTS})]))[0]
    monkeypatch.setattr(arraychunk.ArrayChunk, "deflate", counted)
    many = parcels_of(_sent([Message("release", {}, {"weights": WEIGHTS}) for _ in range(4)]))
    assert len(written) <= 2, "once for its name, once for its content"
    assert all(set(parcel.contents) & set(alone.contents) for parcel in many)
    assert len({parcel.tree.object_id for parcel in many}) == 4
