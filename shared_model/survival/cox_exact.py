"""The Cox model at resolution `exact`: Newton on S0, S1, S2 by cell, equal to R's `coxph`.

A cell is a time (a day of a study, or a distinct time of a table) within a stratum. Sites open the sums of their own
patients by cell; risk sets are formed by the coordinator as reverse cumulative sums. What is opened here is close to
the patients themselves (DESIGN, section 5): for simulations, oracles, and sites that may pool rows anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_model.survival.cox_fit import Baseline, ChiTest, CoxFit, Finding, independent, invert_kept, solve_kept
from shared_model.survival.cox_moments import MomentOpener, Scale, open_scale, standardise
from shared_model.survival.hazard import Ties, day_cells, tie_shares, tied_increments
from shared_model.survival.proportional import proportional_hazards
from site_config.catalogue import survival as problems

Floats = NDArray[np.float64]
EPSILON = 1e-9
INFINITE = EPSILON**0.5
ITERATIONS = 20
"""R's `coxph.control`: relative change of the log-likelihood, the step that is called infinite, iterations."""


@dataclass(frozen=True)
class Grid:
    """Cells in strata × times, times rising: `time` (T,), `strata` labels (S,). Cell number = stratum·T + time index."""

    time: Floats
    strata: tuple[str, ...] = ("",)

    @classmethod
    def days(cls, n_days: int) -> Grid:
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


class ExactOpener(MomentOpener, Protocol):
    """Opens sums over sites; simulations add in a loop, the coordinator asks under masks."""

    def exact(self, beta: Floats, mean: Floats, sd: Floats) -> ExactSums:
        """Sum over sites of `cell_sums` at β (p,) on the standardised scale."""


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


@dataclass(frozen=True)
class _Path:
    """Where Newton's iteration ended."""

    beta: Floats
    at: Likelihood
    sums: ExactSums
    iterations: int
    converged: bool


def _newton(open_: ExactOpener, scale: Scale, null: tuple[Likelihood, ExactSums], ties: Ties, strata: int) -> _Path:
    """Newton with step-halving by R's rules: the last finite point with a likelihood no lower, until it rises no more."""
    at, sums = null
    beta = np.zeros(len(scale.mean))
    step = solve_kept(at.information, at.score, independent(at.information))
    halvings = 0
    for iteration in range(1, ITERATIONS + 1):
        trial = beta + step / 2**halvings
        opened = open_.exact(trial, scale.mean, scale.sd)
        new = likelihood(opened, trial, ties, strata)
        if new.finite and halvings == 0 and abs(1 - at.loglik / new.loglik if new.loglik else at.loglik) <= EPSILON:
            return _Path(trial, new, opened, iteration, True)
        if not new.finite or new.loglik < at.loglik:
            halvings += 1
            continue
        halvings = 0
        beta, at, sums = trial, new, opened
        step = solve_kept(at.information, at.score, independent(at.information))
    return _Path(beta, at, sums, ITERATIONS, False)


def _polish(open_: ExactOpener, scale: Scale, path: _Path, ties: Ties, strata: int) -> _Path:
    """Newton steps beyond R's criterion, until they no longer shrink: estimates to the last digits of float64."""
    last = np.inf
    for _ in range(6):
        step = solve_kept(path.at.information, path.at.score, independent(path.at.information))
        size = float(np.max(np.abs(step), initial=0.0))
        if size == 0 or size >= last / 2:
            break
        last = size
        trial = path.beta + step
        opened = open_.exact(trial, scale.mean, scale.sd)
        new = likelihood(opened, trial, ties, strata)
        if not new.finite:
            break
        path = _Path(trial, new, opened, path.iterations, path.converged)
    return path


