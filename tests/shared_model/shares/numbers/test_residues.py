"""The number system against Python's integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_model.shares.numbers.residues import BLOCK, COUNT, MAIN, PRIMES, Ring, blocks
from tests.shared_model.shares.shares_support import random_residues

TOY = Ring((5, 7, 251))
RINGS = st.sampled_from([MAIN, COUNT, TOY, MAIN.first(1)])
INTEGERS = st.lists(st.integers(-(2**200), 2**200), min_size=1, max_size=6)


def of(ring: Ring, numbers: list[int]) -> np.ndarray:
    return ring.encode(np.array(numbers, dtype=object))


@given(RINGS, INTEGERS, INTEGERS, st.integers(-(2**70), 2**70))
def test_sums_and_products_are_those_of_integers(ring: Ring, x: list[int], y: list[int], c: int) -> None:
    n = min(len(x), len(y))
    x, y, q = x[:n], y[:n], ring.modulus
    a, b = of(ring, x), of(ring, y)
    assert ring.unsigned(ring.add(a, b)).tolist() == [(u + v) % q for u, v in zip(x, y, strict=True)]
    assert ring.unsigned(ring.subtract(a, b)).tolist() == [(u - v) % q for u, v in zip(x, y, strict=True)]
    assert ring.unsigned(ring.multiply(a, b)).tolist() == [u * v % q for u, v in zip(x, y, strict=True)]
    assert ring.unsigned(ring.scale(a, c)).tolist() == [u * c % q for u in x]
    assert int(ring.unsigned(ring.total(a, 0))) == sum(x) % q


@given(RINGS, INTEGERS)
def test_integers_come_back_signed(ring: Ring, x: list[int]) -> None:
    half = ring.modulus // 2
    small = [(v + half) % ring.modulus - half for v in x]
    assert ring.signed(of(ring, small)).tolist() == small


@given(st.integers(1, 5), st.integers(1, 40), st.integers(1, 5), st.integers(0, 1000))
@settings(deadline=None)
def test_a_matrix_product_is_exact(n: int, inner: int, m: int, seed: int) -> None:
    x, y = random_residues(PRIMES, n, inner, seed=seed), random_residues(PRIMES, inner, m, seed=seed + 1)
    expected = MAIN.unsigned(x) @ MAIN.unsigned(y) % MAIN.modulus
    assert (MAIN.unsigned(MAIN.matmul(x, y)) == expected).all()


def test_the_largest_residues_stay_exact_in_a_long_matrix_product() -> None:
    p, inner = MAIN.primes[0], 1 << 14
    x = np.full((1, 1, inner), p - 1, np.uint32)
    assert int(MAIN.first(1).matmul(x, x.transpose(0, 2, 1))[0, 0, 0]) == inner * (p - 1) ** 2 % p


@pytest.mark.parametrize("shapes", [((3, 1), (1, 4)), ((200, 300), (200, 1)), ((1,), (BLOCK + 3,)), ((), ()), ((0, 3), (0, 3))])
def test_products_broadcast_over_blocks(shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    x, y = (random_residues(PRIMES, *shape, seed=i) for i, shape in enumerate(shapes))
    out = MAIN.multiply(x, y)
    for i, p in enumerate(PRIMES):
        assert (out[i] == (x[i].astype(np.uint64) * y[i].astype(np.uint64) % np.uint64(p))).all()


@pytest.mark.parametrize("shape", [(), (7,), (BLOCK * 2 + 1,), (3, BLOCK), (2, 2, BLOCK), (0,)])
def test_blocks_cover_every_number_once(shape: tuple[int, ...]) -> None:
    seen = np.zeros(shape, np.int64)
    for block in blocks(shape, BLOCK):
        seen[block] += 1
    assert (seen == 1).all()


@given(st.lists(st.floats(-1e12, 1e12, allow_nan=False), min_size=1, max_size=8), st.integers(0, 60))
def test_floats_are_rounded_to_their_fraction(x: list[float], fraction: int) -> None:
    found = MAIN.signed(MAIN.encode_floats(np.array(x), fraction))
    assert found.tolist() == [int(np.rint(np.ldexp(v, fraction))) for v in x]


def test_what_is_not_finite_has_no_residues() -> None:
    with pytest.raises(ValueError, match="finite"):
        MAIN.encode_floats(np.array([np.nan]), 4)


def test_bytes_come_back_and_residues_above_their_prime_are_refused() -> None:
    x = random_residues(PRIMES, 4, 3)
    data = MAIN.pack(x)
    assert len(data) == MAIN.nbytes(12) == 288
    assert (MAIN.unpack(data, (4, 3)) == x).all()
    with pytest.raises(ValueError, match="bytes"):
        MAIN.unpack(data[:-1], (4, 3))
    with pytest.raises(ValueError, match="prime"):
        MAIN.unpack(b"\xff" * len(data), (4, 3))
