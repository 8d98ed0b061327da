"""Reciprocals and inverses from public bounds, cold and warm, with the rounding of shares."""

from __future__ import annotations

import numpy as np
import pytest

from shared_model.shares.circuits.arithmetic import F
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.circuits.reciprocals import Schedule, inverse, reciprocal


@pytest.mark.parametrize(("high", "openings"), [(30, 7), (207, 8), (207 * 168, 12)])
def test_reciprocals_of_counts(high: int, openings: int) -> None:
    a = PlainArithmetic(Declaration.of(), noise=3)
    x = np.unique(np.rint(np.geomspace(1, high, 300)))
    y = a.run(reciprocal(a, a.secret(x, high), 1, high, largest=1))
    assert a.openings == openings
    np.testing.assert_allclose(y.data * x, 1, atol=3e-6 if high > 1000 else 1e-8)
    again = a.secret(x * np.geomspace(0.8, 1.25, len(x)), 2 * high, fraction=F)
    y = a.run(reciprocal(a, again, 0.8, 1.25, warm=y, largest=1.25))
    assert a.openings == openings + 1 + Schedule.of(0.8, 1.25, 34).openings
    np.testing.assert_allclose(y.data * again.data, 1, atol=2e-6 if high > 1000 else 1e-8)


@pytest.mark.parametrize("p", [1, 2, 7, 10])
def test_inverses_are_exact_where_declared_and_bounded_elsewhere(p: int) -> None:
    rng = np.random.default_rng(p)
    a = PlainArithmetic(Declaration.of(), noise=3)
    q = np.linalg.qr(rng.normal(size=(p, p)))[0]
    values = np.geomspace(p / 4 * 2.0**-13, p / 4, p)
    matrix = q @ np.diag(values) @ q.T
    x = a.run(inverse(a, a.secret(matrix, p / 4, fraction=F), values[0] * 0.999, 1.001 * p / 4, largest=2.0**20))
    assert a.openings <= 13
    np.testing.assert_allclose(x.data @ matrix, np.eye(p), atol=1e-6)
    values = values * np.exp(rng.uniform(-0.4, 0.4, p))
    matrix = q @ np.diag(values) @ q.T
    x = a.run(inverse(a, a.secret(matrix, p / 2, fraction=F), np.exp(-0.4), np.exp(0.4), warm=x, largest=2.0**20))
    np.testing.assert_allclose(x.data @ matrix, np.eye(p), atol=1e-5)
    values[0] = 2.0**-20
    low = q @ np.diag(values) @ q.T
    x = a.run(inverse(a, a.secret(low, p / 2, fraction=F), p / 4 * 2.0**-13, p / 2, largest=2.0**20))
    assert np.abs(x.data).max() < 2.0**20
