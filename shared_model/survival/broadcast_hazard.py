"""From sums over sites to the broadcast baseline hazard.

The pooled Cox gradient with respect to patient i's score f_i is δ_i − e^{f_i} H(t_i), H the pooled cumulative baseline
hazard (Breslow 1974; Efron 1977 for ties). Sites send sums over their patients, the coordinator forms H, and every site
trains with `loss.broadcast_loss`, which needs its own patients only. Scores are centred: a hazard is relative to its
`centre` c, so that e^{f−c} H is the expected number of events, and no sum overflows.

Two resolutions: `piecewise_*` (constant rate between public cut points, exact exposures: 2M numbers) and `day_*`
(one cell a day, equal to `coxph`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ties = Literal["efron", "breslow"]
LARGEST_EXPONENT = 600.0
"""Scores beyond `centre` + 600 count as that: e^600 times any follow-up still is a float64."""


@dataclass(frozen=True)
class PiecewiseSums:
    """Sums over patients: `mass` (M,) = Σ e^{f_i−c} e_im in days, `deaths` (M,). Sums of sites add."""

    mass: Floats
    deaths: Floats

    def __add__(self, other: PiecewiseSums) -> PiecewiseSums:
        return PiecewiseSums(self.mass + other.mass, self.deaths + other.deaths)


@dataclass(frozen=True)
class DaySums:
    """Sums over patients by day of last contact: `mass` (n_days,) = Σ e^{f_i−c}, `death_mass` the same over deaths, `deaths`."""

    mass: Floats
    death_mass: Floats
    deaths: Floats

    def __add__(self, other: DaySums) -> DaySums:
        return DaySums(self.mass + other.mass, self.death_mass + other.death_mass, self.deaths + other.deaths)


def scaled_risk(score: ArrayLike, centre: float) -> Floats:
    """e^{f − centre} in float64, the exponent bounded above by `LARGEST_EXPONENT`; shape as `score`."""
    shifted = np.asarray(score, dtype=np.float64) - centre
    return np.asarray(np.exp(np.minimum(shifted, LARGEST_EXPONENT)), dtype=np.float64)


def interval_bounds(cut_days: Sequence[float]) -> Floats:
    """(M+1,) bounds 0, cuts…, ∞ of the M = len(cut_days)+1 intervals; `ValueError` unless cuts are positive and rise."""
    bounds = np.concatenate([[0.0], np.asarray(cut_days, dtype=np.float64), [np.inf]])
    if not bool(np.all(np.diff(bounds) > 0)):
        raise ValueError("cut points must be positive and increasing")
    return bounds


def exposures(event_day: ArrayLike, cut_days: Sequence[float]) -> Floats:
    """Days every patient spent in every interval, (n, M); rows sum to `event_day`."""
    bounds = interval_bounds(cut_days)
    day = np.asarray(event_day, dtype=np.float64)[:, None]
    return np.clip(day - bounds[None, :-1], 0.0, (bounds[1:] - bounds[:-1])[None, :])


def interval_of(event_day: ArrayLike, cut_days: Sequence[float]) -> NDArray[np.int64]:
    """Index (n,) of the interval (c_{m−1}, c_m] in which a day lies; day 0 lies in the first."""
    cuts = np.asarray(cut_days, dtype=np.float64)
    return np.asarray(np.searchsorted(cuts, np.asarray(event_day, dtype=np.float64), side="left"), dtype=np.int64)


def piecewise_sums(score: ArrayLike, event_day: ArrayLike, event: ArrayLike, cut_days: Sequence[float], centre: float) -> PiecewiseSums:
    """One site's `PiecewiseSums` from score (n,), event_day (n,) in days ≥ 0, event (n,); n may be 0."""
    risk = scaled_risk(score, centre)
    dead = np.asarray(event, dtype=bool)
    mass = risk @ exposures(event_day, cut_days)
    deaths = np.bincount(interval_of(event_day, cut_days)[dead], minlength=len(cut_days) + 1)
    return PiecewiseSums(np.asarray(mass, dtype=np.float64), deaths.astype(np.float64))


