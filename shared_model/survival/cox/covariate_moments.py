"""Means and spreads of covariates from sums: what standardises a Cox model inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CovariateMoments:
    """Patients `n`, `events`, and over patients Σ (x−o) (p,) and Σ (x−o)(x−o)' (p, p) about an origin o."""

    n: int
    events: int
    total: Floats
    products: Floats

    def __add__(self, other: CovariateMoments) -> CovariateMoments:
        return CovariateMoments(self.n + other.n, self.events + other.events, self.total + other.total, self.products + other.products)


class MomentOpener(Protocol):
    """Opens the sum over sites of `site_moments`."""

    def moments(self, origin: Floats) -> CovariateMoments:
        """Sum over sites, about `origin` (p,)."""


@dataclass(frozen=True)
class Scale:
    """Mean (p,), standard deviation (p,; 1 for a constant) and covariance (p, p) of the pooled patients."""

    n: int
    events: int
    mean: Floats
    sd: Floats
    covariance: Floats
    constant: NDArray[np.bool_]

    def standardise(self, x: ArrayLike) -> Floats:
        """(x − mean)/sd, (n, p)."""
        return standardise(x, self.mean, self.sd)


def standardise(x: ArrayLike, mean: ArrayLike, sd: ArrayLike) -> Floats:
    """(x − mean)/sd in float64, (n, p); a site without patients gives (0, p)."""
    centre = np.asarray(mean, dtype=np.float64)
    values = np.asarray(x, dtype=np.float64).reshape(-1, len(centre))
    return np.asarray((values - centre) / np.asarray(sd, dtype=np.float64), dtype=np.float64)


def site_moments(x: ArrayLike, event: ArrayLike, origin: ArrayLike) -> CovariateMoments:
    """One site's `Moments` of complete covariates x (n, p) and events (n,) about `origin` (p,)."""
    shifted = standardise(x, origin, np.ones(len(np.asarray(origin))))
    return CovariateMoments(len(shifted), int(np.sum(np.asarray(event, dtype=bool))), shifted.sum(axis=0), shifted.T @ shifted)


def open_scale(open_: MomentOpener, p: int) -> Scale:
    """Mean and spread, opened once, or a second time about the mean where digits would be lost.

    The variance of n patients is divided by n − 1. A covariate whose spread is below 1e-10 of its mean is constant.
    """
    origin = np.zeros(p)
    found = open_.moments(origin)
    mean, variance = _about(found, origin)
    if found.n and bool(np.any(mean**2 > 1e4 * np.maximum(np.diag(variance), 0.0))):
        origin = mean
        found = open_.moments(origin)
        mean, variance = _about(found, origin)
    spread = np.sqrt(np.maximum(np.diag(variance), 0.0))
    constant = spread <= 1e-10 * np.abs(mean)
    return Scale(found.n, found.events, mean, np.where(constant, 1.0, spread), variance, constant)


def _about(found: CovariateMoments, origin: Floats) -> tuple[Floats, Floats]:
    n = max(found.n, 1)
    shift = found.total / n
    return origin + shift, (found.products - n * np.outer(shift, shift)) / max(n - 1, 1)
