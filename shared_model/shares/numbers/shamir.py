"""Shamir sharing over m holders, of whom any t = (m - 1)/2 together learn nothing and any t + 1 rebuild everything.

Holder k (1 … m) holds f(k) of a polynomial f of degree t with f(0) = secret, in each prime field (Shamir 1979). Sharings add,
and a product of two sharings is one of degree 2t = m - 1, which all m holders together open: the weighted sum of their
numbers, which is the coordinator's whole job.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import comb

import numpy as np

from shared_model.shares.numbers.residues import BLOCK, Residues, Ring, Words, mod_rows

Source = Callable[[int], bytes]
"""So many random bytes: `secrets.token_bytes` at a hospital, a key stream at a holder."""
HolderSet = tuple[int, ...]


@dataclass(frozen=True)
class Sharing:
    """The holders 1 … m with threshold t = (m - 1)/2."""

    m: int

    def __post_init__(self) -> None:
        if self.m not in (3, 5):
            raise ValueError(f"three or five holders, not {self.m}")

    @property
    def t(self) -> int:
        """Holders who together learn nothing."""
        return (self.m - 1) // 2

    @cached_property
    def sets(self) -> tuple[HolderSet, ...]:
        """The sets of m - t holders; each has a key of its own, which exactly the other t holders lack."""
        return tuple(itertools.combinations(range(1, self.m + 1), self.m - self.t))

    @property
    def n_sets(self) -> int:
        """How many such sets there are."""
        return comb(self.m, self.t)

    @property
    def n_groups(self) -> int:
        """How many holders it takes to know all sets' draws: the first of every set is one of the holders 1 … t + 1."""
        return self.t + 1

    def of(self, holder: int) -> tuple[HolderSet, ...]:
        """The sets a holder belongs to."""
        return tuple(members for members in self.sets if holder in members)

    def coefficient(self, ring: Ring, members: HolderSet, holder: int) -> Words:
        """g(holder) for the polynomial g of degree t with g(0) = 1 that vanishes at everybody outside `members`; (k, 1)."""
        return _coefficient(self.m, ring.primes, members, holder)

    def weights(self, ring: Ring, holders: Sequence[int] = ()) -> tuple[Words, ...]:
        """Lagrange's weights at zero over `holders` (all of them by default), each (k, 1)."""
        return _weights(ring.primes, tuple(holders) or tuple(range(1, self.m + 1)))

    def alone(self, ring: Ring, holder: int, number: int) -> Words:
        """What one holder adds to its vector, so that what all open together grows by `number`; (k, 1)."""
        weight = self.weights(ring)[holder - 1][:, 0]
        return np.array([number * pow(int(w), -1, p) % p for w, p in zip(weight, ring.primes, strict=True)], np.uint64)[:, None]

    def split(self, secrets: Residues, ring: Ring, source: Source) -> list[Residues]:
        """A hospital's dealing: one array of shares for each holder, of the secrets' shape (k, *S)."""
        flat = secrets.reshape(ring.k, -1)
        powers = [uniform(ring, flat.shape[1], source) for _ in range(self.t)]
        out = []
        for holder in range(1, self.m + 1):
            share = flat
            for power, coefficients in enumerate(powers, 1):
                share = ring.add(share, ring.scale(coefficients, holder**power))
            out.append(share.reshape(secrets.shape))
        return out

    def combine(self, vectors: Sequence[Residues], ring: Ring) -> Residues:
        """All holders' vectors, in their order, to what their sharing of degree at most m - 1 opens to."""
        if len(vectors) != self.m:
            raise ValueError(f"{len(vectors)} vectors of {self.m} holders")
        return _weighted(vectors, self.weights(ring), ring)

    def rebuild(self, shares: Mapping[int, Residues], ring: Ring) -> Residues:
        """What t + 1 holders who pool their shares read: the secrets. No holder ever calls this; it shows whom to trust."""
        if len(shares) <= self.t:
            raise ValueError(f"{len(shares)} shares do not determine anything; {self.t + 1} do")
        holders = sorted(shares)[: self.t + 1]
        return _weighted([shares[holder] for holder in holders], self.weights(ring, holders), ring)


def uniform(ring: Ring, n: int, source: Source) -> Residues:
    """Exactly uniform residues (k, n): 32-bit words, the few that lie above the largest multiple of the prime drawn again."""
    out = np.empty((ring.k, n), np.uint32)
    for row, p in zip(out, ring.primes, strict=True):
        row[:] = np.frombuffer(source(4 * n), "<u4")
        top = ((1 << 32) // p) * p
        if top < 1 << 32:
            while n and int(row.max()) >= top:
                again = np.flatnonzero(row >= np.uint32(top))
                row[again] = np.frombuffer(source(4 * again.size), "<u4")
        if top != p:
            row %= np.uint32(p)
    return out


@lru_cache(maxsize=256)
def _coefficient(m: int, primes: tuple[int, ...], members: HolderSet, holder: int) -> Words:
    found = []
    for p in primes:
        value = 1
        for other in range(1, m + 1):
            if other not in members:
                value = value * (other - holder) * pow(other, -1, p) % p
        found.append(value)
    return np.array(found, np.uint64)[:, None]


@lru_cache(maxsize=256)
def _weights(primes: tuple[int, ...], holders: tuple[int, ...]) -> tuple[Words, ...]:
    out = []
    for holder in holders:
        found = []
        for p in primes:
            value = 1
            for other in holders:
                if other != holder:
                    value = value * other * pow(other - holder, -1, p) % p
            found.append(value)
        out.append(np.array(found, np.uint64)[:, None])
    return tuple(out)


def _weighted(vectors: Sequence[Residues], weights: Sequence[Words], ring: Ring) -> Residues:
    shape = vectors[0].shape
    flats = [vector.reshape(ring.k, -1) for vector in vectors]
    out = np.empty(flats[0].shape, np.uint32)
    for start in range(0, out.shape[1], BLOCK):
        total = np.zeros((ring.k, min(BLOCK, out.shape[1] - start)), np.uint64)
        for flat, weight in zip(flats, weights, strict=True):
            total += mod_rows(flat[:, start : start + BLOCK] * weight, ring)
        out[:, start : start + BLOCK] = mod_rows(total, ring)
    return out.reshape(shape)
