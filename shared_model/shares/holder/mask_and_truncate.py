"""One opening: what a holder adds to a number before it leaves, and how it gets its share of the result back.

A product of two sharings has degree 2t, and opening it would tell it. So the holders open z + r, with r the sum of all key
sets' draws: nobody knows r, each holder has a share of it, and [z] = (z + r) - [r] is a fresh sharing of degree t. Every
vector that leaves is re-randomised by a sharing of zero of degree 2t, so that the coordinator learns the sum and nothing of a
single holder's numbers.

Three masks:
- `exact`: r uniform in the whole ring; nothing is learnt at all.
- `rounded`: z is bounded by 2^top and r consists of integers below 2^(top + 1 + 80) a key set: c = z + r hides z to 2^-80,
  and c, as an integer, drops its last bits to everybody's knowledge. What the low parts carry over shifts the result: a holder
  takes off what those it knows itself carry, and the sum of what is left (a number a group of sets) is taken off on average.
  So of one number two openings are at most two units apart with three holders. Only as many primes travel as c needs.
- `lifted`: the same without dropping anything, from the counting ring to the main one; the mask fills the counting ring.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import frexp, prod

import numpy as np
from numpy.typing import NDArray

from shared_model.shares.numbers.residues import Residues, Ring, Words, mod_rows
from shared_model.shares.numbers.shamir import HolderSet, Sharing
from shared_model.shares.numbers.shared_randomness import Draws
from site_config.problems import shares as problems

HIDE = 80
"""Bits by which a mask is wider than the value it hides."""
_COLUMNS = 1 << 11
_STEPS = 3
_LOW = 60


@dataclass(frozen=True)
class Masked:
    """One vector on its way: `sent` (k, n) residues in `ring`; `finish` makes this holder's share from what was opened."""

    ring: Ring
    sent: Residues
    finish: Callable[[Residues], Residues]
    distance: float = 0.0
    """Of one number: by how much what is seen may differ between two values in its range."""


