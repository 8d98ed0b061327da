"""A `Value`: an immutable array of secrets, with what is publicly known about it.

Known are the shape, the number of fractional bits, a proved bound on the absolute values, the number system and the degree
of the sharing. The numbers themselves are opaque: a `Backend` holds them (one holder's shares as residues, or plain numbers).
Everything here is local: no opening.

    z = 2 * x - y.sum(axis=0)          # bounds and fractions follow
    z = x.assume(1.0, "a probability")  # only where mathematics proves it
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from math import prod
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

F = 40
"""Fractional bits of fixed-point numbers."""

Index: TypeAlias = "int | slice | NDArray[Any] | list[int] | tuple[int | slice | NDArray[Any] | list[int] | None, ...] | None"


class RangeError(ValueError):
    """A circuit could leave the room its numbers have, so it is refused before anything is computed with them."""


class Field(Enum):
    """The two number systems: exact small counting, and the large one that fixed point needs."""

    COUNT = "count"
    MAIN = "main"


class Backend(Protocol):
    """How the numbers of a `Value` are held; `data` is opaque to everybody else.

    Shapes and axes are those of the Value (a backend may keep further axes in front). Operands of `add`, `subtract` and `multiply` have the
    same number of axes and broadcast.
    """

    def public(self, numbers: NDArray[Any], fraction: int, field: Field) -> Any:
        """Public integers (fraction 0) or floats, rounded to `fraction` bits, as constant secrets."""

    def add(self, x: Any, y: Any, field: Field) -> Any:
        """x + y."""

    def subtract(self, x: Any, y: Any, field: Field) -> Any:
        """x − y."""

    def multiply(self, x: Any, y: Any, field: Field) -> Any:
        """x · y elementwise, nothing rounded."""

    def matmul(self, x: Any, y: Any, field: Field) -> Any:
        """x (…, n, k) @ y (…, k, m), nothing rounded; both have the same number of axes, two or more."""

    def shift(self, x: Any, bits: int, field: Field) -> Any:
        """The same real numbers written with `bits` more fractional bits (residues times 2^bits)."""

    def divide_exactly(self, x: Any, by: int, field: Field) -> Any:
        """x / by for integers known to be multiples of `by`."""

    def counting(self, x: Any, fraction: int) -> Any:
        """The units of a main value of so many fractional bits, as integers of the counting field."""

    def total(self, x: Any, axis: int, field: Field) -> Any:
        """Sum along one axis (counted from 0, never negative)."""

    def take(self, x: Any, index: Index) -> Any:
        """NumPy indexing by public integers, slices and integer arrays."""

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        """The same numbers in another shape."""

    def transpose(self, x: Any, axes: tuple[int, ...]) -> Any:
        """Axes permuted."""

    def concatenate(self, parts: Sequence[Any], axis: int) -> Any:
        """Joined along an axis (from 0)."""


class Value:
    """Secrets of one shape, fraction, bound, number system and degree (1: a sharing, 2: an unreduced product)."""

    __slots__ = ("backend", "bound", "data", "degree", "field", "fraction", "shape")
    __array_ufunc__ = None  # a NumPy array on the left leaves the operation to us

    def __init__(
        self, backend: Backend, data: Any, shape: tuple[int, ...], fraction: int, bound: float, field: Field = Field.MAIN, degree: int = 1
    ) -> None:
        self.backend, self.data, self.shape = backend, data, shape
        self.fraction, self.bound, self.field, self.degree = fraction, bound, field, degree

    def __repr__(self) -> str:
        return f"Value(shape={self.shape}, fraction={self.fraction}, |x| <= {self.bound:g}, {self.field.value}, degree {self.degree})"

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of secrets."""
        return prod(self.shape)

    def like(self, data: Any, shape: tuple[int, ...], *, bound: float | None = None, fraction: int | None = None, degree: int = 0) -> Value:
        """A Value over the same backend and number system."""
        return Value(
            self.backend,
            data,
            shape,
            self.fraction if fraction is None else fraction,
            self.bound if bound is None else bound,
            self.field,
            degree or self.degree,
        )

    def assume(self, bound: float, why: str) -> Value:
        """The same secrets with a tighter bound, which mathematics proves for the reason given."""
        if not why:
            raise ValueError("a tighter bound needs its reason")
        return self.like(self.data, self.shape, bound=min(bound, self.bound))

    def at_fraction(self, fraction: int) -> Value:
        """The same numbers with at least `fraction` fractional bits: exact, local."""
        if fraction <= self.fraction:
            return self
        return self.like(self.backend.shift(self.data, fraction - self.fraction, self.field), self.shape, fraction=fraction)

    # sums

    def __add__(self, other: Value | ArrayLike) -> Value:
        x, y = _matched(self, other)
        data = x.backend.add(x.data, y.data, x.field)
        return x.like(data, np.broadcast_shapes(x.shape, y.shape), bound=x.bound + y.bound, degree=max(x.degree, y.degree))

    __radd__ = __add__

    def __sub__(self, other: Value | ArrayLike) -> Value:
        x, y = _matched(self, other)
        data = x.backend.subtract(x.data, y.data, x.field)
        return x.like(data, np.broadcast_shapes(x.shape, y.shape), bound=x.bound + y.bound, degree=max(x.degree, y.degree))

    def __rsub__(self, other: ArrayLike) -> Value:
        return public(self, other, self.fraction) - self

    def __neg__(self) -> Value:
        return self * -1

    # products with public numbers

    def __mul__(self, other: ArrayLike) -> Value:
        """Times public numbers: integers keep the fraction, floats are encoded at F bits and add F."""
        if isinstance(other, Value):
            raise TypeError("two secrets are multiplied by `await a.mul(x, y)` or, unreduced, by `a.times(x, y)`")
        return self.scaled(other, F if np.asarray(other).dtype.kind == "f" else 0)

    __rmul__ = __mul__

    def scaled(self, by: ArrayLike, fraction: int) -> Value:
        """Times public numbers rounded to `fraction` bits."""
        number = public(self, by, 0 if fraction == 0 else fraction, exactly=True)
        x, y = _same_axes(self, number)
        return x.like(
            x.backend.multiply(x.data, y.data, x.field),
            np.broadcast_shapes(x.shape, y.shape),
            bound=x.bound * y.bound,
            fraction=x.fraction + y.fraction,
        )

    def __matmul__(self, other: ArrayLike) -> Value:
        """self (…, k) @ public (k, m)."""
        return multiply_matrices(self, _public_factor(self, other))

    def __rmatmul__(self, other: ArrayLike) -> Value:
        """Public (n, k) @ self (k, …)."""
        return multiply_matrices(_public_factor(self, other), self)

    def weighed(self, by: ArrayLike, fraction: int) -> Value:
        """self (…, k) @ public (k,) or (k, m), rounded to `fraction` bits."""
        return multiply_matrices(self, _public_factor(self, by, fraction))

    def divided_exactly(self, by: int) -> Value:
        """Integers known to be multiples of `by`, divided."""
        return self.like(self.backend.divide_exactly(self.data, by, self.field), self.shape, bound=self.bound / abs(by))

    def units(self) -> Value:
        """The same sharing as whole units of its last bit in the counting field: local, as its primes are the first of the main ones."""
        if self.field is not Field.MAIN or self.degree != 1:
            raise TypeError("only a sharing of the main field is read as units")
        data = self.backend.counting(self.data, self.fraction)
        return Value(self.backend, data, self.shape, 0, self.bound * 2.0**self.fraction, Field.COUNT)

    # shapes

    def __getitem__(self, index: Index) -> Value:
        shape = np.empty(self.shape, dtype=np.bool_)[index].shape
        return self.like(self.backend.take(self.data, index), shape)

    def __len__(self) -> int:
        return self.shape[0]

    def sum(self, axis: int | None = None) -> Value:
        """Sum along one axis, or of everything."""
        if axis is None:
            return self.reshape(self.size).sum(0)
        axis %= self.ndim
        shape = self.shape[:axis] + self.shape[axis + 1 :]
        return self.like(self.backend.total(self.data, axis, self.field), shape, bound=self.bound * self.shape[axis])

    def reshape(self, *shape: int) -> Value:
        """The same secrets in another shape; one entry may be −1."""
        new = np.empty(self.shape, dtype=np.bool_).reshape(shape).shape
        return self.like(self.backend.reshape(self.data, new), new)

    def transpose(self, *axes: int) -> Value:
        """Axes permuted; without arguments reversed."""
        order = axes or tuple(reversed(range(self.ndim)))
        return self.like(self.backend.transpose(self.data, order), tuple(self.shape[axis] for axis in order))

    @property
    def T(self) -> Value:  # noqa: N802
        """Axes reversed."""
        return self.transpose()


