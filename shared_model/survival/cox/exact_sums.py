"""Sums by cell of the Cox partial likelihood: what a site computes at resolution `exact`, and the likelihood they make.

A cell is a time (a day of a study, or a distinct time of a table) within a stratum. Sites open the sums of their own
patients by cell; risk sets are formed by the coordinator as reverse cumulative sums. What is opened here is close to
the patients themselves (DESIGN, section 5): for simulations, oracles, and sites that may pool rows anyway.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_model.survival.broadcast_hazard import Ties, day_cells, tie_shares, tied_increments
from shared_model.survival.cox.covariate_moments import standardise

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DayGrid:
    """Cells in strata × times, times rising: `time` (T,), `strata` labels (S,). Cell number = stratum·T + time index."""

    time: Floats
    strata: tuple[str, ...] = ("",)

    @classmethod
    def days(cls, n_days: int) -> DayGrid:
        """Whole days 0 … n_days−1, one stratum."""
        return cls(np.arange(n_days, dtype=np.float64))

    @property
    def n_cells(self) -> int:
        """Cells."""
        return len(self.time) * len(self.strata)


@dataclass(frozen=True)
class ExactSums:
    """Sums by cell (K,) with w = e^{β'x} on standardised covariates: Σw, Σwx (K, p), Σwxx' (K, p, p); `death_*` over deaths.

    `deaths` (K,) counts them and `death_covariates` (K, p) is their Σx.
    """

    mass: Floats
    mass_x: Floats
    mass_xx: Floats
    death_mass: Floats
    death_mass_x: Floats
    death_mass_xx: Floats
    deaths: Floats
    death_covariates: Floats

    @classmethod
    def zeros(cls, n_cells: int, p: int) -> ExactSums:
        """No patients."""
        one, two, three = (n_cells,), (n_cells, p), (n_cells, p, p)
        shapes = (one, two, three, one, two, three, one, two)
        return cls(*(np.zeros(shape) for shape in shapes))

    def parts(self) -> tuple[Floats, ...]:
        """The eight arrays in order."""
        return (
            self.mass,
            self.mass_x,
            self.mass_xx,
            self.death_mass,
            self.death_mass_x,
            self.death_mass_xx,
            self.deaths,
            self.death_covariates,
        )

    def __add__(self, other: ExactSums) -> ExactSums:
        return ExactSums(*(mine + theirs for mine, theirs in zip(self.parts(), other.parts(), strict=True)))

    def add_at(self, cells: NDArray[np.int64], other: ExactSums) -> None:
        """Add, in place, sums over a few distinct cells (cells of `other` are numbered `cells` here)."""
        for mine, theirs in zip(self.parts(), other.parts(), strict=True):
            mine[cells] += theirs


def exact_sums(
    x: ArrayLike, event_day: ArrayLike, event: ArrayLike, beta: ArrayLike, mean: ArrayLike, sd: ArrayLike, n_days: int
) -> ExactSums:
    """One site's sums on the grid of whole days: covariates x (n, p) as they are, event_day (n,), event (n,)."""
    return cell_sums(standardise(x, mean, sd), day_cells(event_day, n_days), event, beta, n_days)


def cell_sums(x: Floats, cell: NDArray[np.int64], event: ArrayLike, beta: ArrayLike, n_cells: int) -> ExactSums:
    """One site's sums from standardised x (n, p) and each patient's cell (n,)."""
    p = x.shape[1]
    with np.errstate(over="ignore", invalid="ignore"):
        weight = np.exp(_linear(x, np.asarray(beta, dtype=np.float64)))
        wx = weight[:, None] * x
        wxx = wx[:, :, None] * x[:, None, :]
    dead = np.asarray(event, dtype=bool)
    found = ExactSums.zeros(n_cells, p)
    np.add.at(found.mass, cell, weight)
    np.add.at(found.mass_x, cell, wx)
    np.add.at(found.mass_xx, cell, wxx)
    np.add.at(found.death_mass, cell[dead], weight[dead])
    np.add.at(found.death_mass_x, cell[dead], wx[dead])
    np.add.at(found.death_mass_xx, cell[dead], wxx[dead])
    np.add.at(found.deaths, cell[dead], 1.0)
    np.add.at(found.death_covariates, cell[dead], x[dead])
    return found


def _linear(x: Floats, beta: Floats) -> Floats:
    total = np.zeros(len(x))
    for column, value in enumerate(beta):
        total = total + x[:, column] * value
    return total


@dataclass(frozen=True)
class Likelihood:
    """Log partial likelihood at β, its gradient (p,) and information (p, p), and hazard increments (K,) and Efron corrections."""

    loglik: float
    score: Floats
    information: Floats
    increment: Floats
    correction: Floats

    @property
    def finite(self) -> bool:
        """Whether every part is a number."""
        return bool(np.isfinite(self.loglik) and np.isfinite(self.score).all() and np.isfinite(self.information).all())


def at_risk(values: Floats, strata: int) -> Floats:
    """Reverse cumulative sums over times within strata; first axis = cells."""
    shaped = values.reshape(strata, -1, *values.shape[1:])
    return np.cumsum(shaped[:, ::-1], axis=1)[:, ::-1].reshape(values.shape)


def likelihood(sums: ExactSums, beta: Floats, ties: Ties, strata: int = 1) -> Likelihood:
    """Log partial likelihood from pooled sums (Breslow 1974; Efron 1977), strata multiplied.

    The information's Σ_k h_k S2_k is summed as Σ_k H_k · (xx of cell k), H the cumulative hazard, so S2 is never cumulated.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        risk, risk_x = at_risk(sums.mass, strata), at_risk(sums.mass_x, strata)
        cell, share = tie_shares(sums.deaths)
        share = share if ties == "efron" else np.zeros_like(share)
        denominator = risk[cell] - share * sums.death_mass[cell]
        means = (risk_x[cell] - share[:, None] * sums.death_mass_x[cell]) / denominator[:, None]
        total_x = sums.death_covariates.sum(axis=0)
        loglik = float(total_x @ beta - np.log(denominator).sum())
        increment, correction = tied_increments(risk, sums.death_mass, sums.deaths, ties)
        cumulative = np.cumsum(increment.reshape(strata, -1), axis=1).ravel()
        second = np.tensordot(cumulative, sums.mass_xx, axes=1) - np.tensordot(correction, sums.death_mass_xx, axes=1)
        return Likelihood(loglik, total_x - means.sum(axis=0), second - means.T @ means, increment, correction)
