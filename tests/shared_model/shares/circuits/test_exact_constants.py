"""Public constants against the mathematics they stand for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shared_model.shares.circuits.exact_constants import bits_of, exp, exponential_series, magnitude, shorten, total


@pytest.mark.parametrize("x", [0.0, 0.3, -1.5, 7.0, -7.0])
def test_series_is_the_exponential(x: float) -> None:
    z = np.linspace(-1, 1, 41)
    found = np.polynomial.chebyshev.chebval(z, exponential_series(x, abs(x), 20))
    np.testing.assert_allclose(found, np.exp(x * z - abs(x)), rtol=0, atol=2e-11)


def test_numbers_are_correctly_rounded_and_written() -> None:
    assert exp(1.0) == math.e and total([1e16, 1.0, -1e16]) == 1.0
    assert [magnitude(x) for x in (1.0, 1.5, 2.0, 0.25, 0.3)] == [0, 1, 1, -2, -1]
    assert (shorten(0.7, 3), bits_of(0.625), bits_of(12.0)) == (0.625, 3, 0)
