"""A `Message` as bytes, and back: what both sides put into whatever carries it.

A packed message is a small JSON header (kind, body, and name, type and shape of every array) with the arrays' bytes. All
arrays of at most `INLINE` bytes together travel in one piece with the header, larger ones each on their own, so
that an exchange of small vectors is one object on the wire and not six.

What arrives is not trusted: nothing is allocated for a size that is only claimed. An array's bytes are there, or refused,
and they fit into the room that the receiver gave before (`Message.room`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from math import prod
from typing import Any, NoReturn, get_args

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from shared_model.secure_sum.federation_messages import Kind, Message
from site_config.study.plan_and_lock import canonical

INLINE = 1 << 18
MAX_HEADER = 16 << 20
MAX_ARRAYS = 64
MAX_BROADCAST = 1 << 29
"""Most bytes of arrays a hospital takes in one message: sixteen times the default network's weights."""
KINDS = frozenset((*get_args(Kind), "refusal"))
TYPES = frozenset({"float32", "float64", "int32", "int64", "uint8", "uint32", "uint64", "bool"})
NPY = "numpy.ndarray"
NPY_HEAD = 10_000


class WireError(ValueError):
    """A packed message that breaks the format; its text names the field, never a value."""


@dataclass(frozen=True)
class Packed:
    """Header (JSON), the small arrays' bytes one after another, and the large arrays by name."""

    header: bytes
    inline: bytes = b""
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)


def pack(message: Message) -> Packed:
    """Pack a message; arrays are little-endian, C-ordered, of one of `TYPES`. Raises `WireError`."""
    if message.kind not in KINDS or len(message.arrays) > MAX_ARRAYS:
        raise WireError("kind or number of arrays")
    arrays = {name: np.asarray(array, order="C") for name, array in message.arrays.items()}
    small = sum(array.nbytes for array in arrays.values()) <= INLINE
    described = []
    for name, array in arrays.items():
        if array.dtype.name not in TYPES or array.dtype.byteorder == ">":
            raise WireError("type of an array")
        described.append([name, array.dtype.name, list(array.shape)])
    header = canonical({"kind": message.kind, "body": message.body, "arrays": described, "inline": small})
    if len(header) > MAX_HEADER:
        raise WireError("size of the body")
    if small:
        return Packed(header, b"".join(array.tobytes() for array in arrays.values()))
    return Packed(header, b"", arrays)


def unpack(packed: Packed) -> Message:
    """The message again; every array is checked against the header. Raises `WireError`."""
    header = _header(packed.header)
    arrays: dict[str, NDArray[Any]] = {}
    offset = 0
    for entry in header["arrays"]:
        name, kind, shape = _entry(entry)
        if name in arrays:
            raise WireError("name of an array")
        size = prod(shape) * np.dtype(kind).itemsize
        if header["inline"]:
            piece = packed.inline[offset : offset + size]
            offset += size
            if len(piece) != size:
                raise WireError("length of an array")
            arrays[name] = np.frombuffer(piece, dtype=kind).reshape(shape).copy()
        else:
            found = packed.arrays.get(name)
            if found is None or found.dtype.name != kind or found.shape != shape:
                raise WireError("type or shape of an array")
            arrays[name] = found
    if offset != len(packed.inline) or packed.arrays.keys() - arrays.keys():
        raise WireError("length of the arrays")
    return Message(header["kind"], header["body"], arrays)


def received(header: object, inline: object, large: Mapping[str, tuple[str, bytes]], room: int, *, own: bool = True) -> Message:
    """A message from what a carrier brought: header and small arrays, and name → (serialisation, bytes) of the large ones.

    `room` is the most bytes all arrays together may hold. Without `own` the large arrays are the carrier's bytes themselves,
    which nobody may write into: a copy of 33 MB saved for each. Raises `WireError` for everything that is not one of our messages.
    """
    if not (isinstance(header, bytes) and isinstance(inline, bytes)):
        raise WireError("record")
    if len(inline) + sum(len(data) for _, data in large.values()) > room + NPY_HEAD * len(large):
        raise WireError("size of the arrays")
    return unpack(Packed(header, inline, {name: from_npy(kind, data, own=own) for name, (kind, data) in large.items()}))


def from_npy(kind: str, data: bytes, *, own: bool = True) -> NDArray[Any]:
    """An array from the bytes of a `.npy` file, which must be there to the last one. Raises `WireError`.

    `numpy.load` allocates what the header claims, and knows types that are no numbers; this reads the header and then the
    bytes that are there. `own`: a copy that may be written into.
    """
    stream = BytesIO(data)
    try:
        if kind != NPY or npy.read_magic(stream) != (1, 0):
            raise WireError("serialisation of an array")
        shape, fortran, dtype = npy.read_array_header_1_0(stream, max_header_size=NPY_HEAD)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, OverflowError):
        raise WireError("header of an array") from None
    if dtype.name not in TYPES or dtype.byteorder == ">" or fortran or not _is_shape(list(shape)):
        raise WireError("type of an array")
    body = memoryview(data)[stream.tell() :]
    if prod(shape) * dtype.itemsize != len(body):
        raise WireError("length of an array")
    array = np.frombuffer(body, dtype=dtype).reshape(shape)
    return array.copy() if own else array


def _no_number(_text: str) -> NoReturn:
    raise WireError("a number that is none")


def _header(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_HEADER:
        raise WireError("size of the header")
    try:
        header = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise WireError("header") from None
    if not isinstance(header, dict) or set(header) != {"kind", "body", "arrays", "inline"}:
        raise WireError("fields of the header")
    checks = (
        isinstance(header["kind"], str) and header["kind"] in KINDS,
        isinstance(header["body"], dict),
        isinstance(header["arrays"], list),
        isinstance(header["inline"], bool),
    )
    if not all(checks) or len(header["arrays"]) > MAX_ARRAYS:
        raise WireError("fields of the header")
    return header


def _is_shape(shape: list[Any]) -> bool:
    whole = all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < 1 << 31 for n in shape)
    return len(shape) <= 8 and whole


def _entry(entry: Any) -> tuple[str, str, tuple[int, ...]]:
    if not (isinstance(entry, list) and len(entry) == 3):
        raise WireError("description of an array")
    name, kind, shape = entry
    if not (isinstance(name, str) and isinstance(shape, list) and isinstance(kind, str) and kind in TYPES):
        raise WireError("description of an array")
    if not _is_shape(shape):
        raise WireError("shape of an array")
    return name, kind, tuple(shape)
