"""The form of what holders send and receive through the relay: one frame a step, every length known before anything is read.

A frame is a header (magic, kind, holder, step), how many numbers travel in 1, 2, … primes, the lengths of the sealed
envelopes to (or from) the other holders, the envelopes, and the vectors. The relay reads the header and the vectors; it
cannot open an envelope.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NoReturn

from shared_model.shares.numbers.residues import MAIN, Residues
from site_config.problems import shares as problems

MAGIC = b"FHS1"
ENVELOPE_LIMIT = 1 << 22
NUMBERS_LIMIT = 1 << 27
"""Most numbers one step may carry: a relay or a holder refuses more before reading them."""
_HEAD = struct.Struct("<4sBBH I")
_LENGTH = struct.Struct("<I")


class Step(IntEnum):
    """What a frame is for."""

    GREET = 1
    OPEN = 2
    COIN = 3
    COMPARE = 4
    NOISE = 5


@dataclass(frozen=True)
class Frame:
    """One step's message of (or to) a holder; `counts[i]` numbers travel in i + 1 primes."""

    kind: Step
    holder: int
    step: int
    counts: tuple[int, ...]
    envelopes: Mapping[int, bytes]
    vectors: Mapping[int, Residues]

    def encode(self, m: int) -> bytes:
        """The bytes that travel."""
        lengths = [len(self.envelopes.get(peer, b"")) for peer in range(1, m + 1)]
        parts = [_HEAD.pack(MAGIC, self.kind, self.holder, m, self.step)]
        parts += [_LENGTH.pack(number) for number in (*self.counts, *lengths)]
        parts += [self.envelopes[peer] for peer in sorted(self.envelopes)]
        parts += [MAIN.first(k).pack(self.vectors[k]) for k in sorted(self.vectors)]
        return b"".join(parts)


def counts_of(vectors: Mapping[int, Residues]) -> tuple[int, ...]:
    """How many numbers travel in 1, 2, … primes."""
    return tuple(vectors[k].shape[1] if k in vectors else 0 for k in range(1, MAIN.k + 1))


def frame_bytes(m: int, counts: tuple[int, ...], envelope: int) -> int:
    """Length of a frame whose m - 1 envelopes are of one length."""
    return _HEAD.size + _LENGTH.size * (MAIN.k + m) + (m - 1) * envelope + sum(4 * k * n for k, n in enumerate(counts, 1))


def decode(data: bytes, m: int) -> Frame:
    """A frame, its lengths held against what it says of itself; FH-552 for anything else."""
    table = _HEAD.size + _LENGTH.size * (MAIN.k + m)
    if len(data) < table:
        _malformed("it is cut off in its header")
    magic, kind, holder, holders, step = _HEAD.unpack_from(data)
    numbers = [_LENGTH.unpack_from(data, _HEAD.size + _LENGTH.size * i)[0] for i in range(MAIN.k + m)]
    counts, lengths = tuple(numbers[: MAIN.k]), numbers[MAIN.k :]
    if magic != MAGIC or kind not in {item.value for item in Step} or holders != m or not 1 <= holder <= m:
        _malformed("its header is not one of this computation")
    if sum(counts) > NUMBERS_LIMIT or max(lengths) > ENVELOPE_LIMIT or lengths[holder - 1]:
        _malformed("it announces more than a step may carry")
    if len(data) != table + sum(lengths) + sum(4 * k * n for k, n in enumerate(counts, 1)):
        _malformed("its length is not the announced one")
    at, view = table, memoryview(data)
    envelopes = {}
    for peer, length in enumerate(lengths, 1):
        if length:
            envelopes[peer] = bytes(view[at : at + length])
        at += length
    vectors = {}
    for k, n in enumerate(counts, 1):
        if n:
            try:
                vectors[k] = MAIN.first(k).unpack(view[at : at + 4 * k * n], (n,))
            except ValueError as error:
                _malformed(str(error))
        at += 4 * k * n
    return Frame(Step(kind), holder, step, counts, envelopes, vectors)


def _malformed(what: str) -> NoReturn:
    raise problems.SHARE_MESSAGE_MALFORMED.problem(f"A message between holders: {what}")
