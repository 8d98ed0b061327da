"""What a hospital contributes: its patients in padded slots, each a few short vectors, shared once and used by every analysis.

A `Part` is one such vector: a name, a width, and how a patient's values are written in it. An analysis names the parts it reads;
the parts of all analyses of a phase, each once, are the layout that a hospital fills and the holders keep. An empty slot is zero
everywhere.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.shares.circuits.shared_value import Field, Value
from site_config.problems import privacy

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Rows = Mapping[str, Value]
"""By the part's name: secrets (slots, width)."""


@dataclass(frozen=True)
class PaddedPatients:
    """A hospital's patients of one analysis set: whole `day` (n,), `event` (n,), and further `values` (n,) by name."""

    day: Integers
    event: NDArray[np.bool_]
    values: Mapping[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.day)

    def of(self, name: str) -> Floats:
        """The values of one name, all finite."""
        found = np.asarray(self.values[name], dtype=np.float64)
        if found.shape != self.day.shape or not np.isfinite(found).all():
            raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"{name} is not one finite number a patient")
        return found

    def whole(self, name: str) -> Integers:
        """The values of one name, which are whole numbers."""
        found = self.of(name)
        if (found != np.rint(found)).any():
            raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"{name} is not a whole number")
        return found.astype(np.int64)


@dataclass(frozen=True)
class Part(ABC):
    """A vector a patient: `width` integers of at most `bound` · 2^fraction in size."""

    name: str

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers a slot has."""

    @property
    def field(self) -> Field:
        """Indicators are counted exactly."""
        return Field.COUNT

    @property
    def fraction(self) -> int:
        """Fractional bits."""
        return 0

    @property
    def bound(self) -> float:
        """Largest size of the real values."""
        return 1.0

    @abstractmethod
    def of(self, patients: PaddedPatients) -> Floats:
        """The real values (n, width); refuses what the declaration does not allow."""


@dataclass(frozen=True)
class OneHot(Part):
    """The one-hot of a patient's group, one of n; a group that only some patients have is left out for the others (a level of −1)."""

    n: int

    @property
    def width(self) -> int:
        """Groups."""
        return self.n

    def of(self, patients: PaddedPatients) -> Floats:
        """One-hot, zero where the level is −1."""
        level = patients.whole(self.name)
        return np.concatenate([np.eye(self.n), np.zeros((1, self.n))])[checked(level + 1, self.n + 1, self.name) - 1]


def layout(parts: Iterable[Part]) -> tuple[Part, ...]:
    """Each part once, in order of name: what hospitals fill and holders expect."""
    named: dict[str, Part] = {}
    for part in parts:
        if named.setdefault(part.name, part) != part:
            raise ValueError(f"two parts are called {part.name}")
    return tuple(named[name] for name in sorted(named))


def contribution(parts: Iterable[Part], patients: PaddedPatients, slots: int) -> dict[str, Integers]:
    """A hospital's vectors by part: (slots, width) integers, the first n slots filled."""
    if len(patients) > slots:
        raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"{len(patients)} patients for {slots} slots")
    filled = {}
    for part in parts:
        vectors = np.zeros((slots, part.width), dtype=np.int64)
        vectors[: len(patients)] = np.rint(part.of(patients) * 2.0**part.fraction)
        filled[part.name] = vectors
    return filled


def plain_rows(a: PlainArithmetic, parts: Iterable[Part], contributions: Iterable[Mapping[str, Integers]]) -> Rows:
    """All hospitals' vectors one below the other, as secrets of the arithmetic on plain numbers."""
    every = list(contributions)
    return {
        part.name: a.secret(
            np.concatenate([one[part.name] for one in every]) * 2.0**-part.fraction, part.bound, fraction=part.fraction, field=part.field
        )
        for part in parts
    }


def checked(index: Integers, n: int, what: str) -> Integers:
    """Whole numbers from 0 to n − 1, or a refusal."""
    if ((index < 0) | (index >= n)).any():
        raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"{what} is not one of its {n} declared values")
    return index
