"""The arithmetic on plain numbers: the same rounding, no secrecy. The oracle of circuits, and for simulations that need no secrecy.

Numbers are float64 multiples of 2^-fraction (exact below 2^53 units). Every value is held against its proved bound, so a bound
that mathematics does not support shows here.

    value = PlainArithmetic(declaration).run(circuit)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from shared_model.privacy.holder_noise import drawn, largest
from shared_model.privacy.random_words import WordStream
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.circuit_requests import Lift, Reduce, Request, Reveal, RevealZero, Run
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.shared_value import Field, Index, RangeError, Value

T = TypeVar("T")

FEWEST_HOLDERS = 3

_HUGE = 1e100  # products that only serve a zero test are cut here, as they have no size


class PlainBackend:
    """Real numbers, as they are."""

    def public(self, numbers: NDArray[Any], fraction: int, field: Field) -> Any:
        """Rounded to `fraction` bits."""
        return np.rint(numbers.astype(np.float64) * 2.0**fraction) * 2.0**-fraction

    def add(self, x: Any, y: Any, field: Field) -> Any:
        """x + y."""
        return x + y

    def subtract(self, x: Any, y: Any, field: Field) -> Any:
        """x − y."""
        return x - y

    def multiply(self, x: Any, y: Any, field: Field) -> Any:
        """x · y."""
        return x * y

    def matmul(self, x: Any, y: Any, field: Field) -> Any:
        """x @ y."""
        return x @ y

    def shift(self, x: Any, bits: int, field: Field) -> Any:
        """Real numbers stay as they are."""
        return x

    def divide_exactly(self, x: Any, by: int, field: Field) -> Any:
        """x / by."""
        return x / by

    def counting(self, x: Any, fraction: int) -> Any:
        """Times 2^fraction."""
        return np.rint(x * 2.0**fraction)

    def total(self, x: Any, axis: int, field: Field) -> Any:
        """Sum along an axis."""
        return x.sum(axis=axis)

    def take(self, x: Any, index: Index) -> Any:
        """Indexing."""
        return x[index]

    def reshape(self, x: Any, shape: tuple[int, ...]) -> Any:
        """Another shape."""
        return np.reshape(x, shape)

    def transpose(self, x: Any, axes: tuple[int, ...]) -> Any:
        """Axes permuted."""
        return np.transpose(x, axes)

    def concatenate(self, parts: Sequence[Any], axis: int) -> Any:
        """Joined."""
        return np.concatenate(parts, axis)


class PlainArithmetic(Arithmetic):
    """Runs circuits on plain numbers.

    openings: how many openings the same circuits need on shares. numbers: how many numbers travel in them, by field.
    opened: what was revealed, by name.
    noise_holders: how many holders add to a result that declares noise; 0 for the bare numbers.
    `noise` (units of the last bit) adds an error to every rounding, as rounding on shares has it.
    """

    def __init__(self, declaration: Declaration, *, noise: int = 0, seed: int = 0) -> None:
        super().__init__(PlainBackend(), declaration)
        self.openings = 0
        self.opened: dict[str, NDArray[Any]] = {}
        self.numbers = {Field.COUNT: 0, Field.MAIN: 0}
        self.units = 1 + noise
        self.noise_holders = FEWEST_HOLDERS
        self._noise, self._random = noise, np.random.default_rng(seed)
        self.watch: Callable[[Value], None] = _within

    def secret(self, numbers: NDArray[Any], bound: float, *, fraction: int = 0, field: Field = Field.MAIN) -> Value:
        """Plain numbers as a Value, as a hospital's contribution would arrive."""
        value = Value(self.backend, self.backend.public(np.asarray(numbers), fraction, field), np.shape(numbers), fraction, bound, field)
        self.watch(value)
        return value

    def random(self, shape: tuple[int, ...]) -> Value:
        """Nonzero numbers that stand for uniform ones: only zero tests use them."""
        return Value(self.backend, 1.0 + self._random.random(shape), shape, 0, float("inf"))

    def noise(self, name: str) -> Value:
        """Drawn anew, as `noise_holders` holders draw it."""
        result = self.declaration.results[name]
        every = [drawn(result, WordStream()) for _ in range(self.noise_holders)]
        total = sum(every, np.zeros(result.size, dtype=np.int64)).reshape(result.shape)
        return self.secret(total * 2.0**-result.bits, self.noise_holders * largest(result), fraction=result.bits)

    def weights_at(self, sums: Value, u: Value, w: Value) -> Value:
        """Added up where they lie: power sums of plain numbers lose their places."""
        n, columns = len(sums) - 1, np.arange(u.shape[1])
        data = np.zeros(sums.shape)
        at = np.clip(np.nan_to_num(np.rint(np.asarray(u.data, dtype=np.float64))), 0, n).astype(np.int64)
        np.add.at(data, (at, np.broadcast_to(columns, at.shape)), np.broadcast_to(w.data, w.shape))
        return sums.like(data, sums.shape)

    def run(self, circuit: Awaitable[T]) -> T:
        """Drive a circuit to its end."""
        run = Run(circuit)
        while not run.done:
            self.openings += 1
            run.advance([self._answer(request) for request in run.pending])
        return run.result

    def _answer(self, request: Request) -> Any:
        match request:
            case Reduce(parts, fractions):
                return tuple(self._reduced(part, bits) for part, bits in zip(parts, fractions, strict=True))
            case Lift(value):
                self.numbers[Field.COUNT] += value.size
                self.watch(value)
                return Value(self.backend, value.data, value.shape, 0, value.bound)
            case Reveal(name, value, _):
                self.once(name)
                self.numbers[Field.MAIN] += value.size
                self.watch(value)
                self.opened[name] = np.array(value.data, dtype=np.float64)
                return self.opened[name].copy()
            case RevealZero(name, value):
                self.once(name)
                self.numbers[Field.MAIN] += value.size
                self.opened[name] = np.asarray(value.data) == 0
                return self.opened[name].copy()

    def _reduced(self, x: Value, fraction: int) -> Value:
        self.numbers[x.field] += x.size
        data, bound = x.data, x.bound
        self.watch(x)
        if fraction < x.fraction:
            units = np.rint(data * 2.0**fraction)
            if self._noise:
                units = units + self._random.integers(-self._noise, self._noise + 1, np.shape(units))
            data, bound = units * 2.0**-fraction, bound + self.units * 2.0**-fraction
        if bound == float("inf"):
            data = np.clip(data, -_HUGE, _HUGE)
        return x.like(data, x.shape, bound=bound, fraction=fraction, degree=1)


def _within(x: Value) -> None:
    """Every number must lie within its proved bound (a millionth is left for rounding)."""
    size = float(np.abs(x.data).max(initial=0.0))
    if not size <= x.bound * (1 + 1e-6) + 1e-6:
        raise RangeError(f"a value of {size:g} in {x}")