@dataclass(frozen=True)
class Masker:
    """One holder's masks: its number, the sharing, and the large ring that results live in."""

    sharing: Sharing
    holder: int
    main: Ring
    hide: int = HIDE

    def plain(self, value: Residues, ring: Ring, draws: Draws) -> Masked:
        """A value that is meant to be known: only re-randomised."""
        return Masked(ring, ring.combined([(value, 1), *self._zero(ring, value.shape[1], draws)]), lambda opened: opened)

    def exact(self, value: Residues, ring: Ring, draws: Draws) -> Masked:
        """A product whose sharing is made fresh, hidden perfectly."""
        n = value.shape[1]
        mask = self.random(ring, n, draws)
        sent = ring.combined([(value, 1), (mask, 1), *self._zero(ring, n, draws)])
        return Masked(ring, sent, lambda opened: ring.subtract(opened, mask))

    def random(self, ring: Ring, n: int, draws: Draws) -> Residues:
        """This holder's shares of n uniform numbers that nobody knows."""
        return ring.combined([(draws.residues(members, ring, n), self._whole(members)) for members in self._sets])

    def rounded(self, value: Residues, bound: float, drop: int, draws: Draws) -> Masked:
        """A product |z| <= bound (in units) of the main ring, without its last `drop` bits (0: exact, but hidden statistically)."""
        top = max(bits_of(bound), drop)
        width = top + 1 + self.hide
        ring = self._smallest(width)
        return self._bounded(value[: ring.k], ring, top, width, drop, draws)

    def lifted(self, value: Residues, bound: float, ring: Ring, draws: Draws) -> Masked:
        """A number |z| <= bound of the counting ring, in the main one."""
        width = ring.room - self._spare
        top = bits_of(bound)
        if top + 1 >= width:
            raise problems.RANGE_REFUSED.problem(f"a count of {top} bits leaves no room for its mask")
        return self._bounded(value, ring, top, width, 0, draws)

    def fits(self, bound: float) -> int | None:
        """Primes that travel for a rounded value of this bound; None where even all are too few."""
        width = bits_of(bound) + 1 + self.hide
        return next((k for k in range(1, self.main.k + 1) if self.main.first(k).room >= width + self._spare), None)

    @property
    def _sets(self) -> tuple[HolderSet, ...]:
        return self.sharing.of(self.holder)

    @property
    def _spare(self) -> int:
        """Bits that the sum of all sets' draws and the value need beyond one draw."""
        return (self.sharing.n_sets + 1).bit_length()

    def _coefficient(self, ring: Ring, members: HolderSet) -> Words:
        return self.sharing.coefficient(ring, members, self.holder)

    def _smallest(self, width: int) -> Ring:
        for k in range(1, self.main.k + 1):
            if self.main.first(k).room >= width + self._spare:
                return self.main.first(k)
        raise problems.RANGE_REFUSED.problem(f"a mask of {width} bits does not fit {self.main.room}")

    def _whole(self, members: HolderSet) -> int:
        """`coefficient` times a public number that is the same for all holders, which makes it a small integer.

        A uniform draw times a number prime to the ring's primes is uniform, so of such draws the multiple serves as well.
        """
        return prod(other - self.holder for other in range(1, self.sharing.m + 1) if other not in members)

    def _zero(self, ring: Ring, n: int, draws: Draws) -> list[tuple[Residues, int]]:
        """The terms of a share of zero of degree 2t, uniform among those."""
        return [
            (draws.residues(members, ring, n), self._whole(members) * self.holder**power)
            for members in self._sets
            for power in range(1, self.sharing.t + 1)
        ]

    def _bounded(self, value: Residues, ring: Ring, top: int, width: int, drop: int, draws: Draws) -> Masked:
        n = value.shape[1]
        low, high = ring.zeros((n,)), self.main.zeros((n,))
        mine: list[NDArray[np.uint32]] = []
        for members in self._sets:
            if drop:
                words = draws.words(members, drop, n)
                low = ring.add(low, _scaled(_residues(words, ring), self._coefficient(ring, members), ring))
                mine += [words] * (members[0] == self.holder)
            part = _residues(draws.words(members, width - drop, n), self.main)
            high = self.main.add(high, _scaled(part, self._coefficient(self.main, members), self.main))
        # the groups' low parts carry (groups - 1)/2 · (1 - 2^-drop) units on average; this makes it whole
        groups = self.sharing.n_groups
        carried = groups // 2 if drop else 0
        evened = (groups - 1) // 2 + (0 if groups % 2 else 1 << drop - 1) if drop else 0
        terms = [(_shifted(high[: ring.k], drop, ring), 1), (value, 1), *([(low, 1)] if drop else [])]
        sent = ring.combined([*terms, *self._zero(ring, n, draws)])
        sent = ring.add(sent, _constant(ring, (1 << top) + evened))
        if len(mine) > 1:
            carry = np.repeat(_carry(mine, drop)[None], ring.k, axis=0)
            sent = ring.subtract(sent, _scaled(carry, self.sharing.alone(ring, self.holder, 1 << drop), ring))
        offset = (1 << top - drop) + carried
        limit = (1 << top + 2) + (self.sharing.n_sets << width)

        def finish(opened: Residues) -> Residues:
            share = self.main.subtract(_floor(opened, ring, self.main, drop, limit), high)
            return self.main.subtract(share, _constant(self.main, offset))

        return Masked(ring, sent, finish, 2.0 ** (top + 1 - width))


def bits_of(bound: float) -> int:
    """The smallest b with |z| < 2^b for every integer |z| <= bound."""
    return max(frexp(bound * (1 + 2.0**-40) + 1.0)[1], 1)