def public(like: Value, numbers: ArrayLike, fraction: int, *, exactly: bool = False) -> Value:
    """Public numbers as a Value: integers without fraction, floats at F bits (or exactly at `fraction` bits when asked)."""
    array = np.asarray(numbers)
    if array.dtype.kind in "biu":
        bits = fraction if exactly else 0
    elif array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise RangeError("a public number that is not finite")
        bits = fraction if exactly else max(fraction, F)
    else:
        raise TypeError(f"public numbers are integers or floats, not {array.dtype}")
    bound = float(np.abs(array.astype(np.float64)).max(initial=0.0)) + (2.0**-bits if bits else 0.0)
    return Value(like.backend, like.backend.public(array, bits, like.field), array.shape, bits, bound, like.field)


def concatenate(parts: Sequence[Value], axis: int = 0) -> Value:
    """Joined along an axis; fractions are made equal, the bound is the largest."""
    first = parts[0]
    if any(part.field is not first.field for part in parts):
        raise TypeError("values of two number systems do not join: lift the counting one first")
    fraction = max(part.fraction for part in parts)
    parts = [part.at_fraction(fraction) for part in parts]
    axis %= first.ndim
    shape = (*first.shape[:axis], sum(part.shape[axis] for part in parts), *first.shape[axis + 1 :])
    data = first.backend.concatenate([part.data for part in parts], axis)
    return first.like(data, shape, bound=max(part.bound for part in parts), fraction=fraction, degree=max(part.degree for part in parts))