def fit_exact(
    open_: ExactOpener, covariates: Sequence[str], grid: Grid, *, ties: Ties = "efron", sites: int = 1, dropped_rows: int = 0
) -> CoxFit:
    """Fit by opened sums by cell; equal to R's `coxph(…, ties=)` on the pooled rows.

    Newton with step-halving on covariates standardised by the pooled mean and spread, stopped by R's criterion (relative
    change of the log-likelihood ≤ 1e-9, at most 20 iterations) and polished. A constant covariate and the later one of a
    collinear pair are dropped; an infinite coefficient is reported. Raises FH-802 without patients.
    """
    names = tuple(covariates)
    scale = open_scale(open_, len(names))
    if scale.n == 0:
        raise problems.NO_PATIENTS.problem("there are no complete patients in any site")
    zero = np.zeros(len(names))
    opened = open_.exact(zero, scale.mean, scale.sd)
    null = likelihood(opened, zero, ties, len(grid.strata))
    path, findings = _Path(zero, null, opened, 0, True), []
    if scale.events == 0:
        findings.append(Finding.of(problems.NO_EVENTS, "no events: no coefficient can be estimated"))
    elif len(names):
        path = _newton(open_, scale, (null, opened), ties, len(grid.strata))
    keep = independent(path.at.information) & ~scale.constant if scale.events else np.zeros(len(names), dtype=bool)
    infinite = _infinite(path, keep)
    if path.converged and scale.events:
        polished = _polish(open_, scale, path, ties, len(grid.strata))
        # Where a coefficient runs to infinity Newton never settles: the fit stays where R's criterion stopped it.
        infinite = infinite & _infinite(polished, keep)
        path = path if infinite.any() else polished
    findings += describe(names, scale, keep, infinite, path.converged)
    kept_null = independent(null.information) & ~scale.constant
    score = float(null.score @ solve_kept(null.information, null.score, kept_null))
    covariance = invert_kept(path.at.information, keep) / np.outer(scale.sd, scale.sd)
    coef = np.where(keep, path.beta / scale.sd, 0.0)
    return CoxFit(
        n=scale.n,
        events=scale.events,
        sites=sites,
        covariates=names,
        coef=coef,
        covariance=covariance,
        kept=keep,
        loglik=path.at.loglik,
        loglik_null=null.loglik,
        score_test=ChiTest(score, int(keep.sum())),
        baseline=_baseline(path, coef, scale, grid, opened),
        iterations=path.iterations,
        resolution="exact",
        ties=ties,
        dropped_rows=dropped_rows,
        proportional_hazards=proportional_hazards(path.sums, opened.mass, keep, ties, len(grid.strata)) if scale.events else None,
        findings=tuple(findings),
        mean=scale.mean,
    )


def _infinite(path: _Path, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Covariates whose next Newton step is still large although the likelihood has stopped rising."""
    step = solve_kept(path.at.information, path.at.score, keep)
    return np.asarray(keep & (np.abs(step) > INFINITE * (1 + np.abs(path.beta))))


def describe(names: tuple[str, ...], scale: Scale, keep: NDArray[np.bool_], infinite: NDArray[np.bool_], converged: bool) -> list[Finding]:
    """What a reader must know of a fit."""
    found = []
    for name, kept, constant in zip(names, keep, scale.constant, strict=True):
        if constant:
            found.append(Finding.of(problems.CONSTANT, f"{name} has one value only and was dropped"))
        elif not kept and scale.events:
            found.append(Finding.of(problems.COLLINEAR, f"{name} does not vary beyond the covariates before it and was dropped"))
    if infinite.any():
        listed = ", ".join(name for name, flag in zip(names, infinite, strict=True) if flag)
        found.append(Finding.of(problems.MONOTONE, f"the likelihood flattens before {listed} settles; the coefficient may be infinite"))
    if not converged:
        found.append(Finding.of(problems.NOT_CONVERGED, f"not converged in {ITERATIONS} iterations"))
    df = int(keep.sum())
    if df and scale.events < 10 * df:
        found.append(Finding.of(problems.FEW_EVENTS, f"{scale.events} events for {df} covariates"))
    return found


def _baseline(path: _Path, coef: Floats, scale: Scale, grid: Grid, null: ExactSums) -> Baseline:
    """Cumulative hazard at covariates 0 for every time at which a stratum has patients, deaths or not (R's `basehaz`)."""
    strata = len(grid.strata)
    cumulative = np.cumsum(path.at.increment.reshape(strata, -1), axis=1).ravel()
    seen = null.mass > 0
    with np.errstate(over="ignore"):
        values = cumulative[seen] * np.exp(-float(coef @ scale.mean))
    time = np.tile(grid.time, strata)[seen]
    labels = np.repeat(np.asarray(grid.strata, dtype=object), len(grid.time))[seen]
    return Baseline(time, values, None if strata == 1 else tuple(str(label) for label in labels))