@dataclass(frozen=True)
class PiecewiseHazard:
    """Constant `rate` (M,) per day, relative to `centre`, in the intervals between `cut_days`."""

    cut_days: tuple[float, ...]
    rate: Floats
    centre: float

    def cumulative(self, event_day: ArrayLike) -> Floats:
        """H (n,) at the given days: Σ_m rate_m e_im."""
        return np.asarray(exposures(event_day, self.cut_days) @ self.rate, dtype=np.float64)

    def for_patients(self, event_day: ArrayLike, event: ArrayLike) -> Floats:
        """H_i (n,) as `broadcast_loss` needs it; `event` plays no part here."""
        del event
        return self.cumulative(event_day)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a broadcast; `from_dict` reads them."""
        return {"kind": "piecewise", "cut_days": list(self.cut_days), "rate": self.rate.tolist(), "centre": self.centre}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PiecewiseHazard:
        """The hazard `as_dict` described."""
        return cls(tuple(data["cut_days"]), np.asarray(data["rate"], dtype=np.float64), float(data["centre"]))


def piecewise_hazard(mass: ArrayLike, deaths: ArrayLike, cut_days: Sequence[float], centre: float) -> PiecewiseHazard:
    """rate_m = deaths_m / mass_m; an interval without mass or deaths has rate 0.

    The maximum-likelihood hazard of the piecewise exponential model at fixed scores (Holford 1980).
    """
    total = np.asarray(mass, dtype=np.float64)
    dead = np.asarray(deaths, dtype=np.float64)
    rate = np.divide(dead, total, out=np.zeros_like(total), where=total > 0)
    return PiecewiseHazard(tuple(float(cut) for cut in cut_days), rate, float(centre))


LEAST_RATE = 1e-9
"""Deaths a day below which the logarithm of a rate is not followed: nobody died in the interval, which says little of its rate."""


def log_rates(hazard: PiecewiseHazard, event_day: ArrayLike) -> Floats:
    """log h (n,) at the given days, never below log 1e-9: what makes Σ e^f H − δ(f + log h) the negative log-likelihood."""
    return np.log(np.maximum(hazard.rate, LEAST_RATE))[interval_of(event_day, hazard.cut_days)]


def next_centre(sums: PiecewiseSums, centre: float) -> float:
    """A centre for the next round, from sums already opened: exposure-weighted log-mean of e^f up to a constant.

    centre + log(Σ mass / Σ deaths): e^{f−c} H then averages events per patient. Unchanged when nothing is at risk.
    """
    mass, deaths = float(sums.mass.sum()), float(sums.deaths.sum())
    return centre + float(np.log(mass / deaths)) if mass > 0 and deaths > 0 else centre


def piecewise_loglik(sums: PiecewiseSums, event_score_sum: float, centre: float) -> float:
    """Profile log-likelihood Σ D_m log(D_m/S0_m) + Σ δ_i (f_i − c) − D of the piecewise exponential model.

    `event_score_sum` is Σ δ_i f_i over all sites; the constant is that of the full model, per day.
    """
    dead = sums.deaths > 0
    with np.errstate(divide="ignore"):
        logs = np.log(sums.deaths[dead]) - np.log(sums.mass[dead])
    deaths = float(sums.deaths.sum())
    return float(np.dot(sums.deaths[dead], logs)) + event_score_sum - centre * deaths - deaths


def day_sums(score: ArrayLike, event_day: ArrayLike, event: ArrayLike, n_days: int, centre: float) -> DaySums:
    """One site's `DaySums` over days 0 … n_days−1; a later day counts in the last cell, a broken day in its floor."""
    risk = scaled_risk(score, centre)
    dead = np.asarray(event, dtype=bool)
    cell = day_cells(event_day, n_days)
    mass = np.bincount(cell, weights=risk, minlength=n_days).astype(np.float64)
    death_mass = np.bincount(cell[dead], weights=risk[dead], minlength=n_days).astype(np.float64)
    deaths = np.bincount(cell[dead], minlength=n_days).astype(np.float64)
    return DaySums(mass, death_mass, deaths)


