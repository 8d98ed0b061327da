"""What a site computes for the Cox model at resolution `totals`; `cox_totals` says how it is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_model.survival.cox.moments import standardise
from shared_model.survival.hazard import LARGEST_EXPONENT, exposures, interval_of

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TotalsStart:
    """`deaths` (M,), `exposure` (M,) in days, and Σ δ_i x_i (p,) on standardised covariates."""

    deaths: Floats
    exposure: Floats
    event_covariates: Floats

    def __add__(self, other: TotalsStart) -> TotalsStart:
        return TotalsStart(self.deaths + other.deaths, self.exposure + other.exposure, self.event_covariates + other.event_covariates)


@dataclass(frozen=True)
class TotalsRound:
    """S0 (M,) `mass` and G (p,) `weighted`."""

    mass: Floats
    weighted: Floats

    def __add__(self, other: TotalsRound) -> TotalsRound:
        return TotalsRound(self.mass + other.mass, self.weighted + other.weighted)


@dataclass(frozen=True)
class TotalsEnd:
    """C (p, p) `second`, products about the centres that were asked, and G (p,) `weighted`."""

    second: Floats
    weighted: Floats

    def __add__(self, other: TotalsEnd) -> TotalsEnd:
        return TotalsEnd(self.second + other.second, self.weighted + other.weighted)


def stratified_exposures(event_day: ArrayLike, cut_days: Sequence[float], stratum: ArrayLike | None, n_strata: int) -> Floats:
    """Days (n, S·M) in every interval, intervals of another stratum 0."""
    plain = exposures(event_day, cut_days)
    if stratum is None:
        return plain
    mine = np.asarray(stratum)[:, None] == np.arange(n_strata)[None, :]
    return np.asarray((mine[:, :, None] * plain[:, None, :]).reshape(len(plain), n_strata * plain.shape[1]), dtype=np.float64)


def totals_start(
    x: ArrayLike,
    event_day: ArrayLike,
    event: ArrayLike,
    cut_days: Sequence[float],
    mean: ArrayLike,
    sd: ArrayLike,
    stratum: ArrayLike | None = None,
    n_strata: int = 1,
) -> TotalsStart:
    """One site's `TotalsStart` of covariates x (n, p) as they are, event_day (n,) in days, event (n,)."""
    dead = np.asarray(event, dtype=bool)
    codes = np.zeros(len(dead), dtype=np.int64) if stratum is None else np.asarray(stratum, dtype=np.int64)
    width = len(cut_days) + 1
    cell = codes * width + interval_of(event_day, cut_days)
    deaths = np.bincount(cell[dead], minlength=width * n_strata).astype(np.float64)
    exposure = stratified_exposures(event_day, cut_days, stratum, n_strata).sum(axis=0)
    return TotalsStart(deaths, exposure, standardise(x, mean, sd)[dead].sum(axis=0))


def totals_round(
    x: ArrayLike,
    event_day: ArrayLike,
    cut_days: Sequence[float],
    beta: ArrayLike,
    rates: ArrayLike,
    mean: ArrayLike,
    sd: ArrayLike,
    stratum: ArrayLike | None = None,
    n_strata: int = 1,
) -> TotalsRound:
    """One site's `TotalsRound`."""
    values, days, weight = _weights(x, event_day, cut_days, beta, mean, sd, stratum, n_strata)
    return TotalsRound(weight @ days, (weight * (days @ np.asarray(rates, dtype=np.float64))) @ values)


def totals_end(
    x: ArrayLike,
    event_day: ArrayLike,
    cut_days: Sequence[float],
    beta: ArrayLike,
    rates: ArrayLike,
    centres: ArrayLike,
    mean: ArrayLike,
    sd: ArrayLike,
    stratum: ArrayLike | None = None,
    n_strata: int = 1,
) -> TotalsEnd:
    """One site's `TotalsEnd` about centres (M, p)."""
    values, days, weight = _weights(x, event_day, cut_days, beta, mean, sd, stratum, n_strata)
    about = np.asarray(centres, dtype=np.float64)
    expected = weight[:, None] * days * np.asarray(rates, dtype=np.float64)
    patient = expected.sum(axis=1)
    crossed = (expected.T @ values).T @ about
    second = (patient[:, None] * values).T @ values - crossed - crossed.T + (expected.sum(axis=0)[:, None] * about).T @ about
    return TotalsEnd(second, patient @ values)


def _weights(
    x: ArrayLike,
    event_day: ArrayLike,
    cut_days: Sequence[float],
    beta: ArrayLike,
    mean: ArrayLike,
    sd: ArrayLike,
    stratum: ArrayLike | None,
    n_strata: int,
) -> tuple[Floats, Floats, Floats]:
    values = standardise(x, mean, sd)
    days = stratified_exposures(event_day, cut_days, stratum, n_strata)
    return values, days, np.exp(np.minimum(values @ np.asarray(beta, dtype=np.float64), LARGEST_EXPONENT))
