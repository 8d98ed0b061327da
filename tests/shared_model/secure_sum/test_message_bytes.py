"""Messages as bytes: equal after the journey, refused when they break the format."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shared_model.secure_sum.federation_messages import Message
from shared_model.secure_sum.message_bytes import INLINE, Packed, WireError, pack, unpack

arrays = st.dictionaries(
    st.text("abcdef.", min_size=1, max_size=8),
    st.sampled_from(["float32", "float64", "uint32", "uint64", "int64", "bool"]).flatmap(
        lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, max_side=5))
    ),
    max_size=4,
)


@given(arrays)
def test_a_message_comes_back_bit_for_bit(found: dict[str, np.ndarray]) -> None:
    message = Message("release", {"a": 1, "text": "ü"}, found)
    back = unpack(pack(message))
    assert (back.kind, back.body) == (message.kind, message.body)
    assert set(back.arrays) == set(found)
    for name, array in found.items():
        assert back.arrays[name].dtype == array.dtype and back.arrays[name].shape == array.shape
        assert back.arrays[name].tobytes() == np.ascontiguousarray(array).tobytes()


def test_large_arrays_travel_beside_the_header() -> None:
    message = Message("release", {}, {"w": np.zeros(INLINE, dtype=np.uint8), "v": np.zeros(3)})
    packed = pack(message)
    assert packed.inline == b"" and set(packed.arrays) == {"w", "v"}
    assert unpack(packed).arrays["w"].shape == (INLINE,)


GOOD = {"kind": "status", "body": {}, "arrays": [["a", "float64", [2]]], "inline": True}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "evil"},
        {"body": []},
        {"arrays": "a"},
        {"inline": 1},
        {"arrays": [["a", "object", [2]]]},
        {"arrays": [["a", "float64", [-2]]]},
        {"arrays": [["a", "float64", [True]]]},
        {"arrays": [["a", "float64", [3]]]},
        {"arrays": [["a", "float64", [1]]]},
        {"arrays": [["a", "float64", [1]], ["a", "float64", [1]]]},
        {"arrays": [["a", "float64", [1] * 9]]},
        {"extra": 1},
        {"inline": False},
    ],
)
def test_broken_messages_are_refused(change: dict[str, object]) -> None:
    data = np.arange(2.0).tobytes()
    assert unpack(Packed(json.dumps(GOOD).encode(), data)).arrays["a"].tolist() == [0.0, 1.0]
    with pytest.raises(WireError):
        unpack(Packed(json.dumps(GOOD | change).encode(), data))


def test_no_objects_and_no_garbage() -> None:
    with pytest.raises(WireError):
        pack(Message("status", {}, {"o": np.array([object()], dtype=object)}))
    for garbage in (b"", b"{", b"[]", b"null", b"\xff"):
        with pytest.raises(WireError):
            unpack(Packed(garbage))
