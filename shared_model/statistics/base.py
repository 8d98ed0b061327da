"""Named statistics: the only things that leave a hospital.

A statistic declares its parameters, the segments of its vector, how much one patient can change them, who may be asked
and at which resolution. `client.statistics.counts` maps each name to the function that computes it from a hospital's patients;
`client.release.door` releases it; `server.asking.ask` opens the sum over a roster. See `shared_model.statistics.catalogue` for the list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import floor, log2, prod
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from site_config.study.model import Role

Resolution = Literal["counts", "totals", "coarse", "update", "exact"]


class Parameters(BaseModel):
    """Base of a statistic's parameters: unknown fields and values out of range are refused on both sides."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Segment:
    """One named part of a released vector.

    A site's contribution lies in [-bound, bound]; a value beyond it is clipped only where `clip` declares it (and then
    counted in the segment `clipped`), else the release is refused. Values are rounded to multiples of `resolution` (the
    declared release grid; 0 keeps all the precision the ring has) and carried as fixed-point integers in the ring 2^`ring`.
    """

    name: str
    shape: tuple[int, ...]
    bound: float
    ring: Literal[32, 64] = 64
    resolution: float = 2.0**-24
    clip: bool = False

    @property
    def size(self) -> int:
        """Number of values."""
        return prod(self.shape)

    def scale_bits(self, n_sites: int) -> int:
        """Fractional bits such that the sum over `n_sites` cannot overflow: n·bound·2^bits < 2^(ring-1)."""
        room = floor(self.ring - 1 - log2(max(n_sites, 1) * self.bound) - 1e-9)
        return min(room, 52) if self.ring == 64 else room


@dataclass(frozen=True)
class Statistic:
    """A named statistic; `segments` and `sensitivity` are functions of its parameters.

    `sensitivity` gives, a segment, the largest L2 change one patient's presence can make (before noise). `cox` holds it to
    the minimum of patients and of events a variable that a Cox model needs; its parameters then have `covariates.size`.
    """

    name: str
    title: str
    parameters: type[Parameters]
    segments: Callable[[Any], tuple[Segment, ...]]
    resolution: Callable[[Any], Resolution]
    sensitivity: Callable[[Any], Mapping[str, float]]
    roles: frozenset[Role]
    phases: frozenset[str]
    budgeted: bool = True
    cox: bool = False


class Registry:
    """Statistics by name."""

    def __init__(self) -> None:
        self._known: dict[str, Statistic] = {}

    def add(self, statistic: Statistic) -> Statistic:
        """Register; a name twice is an error of the program."""
        if statistic.name in self._known:
            raise ValueError(f"statistic {statistic.name} registered twice")
        self._known[statistic.name] = statistic
        return statistic

    def __getitem__(self, name: str) -> Statistic:
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)


REGISTRY = Registry()
