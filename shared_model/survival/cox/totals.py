"""The Cox model at resolution `totals`: M + p opened numbers a round.

With a hazard constant between public cut points the Cox model is a Poisson model (Holford 1980; Laird and Olivier 1981).
Given β and rates λ a site forms H_i = Σ_m λ_m e_im and w_i = e^{β'x_i} and opens S0_m = Σ w_i e_im and G = Σ w_i H_i x_i.
The coordinator needs x̄_m, the covariates' mean among those at risk in interval m, which nobody opens. It starts from
x̄ = G/Σ λ_m S0_m for all, and learns from every step s it took: log S0_m rose by x̄_m's (a Broyden update in the metric of
Cov(x)), while the mean of the x̄_m must stay x̄. Then

    U = d − G − Σ_m (D_m − λ_m S0_m) x̄_m,   step = B⁻¹ U,   log λ_m = log(D_m/S0_m) − x̄_m'step,

with B = D·Cov(x) at first, then updated by BFGS. U is exact at the fixed point, where λ_m S0_m = D_m. The profile
log-likelihood Σ D_m log(D_m/S0_m) + d'β − D needs S0 only, so a step that lowers it is halved at no further cost. At the
end G, at λ_m = D_m/S0_m, gives the exact gradient d − G for one last Newton step, and C = Σ_m λ_m Σ_i w_i e_im
(x_i − x̄_m)(x_i − x̄_m)' about the x̄_m learned by then gives the information. With the true x̄_m that is the information
Q − Σ_m λ_m S1_m S1_m'/S0_m of the textbook; an error of x̄_m enters squared, as Σ_m D_m (error)(error)', so the sums S1_m,
which single patients out, need not be opened. Coefficients rest on S0 and G; C serves the standard errors only and bears a
grid as coarse as one patient's part (`shared_model.statistics.catalogue`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.cox.moments import MomentOpener, Scale, open_scale
from shared_model.survival.cox.result import Baseline, ChiTest, CoxFit, FitFinding, independent, invert_kept, solve_kept
from shared_model.survival.cox.totals_sums import TotalsEnd, TotalsRound, TotalsStart
from site_config.problems import survival as problems

Floats = NDArray[np.float64]
QUARTER_DAYS = 365.25 / 4
CLINICAL_CUTS = tuple(100.0 * k for k in range(1, 10))
"""Public cut points of a clinical model: every 100 days to day 900. Nearer to day-exact than quarters of a year (evidence)."""
STOP_SE = 0.8
"""Next step, in standard errors, at which a small cohort opens no further round: the last round's Newton step does the rest."""
STOP_SE_MANY = 0.01
MANY_PATIENTS = 1_000
"""From so many patients on rounds go on to `STOP_SE_MANY`; of fewer every round more gives patients away (threat model)."""
COLLINEAR = 1e-7
LONGEST_STEP = 1.5
LARGEST_BETA = 6.0
"""A hazard ratio of e^6 a standard deviation is a likelihood that rises for ever; the fit stops there and says so."""
LARGEST_CHANGE = 20.0
FLEEING = 0.1
"""The last step of a coefficient that has a finite maximum is a fraction of this; of one that has none it is nearly 1."""
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

    def totals_end(self, beta: Floats, rates: Floats, centres: Floats, mean: Floats, sd: Floats) -> TotalsEnd:
        """Sum over sites of `totals_end` about centres (M, p)."""


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
    tolerance_se: float | None = None,
    largest_rounds: int = 30,
    minimum_patients: int = 100,
    minimum_events_per_variable: int = 10,
    sites: int = 1,
    dropped_rows: int = 0,
    strata: Sequence[str] = ("",),
) -> CoxFit:
    """Fit by opened totals; rounds stop when every coefficient's next step is below `tolerance_se` standard errors.

    That step is then taken, and a Newton step with the exact gradient and the information there follows it. Without a
    tolerance `STOP_SE` holds, from `MANY_PATIENTS` on `STOP_SE_MANY`.

    `iterations` of the result counts opened rounds, the one at β = 0 included. The score test uses D·Cov(x) for the
    information at 0. Raises FH-802 without patients and FH-803 below the minima.
    """
    names = tuple(covariates)
    scale = open_scale(open_, len(names))
    _check_size(scale, len(names), minimum_patients, minimum_events_per_variable)
    correlation = scale.covariance / np.outer(scale.sd, scale.sd)
    keep = independent(correlation, COLLINEAR) & ~scale.constant
    start = open_.totals_start(scale.mean, scale.sd)
    climb = _Climb(open_, scale, start, keep, correlation, np.diff([0.0, *cut_days]), len(strata))
    stop = tolerance_se if tolerance_se is not None else STOP_SE if scale.n < MANY_PATIENTS else STOP_SE_MANY
    rounds, converged = climb.run(stop, largest_rounds)
    at, rates = climb.next_point()
    end = open_.totals_end(at, rates, climb.means, scale.mean, scale.sd)
    information, score = climb.exact(end)
    # A direction without information among those at risk (a covariate that varies among nobody at risk) shows only here.
    keep = keep & independent(information)
    step = solve_kept(information, score, keep)
    fleeing = np.abs(step) > FLEEING * (1 + np.abs(at + step))
    step = shortened(step)
    beta = at + step
    gone = beta - climb.state.beta
    coef = np.where(keep, beta / scale.sd, 0.0)
    infinite = keep & (fleeing | (np.abs(beta) > LARGEST_BETA - LONGEST_STEP))
    return CoxFit(
        n=scale.n,
        events=scale.events,
        sites=sites,
        covariates=names,
        coef=coef,
        covariance=invert_kept(information, keep) / np.outer(scale.sd, scale.sd),
        kept=keep,
        loglik=climb.state.loglik + float(gone @ information @ gone) / 2,
        loglik_null=climb.loglik(start.exposure, np.zeros(len(names))),
        score_test=climb.score_test(keep),
        baseline=_baseline(rates * np.exp(-(climb.means @ step)), coef, scale.mean, cut_days, strata),
        iterations=rounds,
        resolution="totals",
        ties="piecewise",
        dropped_rows=dropped_rows,
        findings=tuple(_findings(names, scale, keep, infinite, converged, largest_rounds)),
        mean=scale.mean,
    )


