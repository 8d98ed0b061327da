"""Patients' rows as shares: what a hospital deals, slot by slot, and what a holder makes of all slots.

A hospital seals each padded slot on its own to each holder, and the coordinator permutes the slots of all hospitals, so a holder does not know whose slot
is whose. A slot carries a random tag, the same for all holders; the holders compare the tags' order before they compute.

    boxes = deal(columns, {"event": events}, publics, context)     # hospital: boxes[slot][holder]
    rows = gather(columns, [box[k] for box in boxes], private, context)   # holder k + 1
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import ArrayLike, NDArray

from shared_model.shares.engine import ShareArithmetic
from shared_model.shares.ring import COUNT, MAIN, Residues, Ring
from shared_model.shares.seal import BOX_BYTES, seal, unseal
from shared_model.shares.sharing import Sharing, Source
from shared_model.shares.value import Field, Value
from site_config.problems import shares as problems

TAG_BYTES = 16
_RINGS = {Field.COUNT: COUNT, Field.MAIN: MAIN}


@dataclass(frozen=True)
class Column:
    """One thing a slot holds: `shape` numbers in [low, high] with `fraction` fractional bits (0: integers); zeros stand for nobody."""

    name: str
    shape: tuple[int, ...]
    low: float
    high: float
    field: Field = Field.MAIN
    fraction: int = 0

    @property
    def ring(self) -> Ring:
        """The ring of its number system."""
        return _RINGS[self.field]

    @property
    def bound(self) -> float:
        """Largest size of a number."""
        return max(abs(self.low), abs(self.high))

    @property
    def nbytes(self) -> int:
        """Bytes of one slot."""
        return self.ring.nbytes(prod(self.shape))

    def encode(self, numbers: ArrayLike) -> Residues:
        """A hospital's numbers (slots, *shape) as residues; FH-559 where one is no number, not whole, or out of bounds."""
        array = np.asarray(numbers, dtype=np.float64)
        if array.shape[1:] != self.shape:
            raise problems.ROW_OUT_OF_RANGE.problem(f"{self.name} has numbers of shape {array.shape[1:]}, declared is {self.shape}")
        if not np.isfinite(array).all() or bool(((array < self.low) | (array > self.high)).any()):
            raise problems.ROW_OUT_OF_RANGE.problem(f"{self.name} holds a number outside [{self.low:g}, {self.high:g}]")
        if not self.fraction and bool((array != np.rint(array)).any()):
            raise problems.ROW_OUT_OF_RANGE.problem(f"{self.name} holds a number that is not whole")
        return self.ring.encode_floats(array, self.fraction)


@dataclass(frozen=True)
class Rows:
    """A holder's shares of all slots: name → (k, slots, *shape); `digest` is the same at all holders who got the slots in one order."""

    columns: tuple[Column, ...]
    shares: Mapping[str, Residues]
    digest: bytes

    @property
    def slots(self) -> int:
        """Number of slots."""
        return self.shares[self.columns[0].name].shape[1] if self.columns else 0

    def values(self, arithmetic: ShareArithmetic) -> dict[str, Value]:
        """The columns as Values with their declared bounds."""
        return {
            column.name: arithmetic.secret(self.shares[column.name], column.bound, fraction=column.fraction, field=column.field)
            for column in self.columns
        }


def slot_bytes(columns: Sequence[Column]) -> int:
    """Length of one slot's box for one holder."""
    return BOX_BYTES + TAG_BYTES + sum(column.nbytes for column in columns)


def deal(
    columns: Sequence[Column],
    values: Mapping[str, ArrayLike],
    publics: Mapping[int, bytes],
    context: bytes,
    *,
    random: Source = secrets.token_bytes,
) -> list[list[bytes]]:
    """A hospital's slots, boxes[slot][holder - 1]. values: column → numbers (slots, *shape). Raises FH-559."""
    arrays: dict[str, NDArray[np.float64]] = {column.name: np.asarray(values[column.name], dtype=np.float64) for column in columns}
    slots = {array.shape[0] for array in arrays.values()}
    if set(values) != set(arrays) or len(slots) != 1:
        raise problems.ROW_OUT_OF_RANGE.problem(f"Columns {sorted(values)}, declared are {sorted(arrays)}, of one number of slots")
    sharing = Sharing(len(publics))
    dealt = {column.name: sharing.split(column.encode(arrays[column.name]), column.ring, random) for column in columns}
    boxes = []
    for slot in range(slots.pop()):
        tag = random(TAG_BYTES)
        contents = [
            tag + b"".join(column.ring.pack(dealt[column.name][holder][:, slot]) for column in columns) for holder in range(sharing.m)
        ]
        boxes.append([seal(publics[holder], content, context) for holder, content in enumerate(contents, 1)])
    return boxes


def gather(columns: Sequence[Column], boxes: Sequence[bytes], private: X25519PrivateKey, context: bytes) -> Rows:
    """A holder's rows from its box of every slot, in the coordinator's order; FH-553 and FH-558 for what does not fit."""
    length = slot_bytes(columns)
    if any(len(box) != length for box in boxes):
        raise problems.SHARED_ROWS_MALFORMED.problem(f"A slot's box has not {length} bytes")
    shares = {column.name: np.empty((column.ring.k, len(boxes), *column.shape), np.uint32) for column in columns}
    tags = []
    for slot, box in enumerate(boxes):
        content = memoryview(unseal(private, box, context))
        tags.append(bytes(content[:TAG_BYTES]))
        at = TAG_BYTES
        for column in columns:
            try:
                shares[column.name][:, slot] = column.ring.unpack(content[at : at + column.nbytes], column.shape)
            except ValueError as error:
                raise problems.SHARED_ROWS_MALFORMED.problem(f"Column {column.name}: {error}") from error
            at += column.nbytes
    if len(set(tags)) != len(tags):
        raise problems.SHARED_ROWS_MALFORMED.problem("A slot was delivered twice")
    digest = hashlib.sha256(repr(tuple(columns)).encode() + b"".join(tags)).digest()
    return Rows(tuple(columns), shares, digest)
