"""The same circuit on plain numbers and on shares of several holders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared_model.analyses.patient_slots import PaddedPatients, Part, Rows, contribution, layout, plain_rows
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.holder.in_one_process import run
from shared_model.shares.messages.coordinator_relay import Relay
from tests.shared_model.shares.shares_support import House

Circuit = Callable[[Arithmetic, Rows], Awaitable[Any]]


@dataclass(frozen=True)
class Cost:
    """What one holder spent: openings, exchanges (with the checks), CPU seconds, megabytes both ways."""

    openings: int
    exchanges: int
    seconds: float
    megabytes: float


def on_plain(
    circuit: Circuit, declaration: Declaration, parts: Sequence[Part], sites: Sequence[PaddedPatients], slots: int, seed: int = 0
) -> Any:
    """The result on plain numbers, with as much rounding error as five holders make."""
    a = PlainArithmetic(declaration, noise=3, seed=seed)
    parts = layout(parts)
    rows = plain_rows(a, parts, [contribution(parts, patients, slots) for patients in sites])

    async def program() -> Any:
        return await circuit(a, rows)

    return a.run(program()), a


def on_shares(
    circuit: Circuit, declaration: Declaration, parts: Sequence[Part], sites: Sequence[PaddedPatients], slots: int, m: int = 3
) -> tuple[Any, Cost]:
    """The result that all m holders agree on, and what it cost one of them."""
    parts = layout(parts)
    every = [contribution(parts, patients, slots) for patients in sites]
    vectors = {part.name: np.concatenate([one[part.name] for one in every]) for part in parts}
    house = House(parts, vectors, declaration, circuit, m)  # type: ignore[arg-type]
    relay, seconds = Relay(m), [0.0] * m
    finished = run(house.sessions(), relay, seconds)
    assert len({repr(sorted(end.results.items())) for end in finished}) == 1
    one = finished[0]
    return one.returned, Cost(one.openings, one.exchanges, sum(seconds) / m, sum(relay.nbytes) / m / 1e6)
