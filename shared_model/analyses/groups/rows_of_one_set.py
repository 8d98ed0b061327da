"""The rows of one set on shares: everybody else's slots become empty ones, in one opening."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

from shared_model.analyses.patient_slots import Part, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, together
from shared_model.shares.circuits.shared_value import Field


async def restricted(a: Arithmetic, rows: Rows, parts: Sequence[Part], member: Value) -> Rows:
    """The parts with the rows of those alone whose `member` (N,), a bit of the counting field, is 1; pairs are to be made of them anew."""
    counted = [part for part in parts if part.field is Field.COUNT]
    fixed = [part for part in parts if part.field is Field.MAIN]
    column = member.reshape(len(member), 1)
    first: list[Awaitable[Any]] = [a.reduce(*(a.times(rows[part.name], column).assume(part.bound, "times 0 or 1") for part in counted))]
    if fixed:
        first.append(a.lift(column))
    found, *lifted = await together(*first)
    chosen = dict(zip((part.name for part in counted), found, strict=True))
    if fixed:
        products = (a.times(rows[part.name], lifted[0]).assume(part.bound, "times 0 or 1") for part in fixed)
        chosen |= dict(zip((part.name for part in fixed), await a.reduce(*products), strict=True))
    return chosen
