"""A circuit over the rows of many sites in one process: by real holders on shares, or by its plain twin at the same fixed point."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from numpy.typing import NDArray

from shared_model.analyses.patient_slots import PaddedPatients, Part, Rows, contribution, layout, plain_rows
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.holder.dealt_rows import deal, gather
from shared_model.shares.holder.holder_session import Plan, Seat, Session
from shared_model.shares.holder.in_one_process import run
from shared_model.shares.messages.coordinator_relay import Relay, permuted
from shared_model.shares.messages.opened_record import Opened
from shared_model.shares.messages.sealed_envelopes import Recipient, admission_of

T = TypeVar("T")
CONTEXT = b"fedhcc shares in one process"


@dataclass(frozen=True)
class Computed:
    """What a circuit returned, and on shares what it cost one holder: openings, megabytes both ways, CPU seconds."""

    returned: Any
    openings: int
    megabytes: float = 0.0
    seconds: float = 0.0
    opened: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass
class _Memory:
    """A holder's journal that is kept nowhere."""

    begun: int = 0
    kept: dict[str, Opened] = field(default_factory=dict)

    def attempt(self) -> int:
        """The highest attempt number used."""
        return self.begun

    def begin(self, attempt: int, rows: bytes) -> None:
        """Keep it."""
        self.begun = attempt

    def rows(self) -> bytes:
        """Nothing was computed before."""
        return b""

    def revealed(self) -> dict[str, Opened]:
        """What was revealed."""
        return dict(self.kept)

    def reveal(self, opened: Opened) -> None:
        """Keep a result."""
        self.kept[opened.name] = opened


def compute_locally(
    parts: Sequence[Part],
    sites: Sequence[PaddedPatients],
    declaration: Declaration,
    circuit: Callable[[Arithmetic, Rows], Awaitable[Any]],
    *,
    holders: int = 3,
    multiple: int = 8,
) -> Computed:
    """Run a circuit over the sites' patients. `holders` is 3 or 5; 0 takes plain numbers. Slots are filled to a multiple."""
    laid_out = layout(parts)
    filled = [contribution(laid_out, patients, max(-(-len(patients) // multiple), 1) * multiple) for patients in sites]
    if not holders:
        plain = PlainArithmetic(declaration)
        rows = plain_rows(plain, laid_out, filled)

        async def program() -> Any:
            return await circuit(plain, rows)

        return Computed(plain.run(program()), plain.openings, opened=plain.opened)
    keys = {number: X25519PrivateKey.generate() for number in range(1, holders + 1)}
    publics = {number: key.public_key().public_bytes_raw() for number, key in keys.items()}
    recipients = {number: Recipient(public, admission_of(keys[number])) for number, public in publics.items()}
    context = CONTEXT + secrets.token_bytes(16)
    boxes = permuted([slot for vectors in filled for slot in deal(laid_out, vectors, recipients, context)])
    sessions = [
        Session(
            Seat(number, keys[number], publics),
            Plan(context, declaration, circuit),
            gather(laid_out, boxes[number - 1], len(boxes[0]), keys[number], recipients[number].admission, context),
            _Memory(),
            1,
        )
        for number in keys
    ]
    relay, seconds = Relay(holders), [0.0] * holders
    finished = run(sessions, relay, seconds)
    one = finished[0]
    return Computed(
        one.returned,
        one.openings,
        float(np.mean(relay.nbytes)) / 1e6,
        float(np.mean(seconds)),
        {name: end.numbers() for name, end in one.results.items()},
    )
