"""Statistics that leave with noise: their parameters, and how much noise there is on them in whole numbers.

A hospital's part of such a statistic is a sum over patients of whole numbers (in `unit`s), and one patient's part has at most
the norm `norm`: rounding towards zero, patient by patient, never makes it larger, so the sensitivity is `norm` itself, without
an allowance for rounding. A hospital adds a discrete Gaussian of the parameter `variance` (in squared units) before the masks.
"""

from __future__ import annotations

from math import ceil, frexp, ldexp, sqrt
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from shared_model.privacy.discrete_gaussian import LARGEST_VARIANCE
from shared_model.statistics.statistic_declaration import Parameters, Segment
from site_config.study.prognostic_models import NetworkName

Positive = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
UNIT_BITS = 20
"""A hospital's noise is 2^19 to 2^20 units, so that rounding, 0.3 units, is nothing beside it."""
PATIENTS = 4096
"""A coordinate of a hospital's sum is held within that many patients' norms; holding it there moves no two cohorts further apart."""
SAFE = 1.0 - 2.0**-30
"""Norms are shrunk to a trifle less than the bound, so that no rounding of double precision leaves one above it."""
WIDEST = 16.0
"""Noise beyond that many of its own standard deviations (probability 1e-57) would not open."""


class NoiseShare(Parameters):
    """Noise of one hospital: `norm` of one patient's part at most, `unit` 2^`exponent`, `variance` in squared units."""

    norm: Positive
    exponent: Annotated[int, Field(ge=-100, le=100)]
    variance: Annotated[int, Field(ge=1, le=LARGEST_VARIANCE)]

    @classmethod
    def of(cls, norm: float, deviation: float) -> NoiseShare:
        """The share whose standard deviation is `deviation` or, by rounding to a whole variance, a trifle more."""
        exponent = frexp(deviation)[1] - UNIT_BITS
        return cls(norm=norm, exponent=exponent, variance=ceil(ldexp(deviation, -exponent) ** 2))

    @property
    def unit(self) -> float:
        """What one whole number is worth."""
        return ldexp(1.0, self.exponent)

    @property
    def deviation(self) -> float:
        """σ of the share, in the statistic's own units."""
        return sqrt(self.variance) * self.unit

    def shift(self, shares: int) -> float:
        """μ of one release when so many shares stay secret."""
        return self.norm / (self.deviation * sqrt(shares))

    @property
    def box(self) -> int:
        """Largest magnitude of a coordinate of a hospital's sum before noise, in units."""
        return ceil(PATIENTS * self.norm / self.unit)

    def segment(self, name: str, size: int) -> Segment:
        """Whole numbers with room for the noise."""
        return Segment(name, (size,), bound=float(self.box + ceil(WIDEST * sqrt(self.variance))), ring=64, resolution=1.0)

    def part(self, values: ArrayLike) -> NDArray[np.int64]:
        """One patient's part (D,) in units: shrunk to the norm, then rounded towards zero; nothing where it is no number."""
        found = np.asarray(values, dtype=np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            length = float(np.linalg.norm(found))
        if not np.isfinite(length):
            return np.zeros(found.shape, dtype=np.int64)
        if length > self.norm * SAFE:
            found = found * (self.norm * SAFE / length)
        return np.trunc(np.ldexp(found, -self.exponent)).astype(np.int64)

    def held(self, total: NDArray[np.int64]) -> NDArray[np.float64]:
        """A hospital's sum (D,) within the box, as whole numbers in float64, exact below 2^53."""
        return np.clip(total, -self.box, self.box).astype(np.float64)


class Noised(Parameters):
    """Parameters of a statistic that leaves with noise."""

    noise: NoiseShare


class PrivateUpdate(Noised):
    """One round's clipped gradients of what is trained, on the public baseline; `dimension` numbers."""

    model: NetworkName
    dimension: Annotated[int, Field(ge=1, le=100_000_000)]
    round: Annotated[int, Field(ge=0)]


class PrivateHazard(Noised):
    """Expected and observed events by interval at the final weights, each patient's shrunk to a norm; released once a network."""

    model: NetworkName
    cut_days: Annotated[tuple[Annotated[float, Field(gt=0, le=1e6)], ...], Field(max_length=40)]


def noise_of(parameters: Parameters) -> NoiseShare | None:
    """The noise a statistic's parameters ask for; None for one that leaves as it is."""
    return parameters.noise if isinstance(parameters, Noised) else None
