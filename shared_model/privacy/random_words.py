"""Random 64-bit words from a cryptographic generator: AES-256 in counter mode under a key of the operating system's entropy."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

Words = NDArray[np.uint64]
BLOCK = 1 << 16


class WordStream:
    """Words one after another; `entropy(n)` gives n random bytes, of which one key is made. A key serves one stream once."""

    def __init__(self, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._cipher = Cipher(algorithms.AES(entropy(32)), modes.CTR(bytes(16))).encryptor()
        self._left = np.zeros(0, dtype=np.uint64)

    def take(self, n: int) -> Words:
        """The next n words, each uniform on [0, 2^64)."""
        while self._left.size < n:
            fresh = np.frombuffer(self._cipher.update(bytes(8 * max(BLOCK, n))), dtype="<u8").astype(np.uint64)
            self._left = np.concatenate([self._left, fresh])
        found, self._left = self._left[:n], self._left[n:]
        return found

    def below(self, n: int, top: int) -> NDArray[np.int64]:
        """n whole numbers, each uniform on [0, top), top at most 2^62: words beyond the last multiple of `top` are drawn again."""
        if not 1 <= top <= 1 << 62:
            raise ValueError("top lies between 1 and 2^62")
        last = np.uint64((1 << 64) // top * top - 1)
        found = self.take(n).copy()
        while (over := found > last).any():
            found[over] = self.take(int(over.sum()))
        return (found % np.uint64(top)).astype(np.int64)
