"""Holders, hospitals and a relay in one process, and relays that lie."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.shared_value import Field
from shared_model.shares.holder.dealt_rows import Column, Rows, deal, gather
from shared_model.shares.holder.holder_session import Circuit, Plan, Seat, Session
from shared_model.shares.messages import step_frames as wire_frames
from shared_model.shares.messages.coordinator_relay import Relay, permuted
from shared_model.shares.messages.opened_record import Opened
from shared_model.shares.messages.sealed_envelopes import Recipient
from shared_model.shares.messages.step_frames import Frame, Step

CONTEXT = b"a study, evaluation, generation 1"


@dataclass(frozen=True)
class Numbers:
    """A column of a slot."""

    name: str
    width: int
    bound: float
    field: Field = Field.MAIN
    fraction: int = 0


@dataclass
class Memory:
    """A holder's journal, in memory."""

    last: int = 0
    digest: bytes = b""
    results: dict[str, Opened] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def attempt(self) -> int:
        return self.last

    def rows(self) -> bytes:
        return self.digest

    def begin(self, attempt: int, rows: bytes) -> None:
        self.last, self.digest = attempt, rows
        self.lines.append(f"attempt {attempt}")

    def revealed(self) -> Mapping[str, Opened]:
        return dict(self.results)

    def reveal(self, opened: Opened) -> None:
        assert opened.name not in self.results
        self.results[opened.name] = opened
        self.lines.append(opened.name)


@dataclass
class House:
    """m holders with keys and journals, and the slots they hold."""

    columns: Sequence[Column]
    vectors: Mapping[str, np.ndarray]
    declaration: Declaration
    circuit: Circuit
    m: int = 3

    def __post_init__(self) -> None:
        self.private = {k: X25519PrivateKey.generate() for k in range(1, self.m + 1)}
        self.publics = {k: key.public_key().public_bytes_raw() for k, key in self.private.items()}
        self.journals = [Memory() for _ in range(self.m)]
        self.admissions = {k: token(32) for k in self.private}
        holders = {k: Recipient(public, self.admissions[k]) for k, public in self.publics.items()}
        boxes = permuted(deal(self.columns, self.vectors, holders, CONTEXT))
        self.rows: list[Rows] = [
            gather(self.columns, boxes[k - 1], len(boxes[0]), self.private[k], self.admissions[k], CONTEXT) for k in self.private
        ]

    def sessions(self, attempt: int = 1) -> list[Session]:
        plan = Plan(CONTEXT, self.declaration, self.circuit)
        return [
            Session(Seat(k, self.private[k], self.publics), plan, self.rows[k - 1], self.journals[k - 1], attempt) for k in self.private
        ]

    @property
    def opened(self) -> set[str]:
        """Names that any holder has on record."""
        return {name for journal in self.journals for name in journal.results}


Lie = Callable[[list[Frame]], list[Frame]]


@dataclass
class Liar:
    """A relay that changes what goes in (`before`) or out (`after`) at one opening, counted from 1."""

    m: int
    at: int
    before: Lie | None = None
    after: Lie | None = None
    kind: Step = Step.OPEN

    def __post_init__(self) -> None:
        self.relay, self.seen, self.last = Relay(self.m), 0, list[Frame]()

    def __call__(self, data: list[bytes]) -> list[bytes]:
        frames = [wire_frames.decode(one, self.m) for one in data]
        mine = frames[0].kind is self.kind
        self.seen += mine
        now = mine and self.seen == self.at
        if now and self.before:
            data = [frame.encode(self.m) for frame in self.before(frames)]
        back = self.relay.exchange(data)
        answers = [wire_frames.decode(one, self.m) for one in back]
        if now and self.after:
            return [frame.encode(self.m) for frame in self.after(answers)]
        if mine:
            self.last = answers
        return back


def shifted(frame: Frame, by: int = 1, plane: int = 0) -> Frame:
    """The first number of every vector changed in one prime's field."""
    vectors = {}
    for k, vector in frame.vectors.items():
        copy = np.array(vector)
        copy[min(plane, k - 1), 0] = (int(copy[min(plane, k - 1), 0]) + by) % (2**32 - 135)
        vectors[k] = copy
    return replace(frame, vectors=vectors)


def random_residues(primes: tuple[int, ...], *shape: int, seed: int = 0) -> np.ndarray:
    """Uniform residues."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, p, shape, dtype=np.uint64).astype(np.uint32) for p in primes])


def token(n: int) -> bytes:
    return secrets.token_bytes(n)
