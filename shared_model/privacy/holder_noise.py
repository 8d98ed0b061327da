"""Differential privacy inside the shares: what each holder adds to a result before it is opened.

A result that declares `noise` is opened as x + N_1 + … + N_m. Holder h draws N_h, whole numbers with P(x) ∝ e^{−x²/2v} on the
result's grid, and deals it to all holders as a hospital deals a row, so that nobody sees the sum before its noise. t holders who
collude know their own and no other, so what protects is (m − t)·v: v is sized for that many.

A holder draws from a key made of its private key of the computation, the context, the rows and the result's name. A second
attempt with the same rows therefore opens the very same numbers, whatever was seen of the first; other rows are refused
(`Session.start`), because two draws for one patient would be two releases.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from math import sqrt

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from shared_model.privacy.discrete_gaussian import discrete_gaussian
from shared_model.privacy.random_words import WordStream
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.numbers.residues import MAIN, Residues

Integers = NDArray[np.int64]
WIDEST = 16.0
"""Noise beyond that many of its own standard deviations (probability 1e-57) would not open."""


def drawn(result: Result, stream: WordStream) -> Integers:
    """One holder's noise (size,) on a result, in units of its grid, held within `WIDEST` standard deviations."""
    most = int(WIDEST * sqrt(result.noise))
    return np.clip(discrete_gaussian(stream, result.noise, result.size), -most, most)


def largest(result: Result) -> float:
    """Bound on one holder's noise, as a real number."""
    return WIDEST * sqrt(result.noise) * 2.0**-result.bits


def own_noise(private: X25519PrivateKey, context: bytes, rows: bytes, results: Iterable[Result]) -> Integers:
    """A holder's noise on all results, one behind the other: the same for the same key, context and rows."""
    found = [drawn(result, _stream(private, context, rows, result.name)) for result in results]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.int64)


def by_result(shares: Residues, results: Iterable[Result]) -> Mapping[str, Residues]:
    """Shares (k, n) of all results' noise, cut into the results' shapes."""
    found, at = {}, 0
    for result in results:
        found[result.name] = shares[:, at : at + result.size].reshape(MAIN.k, *result.shape)
        at += result.size
    return found


def _stream(private: X25519PrivateKey, context: bytes, rows: bytes, name: str) -> WordStream:
    told = b"".join(hashlib.sha256(part).digest() for part in (context, rows, name.encode()))
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"fedhcc shares noise" + told).derive(private.private_bytes_raw())
    return WordStream(lambda n: key[:n])
