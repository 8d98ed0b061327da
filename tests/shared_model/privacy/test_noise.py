"""The noise: its law, its size in a roster, and that nothing wraps (issue O, bar 3)."""

from __future__ import annotations

import hashlib
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from client.release.noise_and_charge import add_noise
from shared_model.privacy.discrete_gaussian import discrete_gaussian
from shared_model.privacy.noise_on_statistics import WIDEST, NoiseShare
from shared_model.privacy.random_words import WordStream
from shared_model.secure_sum import pairwise_masks

DRAWS = 45_000
K, HONEST = 8, 5


def seeded(words: str) -> WordStream:
    """A stream of AES words under a fixed key, so that a test of chance is no game of chance."""
    return WordStream(lambda n: hashlib.shake_256(words.encode()).digest(n))


def test_every_coin_is_decided_as_by_fractions() -> None:
    for variance in (1, 5, 1 << 14, 1 << 39):
        fast = discrete_gaussian(seeded("coins"), variance, 400)
        assert np.array_equal(fast, discrete_gaussian(seeded("coins"), variance, 400, margin=2.0))


@pytest.mark.parametrize("variance", [1, 9, 1000])
def test_goodness_of_fit_on_whole_numbers(variance: int) -> None:
    drawn = discrete_gaussian(seeded(f"fit {variance}"), variance, DRAWS)
    edge = int(3 * variance**0.5) + 1
    support = np.arange(-40 * edge, 40 * edge + 1)
    mass = np.exp(-(support**2) / (2 * variance))
    mass /= mass.sum()
    inner = np.abs(support) <= edge
    expected = np.append(mass[inner], mass[~inner].sum()) * DRAWS
    counted = np.array([*(np.count_nonzero(drawn == x) for x in support[inner]), np.count_nonzero(np.abs(drawn) > edge)])
    assert stats.chisquare(counted, expected).pvalue > 0.001


def test_goodness_of_fit_at_the_size_in_use() -> None:
    noise = NoiseShare.of(1.0, 6.24)
    drawn = discrete_gaussian(seeded("wide"), noise.variance, DRAWS)
    assert stats.kstest(drawn / noise.variance**0.5, "norm").pvalue > 0.001
    assert stats.chisquare(np.bincount(drawn & 15, minlength=16)).pvalue > 0.001  # the low bits are as even as they should be


def test_a_roster_carries_more_and_any_honest_few_carry_the_whole() -> None:
    sigma = 5.92
    share = NoiseShare.of(1.0, sigma / HONEST**0.5)
    drawn = np.stack([discrete_gaussian(seeded(f"site {k}"), share.variance, DRAWS) for k in range(K)]) * share.unit
    assert np.var(drawn.sum(axis=0)) == pytest.approx(K / HONEST * sigma**2, rel=0.02)
    for first in range(K):
        some = [(first + k) % K for k in range(HONEST)]
        assert np.var(drawn[some].sum(axis=0)) >= 0.98 * sigma**2


@settings(max_examples=40, deadline=None)
@given(norm=st.floats(1e-3, 1e4), multiplier=st.floats(0.05, 200), sites=st.integers(1, 208), honest=st.integers(1, 50))
def test_twelve_sigma_and_full_boxes_open_as_they_are(norm: float, multiplier: float, sites: int, honest: int) -> None:
    share = NoiseShare.of(norm, norm * multiplier / honest**0.5)
    segment = share.segment("update", 2)
    assert pairwise_masks.step(segment, sites) == 1.0
    most = share.box + int(12 * share.variance**0.5)
    assert most <= share.box + int(WIDEST * share.variance**0.5)
    own = np.array([most, -most])
    total = np.zeros(2, pairwise_masks.dtype(segment))
    for _ in range(sites):
        total += own.astype(pairwise_masks.dtype(segment))
    assert pairwise_masks.dequantise(segment, total, sites) == pytest.approx(own.astype(float) * sites, rel=1e-15)


def test_noise_is_added_after_quantisation_and_opens_in_the_sum() -> None:
    share = NoiseShare.of(1.0, 2.0)
    segment = share.segment("update", 3)
    parts = [share.held(share.part(np.array([0.25, -0.5, 0.125]))) for _ in range(3)]
    vectors = [pairwise_masks.encode([segment], {"update": part}, 3) for part in parts]
    bare = sum(parts)
    for number, vector in enumerate(vectors):
        add_noise(vector, [segment], share, seeded(f"own {number}"))
    drawn = sum(discrete_gaussian(seeded(f"own {number}"), share.variance, 3) for number in range(3))
    total = vectors[0]["update"] + vectors[1]["update"] + vectors[2]["update"]
    assert np.array_equal(pairwise_masks.dequantise(segment, total, 3), bare + drawn)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=12),
    norm=st.floats(1e-3, 1e3),
    multiplier=st.floats(0.05, 50),
)
def test_one_patient_moves_a_sum_by_no_more_than_the_norm(values: list[float], norm: float, multiplier: float) -> None:
    share = NoiseShare.of(norm, norm * multiplier)
    part = share.part(values)
    whole = sum(int(one) ** 2 for one in part)
    assert whole <= (Fraction(norm) / Fraction(share.unit)) ** 2
    held = share.held(np.array([share.box, -share.box] * len(values))[: len(values)] + part)
    before = share.held(np.array([share.box, -share.box] * len(values))[: len(values)])
    assert float(np.linalg.norm(held - before)) <= norm / share.unit * (1 + 1e-12)