def day_cells(event_day: ArrayLike, n_days: int) -> NDArray[np.int64]:
    """Cell (n,) of every day on the grid of whole days, the last cell open to the right."""
    return np.clip(np.floor(np.asarray(event_day, dtype=np.float64)), 0, n_days - 1).astype(np.int64)


@dataclass(frozen=True)
class StepHazard:
    """Cumulative hazard (n_days,) by day, relative to `centre`, and what a death on that day has less (0 for Breslow)."""

    cumulative: Floats
    correction: Floats
    centre: float
    ties: Ties

    def for_patients(self, event_day: ArrayLike, event: ArrayLike) -> Floats:
        """H_i (n,): cumulative hazard at the day, less Efron's correction for the dead."""
        cell = day_cells(event_day, len(self.cumulative))
        return self.cumulative[cell] - np.where(np.asarray(event, dtype=bool), self.correction[cell], 0.0)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for a broadcast; `from_dict` reads them."""
        return {
            "kind": "step",
            "cumulative": self.cumulative.tolist(),
            "correction": self.correction.tolist(),
            "centre": self.centre,
            "ties": self.ties,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> StepHazard:
        """The hazard `as_dict` described."""
        cumulative, correction = (np.asarray(data[key], dtype=np.float64) for key in ("cumulative", "correction"))
        return cls(cumulative, correction, float(data["centre"]), data["ties"])


Hazard = PiecewiseHazard | StepHazard


def hazard_from_dict(data: dict[str, Any]) -> Hazard:
    """Either hazard, from its `as_dict`."""
    return PiecewiseHazard.from_dict(data) if data["kind"] == "piecewise" else StepHazard.from_dict(data)


def step_hazard(sums: DaySums, ties: Ties, centre: float = 0.0) -> StepHazard:
    """Breslow's or Efron's estimate from the sums of all sites.

    With R_k the mass at risk on day k, D_k the death mass and d_k the deaths: Breslow's increment is d_k/R_k, Efron's
    Σ_{l<d_k} 1/(R_k − (l/d_k) D_k); a death on day k has Σ (l/d_k)/(R_k − (l/d_k) D_k) less (Efron 1977, eq. 3.2 ff).
    `centre` is the one the sums were made with.
    """
    at_risk = np.cumsum(sums.mass[::-1])[::-1]
    increment, correction = tied_increments(at_risk, sums.death_mass, sums.deaths, ties)
    return StepHazard(np.cumsum(increment), correction, float(centre), ties)


def tied_increments(at_risk: Floats, death_mass: Floats, deaths: Floats, ties: Ties) -> tuple[Floats, Floats]:
    """Hazard increment and Efron correction (K,) of every cell; see `step_hazard`."""
    increment = np.zeros_like(at_risk)
    correction = np.zeros_like(at_risk)
    if ties == "breslow":
        np.divide(deaths, at_risk, out=increment, where=(deaths > 0) & (at_risk > 0))
        return increment, correction
    cell, share = tie_shares(deaths)
    inverse = 1.0 / (at_risk[cell] - share * death_mass[cell])
    np.add.at(increment, cell, inverse)
    np.add.at(correction, cell, share * inverse)
    return increment, correction


def tie_shares(deaths: Floats) -> tuple[NDArray[np.int64], Floats]:
    """For every death its cell and Efron's share l/d, l = 0 … d−1: two vectors of length Σ deaths."""
    count = np.rint(deaths).astype(np.int64)
    cell = np.repeat(np.arange(len(count)), count)
    first = np.repeat(np.cumsum(count) - count, count)
    order = np.arange(len(cell)) - first
    return cell, order / np.maximum(count[cell], 1)
