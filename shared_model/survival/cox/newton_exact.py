"""The Cox model at resolution `exact`: Newton on S0, S1, S2 by cell (`cox_sums`), equal to R's `coxph`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.broadcast_hazard import Ties
from shared_model.survival.cox.covariate_moments import MomentOpener, Scale, open_scale
from shared_model.survival.cox.cox_result import Baseline, ChiTest, CoxFit, FitFinding, independent, invert_kept, solve_kept
from shared_model.survival.cox.exact_sums import DayGrid, ExactSums, Likelihood, likelihood
from shared_model.survival.proportional_hazards import proportional_hazards
from site_config.problems import survival as problems
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
EPSILON = 1e-9
INFINITE = EPSILON**0.5
NO_INFORMATION = 1e-9
"""Information an event, of a standardised covariate at β = 0, below which the patients compared are alike in it."""
ITERATIONS = 20
"""R's `coxph.control`: relative change of the log-likelihood, the step that is called infinite, iterations."""


class ExactOpener(MomentOpener, Protocol):
    """Opens sums over sites; simulations add in a loop, the coordinator asks under masks."""

    def exact(self, beta: Floats, mean: Floats, sd: Floats) -> ExactSums:
        """Sum over sites of `cell_sums` at β (p,) on the standardised scale."""


@dataclass(frozen=True)
class _Path:
    """Where Newton's iteration ended."""

    beta: Floats
    at: Likelihood
    sums: ExactSums
    iterations: int
    converged: bool


def _free(at: Likelihood, varies: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the covariates that vary (p,) do not depend on earlier ones."""
    return independent(at.information * np.outer(varies, varies))


def _newton(
    open_: ExactOpener, scale: Scale, null: tuple[Likelihood, ExactSums], ties: Ties, strata: int, varies: NDArray[np.bool_]
) -> _Path:
    """Newton with step-halving by R's rules: the last finite point with a likelihood no lower, until it rises no more."""
    at, sums = null
    beta = np.zeros(len(scale.mean))
    step = solve_kept(at.information, at.score, _free(at, varies))
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
        step = solve_kept(at.information, at.score, _free(at, varies))
    return _Path(beta, at, sums, ITERATIONS, False)


def _polish(open_: ExactOpener, scale: Scale, path: _Path, ties: Ties, strata: int, varies: NDArray[np.bool_]) -> _Path:
    """Newton steps beyond R's criterion, until they no longer shrink: estimates to the last digits of float64."""
    last = np.inf
    for _ in range(6):
        step = solve_kept(path.at.information, path.at.score, _free(path.at, varies))
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
    open_: ExactOpener, covariates: Sequence[str], grid: DayGrid, *, ties: Ties = "efron", sites: int = 1, dropped_rows: int = 0
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
    path = _Path(zero, null, opened, 0, True)
    keep = infinite = np.zeros(len(names), dtype=bool)
    if scale.events and len(names):
        path, keep, infinite = _climb(open_, scale, (null, opened), ties, len(grid.strata))
    kept_null = _free(null, compared(null, scale))
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
        findings=tuple(describe(names, scale, keep, infinite, path.converged, compared(null, scale))),
        mean=scale.mean,
    )


def _climb(
    open_: ExactOpener, scale: Scale, null: tuple[Likelihood, ExactSums], ties: Ties, strata: int
) -> tuple[_Path, NDArray[np.bool_], NDArray[np.bool_]]:
    """The maximum, which covariates stay, and which of them run to infinity."""
    varies = compared(null[0], scale)
    path = _newton(open_, scale, null, ties, strata, varies)
    keep = _free(path.at, varies)
    infinite = _infinite(path, keep)
    if path.converged:
        polished = _polish(open_, scale, path, ties, strata, varies)
        # Where a coefficient runs to infinity Newton never settles: the fit stays where R's criterion stopped it.
        infinite = infinite & _infinite(polished, keep)
        path = path if infinite.any() else polished
    return path, keep, infinite


def _infinite(path: _Path, keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Covariates whose next Newton step is still large although the likelihood has stopped rising."""
    step = solve_kept(path.at.information, path.at.score, keep)
    return np.asarray(keep & (np.abs(step) > INFINITE * (1 + np.abs(path.beta))))


def compared(null: Likelihood, scale: Scale) -> NDArray[np.bool_]:
    """Covariates (p,) in which patients at risk together, in one stratum at one event, differ at all."""
    return np.asarray((np.diag(null.information) > NO_INFORMATION * max(scale.events, 1)) & ~scale.constant)


def describe(
    names: tuple[str, ...],
    scale: Scale,
    keep: NDArray[np.bool_],
    infinite: NDArray[np.bool_],
    converged: bool,
    varies: NDArray[np.bool_],
) -> list[FitFinding]:
    """What a reader must know of a fit."""
    found = [] if scale.events else [FitFinding.of(problems.NO_EVENTS, "no events: no coefficient can be estimated")]
    for name, kept, constant, differs in zip(names, keep, scale.constant, varies, strict=True):
        if constant:
            found.append(FitFinding.of(problems.CONSTANT, f"{name} has one value only and was dropped", [name]))
        elif not differs and scale.events:
            what = f"{name}: patients at risk together (in one stratum, at one event) do not differ in it; no coefficient can be estimated"
            found.append(FitFinding.of(problems.NO_INFORMATION, what, [name]))
        elif not kept and scale.events:
            found.append(FitFinding.of(problems.COLLINEAR, f"{name} does not vary beyond the covariates before it and was dropped", [name]))
    if infinite.any():
        flat = [name for name, flag in zip(names, infinite, strict=True) if flag]
        what = f"the likelihood flattens before {', '.join(flat)} settles; the coefficient may be infinite"
        found.append(FitFinding.of(problems.MONOTONE, what, flat))
    if not converged:
        found.append(FitFinding.of(problems.NOT_CONVERGED, f"not converged in {ITERATIONS} iterations"))
    df = int(keep.sum())
    if df and scale.events < 10 * df:
        found.append(FitFinding.of(problems.FEW_EVENTS, f"{plural(scale.events, 'event')} for {plural(df, 'covariate')}"))
    return found


def _baseline(path: _Path, coef: Floats, scale: Scale, grid: DayGrid, null: ExactSums) -> Baseline:
    """Cumulative hazard at covariates 0 for every time at which a stratum has patients, deaths or not (R's `basehaz`)."""
    strata = len(grid.strata)
    cumulative = np.cumsum(path.at.increment.reshape(strata, -1), axis=1).ravel()
    seen = null.mass > 0
    with np.errstate(over="ignore"):
        values = cumulative[seen] * np.exp(-float(coef @ scale.mean))
    time = np.tile(grid.time, strata)[seen]
    labels = np.repeat(np.asarray(grid.strata, dtype=object), len(grid.time))[seen]
    return Baseline(time, values, None if strata == 1 else tuple(str(label) for label in labels))
