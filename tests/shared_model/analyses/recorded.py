"""Plain numbers that keep what was opened, so that the coordinator's reading of it can be compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from shared_model.analyses.patient_slots import PaddedPatients, Part, Rows, contribution, layout, plain_rows
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.circuit_requests import Reveal, RevealZero
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.circuits.replay import replay


class Recording(PlainArithmetic):
    """Keeps what was opened, as the holders' record does."""

    def __init__(self, declaration: Declaration, seed: int = 0) -> None:
        super().__init__(declaration, noise=3, seed=seed)
        self.opened: dict[str, Any] = {}

    def _answer(self, request: Any) -> Any:
        answer = super()._answer(request)
        if isinstance(request, Reveal | RevealZero):
            self.opened[request.name] = answer
        return answer


def same(one: Any, other: Any) -> bool:
    """Whether two estimates are the same, NaN being NaN."""
    if is_dataclass(one):
        return type(one) is type(other) and all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(np.array_equal(one, other, equal_nan=True)) if isinstance(one, np.ndarray) else bool(one == other)


def on_record(
    circuit: Callable[[Arithmetic, Rows], Awaitable[Any]],
    declaration: Declaration,
    parts: Sequence[Part],
    sites: Sequence[PaddedPatients],
    slots: int,
    seed: int = 0,
) -> tuple[Any, Recording]:
    """The result on plain numbers with rounding errors, which the record of what was opened must give again."""
    a, parts = Recording(declaration, seed), layout(parts)
    rows = plain_rows(a, parts, [contribution(parts, patients, slots) for patients in sites])

    async def program() -> Any:
        return await circuit(a, rows)

    found = a.run(program())
    assert same(replay(circuit, parts, declaration, a.opened), found)
    return found, a
