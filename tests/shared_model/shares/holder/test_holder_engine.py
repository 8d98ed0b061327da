"""Circuits on shares against the same circuits on plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared_model.shares.circuits.arithmetic import Arithmetic, concatenate, stack, together
from shared_model.shares.circuits.declared_results import Declaration, Result
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.circuits.shared_value import F, Field, Value
from shared_model.shares.holder.in_one_process import run
from shared_model.shares.holder.share_backend import ShareBackend
from shared_model.shares.messages.coordinator_relay import Relay
from shared_model.shares.numbers.residues import MAIN
from shared_model.shares.numbers.shamir import Sharing
from tests.shared_model.shares.shares_support import House, Numbers

COLUMNS = (Numbers("x", 4, 2.0, fraction=F), Numbers("y", 4, 2.0, fraction=F), Numbers("hot", 6, 1.0, Field.COUNT))
N = 5
OPERATIONS = ("add", "subtract", "mul", "matmul", "scale", "sum", "index", "stack", "rescale", "transpose", "lifted", "products", "side")


def vectors(seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "x": np.rint(rng.uniform(-2, 2, (N, 4)) * 2**F).astype(np.int64),
        "y": np.rint(rng.uniform(-2, 2, (N, 4)) * 2**F).astype(np.int64),
        "hot": rng.integers(0, 2, (N, 6)),
    }


async def _one(a: Arithmetic, name: str, x: Value, y: Value, hot: Value) -> Value:
    """One operation on two (5, 4) values, to a (5, 4) value of at most 2 in size."""
    match name:
        case "add":
            return (x + y).scaled(0.5, 1)
        case "subtract":
            return (x - y.scaled(0.5, 1)).scaled(0.25, 2)
        case "mul":
            return (await a.mul(x, y)).scaled(0.5, 1)
        case "matmul":
            return (await a.matmul(await a.matmul(x, y.T), x)).scaled(2.0**-7, 7)
        case "scale":
            return x.scaled(np.array([1.0, -0.5, 0.25, 0.125]), 3)
        case "sum":
            return x.sum(0).scaled(0.125, 3).reshape(1, 4) + y * 0
        case "index":
            return x[np.array([4, 3, 2, 1, 0])][:, ::-1]
        case "stack":
            return stack([x[0], y[1], x[2], y[3], concatenate([x[4, :2], y[4, 2:]])])
        case "rescale":
            return (await a.rescale(x, 33)).at_fraction(F)
        case "transpose":
            return (x.T.reshape(5, 4) - 1).scaled(0.5, 1)
        case "lifted":
            pairs = await a.lift(a.dot(hot, hot.T))
            (both,) = await a.reduce(a.times(pairs[:, :4], x))
            return both.scaled(0.125, 3)
        case "products":
            one, two = await a.products(a.times(x, y) - a.times(y, y), a.dot(x[:, :2], y[:2]))
            return (one + two).scaled(0.0625, 4)
        case _:
            first, second = await together(a.mul(x, x), _one(a, "matmul", y, x, hot))
            return (first + second).scaled(0.25, 2)
    raise AssertionError(name)


def circuit_of(names: list[str]) -> Any:
    async def circuit(a: Arithmetic, rows: Mapping[str, Value]) -> np.ndarray:
        x, y = rows["x"], rows["y"]
        for name in names:
            z = await _one(a, name, x, y, rows["hot"])
            if z.fraction > F:
                z = await a.rescale(z, F)
            x, y = z.assume(2.0, "every operation keeps within 2"), x
        return await a.reveal("x", x, 30)

    return circuit


@given(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=6), st.integers(0, 10**6), st.sampled_from([3, 5]))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_circuits_agree_with_plain_numbers(names: list[str], seed: int, m: int) -> None:
    declaration = Declaration.of(Result("x", (N, 4), bits=30, largest=3.0, guard="-"))
    numbers, circuit = vectors(seed), circuit_of(names)
    home = House(COLUMNS, numbers, declaration, circuit, m)
    ends = run(home.sessions(), Relay(m))
    order = _order(home, numbers)
    plain = PlainArithmetic(declaration)
    rows = {
        column.name: plain.secret(
            numbers[column.name][order] * 2.0**-column.fraction, column.bound, fraction=column.fraction, field=column.field
        )
        for column in COLUMNS
    }
    expected = plain.run(circuit(plain, rows))
    assert np.abs(ends[0].returned - expected).max() <= (6 if m == 3 else 14) * 2.0**-30
    assert ends[0].openings == plain.openings


def _order(home: House, numbers: Mapping[str, np.ndarray]) -> list[int]:
    """Which of the dealt slots stands where, from pooled shares (only a test may do this)."""
    shares = {k: home.rows[k - 1].shares["x"] for k in range(1, home.m + 1)}
    found = MAIN.signed(Sharing(home.m).rebuild(shares, MAIN))
    return [int(np.flatnonzero((numbers["x"] == row.astype(np.int64)).all(axis=1))[0]) for row in found]


def test_indexing_by_arrays_slices_and_new_axes_is_numpys() -> None:
    backend, x = ShareBackend(), np.arange(6 * 4 * 5 * 2, dtype=np.uint32).reshape(6, 4, 5, 2)
    pick = np.array([0, 2])
    for index in (
        1,
        slice(1, 3),
        (slice(None), None),
        pick,
        (pick, slice(None), pick - pick),
        (0, slice(None), pick - pick),
        ([1, 2], pick),
    ):
        parts = index if isinstance(index, tuple) else (index,)
        assert (backend.take(x, index) == np.stack([plane[parts] for plane in x])).all()


def test_exact_integers_stay_exact_and_divide() -> None:
    declaration = Declaration.of(Result("n", (), bits=0, largest=10.0**6, guard="-"))

    async def circuit(a: Arithmetic, rows: Mapping[str, Value]) -> np.ndarray:
        pairs = await a.lift(a.dot(rows["hot"], rows["hot"].T))
        (square,) = await a.reduce(a.times(pairs, pairs), fraction=0)
        (cube,) = await a.reduce(a.times(square, pairs) - pairs, fraction=0)  # n³ − n is a multiple of 6
        return await a.reveal("n", cube.divided_exactly(6).sum(), 0)

    numbers = vectors(7)
    pairs = numbers["hot"] @ numbers["hot"].T
    ends = run(House(COLUMNS, numbers, declaration, circuit).sessions(), Relay(3))
    assert float(ends[0].returned) == float(((pairs**3 - pairs) // 6).sum())


@pytest.mark.parametrize("m", [3, 5])
def test_a_zero_test_opens_nothing_but_zeros(m: int) -> None:
    """Counts of 1 to 4: a product that vanishes exactly there, times a random factor."""
    declaration = Declaration.of(Result("few", (6,), bits=0, largest=1.0, guard="-", bit=True))

    async def circuit(a: Arithmetic, rows: Mapping[str, Value]) -> np.ndarray:
        counts = await a.lift(rows["hot"].sum(0) * np.array([0, 1, 2, 0, 1, 3]))
        return await a.reveal_zero("few", *(counts - k for k in range(1, 5)))

    numbers = vectors(3)
    counts = numbers["hot"].sum(0) * np.array([0, 1, 2, 0, 1, 3])
    ends = run(House(COLUMNS, numbers, declaration, circuit, m).sessions(), Relay(m))
    assert ends[0].returned.tolist() == [1 <= c <= 4 for c in counts]
