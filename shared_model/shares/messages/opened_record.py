"""Opened results as they are kept, and told to other holders.

opened = Opened("cox.variance", (2,), 16, (1200, 880))
opened.numbers()                       # array([0.0183…, 0.0134…])
Opened.read(opened.data()) == opened
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from site_config.problems import shares as problems


@dataclass(frozen=True)
class Opened:
    """A revealed result: integers in units of 2^-bits, flat, or 1 where a zero test found a zero."""

    name: str
    shape: tuple[int, ...]
    bits: int
    units: tuple[int, ...]
    bit: bool = False

    def numbers(self) -> NDArray[Any]:
        """float64 (or bool, for a bit) array of the declared shape."""
        if self.bit:
            return np.array(self.units, dtype=np.bool_).reshape(self.shape)
        return np.array([unit * 2.0**-self.bits for unit in self.units], dtype=np.float64).reshape(self.shape)

    def data(self) -> dict[str, Any]:
        """As JSON holds it: a journal's line."""
        return asdict(self)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Opened:
        """The inverse of `data`; ValueError for anything else."""
        try:
            opened = cls(
                str(data["name"]), tuple(map(int, data["shape"])), int(data["bits"]), tuple(map(int, data["units"])), bit=bool(data["bit"])
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("no record of an opened result") from error
        if len(opened.units) != prod(opened.shape):
            raise ValueError(f"{opened.name} has {len(opened.units)} numbers for shape {opened.shape}")
        return opened


def merge(records: Mapping[int, Mapping[str, Opened]]) -> dict[str, Opened]:
    """All holders' records as one, by name; FH-560 where two differ."""
    found: dict[str, Opened] = {}
    for holder in sorted(records):
        for name, opened in records[holder].items():
            if found.setdefault(name, opened) != opened:
                raise problems.RECORDS_DIFFER.problem(f"Holder {holder} has other numbers on record for {name}")
    return found
