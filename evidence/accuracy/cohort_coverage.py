"""How often the Cox model's 95 % intervals hold the true coefficients of `clinical-only` cohorts, and why not more often.

A coverage counted over N cohorts is itself uncertain: `wilson` gives its interval, and `chance_of_bar` the probability that
N cohorts show every coefficient within the bar when the coverages are what a longer run found.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import comb, sqrt
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.cox import cox_by_day as cox
from shared_model.survival.cox.cox_result import CoxFit, solve_kept
from shared_model.survival.cox.exact_sums import likelihood
from shared_model.survival.normal_tails import Z95
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.simulated_patients import COEFFICIENTS, SimulatedPopulation, simulate
from simulations.tabular.fit_table import FitRows, SiteRows, TableOpener
from site_config.problems import survival as problems

Floats = NDArray[np.float64]
NAMES: Final = tuple(COEFFICIENTS)
TRUE: Final[Floats] = np.array(list(COEFFICIENTS.values()))
BAR: Final = (0.92, 0.98)


@dataclass(frozen=True)
class CoverageRun:
    """`cohorts` seeds from `first`; `times` as many patients as the preset has; opened by hospital or as one table (same sums)."""

    first: int
    cohorts: int
    times: int = 1
    by_hospital: bool = True

    @property
    def seeds(self) -> list[int]:
        """First and last seed."""
        return [self.first, self.first + self.cohorts - 1]


@dataclass(frozen=True)
class Outcomes:
    """Estimates less truth, standard errors and likelihood-ratio statistics of the truth (cohorts, 7); deaths (cohorts,).

    `separated` (cohorts, 7) marks coefficients that ran to infinity; `deviance` is NaN where it was not asked for.
    """

    error: Floats
    se: Floats
    deviance: Floats
    separated: NDArray[np.bool_]
    events: NDArray[np.int64]

    def first(self, cohorts: int) -> Outcomes:
        """Those of the first cohorts."""
        return Outcomes(self.error[:cohorts], self.se[:cohorts], self.deviance[:cohorts], self.separated[:cohorts], self.events[:cohorts])

    def wald(self, widened: bool = False) -> NDArray[np.bool_]:
        """Whether β ± 1.96·se holds the truth; widened by √(e/(e − 7)), e deaths, as a linear model's residual spread is."""
        factor = np.sqrt(self.events / (self.events - len(NAMES)))[:, None] if widened else 1.0
        return np.asarray(np.abs(self.error) <= Z95 * self.se * factor)

    def profile(self) -> NDArray[np.bool_]:
        """Whether the profile-likelihood interval holds the truth."""
        return np.asarray(self.deviance <= Z95**2)

    def share(self, held: NDArray[np.bool_]) -> Floats:
        """Coverage (7,) over cohorts in which the coefficient is finite."""
        return np.asarray((held & ~self.separated).sum(axis=0) / (~self.separated).sum(axis=0))


def table(population: SimulatedPopulation, by_hospital: bool = True) -> FitRows:
    """The seven variables as each hospital would hold them, or as one table."""
    held = list(population.sites.items()) if by_hospital else [("all", population.patients)]
    sites = []
    for name, patients in held:
        x = np.array([[patient.clinical[variable] for variable in NAMES] for patient in patients], float)
        day = np.array([patient.event_day for patient in patients], float)
        event = np.array([patient.event for patient in patients])
        nobody = np.zeros(len(patients), np.int64)
        sites.append(SiteRows(name=name, x=x, time=day, event=event, stratum=nobody, group=("all",) * len(patients)))
    return FitRows(sites=tuple(sites), names=NAMES, strata=("all",), groups=(), dropped=0)


def fit(opener: TableOpener) -> CoxFit:
    """The day-exact Efron fit."""
    return cox.fit_exact(opener, NAMES, opener.grid, sites=len(opener.rows.sites))


