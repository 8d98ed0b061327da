"""Whether the relay delivered what the holders sent: random linear combinations, compared before anything is opened.

The coordinator forms c = Σ λ_k s_k of what the holders sent. For coefficients χ that it does not know, Σ λ_k ⟨χ, s_k⟩ = ⟨χ,
c⟩ holds if it did so, and if it did not, with probability at most 2^-31 in each repetition, in the field of each prime: with
three repetitions 2^-93.

Twice, for two different opponents:
- With every opening each holder seals to the others its ⟨χ, s_k⟩ for a χ that all holders draw from a key of theirs. Each
  holder compares **before it sends anything more**, so a relay that acts alone learns nothing from a lie, not even through
  the next masked number, whose mask has a bounded width.
- Before each reveal the holders do it again for everything since the last reveal, with a χ from coins that they committed to
  beforehand and open only when they have received everything. So a relay to whom up to t holders tell what they know cannot
  foresee it either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared_model.shares.numbers.residues import MAIN, Residues, Words, mod_rows
from shared_model.shares.numbers.shamir import Sharing, Source
from shared_model.shares.numbers.shared_randomness import key_stream
from site_config.problems import shares as problems

REPEATS = 3
COEFFICIENT_BITS = 31
PRINT_BYTES = 4 * MAIN.k * REPEATS
_COLUMNS = 1 << 16
_LIMB = np.uint64(16)


def fingerprint(vectors: Mapping[int, Residues], source: Source) -> Residues:
    """⟨χ, v⟩ in each prime's field over all vectors, REPEATS independent χ from `source`: (6, REPEATS) residues."""
    total = np.zeros((MAIN.k, REPEATS), np.uint64)
    for k in sorted(vectors):
        vector = vectors[k]
        for start in range(0, vector.shape[1], _COLUMNS):
            part = vector[:, start : start + _COLUMNS]
            total[:k] += _products(part, _coefficients(part.shape[1], source), MAIN.column[:k])
        mod_rows(total, MAIN)
    return total.astype(np.uint32)


def _coefficients(n: int, source: Source) -> NDArray[np.float64]:
    """(n, 2·REPEATS): the low and the high halves of 31-bit words."""
    words = np.frombuffer(source(4 * n * REPEATS), "<u4").reshape(n, REPEATS) & np.uint32((1 << COEFFICIENT_BITS) - 1)
    return np.concatenate([words & np.uint32(0xFFFF), words >> np.uint32(16)], axis=1).astype(np.float64)


def _products(part: Residues, coefficients: NDArray[np.float64], primes: Words) -> Words:
    """Exact: limbs of 16 bits, at most 2^16 terms."""
    k = part.shape[0]
    limbs = np.concatenate([part & np.uint32(0xFFFF), part >> np.uint32(16)]).astype(np.float64)
    sums = (limbs @ coefficients).astype(np.uint64)
    low, high = sums[:k], sums[k:]
    words = high[:, REPEATS:] % primes
    words = ((words << _LIMB) + low[:, REPEATS:] + high[:, :REPEATS]) % primes
    return np.asarray(((words << _LIMB) + low[:, :REPEATS]) % primes, np.uint64)


def agree(sharing: Sharing, sent: Sequence[Residues], received: Residues) -> bool:
    """Whether the holders' fingerprints of what they sent, in their order, combine to the one of what was received."""
    return bool((sharing.combine(sent, MAIN) == received).all())


def require(condition: bool, what: str) -> None:
    """FH-551 where the relay's delivery does not hold."""
    if not condition:
        raise problems.RELAY_DIFFERS.problem(what)


@dataclass
class Transcript:
    """What a holder sent and received since the last check."""

    steps: list[tuple[Mapping[int, Residues], Mapping[int, Residues]]] = field(default_factory=list)
    nbytes: int = 0

    def add(self, sent: Mapping[int, Residues], received: Mapping[int, Residues]) -> None:
        """One opening more."""
        self.steps.append((sent, received))
        self.nbytes += sum(v.nbytes for v in (*sent.values(), *received.values()))

    def digest(self) -> bytes:
        """SHA-256 over everything received; equal at all holders."""
        digest = hashlib.sha256(b"fedhcc shares received")
        for _, received in self.steps:
            for k in sorted(received):
                digest.update(b"%d %d " % received[k].shape)
                digest.update(np.ascontiguousarray(received[k]).view(np.uint8).data)
        return digest.digest()

    def fingerprints(self, coin: bytes) -> tuple[Residues, Residues]:
        """⟨χ, sent⟩ and ⟨χ, received⟩ over all openings, χ from the joint coin."""
        sent = received = np.zeros((MAIN.k, REPEATS), np.uint32)
        for i, (out, back) in enumerate(self.steps):
            sent = MAIN.add(sent, fingerprint(out, key_stream(coin, f"check {i}")))
            received = MAIN.add(received, fingerprint(back, key_stream(coin, f"check {i}")))
        return sent, received

    def clear(self) -> None:
        """Begin again after a check."""
        self.steps.clear()
        self.nbytes = 0


def joint_coin(context: bytes, number: int, coins: Mapping[int, bytes]) -> bytes:
    """One coin of all holders' coins."""
    digest = hashlib.sha256(b"fedhcc shares coin %d %d " % (number, len(context)) + context)
    for holder in sorted(coins):
        digest.update(coins[holder])
    return digest.digest()


def commitment(coin: bytes) -> bytes:
    """What binds a holder to its 32 random bytes without telling them."""
    return hashlib.sha256(b"fedhcc shares commitment" + coin).digest()
