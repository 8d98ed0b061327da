"""Named statistics: the only things that leave a hospital.

A statistic declares its parameters, the segments of its vector, how much one patient can change them, who may be asked
and at which resolution. `client.statistics.count_statistics` maps each name to the function that computes it from a hospital's patients;
`client.release.door` releases it; `server.asking.ask_masked_sum` opens the sum over a roster. The list itself stands in
`shared_model.statistics.list_of_statistics`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import floor, log2, prod
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from site_config.study.plan_and_lock import Role, Study

Resolution = Literal["counts", "update", "exact"]
Split = Literal["train", "validation", "test"]


class Parameters(BaseModel):
    """Base of a statistic's parameters: unknown fields and values out of range are refused on both sides."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Segment:
    """One named part of a released vector.

    A site's contribution lies in [-bound, bound]; a value beyond it is clipped only where `clip` declares it (and then counted in the
    segment `clipped`, as is what is no number and counts as 0), else the release is refused. Values are rounded to multiples of
    `resolution` (the declared release grid; 0 keeps all the precision the ring has) and carried as fixed-point integers in the ring
    2^`ring`.
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


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """A named statistic. Every field is required: what is left out or misspelt is an error and never a permission.

    `reads` says in words which columns of a hospital's patients it uses, and `split` (of the parameters) whose: the patients of
    one split who are complete for every model of the study. `segments` is the vector that leaves, `resolution` how fine it is,
    `sensitivity` the largest L2 change, a segment, that one patient's presence can make before noise. `covariates` is the size
    of the Cox model it serves, 0 where it serves none: the site then holds it to the minimum of patients, and of events a
    variable. `roles` and `phases` may ask it, of studies of which `asked_in` is true.
    """

    name: str
    title: str
    reads: str
    parameters: type[Parameters]
    segments: Callable[[Any], tuple[Segment, ...]]
    resolution: Callable[[Any], Resolution]
    split: Callable[[Any], Split]
    sensitivity: Callable[[Any], Mapping[str, float]]
    covariates: Callable[[Any], int]
    roles: frozenset[Role]
    phases: frozenset[str]
    asked_in: Callable[[Study], bool]


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

    def remove(self, statistic: Statistic) -> None:
        """Take a statistic out again, as a test does that added one."""
        del self._known[statistic.name]

    def __getitem__(self, name: str) -> Statistic:
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)


def no_covariates(_parameters: Any) -> int:
    """Of a statistic that serves no Cox model."""
    return 0


REGISTRY = Registry()
