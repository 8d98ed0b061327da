"""A circuit read from what was opened: the same lines as the holders ran, with every reveal answered from the record.

Who has only the opened numbers gets what the circuit returned to the holders; no second reader of results is written.

    estimate = replay(plan.circuit, plan.parts, plan.declaration, opened)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.circuit_requests import Request, Reveal, RevealZero
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.circuits.shared_value import Value
from shared_model.shares.holder.dealt_rows import Column
from site_config.problems import shares as problems

T = TypeVar("T")
SLOTS = 16
"""Empty slots that stand for all hospitals' rows; no number in them is used."""


class _Replay(PlainArithmetic):
    """Empty rows go in; reveals come from the record."""

    def __init__(self, declaration: Declaration, opened: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(declaration)
        self._opened = opened
        self.watch = _unwatched

    def noise(self, name: str) -> Value:
        """None: what was opened has it already."""
        result = self.declaration.results[name]
        return self.secret(np.zeros(result.shape), 0.0, fraction=result.bits)

    def _answer(self, request: Request) -> Any:
        if not isinstance(request, Reveal | RevealZero):
            return super()._answer(request)
        if request.name not in self._opened:
            raise problems.RESULT_REFUSED.problem(f"{request.name} was not opened, so the results are not whole")
        return np.asarray(self._opened[request.name])


def _unwatched(_value: Value) -> None:
    """Numbers made of empty rows mean nothing."""


def replay(
    circuit: Callable[[Arithmetic, Mapping[str, Value]], Awaitable[T]],
    columns: Sequence[Column],
    declaration: Declaration,
    opened: Mapping[str, NDArray[Any]],
) -> T:
    """What the circuit returned; FH-554 where a result that it revealed is missing."""
    arithmetic = _Replay(declaration, opened)
    rows = {
        column.name: arithmetic.secret(np.zeros((SLOTS, column.width)), column.bound, fraction=column.fraction, field=column.field)
        for column in columns
    }

    async def program() -> T:
        return await circuit(arithmetic, rows)

    with np.errstate(all="ignore"):
        return arithmetic.run(program())