def profile_loglik(opener: TableOpener, start: Floats, fixed: int, value: float) -> float:
    """Largest log partial likelihood with coefficient `fixed` held at `value`: Newton from `start` (p,) on the covariates' own scale."""
    mean = opener.rows.x.mean(axis=0)
    beta, free = start.copy(), np.arange(len(start)) != fixed
    beta[fixed] = value
    for _ in range(30):
        at = likelihood(opener.exact(beta, mean, np.ones_like(mean)), beta, "efron")
        step = solve_kept(at.information, at.score, free)
        if np.abs(step).max(initial=0.0) < 1e-6:
            return at.loglik
        beta = beta + step
    return float("nan")


def outcomes(run: CoverageRun, *, profile: bool = False) -> Outcomes:
    """Fit every cohort of a run."""
    fits, deviances = [], []
    for population in populations(run):
        opener = TableOpener(table(population, run.by_hospital))
        found = fit(opener)
        fits.append(found)
        if profile:
            deviances.append([2 * (found.loglik - profile_loglik(opener, found.coef, k, true)) for k, true in enumerate(TRUE)])
    monotone = [[finding.what for finding in one.findings if finding.code == problems.MONOTONE.label] for one in fits]
    return Outcomes(
        error=np.array([one.coef for one in fits]) - TRUE,
        se=np.array([one.se for one in fits]),
        deviance=np.array(deviances) if profile else np.full((len(fits), len(NAMES)), np.nan),
        separated=np.array([[any(name in what for what in said) for name in NAMES] for said in monotone]),
        events=np.array([one.events for one in fits]),
    )


def populations(run: CoverageRun) -> Iterator[SimulatedPopulation]:
    """The cohorts of a run, one after another."""
    base = PRESETS["clinical-only"].survival
    options = replace(base, patients=(base.patients[0] * run.times, base.patients[1] * run.times))
    for seed in range(run.first, run.first + run.cohorts):
        yield simulate(options, seed)


def wilson(held: float, of: int) -> tuple[float, float]:
    """95 % interval of a share of `of` trials (Wilson 1927)."""
    middle, half = held + Z95**2 / (2 * of), Z95 * sqrt(held * (1 - held) / of + Z95**2 / (4 * of**2))
    return (middle - half) / (1 + Z95**2 / of), (middle + half) / (1 + Z95**2 / of)


def covered(found: Outcomes) -> dict[str, Any]:
    """By variable: coverage of the Wald interval with its own 95 % interval, bias, spread of β over its mean standard error."""
    share, finite = found.share(found.wald()), ~found.separated
    shown = {}
    for k, name in enumerate(NAMES):
        of = int(finite[:, k].sum())
        low, high = wilson(float(share[k]), of)
        error, se = found.error[finite[:, k], k], found.se[finite[:, k], k]
        shown[name] = {
            "true": float(TRUE[k]),
            "cohorts": of,
            "coverage": float(share[k]),
            "95 % from": low,
            "95 % to": high,
            "mean_error": float(error.mean()),
            "sd_over_se": float(error.std(ddof=1) / sqrt(float((se**2).mean()))),
            "separations": int(found.separated[:, k].sum()),
        }
    return shown


def compared(found: Outcomes) -> dict[str, dict[str, float]]:
    """Coverage of three kinds of interval on the same cohorts, by variable and their mean."""
    kinds = {"Wald": found.wald(), "profile likelihood": found.profile(), "Wald, se × √(e/(e − 7))": found.wald(widened=True)}
    shares = {kind: found.share(held) for kind, held in kinds.items()}
    return {kind: dict(zip(NAMES, map(float, share), strict=True)) | {"mean": float(share.mean())} for kind, share in shares.items()}


def within_bar(shown: dict[str, Any]) -> bool:
    """Whether each coefficient's coverage is within the bar."""
    return all(BAR[0] <= one["coverage"] <= BAR[1] for one in shown.values())


def chance_of_bar(coverages: list[float], cohorts: int) -> float:
    """Probability that all coefficients, taken as independent, show a coverage within the bar over so many cohorts."""
    inside = [count for count in range(cohorts + 1) if BAR[0] <= count / cohorts <= BAR[1]]
    return float(np.prod([sum(comb(cohorts, count) * p**count * (1 - p) ** (cohorts - count) for count in inside) for p in coverages]))
