"""Whole numbers with P(x) ∝ e^{−x²/2σ²}, drawn exactly (Canonne, Kamath and Steinke, NeurIPS 2020, algorithms 1 to 3).

Noise of floating point gives itself away in its last bits (Mironov 2012); whole numbers drawn exactly do not, and they are
added to whole numbers in the ring. The algorithms need nothing but coins that fall with a rational probability p. Such a coin
is a uniform number u < p, of which 64 bits are drawn. p is first worked out in double precision with a proved bound of its error;
where u lies within `MARGIN` of p, once in 10^10 coins, p is worked out as a fraction, and where even that leaves it open, more
bits of u are drawn. So every decision is the exact one, at the speed of arrays.

A sum of K such draws is no discrete Gaussian itself, but for σ ≥ 2 its distance from one is below 10^-30 (Kairouz, Liu and
Steinke, ICML 2021, theorem 11), and at the sizes used here below any double.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isqrt

import numpy as np
from numpy.typing import NDArray

from shared_model.privacy.random_words import WordStream

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]

MARGIN = 2.0**-34
"""Above the error of any probability below in double precision: exponents stay under 2^12, so their errors under 2^-38."""
LARGEST_VARIANCE = 1 << 42
CHUNK = 1 << 16


def discrete_gaussian(stream: WordStream, variance: int, size: int, *, margin: float = MARGIN) -> Integers:
    """`size` independent draws with the parameter σ² = `variance`, a whole number from 1 to 2^42.

    `margin` 2 works every coin out as a fraction, for tests.
    """
    if not 1 <= variance <= LARGEST_VARIANCE:
        raise ValueError("the variance lies between 1 and 2^42")
    coins = _Coins(stream, margin)
    out = np.empty(size, dtype=np.int64)
    for start in range(0, size, CHUNK):
        out[start : start + CHUNK] = _drawn(coins, variance, min(CHUNK, size - start))
    return out


def _drawn(coins: _Coins, variance: int, size: int) -> Integers:
    """Algorithm 3: a discrete Laplace draw of the scale t = ⌊σ⌋ + 1, kept with probability exp(−(|Y| − σ²/t)²/2σ²)."""
    t = isqrt(variance) + 1
    found: list[Integers] = []
    missing = size
    while missing:
        y = _laplace(coins, t, max(64, missing + missing // 2))
        gap = np.abs(np.abs(y) * t - variance)  # below 2^53 for all that a draw of this scale can reach
        kept = y[coins.exp_of(gap, gap, 2 * variance * t * t)][:missing]
        found.append(kept)
        missing -= kept.size
    return np.concatenate(found)


def _laplace(coins: _Coins, t: int, size: int) -> Integers:
    """Algorithm 2: P(x) ∝ e^{−|x|/t}; fewer than `size` draws come back, since some are turned away."""
    u = coins.stream.below(size, t)
    u = u[coins.exp_of(u, np.ones_like(u), t)]
    v = np.zeros_like(u)
    going = np.arange(u.size)
    while going.size:
        going = going[coins.exp_minus_one(going.size)]
        v[going] += 1
    x = u + t * v
    negative = (coins.stream.take(x.size) & np.uint64(1)).astype(bool)
    real = ~(negative & (x == 0)) & (x < (1 << 52) // t)
    return np.asarray(np.where(negative, -x, x)[real], dtype=np.int64)


class _Coins:
    """Coins of exact probabilities from one stream of words."""

    def __init__(self, stream: WordStream, margin: float) -> None:
        self.stream = stream
        self._margin = margin

    def below(self, p: Floats, exact: Callable[[int], Fraction]) -> Booleans:
        """For each i whether a uniform number is below p_i; `exact(i)` is p_i as a fraction."""
        words = self.stream.take(p.size)
        u = words.astype(np.float64) * 2.0**-64
        found = u < p
        for i in np.flatnonzero(np.abs(u - p) <= self._margin):
            found[i] = self._settled(int(words[i]), exact(int(i)))
        return np.asarray(found, dtype=np.bool_)

    def _settled(self, word: int, p: Fraction) -> bool:
        low, bits = word, 64
        while True:
            if Fraction(low + 1, 1 << bits) <= p:
                return True
            if Fraction(low, 1 << bits) >= p:
                return False
            low, bits = (low << 64) | int(self.stream.take(1)[0]), bits + 64

    def exp_minus_one(self, size: int) -> Booleans:
        """Coins of the probability e^−1."""
        one = np.ones(size, dtype=np.int64)
        return self._exp_fraction(np.ones(size), lambda _i: Fraction(1), one.size)

    def exp_of(self, a: Integers, b: Integers, divisor: int) -> Booleans:
        """Coins of the probability exp(−a·b/divisor): algorithm 1, whole parts by coins of e^−1, then the rest.

        The products are formed as whole numbers only where double precision leaves the whole part open.
        """
        exponent = a.astype(np.float64) * b.astype(np.float64) / float(divisor)
        whole = np.floor(exponent)
        near = np.abs(exponent - np.rint(exponent)) <= self._margin
        for i in np.flatnonzero(near):
            whole[i] = int(a[i]) * int(b[i]) // divisor
        rest = np.clip(exponent - whole, 0.0, 1.0)
        alive = np.ones(a.size, dtype=np.bool_)
        left = whole.astype(np.int64)
        while (going := np.flatnonzero(alive & (left > 0))).size:
            alive[going] = self.exp_minus_one(going.size)
            left[going] -= 1
        index = np.flatnonzero(alive)

        def exact(i: int) -> Fraction:
            j = int(index[i])
            return Fraction(int(a[j]) * int(b[j]), divisor) - int(whole[j])

        alive[index] = self._exp_fraction(rest[index], exact, index.size)
        return alive

    def _exp_fraction(self, gamma: Floats, exact: Callable[[int], Fraction], size: int) -> Booleans:
        """Coins of the probability e^−γ for γ in [0, 1]: coins of γ/K for K = 1, 2, … until one fails; K odd is heads."""
        heads = np.zeros(size, dtype=np.bool_)
        going, k = np.arange(size), 1
        while going.size:
            here = going

            def share(i: int, here: Integers = here, k: int = k) -> Fraction:
                return exact(int(here[i])) / k

            again = self.below(gamma[here] / k, share)
            heads[here[~again]] = k % 2 == 1
            going, k = here[again], k + 1
        return heads
