"""Randomness that holders share without a message (pseudo-random secret sharing; Cramer, Damgård and Ishai, TCC 2005).

Every set of m - t holders has a key. What a key's stream gives is known to the set's members alone, so a number that is the
sum of all sets' draws is known to no t holders, and each holder computes its own share of it from the keys it has. An
opening's streams come from the set's key and the opening's number; the set's key from contributions of all its members,
nonces of all holders, the attempt and the context, so no stream serves twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from numpy.typing import NDArray

from shared_model.shares.numbers.residues import Residues, Ring
from shared_model.shares.numbers.shamir import HolderSet, Source, uniform

NONCE_BYTES = 32
_ZEROS = bytes(1 << 16)


class Draws(Protocol):
    """What one opening draws from the sets' streams; every holder draws the same things in the same order."""

    def residues(self, members: HolderSet, ring: Ring, n: int) -> Residues:
        """Uniform residues (k, n)."""

    def words(self, members: HolderSet, bits: int, n: int) -> NDArray[np.uint32]:
        """Uniform integers below 2^bits as little-endian 32-bit limbs, shape (limbs, n)."""


@dataclass(frozen=True)
class Keys:
    """One holder's keys of one attempt: of each set it belongs to, and the one that all holders have and the coordinator lacks."""

    sets: Mapping[HolderSet, bytes]
    everybody: bytes

    def draws(self, label: str, number: int) -> StreamDraws:
        """The streams of one opening (or of another use: `label` keeps them apart)."""
        return StreamDraws({members: key_stream(key, f"{label} {number} {_name(members)}") for members, key in self.sets.items()})

    def challenge(self, number: int) -> Source:
        """The stream of an opening's checking coefficients."""
        return key_stream(self.everybody, f"challenge {number}")


@dataclass(frozen=True)
class StreamDraws:
    """`Draws` from one key stream a set."""

    streams: Mapping[HolderSet, Source]

    def residues(self, members: HolderSet, ring: Ring, n: int) -> Residues:
        """Uniform residues (k, n)."""
        return uniform(ring, n, self.streams[members])

    def words(self, members: HolderSet, bits: int, n: int) -> NDArray[np.uint32]:
        """Uniform integers below 2^bits as limbs (limbs, n)."""
        limbs = -(-bits // 32)
        out = np.frombuffer(self.streams[members](4 * limbs * n), "<u4").reshape(limbs, n).copy()
        if bits % 32:
            out[-1] &= np.uint32((1 << bits % 32) - 1)
        return out


def key_stream(key: bytes, label: str) -> Source:
    """AES-256 in counter mode under a key derived from `key` and `label`; the stream starts at zero, so a label serves once."""
    derived = HKDFExpand(algorithm=SHA256(), length=32, info=b"fedhcc shares " + label.encode()).derive(key)
    encryptor = Cipher(algorithms.AES(derived), modes.CTR(bytes(16))).encryptor()

    def draw(count: int) -> bytes:
        return encryptor.update(_ZEROS[:count] if count <= len(_ZEROS) else bytes(count))

    return draw


def derive_keys(context: bytes, attempt: int, nonces: Mapping[int, bytes], contributions: Mapping[HolderSet, Mapping[int, bytes]]) -> Keys:
    """The attempt's keys.

    nonces: holder → 32 bytes, of all holders. contributions: set → member → 32 bytes, of all members, for the sets of this holder.
    """
    everyone = b"".join(nonces[holder] for holder in sorted(nonces))
    salt = b"%d %d " % (attempt, len(context)) + context + everyone

    def derive(secret: bytes, name: str) -> bytes:
        return HKDF(algorithm=SHA256(), length=32, salt=salt, info=b"fedhcc shares " + name.encode()).derive(secret)

    sets = {
        members: derive(b"".join(parts[holder] for holder in members), f"set {_name(members)}") for members, parts in contributions.items()
    }
    return Keys(sets, derive(everyone, "everybody"))


def _name(members: HolderSet) -> str:
    return ",".join(str(holder) for holder in members)
