"""How a `Value`'s numbers are held at a holder: residues (k, *shape) of its shares; everything local happens here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.shares.circuits.shared_value import Field, Index
from shared_model.shares.numbers.residues import COUNT, MAIN, Residues, Ring


def _rings() -> dict[Field, Ring]:
    return {Field.COUNT: COUNT, Field.MAIN: MAIN}


@dataclass(frozen=True)
class ShareBackend:
    """Residues of shares; `rings` gives the ring of each number system (the counting primes are the first of the main ones)."""

    rings: Mapping[Field, Ring] = field(default_factory=_rings)

    def public(self, numbers: NDArray[Any], fraction: int, field: Field) -> Residues:
        """A constant polynomial: every holder's share of a public number is the number."""
        ring = self.rings[field]
        if numbers.dtype.kind == "f":
            return ring.encode_floats(numbers, fraction)
        encoded = ring.encode(numbers)
        return ring.scale(encoded, 1 << fraction) if fraction else encoded

    def add(self, x: Residues, y: Residues, field: Field) -> Residues:
        """x + y."""
        return self.rings[field].add(x, y)

    def subtract(self, x: Residues, y: Residues, field: Field) -> Residues:
        """x − y."""
        return self.rings[field].subtract(x, y)

    def multiply(self, x: Residues, y: Residues, field: Field) -> Residues:
        """x · y."""
        return self.rings[field].multiply(x, y)

    def matmul(self, x: Residues, y: Residues, field: Field) -> Residues:
        """x @ y."""
        return self.rings[field].matmul(x, y)

    def shift(self, x: Residues, bits: int, field: Field) -> Residues:
        """x · 2^bits."""
        return self.rings[field].scale(x, 1 << bits)

    def divide_exactly(self, x: Residues, by: int, field: Field) -> Residues:
        """x times the inverse of `by`."""
        ring = self.rings[field]
        return ring.scale(x, pow(by, -1, ring.modulus))

    def counting(self, x: Residues, fraction: int) -> Residues:
        """The residues of the counting primes."""
        return x[: self.rings[Field.COUNT].k]

    def total(self, x: Residues, axis: int, field: Field) -> Residues:
        """Sum along an axis."""
        return self.rings[field].total(x, axis)

    def take(self, x: Residues, index: Index) -> Residues:
        """Indexing, plane by plane where integer arrays pick."""
        parts = index if isinstance(index, tuple) else (index,)
        if all(part is None or isinstance(part, int | slice) for part in parts):
            return x[(slice(None), *parts)]
        return np.stack([plane[index] for plane in x])

    def reshape(self, x: Residues, shape: tuple[int, ...]) -> Residues:
        """Another shape."""
        return x.reshape(x.shape[0], *shape)

    def transpose(self, x: Residues, axes: tuple[int, ...]) -> Residues:
        """Axes permuted."""
        return x.transpose(0, *(axis + 1 for axis in axes))

    def concatenate(self, parts: Sequence[Residues], axis: int) -> Residues:
        """Joined."""
        return np.concatenate(parts, axis=axis + 1)
