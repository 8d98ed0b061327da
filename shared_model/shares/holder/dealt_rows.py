"""Patients' rows as shares: what a hospital deals, slot by slot, and what a holder makes of all slots.

A hospital seals each padded slot on its own to each holder, and the coordinator permutes the slots of all hospitals, so a
holder does not know whose slot is whose. A slot carries a random tag, the same for all holders; the holders compare the tags'
order before they compute.

    boxes = deal(columns, {"event": events}, holders, context)                      # hospital: boxes[slot][holder - 1]
    of_holder = permuted(every_hospital's_boxes)                                    # coordinator: of_holder[holder - 1][slot]
    rows = gather(columns, of_holder[k - 1], slots, private, admission, context)    # holder k
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from shared_model.shares.circuits.shared_value import Field, Value
from shared_model.shares.holder.holder_engine import ShareArithmetic
from shared_model.shares.messages.sealed_envelopes import BOX_BYTES, Recipient, seal, unseal
from shared_model.shares.numbers.residues import COUNT, MAIN, Residues, Ring
from shared_model.shares.numbers.shamir import Sharing, Source
from site_config.problems import shares as problems
from site_config.study.plan_and_lock import canonical

TAG_BYTES = 16
_RINGS = {Field.COUNT: COUNT, Field.MAIN: MAIN}


class Column(Protocol):
    """One vector that a slot holds: `width` integers of at most `bound` · 2^fraction in size; zeros stand for nobody."""

    @property
    def name(self) -> str:
        """By which circuits find it."""

    @property
    def width(self) -> int:
        """How many numbers a slot has."""

    @property
    def field(self) -> Field:
        """The number system."""

    @property
    def fraction(self) -> int:
        """Fractional bits."""

    @property
    def bound(self) -> float:
        """Largest size of the real values."""


@dataclass(frozen=True)
class Rows:
    """A holder's shares of all slots: name → (k, slots, width).

    digest: the same at all holders who got the slots in one order. content: the same whatever the order.
    """

    columns: tuple[Column, ...]
    shares: Mapping[str, Residues]
    digest: bytes
    content: bytes

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
    return BOX_BYTES + TAG_BYTES + sum(_ring(column).nbytes(column.width) for column in columns)


def deal(
    columns: Sequence[Column],
    vectors: Mapping[str, NDArray[np.int64]],
    holders: Mapping[int, Recipient],
    context: bytes,
    *,
    random: Source = secrets.token_bytes,
) -> list[list[bytes]]:
    """A hospital's slots, boxes[slot][holder - 1]. vectors: column → integers (slots, width), padded with zeros. Raises FH-559."""
    slots = {vector.shape[0] for vector in vectors.values()}
    if set(vectors) != {column.name for column in columns} or len(slots) != 1:
        raise problems.ROW_OUT_OF_RANGE.problem(f"Columns {sorted(vectors)} of {sorted(slots)} slots, declared are others")
    sharing = Sharing(len(holders))
    dealt = {column.name: sharing.split(_encode(column, vectors[column.name]), _ring(column), random) for column in columns}
    boxes = []
    for slot in range(slots.pop()):
        tag = random(TAG_BYTES)
        contents = [
            tag + b"".join(_ring(column).pack(dealt[column.name][holder][:, slot]) for column in columns) for holder in range(sharing.m)
        ]
        boxes.append([seal(holders[holder], content, context) for holder, content in enumerate(contents, 1)])
    return boxes


def gather(
    columns: Sequence[Column], boxes: Sequence[bytes], slots: int, private: X25519PrivateKey, admission: bytes, context: bytes
) -> Rows:
    """A holder's rows from its box of every slot, in the coordinator's order; FH-553 and FH-558 for what does not fit.

    slots: how many the roster has by the study's lock. With the admission and with no tag twice, none is invented, repeated or
    left out on the way.
    """
    length = slot_bytes(columns)
    if len(boxes) != slots or any(len(box) != length for box in boxes):
        raise problems.SHARED_ROWS_MALFORMED.problem(f"{len(boxes)} boxes of slots; due are {slots} of {length} bytes each")
    shares = {column.name: np.empty((_ring(column).k, len(boxes), column.width), np.uint32) for column in columns}
    tags = []
    for slot, box in enumerate(boxes):
        plain = memoryview(unseal(private, admission, box, context))
        tags.append(bytes(plain[:TAG_BYTES]))
        at = TAG_BYTES
        for column in columns:
            ring = _ring(column)
            try:
                shares[column.name][:, slot] = ring.unpack(plain[at : at + ring.nbytes(column.width)], (column.width,))
            except ValueError as error:
                raise problems.SHARED_ROWS_MALFORMED.problem(f"Column {column.name}: {error}") from error
            at += ring.nbytes(column.width)
    if len(set(tags)) != len(tags):
        raise problems.SHARED_ROWS_MALFORMED.problem("A slot was delivered twice")
    told = canonical([[column.name, column.width, column.field.value, column.fraction, column.bound] for column in columns])
    digest, content = (hashlib.sha256(told + b"".join(order)).digest() for order in (tags, sorted(tags)))
    return Rows(tuple(columns), shares, digest, content)


def _ring(column: Column) -> Ring:
    return _RINGS[column.field]


def _encode(column: Column, vector: NDArray[np.int64]) -> Residues:
    """Residues of a hospital's integers; FH-559 where they are none, of another width, or beyond the bound."""
    if vector.dtype.kind != "i" or vector.shape[1:] != (column.width,):
        raise problems.ROW_OUT_OF_RANGE.problem(f"{column.name} is not {column.width} integers a slot")
    if vector.size and max(int(vector.max()), -int(vector.min())) > column.bound * 2.0**column.fraction:
        raise problems.ROW_OUT_OF_RANGE.problem(f"{column.name} holds a number beyond {column.bound:g}")
    return _ring(column).encode(vector)
