"""What a set of circuits may reveal: named results, each with its shape, grid, range and the minimum that guards it.

Declaration.of(Result("cox.log_hazard_ratio", (7,), bits=20, largest=50.0, guard="..."))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod

from shared_model.shares.circuits.shared_value import RangeError


class Undeclared(ValueError):
    """A reveal that the declaration does not hold: another name, shape, grid or range, or a name revealed before."""


@dataclass(frozen=True)
class Result:
    """One result: `shape` numbers of at most `largest` in size, opened on a grid of 2^-bits.

    `guard` says in words which minimum stands before it; a `bit` only says whether a secret is zero. `noise` is the variance, in
    squared units of the grid, of what each holder adds before it is opened; 0 for none.
    """

    name: str
    shape: tuple[int, ...]
    bits: int
    largest: float
    guard: str
    bit: bool = False
    noise: int = 0

    @property
    def size(self) -> int:
        """How many numbers."""
        return prod(self.shape)


@dataclass(frozen=True)
class Declaration:
    """The results that may be revealed, by name."""

    results: Mapping[str, Result] = field(default_factory=dict)

    @classmethod
    def of(cls, *results: Result | Iterable[Result]) -> Declaration:
        """From results or lists of them; a name stands once."""
        flat = [one for item in results for one in ([item] if isinstance(item, Result) else item)]
        named = {result.name: result for result in flat}
        if len(named) != len(flat):
            raise ValueError("a result is declared twice")
        return cls(named)

    @property
    def noised(self) -> tuple[Result, ...]:
        """The results that are opened with noise, by name in order."""
        return tuple(self.results[name] for name in sorted(self.results) if self.results[name].noise)

    def permit(self, name: str, shape: tuple[int, ...], bits: int, bound: float, *, bit: bool = False) -> Result:
        """The declared result, or `Undeclared` where anything differs and `RangeError` where the value may be larger than declared."""
        result = self.results.get(name)
        if result is None:
            raise Undeclared(f"{name} is not a declared result")
        if (result.shape, result.bits, result.bit) != (shape, bits, bit):
            raise Undeclared(f"{name} is declared with shape {result.shape} and {result.bits} bits, asked are {shape} and {bits}")
        if not bit and bound > result.largest:
            raise RangeError(f"{name} may reach {bound:g}, declared is {result.largest:g}")
        return result