def stack(parts: Sequence[Value], axis: int = 0) -> Value:
    """Joined along a new axis."""
    axis %= parts[0].ndim + 1
    return concatenate([part.reshape(*part.shape[:axis], 1, *part.shape[axis:]) for part in parts], axis)


def multiply(x: Value, y: Value) -> Value:
    """x · y elementwise with broadcasting, unreduced: fractions add up, and so do degrees of two secrets."""
    _multipliable(x, y)
    x, y = _same_axes(x, y)
    data = x.backend.multiply(x.data, y.data, x.field)
    return x.like(data, np.broadcast_shapes(x.shape, y.shape), bound=x.bound * y.bound, fraction=x.fraction + y.fraction, degree=2)


def multiply_matrices(x: Value, y: Value) -> Value:
    """x @ y unreduced, for one or more axes on either side, as NumPy has it."""
    if _is_public(x) or _is_public(y):
        degree = max(x.degree, y.degree)
    else:
        _multipliable(x, y)
        degree = 2
    left, right = (x if x.ndim > 1 else x.reshape(1, -1)), (y if y.ndim > 1 else y.reshape(-1, 1))
    left, right = _same_axes(left, right)
    inner = left.shape[-1]
    if inner != right.shape[-2]:
        raise ValueError(f"matrices of shapes {x.shape} and {y.shape} do not multiply")
    outer = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    shape = (*outer, left.shape[-2], right.shape[-1])
    data = left.backend.matmul(left.data, right.data, left.field)
    out = left.like(data, shape, bound=left.bound * right.bound * inner, fraction=left.fraction + right.fraction, degree=degree)
    kept = outer + (() if x.ndim == 1 else (shape[-2],)) + (() if y.ndim == 1 else (shape[-1],))
    return out if kept == shape else out.reshape(*kept)


class _Public(Value):
    """A public factor of a matrix product: it does not raise the degree."""

    __slots__ = ()


def _public_factor(like: Value, numbers: ArrayLike, fraction: int = F) -> Value:
    array = np.asarray(numbers)
    value = public(like, array, fraction if array.dtype.kind == "f" else 0, exactly=True)
    return _Public(value.backend, value.data, value.shape, value.fraction, value.bound, value.field)


def _is_public(x: Value) -> bool:
    return isinstance(x, _Public)


def _multipliable(x: Value, y: Value) -> None:
    if x.field is not y.field:
        raise TypeError("values of two number systems do not multiply: lift the counting one first")
    if x.degree != 1 or y.degree != 1:
        raise TypeError("a product is reduced before it is multiplied again")


def _matched(x: Value, other: Value | ArrayLike) -> tuple[Value, Value]:
    """Both operands of a sum: one number system, equal fractions and numbers of axes."""
    y = other if isinstance(other, Value) else public(x, other, x.fraction)
    if x.field is not y.field:
        raise TypeError("values of two number systems do not add up: lift the counting one first")
    fraction = max(x.fraction, y.fraction)
    return _same_axes(x.at_fraction(fraction), y.at_fraction(fraction))


def _same_axes(x: Value, y: Value) -> tuple[Value, Value]:
    n = max(x.ndim, y.ndim)
    return _with_axes(x, n), _with_axes(y, n)


def _with_axes(x: Value, n: int) -> Value:
    if x.ndim == n:
        return x
    shape = (1,) * (n - x.ndim) + x.shape
    return x.like(x.backend.reshape(x.data, shape), shape)
