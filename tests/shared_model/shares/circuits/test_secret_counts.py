"""Weights by the value of a secret count: on shares and on plain numbers, against adding them up in the clear."""

from __future__ import annotations

from math import log2, sqrt

import numpy as np
import pytest

from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration, Result
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.circuits.secret_counts import weights_by_count
from shared_model.shares.circuits.shared_value import F, Field, Value
from shared_model.shares.holder.in_one_process import run
from shared_model.shares.messages.coordinator_relay import Relay
from shared_model.shares.numbers.interpolation import basis
from shared_model.shares.numbers.residues import COUNT
from tests.shared_model.shares.shares_support import House, Numbers

ROWS, COLUMNS, GROUPS = 30, 2, 3
HEAVY = 1 << 20


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts (rows, columns), weights (rows, columns · groups), and the weight by count (n + 1, columns, groups)."""
    rng = np.random.default_rng(seed)
    u, w = rng.integers(0, n + 1, (ROWS, COLUMNS)), rng.integers(-HEAVY, HEAVY, (ROWS, COLUMNS * GROUPS))
    u[0], u[1] = 0, n
    expected = np.zeros((n + 1, COLUMNS, GROUPS))
    for j in range(ROWS):
        for q in range(COLUMNS):
            expected[u[j, q], q] += w[j].reshape(COLUMNS, GROUPS)[q]
    return u, w, expected


def declared(n: int) -> Declaration:
    return Declaration.of(Result("weights", (n + 1, COLUMNS, GROUPS), 0, 2.0**24, "none"))


async def opened(a: Arithmetic, u: Value, w: Value, n: int) -> np.ndarray:
    found = await weights_by_count(a, u, w.reshape(ROWS, COLUMNS, GROUPS), n, 2.0**24 - 1)
    return await a.reveal("weights", await a.lift(found), 0)


@pytest.mark.parametrize("m", [3, 5])
@pytest.mark.parametrize("n", [0, 1, 2, 30, 207])
def test_on_shares(n: int, m: int) -> None:
    u, w, expected = drawn(n, n)
    columns = (Numbers("u", COLUMNS, 1000.0, Field.COUNT), Numbers("w", COLUMNS * GROUPS, float(HEAVY), Field.COUNT))
    house = House(columns, {"u": u, "w": w}, declared(n), lambda a, rows: opened(a, rows["u"], rows["w"], n), m)
    for one in run(house.sessions(), Relay(m)):
        assert one.distance < 2.0**-50  # powers are hidden perfectly: this is the lift to what is opened here
        assert np.array_equal(one.returned, expected)


@pytest.mark.parametrize("n", [0, 1, 30, 500])
def test_on_plain_numbers_with_as_many_openings(n: int) -> None:
    u, w, expected = drawn(n, n)
    a = PlainArithmetic(declared(n))
    secrets = [a.secret(one, bound, field=Field.COUNT) for one, bound in ((u, float(max(n, 1))), (w, float(HEAVY)))]
    assert np.array_equal(a.run(opened(a, *secrets, n)), expected)
    assert a.openings <= 2 * (log2(sqrt(GROUPS * (n + 1))) + 1) + 5


def test_the_basis_is_one_at_its_point_and_zero_at_the_others() -> None:
    n = 40
    for plane, p in zip(basis(n, COUNT.primes), COUNT.primes, strict=True):
        powers = np.array([[pow(x, k, p) for x in range(n + 1)] for k in range(n + 1)], dtype=object)
        assert np.array_equal(plane.astype(object) @ powers % p, np.eye(n + 1, dtype=int))
    with pytest.raises(ValueError, match="differ"):
        basis(7, (7,))


def test_units_are_the_same_sharing_in_the_counting_field() -> None:
    x = np.array([[0.25, -1.5, 3.0, 0.0]])
    declaration = Declaration.of(Result("units", (1, 4), 0, 2.0**22, "none"))

    async def circuit(a: Arithmetic, x: Value) -> np.ndarray:
        (x,) = await a.reduce(x, fraction=20)
        return await a.reveal("units", await a.lift(x.units()), 0)

    house = House(
        (Numbers("x", 4, 3.5, fraction=F),), {"x": (x * 2**F).astype(np.int64)}, declaration, lambda a, rows: circuit(a, rows["x"])
    )
    for one in run(house.sessions(), Relay(3)):
        assert np.abs(one.returned - x * 2**20).max() <= 2
    a = PlainArithmetic(declaration)
    assert np.array_equal(a.run(circuit(a, a.secret(x, 3.5, fraction=F))), x * 2**20)
    with pytest.raises(TypeError, match="main field"):
        a.secret(x, 4.0, field=Field.COUNT).units()