def _carry(parts: Sequence[NDArray[np.uint32]], bits: int) -> NDArray[np.uint32]:
    """floor(Σ parts / 2^bits) (n,) of integers below 2^bits given as 32-bit limbs (limbs, n), least first."""
    limbs = len(parts[0])
    total = np.zeros(parts[0].shape, np.uint64)
    for part in parts:
        total += part
    for k in range(limbs - 1):
        total[k + 1] += total[k] >> np.uint64(32)
    last = bits - 32 * (limbs - 1)
    return np.asarray(total[limbs - 1] >> np.uint64(last), np.uint32)


def _constant(ring: Ring, number: int) -> Residues:
    return ring.constant(number).astype(np.uint32)


def _scaled(x: Residues, factor: Words, ring: Ring) -> Residues:
    return ring.multiply(x, factor.astype(np.uint32))


def _shifted(x: Residues, bits: int, ring: Ring) -> Residues:
    return ring.scale(x, 1 << bits) if bits else x


def _residues(limbs: NDArray[np.uint32], ring: Ring) -> Residues:
    """Integers given as 32-bit limbs (limbs, n), least first, as residues: Horner's rule with 2^32 mod p, which is small."""
    out = np.empty((ring.k, limbs.shape[1]), np.uint32)
    base = ring.constant(1 << 32)
    small = int(base.max()) < 1 << 8
    for start in range(0, limbs.shape[1], _COLUMNS):
        part = limbs[:, start : start + _COLUMNS].astype(np.uint64)
        words = np.repeat(part[-1:], ring.k, axis=0)
        mod_rows(words, ring)
        for done, limb in enumerate(part[-2::-1], 1):
            words *= base
            words += limb
            if not small or done % _STEPS == 0:
                mod_rows(words, ring)
        out[:, start : start + _COLUMNS] = mod_rows(words, ring)
    return out


def _floor(opened: Residues, ring: Ring, main: Ring, drop: int, limit: int) -> Residues:
    """floor(c / 2^drop) in the main ring, of integers 0 <= c < limit given in `ring`."""
    out = np.empty((main.k, opened.shape[1]), np.uint32)
    for start in range(0, out.shape[1], _COLUMNS):
        words = opened[:, start : start + _COLUMNS].astype(np.uint64)
        largest, left = limit, drop
        while True:
            digits = ring.digits(words)
            if digits[-1].size and int(digits[-1].max()) > largest // ring.radix[-1]:
                raise problems.OPENED_OUT_OF_RANGE.problem("A masked number was opened that its declared bound does not allow")
            step = min(left, _LOW)
            if not step:
                break
            words = _drop_bits(words, digits, step, ring)
            largest, left = (largest >> step) + 1, left - step
            if not left and ring.k == main.k:
                break
        out[: ring.k, start : start + _COLUMNS] = words
        for i in range(ring.k, main.k):
            out[i, start : start + _COLUMNS] = _one_more(digits, ring, main.primes[i], words.shape[1])
    return out


def _drop_bits(words: Words, digits: list[Words], step: int, ring: Ring) -> Words:
    """(c - (c mod 2^step)) / 2^step; 64-bit words that wrap around keep c mod 2^64."""
    low = np.zeros(words.shape[1], np.uint64)
    for digit, weight in zip(digits, ring.radix, strict=True):
        low += digit * np.uint64(weight % (1 << 64))
    low &= np.uint64((1 << step) - 1)
    below = mod_rows(np.repeat(low[None], ring.k, axis=0), ring)
    words = words + ring.column
    words -= below
    mod_rows(words, ring)
    words *= ring.constant(pow(1 << step, -1, ring.modulus))
    return mod_rows(words, ring)


def _one_more(digits: list[Words], ring: Ring, prime: int, n: int) -> Words:
    """The same integers modulo one prime more."""
    total = np.zeros((1, n), np.uint64)
    one = Ring((prime,))
    for digit, weight in zip(digits, ring.radix, strict=True):
        total += mod_rows((digit * np.uint64(weight % prime))[None], one)
    return np.asarray(mod_rows(total, one)[0])
