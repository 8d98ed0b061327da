"""The number system of the shares: integers modulo a product of primes just below 2^32, each number kept as its residues.

An array of shape S is a uint32 array of shape (k, *S), one plane for each of the k primes (a residue number system). Sums and
products work plane by plane in 64-bit words, so NumPy's vector loops do all of it; a matrix product goes through float64 BLAS
in 16-bit limbs and is exact. All primes are 2^32 - c with c < 2^8. `MAIN` (six primes, 2^191.99) carries fixed point, `COUNT`
(its first three, 2^95.99) counts.

    >>> x = MAIN.encode([3, -5])
    >>> MAIN.signed(MAIN.multiply(x, x)).tolist()
    [9, 25]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Residues = NDArray[np.uint32]
Words = NDArray[np.uint64]

PRIMES = tuple((1 << 32) - c for c in (5, 17, 65, 99, 107, 135))
BLOCK = 1 << 14
"""Numbers worked on at a time, so that the scratch arrays stay in the processor's cache."""
LONGEST_INNER = 1 << 19
"""Longest inner dimension of one exact matrix product: its middle limbs sum to less than 2^53."""
_FEW = 256
_STRIP = 1 << 12
_HALF = np.uint64(16)


@dataclass(frozen=True)
class Ring:
    """Integers modulo the product of `primes` (distinct, below 2^32)."""

    primes: tuple[int, ...]

    @property
    def k(self) -> int:
        """Number of primes, the length of the first axis."""
        return len(self.primes)

    @cached_property
    def modulus(self) -> int:
        """The product of the primes."""
        return prod(self.primes)

    @cached_property
    def column(self) -> Words:
        """The primes as a (k, 1) array."""
        return np.array(self.primes, np.uint64)[:, None]

    @cached_property
    def room(self) -> int:
        """Bits that are certain to fit: 2^room <= modulus."""
        return self.modulus.bit_length() - 1

    def first(self, k: int) -> Ring:
        """The ring of the first `k` primes; the residues of a number are the first `k` planes."""
        return self if k == self.k else _prefix(self, k)

    def constant(self, number: int) -> Words:
        """A public integer's residues, shape (k, 1)."""
        return np.array([number % p for p in self.primes], np.uint64)[:, None]

    # from and to integers

    def zeros(self, shape: tuple[int, ...]) -> Residues:
        """Zeros of shape (k, *shape)."""
        return np.zeros((self.k, *shape), np.uint32)

    def encode(self, numbers: ArrayLike) -> Residues:
        """Integers of any size (NumPy's, or Python's in an object array) as residues, shape (k, *S)."""
        array = np.asarray(numbers)
        if array.dtype == object:
            planes = [np.array([int(v) % p for v in array.reshape(-1)], np.uint32).reshape(array.shape) for p in self.primes]
        elif array.dtype.kind in "bu":
            planes = [(array.astype(np.uint64) % np.uint64(p)).astype(np.uint32) for p in self.primes]
        elif array.dtype.kind == "i":
            planes = [(array.astype(np.int64) % np.int64(p)).astype(np.uint32) for p in self.primes]
        else:
            raise TypeError(f"integers are encoded, not {array.dtype}")
        return np.stack(planes)

    def encode_floats(self, numbers: ArrayLike, fraction: int) -> Residues:
        """Finite floats times 2^fraction, rounded to the nearest integer, as residues; exact for every float64."""
        array = np.asarray(numbers, np.float64)
        if not np.isfinite(array).all():
            raise ValueError("a number that is not finite has no residues")
        scaled = np.rint(np.ldexp(array, fraction))
        mantissa, exponent = np.frexp(scaled)
        lift = np.maximum(exponent - 53, 0)
        whole = np.ldexp(mantissa, exponent - lift).astype(np.int64)
        out = self.encode(whole)
        if lift.any():
            powers = np.stack([np.array([pow(2, e, p) for e in range(int(lift.max()) + 1)], np.uint32)[lift] for p in self.primes])
            out = self.multiply(out, powers)
        return out

    def digits(self, x: Residues | Words) -> list[Words]:
        """Mixed-radix digits of numbers in [0, modulus): x = d0 + d1·p0 + d2·p0·p1 + … (Garner), each of x's trailing shape."""
        flat = x.reshape(self.k, -1)
        found: list[Words] = []
        for i, p in enumerate(self.primes):
            q = np.uint64(p)
            rest = flat[i].astype(np.uint64)
            for j, digit in enumerate(found):
                # (rest - digit) / p_j modulo p_i; a digit below p_j may be above p_i
                rest += q * np.uint64(-(-self.primes[j] // p))
                rest -= digit
                _mod(rest, q)
                rest *= self._inverses[i][j]
                _mod(rest, q)
            found.append(rest)
        return [digit.reshape(x.shape[1:]) for digit in found]

    @cached_property
    def _inverses(self) -> list[list[np.uint64]]:
        return [[np.uint64(pow(r, -1, p)) for r in self.primes[:i]] for i, p in enumerate(self.primes)]

    @cached_property
    def radix(self) -> list[int]:
        """Weights of the mixed-radix digits."""
        return [prod(self.primes[:i]) for i in range(self.k)]

    def unsigned(self, x: Residues) -> NDArray[Any]:
        """The integers in [0, modulus), as an object array of x's trailing shape; for a few numbers, not for many."""
        total = np.zeros(x.shape[1:], dtype=object)
        for digit, weight in zip(self.digits(x), self.radix, strict=True):
            total = total + digit.astype(object) * weight
        return np.asarray(total, dtype=object)

    def signed(self, x: Residues) -> NDArray[Any]:
        """The integers in (-modulus/2, modulus/2], as an object array."""
        half, whole = self.modulus // 2, self.modulus
        found = self.unsigned(x)
        flat = [v - whole if v > half else v for v in found.reshape(-1)]
        out = np.empty(len(flat), dtype=object)
        out[:] = flat
        return out.reshape(found.shape)

    # arithmetic

    def add(self, x: Residues, y: Residues) -> Residues:
        """x + y with broadcasting of equal numbers of axes."""
        return self._blockwise(x, y, _add)

    def subtract(self, x: Residues, y: Residues) -> Residues:
        """x - y with broadcasting of equal numbers of axes."""
        return self._blockwise(x, y, _subtract)

    def multiply(self, x: Residues, y: Residues) -> Residues:
        """x · y elementwise with broadcasting of equal numbers of axes."""
        return self._blockwise(x, y, _multiply)

    def combined(self, terms: Sequence[tuple[Residues, int]]) -> Residues:
        """The sum of small public integers times arrays of one shape (k, n): one reduction for all of them.

        The integers' magnitudes sum to less than 2^31, so a sum of their products with residues fits 64-bit words.
        """
        out = np.empty_like(terms[0][0])
        below = sum(-number for _, number in terms if number < 0)
        if sum(abs(number) for _, number in terms) >= 1 << 31:
            raise ValueError("the integers of a combination are too large for one reduction")
        for part in _columns(out.shape[1]):
            words = np.zeros((self.k, out[0, part].size), np.uint64)
            for x, number in terms:
                words += x[:, part] if number == 1 else np.multiply(x[:, part], np.uint64(number % (1 << 64)), dtype=np.uint64)
            words += self.column * np.uint64(below)
            out[:, part] = mod_rows(words, self)
        return out

    def _blockwise(self, x: Residues, y: Residues, operation: Callable[[Residues, Residues, Any], Words]) -> Residues:
        shape = x.shape if x.shape == y.shape else np.broadcast_shapes(x.shape, y.shape)
        if len(shape) == 1:  # NumPy warns of scalars that wrap around, and arrays do so silently
            return self._blockwise(x[:, None], y[:, None], operation)[:, 0]
        size = prod(shape[1:])
        if size <= _FEW:  # one call for all planes costs less than a loop over them
            return operation(x, y, self.column.reshape(self.k, *[1] * (len(shape) - 1))).astype(np.uint32)
        out = np.empty(shape, np.uint32)
        if size <= BLOCK:
            for i, p in enumerate(self.primes):
                out[i] = operation(x[i], y[i], np.uint64(p))
            return out
        x, y = np.broadcast_to(x, shape), np.broadcast_to(y, shape)
        for block in blocks(shape[1:], BLOCK):
            for i, p in enumerate(self.primes):
                out[(i, *block)] = operation(x[(i, *block)], y[(i, *block)], np.uint64(p))
        return out

    def scale(self, x: Residues, number: int) -> Residues:
        """x times a public integer."""
        return self.multiply(x, self.constant(number).astype(np.uint32).reshape(-1, *[1] * (x.ndim - 1)))

    def matmul(self, x: Residues, y: Residues) -> Residues:
        """x (k, …, n, K) @ y (k, …, K, m), leading axes broadcast; exact."""
        inner = x.shape[-1]
        if inner > LONGEST_INNER:
            half = inner // 2
            return self.add(self.matmul(x[..., :half], y[..., :half, :]), self.matmul(x[..., half:], y[..., half:, :]))
        planes = [_matmul_plane(x[i], y[i], np.uint64(p)) for i, p in enumerate(self.primes)]
        return np.stack(planes)

    def total(self, x: Residues, axis: int) -> Residues:
        """Sum along an axis of the numbers' shape (counted from 0)."""
        return self.reduced(np.sum(x, axis=axis + 1, dtype=np.uint64))

    def reduced(self, words: Words) -> Residues:
        """Words of shape (k, *S), given up, brought below their primes."""
        flat = words.reshape(self.k, -1)
        return mod_rows(flat, self).astype(np.uint32).reshape(words.shape)

    # bytes

    def pack(self, x: Residues) -> bytes:
        """Little-endian words, plane after plane: 4·k bytes a number."""
        return np.ascontiguousarray(x, dtype="<u4").tobytes()

    def unpack(self, data: bytes | memoryview, shape: tuple[int, ...]) -> Residues:
        """The inverse of `pack`; ValueError for another length or a residue that is not below its prime."""
        if len(data) != self.nbytes(prod(shape)):
            raise ValueError(f"{len(data)} bytes for {prod(shape)} numbers of {4 * self.k} bytes")
        words = np.frombuffer(data, "<u4").reshape(self.k, *shape)
        for plane, p in zip(words, self.primes, strict=True):
            if plane.size and int(plane.max()) >= p:
                raise ValueError("a residue is not below its prime")
        return words

    def nbytes(self, count: int) -> int:
        """Bytes of `count` packed numbers."""
        return 4 * self.k * count


MAIN = Ring(PRIMES)
COUNT = Ring(PRIMES[:3])


def blocks(shape: tuple[int, ...], size: int) -> Iterator[tuple[slice | int, ...]]:
    """Index tuples that cut an array of `shape` into pieces of about `size` numbers or fewer."""
    if not shape or prod(shape) <= size:
        yield (slice(None),) * len(shape)
        return
    inner = prod(shape[1:])
    if inner <= size:
        step = max(1, size // max(1, inner))
        for start in range(0, shape[0], step):
            yield (slice(start, start + step),)
        return
    for i in range(shape[0]):
        for rest in blocks(shape[1:], size):
            yield (i, *rest)


def _columns(n: int) -> Iterator[slice]:
    for start in range(0, max(n, 1), _STRIP):
        yield slice(start, start + _STRIP)


def mod_rows(words: Words, ring: Ring) -> Words:
    """Each row of a (k, n) array of words modulo its prime, in place."""
    if words.shape[1] <= _FEW:
        return np.remainder(words, ring.column, out=words)
    for row, p in zip(words, ring.primes, strict=True):
        _mod(row, np.uint64(p))
    return words


def _mod(words: Words, p: np.uint64) -> None:
    """In place; NumPy divides by one number with vector instructions, its `%` does not."""
    quotient = words // p
    quotient *= p
    words -= quotient


def _add(x: Residues, y: Residues, p: Any) -> Words:
    words: Words = np.asarray(np.add(x, y, dtype=np.uint64))
    smaller: Words = np.minimum(words, words - p)  # below p the difference wraps around to something larger
    return smaller


def _subtract(x: Residues, y: Residues, p: Any) -> Words:
    words: Words = np.asarray(np.subtract(x, y, dtype=np.uint64))
    smaller: Words = np.minimum(words, words + p)
    return smaller


def _multiply(x: Residues, y: Residues, p: Any) -> Words:
    words: Words = np.asarray(np.multiply(x, y, dtype=np.uint64))
    if not isinstance(p, np.uint64):
        words %= p
        return words
    quotient = words // p
    quotient *= p
    return words - quotient


def _prefix(ring: Ring, k: int) -> Ring:
    if not 0 < k <= ring.k:
        raise ValueError(f"{k} of {ring.k} primes")
    return Ring(ring.primes[:k])


def _matmul_plane(x: Residues, y: Residues, p: np.uint64) -> Residues:
    """One prime's matrix product: (x0 + 2^16 x1)(y0 + 2^16 y1) by one float product of the stacked limbs."""
    n, m = x.shape[-2], y.shape[-1]
    left = np.concatenate(_limbs(x), axis=-2)
    right = np.concatenate(_limbs(y), axis=-1)
    parts = np.matmul(left, right)
    middle = parts[..., :n, m:] + parts[..., n:, :m]
    high: Words = parts[..., n:, m:].astype(np.uint64)
    _mod(high, p)
    words: Words = middle.astype(np.uint64)
    _mod(words, p)
    high <<= _HALF
    words += high
    _mod(words, p)
    words <<= _HALF
    words += parts[..., :n, :m].astype(np.uint64)
    _mod(words, p)
    return np.asarray(words, np.uint32)


def _limbs(x: Residues) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return (x & np.uint32(0xFFFF)).astype(np.float64), (x >> np.uint32(16)).astype(np.float64)
