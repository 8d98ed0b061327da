"""What is only claimed is never allocated: arrays' heads, and pieces that stand for more than they are."""

from __future__ import annotations

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, RecordDict
from flwr.app.message import Array
from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects

from shared_model.secure_sum.message_bytes import NPY, WireError, from_npy, received
from shared_model.secure_sum.message_pieces import Pieces
from tests.hostile_messages import HEADS, memory_limit, npy


def array_bytes(array: np.ndarray) -> bytes:
    return Array(array).data


@pytest.mark.parametrize("kind", ["float32", "float64", "uint32", "uint64", "int64", "bool"])
@pytest.mark.parametrize("shape", [(0,), (7,), (3, 4), ()])
def test_an_honest_array_comes_back_and_may_be_written_to(kind: str, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).integers(0, 2, shape).astype(kind)
    back = from_npy(NPY, array_bytes(array))
    assert back.dtype == array.dtype and back.shape == shape and np.array_equal(back, array) and back.flags.writeable


@pytest.mark.parametrize("head", HEADS)
def test_a_head_that_claims_more_than_is_there_is_refused(head: dict[str, object]) -> None:
    with memory_limit(), pytest.raises(WireError):
        from_npy(NPY, npy(head))


@pytest.mark.parametrize("kind, data", [("pickle", b"abc"), (NPY, b""), (NPY, b"abc"), ("", array_bytes(np.zeros(3)))])
def test_another_serialisation_is_refused(kind: str, data: bytes) -> None:
    with pytest.raises(WireError):
        from_npy(kind, data)


def test_more_than_the_room_is_refused_before_it_is_read() -> None:
    with pytest.raises(WireError, match="size"):
        received(b"{}", b"", {"w": (NPY, array_bytes(np.zeros(10_000)))}, room=8_000)


def test_the_pieces_of_a_whole_message_pass() -> None:
    array = np.random.default_rng(1).normal(size=3_000_000)
    message = RecordDict(
        {"fedhcc": ConfigRecord({"header": b"{}"}), "arrays": ArrayRecord({"w": Array(array), "z": Array(np.zeros(10**6))})}
    )
    pieces = Pieces(array.nbytes + 8 * 10**6)
    for piece in get_all_nested_objects(message).values():
        content = piece.deflate()
        assert pieces.take(content) == content


@pytest.mark.parametrize(
    "pieces",
    [
        [b'Array abc 9\x00{"arraychunk_ids": [' + b"0," * 10_000 + b"0]}"],
        [b'Array abc 9\x00{"arraychunk_ids": {}}'],
        [b"Array abc 9\x00[[["],
        [b"Array abc"],
        [b"ArrayChunk  9\x00" + bytes(6 << 20)],
        [b"x" * (1 << 20)] * 40,
        [b""] * 5_000,
    ],
)
def test_pieces_that_stand_for_more_are_refused(pieces: list[bytes]) -> None:
    counted = Pieces(8 << 20)
    with pytest.raises(WireError):
        for piece in pieces:
            counted.take(piece)