def shortened(step: Floats) -> Floats:
    """A step (p,) whose longest coordinate is at most `LONGEST_STEP`: where the likelihood rises for ever, Newton's is no guide."""
    longest = float(np.max(np.abs(step), initial=0.0))
    return step * (LONGEST_STEP / longest) if longest > LONGEST_STEP else step


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
) -> list[FitFinding]:
    found = []
    for name, kept, constant in zip(names, keep, scale.constant, strict=True):
        if constant:
            found.append(FitFinding.of(problems.CONSTANT, f"{name} has one value only and was dropped"))
        elif not kept:
            found.append(FitFinding.of(problems.COLLINEAR, f"{name} does not vary beyond the covariates before it and was dropped"))
    if infinite.any():
        listed = ", ".join(name for name, flag in zip(names, infinite, strict=True) if flag)
        found.append(FitFinding.of(problems.MONOTONE, f"the coefficient of {listed} still grows and may be infinite"))
    if not converged:
        found.append(FitFinding.of(problems.NOT_CONVERGED, f"not converged in {rounds} rounds"))
    return found


class _Climb:
    """The iteration of this module's head: holds what was opened, asks for the next round."""

    def __init__(
        self,
        open_: TotalsOpener,
        scale: Scale,
        start: TotalsStart,
        keep: NDArray[np.bool_],
        correlation: Floats,
        widths: Floats,
        strata: int,
    ) -> None:
        self.open, self.scale, self.start, self.keep = open_, scale, start, keep
        self.widths, self.strata = widths, strata
        self.null_information = start.deaths.sum() * correlation
        self.curvature = self.null_information.copy()
        self.null_score = np.zeros(len(keep))
        self.means = np.zeros((len(start.deaths), len(keep)))
        zero = np.zeros(len(keep))
        self.next_step = zero
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
        step, halvings = self.next_step, 0
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
                self.next_step = step
                return opened_rounds, True
            step = shortened(step)
            if bool(np.any(np.abs(beta + step) > LARGEST_BETA)):
                return opened_rounds, False
            beta, rates = self._toward(step)
        return largest, False

    def _toward(self, step: Floats) -> tuple[Floats, Floats]:
        """β and rates after a step from the accepted point: log λ_m = log(D_m/S0_m) − x̄_m'step."""
        change = np.clip(-(self.means @ step), -LARGEST_CHANGE, LARGEST_CHANGE)
        return self.state.beta + step, self.profile_rates(self.state.opened.mass) * np.exp(change)

    def chance(self) -> float:
        """Share by which products about the learned means exceed those about the true ones on average.

        The true x̄_m scatter by V/n_m about any smooth course, those of nested risk sets k ≤ m together by V/n_k, with V the
        covariance among those at risk; the learned ones have the right mean. So Σ D_m (error)(error)' is on average V times
        Σ D_m/n_m − Σ D_m D_k/n_min(m,k) / D, and C is about V·D.
        n_m are days at risk over the interval's length; behind the last cut point, which has none, those of the interval before.
        """
        deaths, widths = self.start.deaths.reshape(self.strata, -1), self.widths
        whole, excess = float(deaths.sum()), 0.0
        for dead, days in zip(deaths, self.start.exposure.reshape(self.strata, -1), strict=True):
            at_risk = days[: len(widths)] / widths
            at_risk = np.maximum(np.append(at_risk, at_risk[-1:] if len(widths) else self.scale.n), 1.0)
            first = np.maximum.outer(at_risk, at_risk)
            excess += float(dead @ (1 / at_risk)) - float(dead @ (1 / first) @ dead) / max(float(dead.sum()), 1.0)
        return min(excess / whole, 0.5) if whole else 0.0

    def next_point(self) -> tuple[Floats, Floats]:
        """β one step on, and its profile rates by the growth of log S0_m to second order, Cov(x) standing in for that at risk."""
        step = self.next_step
        growth = self.means @ step + float(step @ self.null_information @ step) / (2 * self.start.deaths.sum())
        change = np.clip(-growth, -LARGEST_CHANGE, LARGEST_CHANGE)
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
        """Information (p, p), what chance adds to the products taken away, and gradient (p,) of the profile likelihood."""
        information = (1 - self.chance()) * (end.second + end.second.T) / 2
        return information, self.start.event_covariates - end.weighted


def _baseline(rates: Floats, coef: Floats, mean: Floats, cut_days: Sequence[float], strata: Sequence[str]) -> Baseline:
    """Cumulative hazard at covariates 0 at the cut points and one interval beyond the last, from rates (S·M,) at the mean."""
    cuts = [0.0, *(float(cut) for cut in cut_days)]
    last = cuts[-1] + (cuts[-1] - cuts[-2]) if len(cuts) > 1 else QUARTER_DAYS
    width = np.diff([*cuts, last])
    with np.errstate(over="ignore"):
        cumulative = np.cumsum(rates.reshape(len(strata), -1) * width, axis=1).ravel() * np.exp(-float(coef @ mean))
    time = np.tile([*cuts[1:], last], len(strata))
    labels = tuple(label for label in strata for _ in width)
    return Baseline(time, cumulative, None if len(strata) == 1 else labels)
