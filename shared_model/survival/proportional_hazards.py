"""Are hazards proportional? Score test of covariate × g(time), from the sums by cell.

The test of R's `cox.zph` (Grambsch and Therneau 1994, in the exact form of survival 3.0): the model is extended by
θ_j x_j g(t), and θ = 0 is tested at the fitted β with the full information matrix. g is 1 − Kaplan–Meier just before t.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.broadcast_hazard import Ties, tie_shares, tied_increments
from shared_model.survival.cox.cox_result import ChiTest, ProportionalHazards, solve_kept
from shared_model.survival.cox.exact_sums import ExactSums, at_risk

Floats = NDArray[np.float64]


def proportional_hazards(sums: ExactSums, patients: Floats, keep: NDArray[np.bool_], ties: Ties, strata: int) -> ProportionalHazards | None:
    """Tests from pooled sums at the fitted β; `patients` (K,) counts patients by cell. None without kept covariates."""
    if not keep.any():
        return None
    p = len(keep)
    time = _km_time(patients, sums.deaths, strata)
    risk, risk_x = at_risk(sums.mass, strata), at_risk(sums.mass_x, strata)
    cell, share = tie_shares(sums.deaths)
    share = share if ties == "efron" else np.zeros_like(share)
    denominator = risk[cell] - share * sums.death_mass[cell]
    means = (risk_x[cell] - share[:, None] * sums.death_mass_x[cell]) / denominator[:, None]
    increment, correction = tied_increments(risk, sums.death_mass, sums.deaths, ties)
    mid = float(time @ sums.deaths / sums.deaths.sum())
    g = time - mid
    score = np.zeros(2 * p)
    expected = np.zeros_like(sums.death_covariates)
    np.add.at(expected, cell, means)
    score[p:] = g @ (sums.death_covariates - expected)
    information = np.zeros((2 * p, 2 * p))
    for row, column, power in ((0, 0, 0), (0, p, 1), (p, p, 2)):
        weight = g**power
        cumulative = np.cumsum((increment * weight).reshape(strata, -1), axis=1).ravel()
        block = np.tensordot(cumulative, sums.mass_xx, axes=1) - np.tensordot(correction * weight, sums.death_mass_xx, axes=1)
        block -= means.T @ (weight[cell][:, None] * means)
        information[row : row + p, column : column + p] = block
        information[column : column + p, row : row + p] = block.T
    return _tests(score, information, keep)


def _tests(score: Floats, information: Floats, keep: NDArray[np.bool_]) -> ProportionalHazards:
    p = len(keep)
    each: list[ChiTest | None] = []
    for j in range(p):
        chosen = np.concatenate([keep, np.arange(p) == j]) if keep[j] else None
        each.append(None if chosen is None else ChiTest(_quadratic(score, information, chosen), 1))
    everything = np.concatenate([keep, keep])
    return ProportionalHazards(tuple(each), ChiTest(_quadratic(score, information, everything), int(keep.sum())), "km")


def _quadratic(score: Floats, information: Floats, chosen: NDArray[np.bool_]) -> float:
    try:
        return max(0.0, float(score @ solve_kept(information, np.where(chosen, score, 0.0), chosen)))
    except np.linalg.LinAlgError:
        return 0.0


def _km_time(patients: Floats, deaths: Floats, strata: int) -> Floats:
    """1 − Kaplan–Meier just before every cell's time, all strata pooled, (K,)."""
    at, dead = patients.reshape(strata, -1).sum(axis=0), deaths.reshape(strata, -1).sum(axis=0)
    risk = np.cumsum(at[::-1])[::-1]
    survival = np.cumprod(1 - np.divide(dead, risk, out=np.zeros_like(dead), where=risk > 0))
    return np.tile(1 - np.concatenate([[1.0], survival[:-1]]), strata)
