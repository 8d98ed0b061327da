"""The arithmetic on plain numbers: bounds, fractions, openings shared by circuits, and what a reveal refuses."""

from __future__ import annotations

import numpy as np
import pytest

from shared_model.shares.circuits.arithmetic import F, Field, Value, concatenate, stack, together
from shared_model.shares.circuits.declared_results import Declaration, Result, Undeclared
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.circuits.shared_value import RangeError


def declared(*names: str, shape: tuple[int, ...] = (), bits: int = 20, largest: float = 1e6, bit: bool = False) -> Declaration:
    return Declaration.of([Result(name, shape, bits, largest, "none: a test", bit) for name in names])


def test_local_operations_follow_numpy_with_their_bounds_and_fractions() -> None:
    a = PlainArithmetic(declared())
    rng = np.random.default_rng(1)
    x_, y_ = rng.integers(-5, 6, (4, 3)), rng.normal(size=(4, 3))
    x, y = a.secret(x_, 5), a.secret(y_, float(np.abs(y_).max()), fraction=F)
    weights = rng.normal(size=(2, 4))
    cases = [
        (x + y, x_ + y_),
        (3 - x, 3 - x_),
        (y * 0.25 - x[:, :1], y_ * 0.25 - x_[:, :1]),
        (weights @ y, weights @ y_),
        (x @ np.ones(3, dtype=np.int64), x_ @ np.ones(3)),
        (concatenate([x, y], 1).sum(0), np.concatenate([x_, y_], 1).sum(0)),
        (stack([x[0], y[0]], 1).T, np.stack([x_[0], y_[0]], 1).T),
        (y.reshape(2, -1)[1], y_.reshape(2, -1)[1]),
        (a.dot(x.T, y), x_.T @ y_),
        (x[np.array([3, 0])], x_[np.array([3, 0])]),
    ]
    for value, plain in cases:
        assert value.shape == plain.shape
        np.testing.assert_allclose(value.data, plain, atol=1e-10)
        assert np.abs(plain).max() <= value.bound * (1 + 1e-9)
    assert (x * 2).fraction == 0 and (x * 2.0).fraction == F and (y * 0.5).fraction == 2 * F


def test_openings_of_one_step_are_shared() -> None:
    a = PlainArithmetic(declared("one", "two"))
    x = a.secret(np.array(3.0), 4, fraction=F)

    async def power(name: str, n: int) -> float:
        z: Value = x
        for _ in range(n):
            z = await a.mul(z, x, bound=1e3, why="x is 3 in this test")
        return float(await a.reveal(name, z, 20))

    assert a.run(together(power("one", 2), power("two", 3))) == [27.0, 81.0]
    assert a.openings == 3 + 2  # the longer one: products, then the reveal rounds and opens


def test_a_reveal_needs_its_declaration_and_happens_once() -> None:
    a = PlainArithmetic(declared("sum"))
    x = a.secret(np.array(3), 4)
    for wrong in (a.reveal("other", x, 20), a.reveal("sum", x, 21), a.reveal("sum", x.reshape(1), 20), a.reveal_zero("sum", x)):
        with pytest.raises(Undeclared):
            a.run(wrong)
    with pytest.raises(RangeError):
        a.run(a.reveal("sum", x * 10**7, 20))
    assert a.run(a.reveal("sum", x, 20)) == 3
    with pytest.raises(Undeclared):
        a.run(a.reveal("sum", x, 20))


def test_counts_of_one_to_four_show_as_one_bit() -> None:
    a = PlainArithmetic(declared("small", shape=(8,), bits=0, bit=True))
    count = a.secret(np.arange(8), 300)
    small = a.run(a.reveal_zero("small", *(count - k for k in range(1, 5))))
    assert small.tolist() == [False, True, True, True, True, False, False, False]


def test_what_could_leave_its_room_is_refused_before_it_is_computed() -> None:
    a = PlainArithmetic(declared())
    x = a.secret(np.array(3.0), 2.0**13, fraction=F)
    with pytest.raises(RangeError):
        a.run(a.mul(x, x))
    with pytest.raises(RangeError):
        a.secret(np.array(9.0), 8)
    small = a.secret(np.array([7]), 10, field=Field.COUNT)
    with pytest.raises(TypeError):
        a.times(small, x)
    assert a.run(a.lift(small)).field is Field.MAIN
