"""The small arithmetic over which every circuit is written once, on shares or on plain numbers.

    async def mean(a: Arithmetic, x: Value) -> NDArray[np.float64]:
        return await a.reveal("mean", x.sum() * (1 / x.size), bits=14)

Local work stands in `Value`. Here are the operations that need an opening. An implementation adds how requests are answered: plain
numbers at once, a holder when the coordinator has combined the masked vectors.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from math import inf
from typing import cast

import numpy as np
from numpy.typing import NDArray

from shared_model.shares.circuits.circuit_requests import Lift, Reduce, Reveal, RevealZero, together
from shared_model.shares.circuits.declared_results import Declaration, Undeclared
from shared_model.shares.circuits.shared_value import (
    Backend,
    F,
    Field,
    RangeError,
    Value,
    concatenate,
    multiply,
    multiply_matrices,
    public,
    stack,
)

__all__ = ["Arithmetic", "F", "Field", "Value", "concatenate", "public", "stack", "together"]

ROOM = 104
"""Bits a value may have (with its fraction) before bits are dropped: the masks are 2^80 wider."""
EXACT_ROOM = 188
"""Bits of an exact value of the main field that is used later as a number."""
COUNT_ROOM = 94
"""Bits of a value of the counting field."""
LIFT_ROOM = 24
"""Bits of a counting value that may be lifted: its mask is 2^69 or more times wider."""


class Arithmetic(ABC):
    """Operations on secrets that need an opening; all requests of one step travel in one message."""

    backend: Backend
    declaration: Declaration
    openings: int = 0
    """How many there were so far."""
    units: int = 1
    """How many units of the last bit a rounded value may be off."""

    def __init__(self, backend: Backend, declaration: Declaration) -> None:
        self.backend, self.declaration, self.revealed = backend, declaration, set[str]()

    # unreduced products, local

    def times(self, x: Value, y: Value) -> Value:
        """x · y elementwise, to be reduced later; products may be added first."""
        return multiply(x, y)

    def dot(self, x: Value, y: Value) -> Value:
        """x @ y, to be reduced later; products may be added first."""
        return multiply_matrices(x, y)

    # requests

    def reduce(self, *products: Value, fraction: int | Sequence[int] = F) -> Awaitable[tuple[Value, ...]]:
        """Several products to sharings with at most `fraction` bits each, in one opening; integers stay exact."""
        wanted = [fraction] * len(products) if isinstance(fraction, int) else list(fraction)
        fractions = tuple(min(part.fraction, bits) for part, bits in zip(products, wanted, strict=True))
        for part, bits in zip(products, fractions, strict=True):
            _room(part, rounds=bits < part.fraction)
        return cast("Awaitable[tuple[Value, ...]]", Reduce(products, fractions))

    def lift(self, x: Value) -> Awaitable[Value]:
        """Small integers of the counting field (a sharing or a product), in the main one."""
        if x.field is not Field.COUNT:
            raise TypeError("only a value of the counting field is lifted")
        if x.bound >= 2.0**LIFT_ROOM:
            raise RangeError(f"{x} is too large to be lifted")
        return cast("Awaitable[Value]", Lift(x))

    async def products(self, *products: Value) -> tuple[Value, ...]:
        """The same as `reduce` at the usual fraction."""
        return await self.reduce(*products)

    async def mul(self, x: Value, y: Value, *, bound: float = inf, why: str = "") -> Value:
        """x · y elementwise; `bound` with its reason where mathematics proves less than the product of both bounds."""
        product = self.times(x, y)
        (z,) = await self.reduce(product.assume(bound, why) if bound < inf else product)
        return z

    async def matmul(self, x: Value, y: Value, *, bound: float = inf, why: str = "") -> Value:
        """x @ y."""
        product = self.dot(x, y)
        (z,) = await self.reduce(product.assume(bound, why) if bound < inf else product)
        return z

    async def rescale(self, x: Value, fraction: int) -> Value:
        """The same numbers with fewer fractional bits."""
        (z,) = await self.reduce(x, fraction=fraction)
        return z

    async def reveal(self, name: str, x: Value, bits: int) -> NDArray[np.float64]:
        """Open a declared result (a sharing or a product), rounded to 2^-bits, with its noise: the only opening of a number."""
        self._permit(name, x, bits)
        if x.degree > 1 or x.fraction > bits:
            (x,) = await self.reduce(x, fraction=bits)
        x = x.at_fraction(bits)
        if self.declaration.results[name].noise:
            x = x + self.noise(name)
        return cast("NDArray[np.float64]", await Reveal(name, x, bits))

    async def reveal_zero(self, name: str, *factors: Value) -> NDArray[np.bool_]:
        """Open, elementwise, whether one of the factors is zero, and nothing else.

        Factors are integers of the main field smaller than 2^31, so that no product of nonzero ones vanishes. A count c is between 1 and 4
        exactly if one of c − 1, …, c − 4 is zero.
        """
        self._permit(name, factors[0], 0, bit=True)
        for factor in factors:
            if factor.fraction or factor.bound >= 2.0**31 or factor.field is not Field.MAIN:
                raise RangeError(f"{factor} is no small integer of the main field")
        # The counting primes tell zero from everything else, and cost half of all.
        left = stack([factor.like(factor.data, factor.shape, bound=inf).units() for factor in factors])
        while half := len(left) // 2:  # all pairs of a level as one product: hundreds of small ones cost a holder more than their numbers
            (products,) = await self.reduce(self.times(left[:half], left[half : 2 * half]))
            left = concatenate([products, left[2 * half :]]) if len(left) % 2 else products
        return cast("NDArray[np.bool_]", await RevealZero(name, self.times(left[0], self.random(left[0].shape).units())))

    # for implementations

    @abstractmethod
    def random(self, shape: tuple[int, ...]) -> Value:
        """Secrets that nobody knows, uniform in the main number system; local."""

    @abstractmethod
    def weights_at(self, sums: Value, u: Value, w: Value) -> Value:
        """The weight at each of 0 … n from power sums k = 0 … n along the first axis (`secret_counts`); local, and exact.

        u, w: what the sums are of. Numbers without a modulus cannot hold such sums, and add the weights up themselves.
        """

    @abstractmethod
    def noise(self, name: str) -> Value:
        """The sum of all holders' noise on a result that declares some, in its shape and on its grid; local."""

    def once(self, name: str) -> None:
        """Note that a name is revealed now: a second time is refused."""
        if name in self.revealed:
            raise Undeclared(f"{name} was revealed before")
        self.revealed.add(name)

    def _permit(self, name: str, x: Value, bits: int, *, bit: bool = False) -> None:
        if x.field is not Field.MAIN:
            raise TypeError("only values of the main field are revealed: lift it first")
        self.declaration.permit(name, x.shape, bits, x.bound, bit=bit)


def _room(x: Value, *, rounds: bool) -> None:
    """`RangeError` where a value could leave the room its number system has for it."""
    size = x.bound * 2.0**x.fraction
    if x.field is Field.COUNT:
        if rounds:
            raise TypeError("the counting field rounds nothing")
        room: float = COUNT_ROOM
    else:
        room = ROOM if rounds else EXACT_ROOM
    if size >= 2.0**room and (rounds or x.bound < inf or x.fraction):
        raise RangeError(f"{x} does not fit {room} bits")
