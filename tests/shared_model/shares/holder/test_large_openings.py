"""A step of a computation whose vectors one message would not hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from shared_model.shares.circuits.circuit_requests import together
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.shared_value import F, Value
from shared_model.shares.holder import holder_engine
from shared_model.shares.holder.holder_engine import ShareArithmetic
from shared_model.shares.holder.in_one_process import run
from shared_model.shares.messages.coordinator_relay import Relay
from tests.shared_model.shares.holder.test_holder_session import DECLARED, VECTORS, house


async def wide(a: ShareArithmetic, rows: Mapping[str, Value]) -> Any:
    """Steps of several requests, one of them of products of other sizes, and a result among them."""
    risk, x = rows["risk"], rows["x"]
    pairs, square = await together(a.lift(a.dot(risk, risk.T)), a.mul(x, x))
    three = a.reduce(a.times(square, rows["event"]), a.times(x, rows["event"]), a.times(pairs, pairs))
    (held, kept, fourth), total = await together(three, a.reveal("pairs", pairs.sum(), 0))
    squares = await a.reveal("squares", held.sum(0) + kept.sum(0) * 0.0 + fourth.sum() * 2.0**-10, 20)
    return total, squares


@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("room", [1, 300, 800])
def test_a_step_too_large_for_one_message_takes_several_openings(m: int, room: int, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = Declaration.of(*(DECLARED.results[name] for name in ("pairs", "squares")))
    whole = run(house(m, circuit=wide, declaration=declared).sessions(), Relay(m))
    monkeypatch.setattr(holder_engine, "LARGEST_OPENING", room)
    parted = run(house(m, circuit=wide, declaration=declared).sessions(), Relay(m))
    assert parted[0].openings > whole[0].openings
    x, risk = VECTORS["x"] / 2**F, VECTORS["risk"] @ VECTORS["risk"].T
    expected = ((x**2 * VECTORS["event"]).sum(0)) + (risk**2).sum() / 2**10
    for end in (*whole, *parted):
        total, squares = end.returned
        assert total == risk.sum()
        assert np.abs(squares - expected).max() < 1e-4
