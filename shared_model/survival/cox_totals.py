"""The Cox model at resolution `totals`: M + p opened numbers a round.

With a hazard constant between public cut points the Cox model is a Poisson model (Holford 1980; Laird and Olivier 1981).
Given β and rates λ a site forms H_i = Σ_m λ_m e_im and w_i = e^{β'x_i} and opens S0_m = Σ w_i e_im and G = Σ w_i H_i x_i.
The coordinator needs x̄_m, the covariates' mean among those at risk in interval m, which nobody opens. It starts from
x̄ = G/Σ λ_m S0_m for all, and learns from every step s it took: log S0_m rose by x̄_m's (a Broyden update in the metric of
Cov(x)), while the mean of the x̄_m must stay x̄. Then

    U = d − G − Σ_m (D_m − λ_m S0_m) x̄_m,   step = B⁻¹ U,   log λ_m = log(D_m/S0_m) − x̄_m'step,

with B = D·Cov(x) at first, then updated by BFGS. U is exact at the fixed point, where λ_m S0_m = D_m. The profile
log-likelihood Σ D_m log(D_m/S0_m) + d'β − D needs S0 only, so a step that lowers it is halved at no further cost. At the
end Q = Σ w_i H_i x_i x_i', S1_m = Σ w_i e_im x_i and G, at λ_m = D_m/S0_m, are opened once. d − G is the exact gradient, for
one last Newton step, and the information is Q − Σ_m λ_m S1_m S1_m'/S0_m. Coefficients rest on S0 and G; Q and S1 serve the
standard errors only and bear a grid as coarse as one patient's part (`shared_model.catalogue`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.cox_fit import Baseline, ChiTest, CoxFit, Finding, independent, invert_kept, solve_kept
from shared_model.survival.cox_moments import MomentOpener, Scale, open_scale
from shared_model.survival.cox_totals_site import TotalsEnd, TotalsRound, TotalsStart
from site_config.catalogue import survival as problems

Floats = NDArray[np.float64]
QUARTER_DAYS = 365.25 / 4
CLINICAL_CUTS = tuple(100.0 * k for k in range(1, 10))
"""Public cut points of a clinical model: every 100 days to day 900. Nearer to day-exact than quarters of a year (evidence)."""
COLLINEAR = 1e-7
LONGEST_STEP = 1.5
LARGEST_BETA = 6.0
"""A hazard ratio of e^6 a standard deviation is a likelihood that rises for ever; the fit stops there and says so."""
LARGEST_CHANGE = 20.0
LARGEST_FALL = 0.1
"""A fall of the log-likelihood that is no reason to halve: U is exact at the fixed point only, and the next step mends it."""


def quarter_grid(intervals: int = 10, last_day: float | None = None) -> tuple[float, ...]:
    """Cut points (intervals−1,) in days, a quarter of a year apart, or the fewest quarters apart that reach `last_day`."""
    apart = 1 if last_day is None else max(1, int(np.ceil(last_day / (QUARTER_DAYS * intervals))))
    return tuple(float(QUARTER_DAYS * apart * k) for k in range(1, intervals))


class TotalsOpener(MomentOpener, Protocol):
    """Opens sums over sites; simulations add in a loop, the coordinator asks under masks on a coarse grid."""

    def totals_start(self, mean: Floats, sd: Floats) -> TotalsStart:
        """Sum over sites of `totals_start`."""

    def totals_round(self, beta: Floats, rates: Floats, mean: Floats, sd: Floats) -> TotalsRound:
        """Sum over sites of `totals_round` at β (p,), rates (M,) a day."""

    def totals_end(self, beta: Floats, rates: Floats, mean: Floats, sd: Floats) -> TotalsEnd:
        """Sum over sites of `totals_end`."""


@dataclass
class _State:
    """An accepted point of the iteration."""

    beta: Floats
    rates: Floats
    opened: TotalsRound
    loglik: float
    score: Floats


def fit_totals(
    open_: TotalsOpener,
    covariates: Sequence[str],
    cut_days: Sequence[float],
    *,
    tolerance_se: float = 0.01,
    largest_rounds: int = 30,
    minimum_patients: int = 100,
    minimum_events_per_variable: int = 10,
    sites: int = 1,
    dropped_rows: int = 0,
    strata: Sequence[str] = ("",),
) -> CoxFit:
    """Fit by opened totals, stopped when every coefficient's next step is below `tolerance_se` standard errors.

    `iterations` of the result counts opened rounds, the one at β = 0 included. The score test uses D·Cov(x) for the
    information at 0. Raises FH-802 without patients and FH-803 below the minima.
    """
    names = tuple(covariates)
    scale = open_scale(open_, len(names))
    _check_size(scale, len(names), minimum_patients, minimum_events_per_variable)
    correlation = scale.covariance / np.outer(scale.sd, scale.sd)
    keep = independent(correlation, COLLINEAR) & ~scale.constant
    start = open_.totals_start(scale.mean, scale.sd)
    climb = _Climb(open_, scale, start, keep, correlation)
    rounds, converged = climb.run(tolerance_se, largest_rounds)
    state = climb.state
    end = open_.totals_end(state.beta, climb.profile_rates(state.opened.mass), scale.mean, scale.sd)
    information, score = climb.exact(end)
    # A direction without information among those at risk (a covariate that varies among nobody at risk) shows only here.
    keep = keep & independent(information)
    step = solve_kept(information, score, keep)
    beta = state.beta + step
    coef = np.where(keep, beta / scale.sd, 0.0)
    infinite = keep & ((np.abs(step) > 0.02 * (1 + np.abs(beta))) | (np.abs(beta) > LARGEST_BETA - LONGEST_STEP))
    return CoxFit(
        n=scale.n,
        events=scale.events,
        sites=sites,
        covariates=names,
        coef=coef,
        covariance=invert_kept(information, keep) / np.outer(scale.sd, scale.sd),
        kept=keep,
        loglik=state.loglik + float(score @ step) / 2,
        loglik_null=climb.loglik(start.exposure, np.zeros(len(names))),
        score_test=climb.score_test(keep),
        baseline=_baseline(climb, end, step, coef, cut_days, strata),
        iterations=rounds,
        resolution="totals",
        ties="piecewise",
        dropped_rows=dropped_rows,
        findings=tuple(_findings(names, scale, keep, infinite, converged, largest_rounds)),
        mean=scale.mean,
    )


def _check_size(scale: Scale, p: int, patients: int, events_per_variable: int) -> None:
    if scale.n == 0:
        raise problems.NO_PATIENTS.problem("there are no complete patients in any site")
    if scale.events == 0:
        raise problems.NO_EVENTS.problem("no events: no coefficient can be estimated")
    if scale.n < patients or scale.events < events_per_variable * p:
        needed = f"at least {patients} patients and {events_per_variable * p} events for {p} variables are needed"
        raise problems.TOO_FEW_FOR_COX.problem(f"{needed}; the cohort is smaller")


def _findings(
    names: tuple[str, ...], scale: Scale, keep: NDArray[np.bool_], infinite: NDArray[np.bool_], converged: bool, rounds: int
) -> list[Finding]:
    found = []
    for name, kept, constant in zip(names, keep, scale.constant, strict=True):
        if constant:
            found.append(Finding.of(problems.CONSTANT, f"{name} has one value only and was dropped"))
        elif not kept:
            found.append(Finding.of(problems.COLLINEAR, f"{name} does not vary beyond the covariates before it and was dropped"))
    if infinite.any():
        listed = ", ".join(name for name, flag in zip(names, infinite, strict=True) if flag)
        found.append(Finding.of(problems.MONOTONE, f"the coefficient of {listed} still grows and may be infinite"))
    if not converged:
        found.append(Finding.of(problems.NOT_CONVERGED, f"not converged in {rounds} rounds"))
    return found


class _Climb:
    """The iteration of this module's head: holds what was opened, asks for the next round."""

    def __init__(self, open_: TotalsOpener, scale: Scale, start: TotalsStart, keep: NDArray[np.bool_], correlation: Floats) -> None:
        self.open, self.scale, self.start, self.keep = open_, scale, start, keep
        self.null_information = start.deaths.sum() * correlation
        self.curvature = self.null_information.copy()
        self.null_score = np.zeros(len(keep))
        self.means = np.zeros((len(start.deaths), len(keep)))
        zero = np.zeros(len(keep))
        self.state = _State(zero, self.profile_rates(start.exposure), TotalsRound(start.exposure, zero), -np.inf, zero)

    def profile_rates(self, mass: Floats) -> Floats:
        """λ_m = D_m/S0_m, 0 where nobody is at risk."""
        return np.divide(self.start.deaths, mass, out=np.zeros_like(mass), where=mass > 0)

    def loglik(self, mass: Floats, beta: Floats) -> float:
        """Profile log-likelihood."""
        deaths = self.start.deaths
        dead = (deaths > 0) & (mass > 0)
        logs = np.log(deaths[dead] / mass[dead])
        return float(deaths[dead] @ logs + self.start.event_covariates @ beta - deaths.sum())

    def score(self, opened: TotalsRound, rates: Floats) -> Floats:
        """U (p,)."""
        return self.start.event_covariates - opened.weighted - (self.start.deaths - rates * opened.mass) @ self.means

    def run(self, tolerance_se: float, largest: int) -> tuple[int, bool]:
        """Rounds opened, and whether the last step was below the tolerance."""
        beta, rates = self.state.beta, self.state.rates
        step, halvings = np.zeros_like(beta), 0
        for opened_rounds in range(1, largest + 1):
            opened = self.open.totals_round(beta, rates, self.scale.mean, self.scale.sd)
            value = self.loglik(opened.mass, beta)
            if value < self.state.loglik - LARGEST_FALL and halvings < 8:
                halvings += 1
                beta, rates = self._toward(step / 2**halvings)
                continue
            self._learn_means(opened, rates, beta - self.state.beta)
            score = self.score(opened, rates)
            if opened_rounds == 1:
                self.null_score = score
            else:
                self._update(beta - self.state.beta, self.state.score - score)
            self.state = _State(beta, rates, opened, value, score)
            step, halvings = solve_kept(self.curvature, score, self.keep), 0
            spread = np.sqrt(np.maximum(np.diag(invert_kept(self.curvature, self.keep)), 0.0))
            if bool(np.all(np.abs(step) <= tolerance_se * spread)) and opened_rounds > 1:
                return opened_rounds, True
            longest = float(np.max(np.abs(step), initial=0.0))
            step = step * min(1.0, LONGEST_STEP / longest) if longest > 0 else step
            if bool(np.any(np.abs(beta + step) > LARGEST_BETA)):
                return opened_rounds, False
            beta, rates = self._toward(step)
        return largest, False

    def _toward(self, step: Floats) -> tuple[Floats, Floats]:
        """β and rates after a step from the accepted point: log λ_m = log(D_m/S0_m) − x̄_m'step."""
        change = np.clip(-(self.means @ step), -LARGEST_CHANGE, LARGEST_CHANGE)
        return self.state.beta + step, self.profile_rates(self.state.opened.mass) * np.exp(change)

    def _learn_means(self, opened: TotalsRound, rates: Floats, step: Floats) -> None:
        """Move x̄_m (M, p) to what the step showed, and their mean to the x̄ that was opened."""
        expected = rates * opened.mass
        total = float(expected.sum())
        if total <= 0:
            return
        before, after = self.state.opened.mass, opened.mass
        seen = (before > 0) & (after > 0)
        risen = np.log(np.divide(after, before, out=np.ones_like(after), where=seen))
        metric = self.null_information @ step
        length = float(step @ metric)
        if length > 0:
            surprise = np.where(seen, risen - self.means @ step, 0.0)
            self.means = self.means + np.outer(surprise, metric) / length
        self.means = self.means + (opened.weighted - expected @ self.means) / total

    def _update(self, s: Floats, y: Floats) -> None:
        """BFGS on the kept covariates, damped after Powell (1978) so that the curvature stays positive."""
        bs = np.where(self.keep, self.curvature @ s, 0.0)
        sbs, sy = float(s @ bs), float(s @ y)
        if sbs <= 0:
            return
        if sy < 0.2 * sbs:
            mix = 0.8 * sbs / (sbs - sy)
            y = mix * y + (1 - mix) * bs
            sy = float(s @ y)
        y = np.where(self.keep, y, 0.0)
        self.curvature = self.curvature + np.outer(y, y) / sy - np.outer(bs, bs) / sbs

    def score_test(self, keep: NDArray[np.bool_]) -> ChiTest:
        """U'(D·Cov x)⁻¹U at β = 0."""
        return ChiTest(max(0.0, float(self.null_score @ solve_kept(self.null_information, self.null_score, keep))), int(keep.sum()))

    def exact(self, end: TotalsEnd) -> tuple[Floats, Floats]:
        """Information (p, p) and gradient (p,) of the profile likelihood at the accepted point."""
        mass = self.state.opened.mass
        scaled = np.divide(self.profile_rates(mass), mass, out=np.zeros_like(mass), where=mass > 0)
        information = end.second - (end.mass_x * scaled[:, None]).T @ end.mass_x
        return (information + information.T) / 2, self.start.event_covariates - end.weighted


def _baseline(climb: _Climb, end: TotalsEnd, step: Floats, coef: Floats, cut_days: Sequence[float], strata: Sequence[str]) -> Baseline:
    """Cumulative hazard at covariates 0 at the cut points and one interval beyond the last."""
    mass = climb.state.opened.mass
    means = np.divide(end.mass_x, mass[:, None], out=np.zeros_like(end.mass_x), where=mass[:, None] > 0)
    rates = climb.profile_rates(mass) * np.exp(-(means @ step))
    cuts = [0.0, *(float(cut) for cut in cut_days)]
    last = cuts[-1] + (cuts[-1] - cuts[-2]) if len(cuts) > 1 else QUARTER_DAYS
    width = np.diff([*cuts, last])
    with np.errstate(over="ignore"):
        cumulative = np.cumsum(rates.reshape(len(strata), -1) * width, axis=1).ravel() * np.exp(-float(coef @ climb.scale.mean))
    time = np.tile([*cuts[1:], last], len(strata))
    labels = tuple(label for label in strata for _ in width)
    return Baseline(time, cumulative, None if len(strata) == 1 else labels)
