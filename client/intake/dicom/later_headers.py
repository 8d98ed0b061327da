"""Headers of the later slices of a series: the elements that differ from slice to slice are read, the rest is compared.

A series' files differ in position, number and times. pydicom reads one of them; for the others the bytes of all the rest are
compared with that one's, and only what differs is parsed. Anything unusual (implicit or compressed syntaxes, sequences of
undefined length, a header longer than 32 KiB, other bytes) is left to pydicom.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

BUFFER = 32 * 2**10
EXPLICIT = b"1.2.840.10008.1.2.1"
SYNTAX = b"\x02\x00\x10\x00"
PIXELS = b"\xe0\x7f\x10\x00"
LONG = frozenset((b"OB", b"OW", b"OF", b"SQ", b"UT", b"UN", b"OD", b"OL", b"UC", b"UR", b"OV", b"SV", b"UV"))
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True)
class RawElements:
    """Raw values of the wanted elements of one file, and where its pixel element begins."""

    values: dict[bytes, bytes]
    at: int


@dataclass
class HeaderMemory(Generic[T]):
    """Headers by the bytes that stay the same, so that a series' first file is read once for all of them."""

    wanted: frozenset[bytes]
    varying: frozenset[bytes]
    known: dict[tuple[tuple[bytes, bytes], ...], T] = field(default_factory=dict)

    def key(self, elements: RawElements) -> tuple[tuple[bytes, bytes], ...]:
        """What all slices of a series have in common."""
        return tuple(sorted((tag, value) for tag, value in elements.values.items() if tag not in self.varying))


def elements_of(path: Path, wanted: frozenset[bytes], opened: Callable[[Path], bytes]) -> RawElements | None:
    """The wanted elements of an uncompressed, explicit little-endian file; None for everything else."""
    data = opened(path)
    if data[128:132] != b"DICM":
        return None
    values: dict[bytes, bytes] = {}
    place, last = 132, len(data) - 12
    plain = False
    while place <= last:
        tag, kind = data[place : place + 4], data[place + 4 : place + 6]
        if tag == PIXELS:
            return RawElements(values, place) if plain else None
        if kind in LONG:
            length, begin = struct.unpack_from("<I", data, place + 8)[0], place + 12
            if length == UNDEFINED:
                return None
        else:
            length, begin = struct.unpack_from("<H", data, place + 6)[0], place + 8
        if tag in wanted:
            values[tag] = data[begin : begin + length]
        elif tag == SYNTAX:
            plain = data[begin : begin + length].rstrip(b"\0 ") == EXPLICIT
        place = begin + length
    return None


def numbers(value: bytes | None) -> tuple[float, ...]:
    """Decimal strings as numbers. Raises ValueError where they are none."""
    return tuple(float(part) for part in (value or b"").rstrip(b"\0 ").split(b"\\") if part.strip())


def text(value: bytes | None) -> str:
    """An ASCII value. Raises UnicodeDecodeError where it is none."""
    return (value or b"").rstrip(b"\0 ").strip().decode("ascii")
