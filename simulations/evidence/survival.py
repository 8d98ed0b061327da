"""Evidence for the survival engine: interval coverage, totals against day-exact, the cost of the coarse table.

`python -m simulations.evidence.survival` (about three CPU-minutes) writes docs/evidence/survival.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.survival import cox
from shared_model.survival.concordance import concordance
from shared_model.survival.cutoff import counts_above, quantile_edges
from shared_model.survival.table import coarse_time_edges, patient_cells, site_table
from simulations.evidence.record import record
from simulations.tabular import Rows, TableOpener
from simulations.tabular_lung import lung_rows

Floats = NDArray[np.float64]
COVERAGE_COHORTS, COVERAGE_SEED = 2000, 11
RESAMPLES, RESAMPLE_SEED = 100, 7
COARSE_COHORTS, COARSE_SEED = 300, 23
COHORT, TEST_COHORT = 207, 46


@dataclass(frozen=True)
class Simulated:
    """One cohort: score (n,), follow-up in whole days (n,), event (n,)."""

    score: Floats
    day: Floats
    event: NDArray[np.bool_]


def simulate(rng: np.random.Generator, n: int, slope: float) -> Simulated:
    """Exponential survival, median 500 days at score 0, log hazard ratio `slope` a unit of a normal score; about 35 % censored."""
    score = rng.normal(size=n)
    died = rng.exponential(500 / np.log(2) * np.exp(-slope * score))
    lost = rng.uniform(200, 1600, n)
    return Simulated(score, np.ceil(np.minimum(died, lost)), died <= lost)


def true_c(slope: float) -> float:
    """What Harrell's C converges to under this censoring: the mean over forty cohorts of 8,000."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(40):
        one = simulate(rng, 8000, slope)
        fitted = concordance(patient_cells(one.score, one.day, one.event))
        found.append(fitted.c if fitted else 0.5)
    return float(np.mean(found))


def coverage(slope: float, cohorts: int = COVERAGE_COHORTS) -> dict[str, float]:
    """Share of cohorts of 207 whose 95 % interval holds the true C: logit and plain."""
    truth, rng = true_c(slope), np.random.default_rng(COVERAGE_SEED)
    held = {"logit": 0, "plain": 0}
    for _ in range(cohorts):
        one = simulate(rng, COHORT, slope)
        found = concordance(patient_cells(one.score, one.day, one.event))
        if found:
            held["logit"] += found.logit_ci[0] <= truth <= found.logit_ci[1]
            held["plain"] += found.plain_ci[0] <= truth <= found.plain_ci[1]
    return {"true_c": truth, "logit": held["logit"] / cohorts, "plain": held["plain"] / cohorts}


class RoundedOpener(TableOpener):
    """A table's sums with every site's totals on the release grid 2^-10."""

    def _total(self, of: Any) -> Any:
        return reduce(
            add,
            [type(sums)(*(np.rint(np.asarray(part) * 1024) / 1024 for part in vars(sums).values())) for sums in map(of, self.rows.sites)],
        )

    def moments(self, origin: Floats) -> cox.Moments:
        """Unrounded: counts and sums of small integers in a study."""
        return reduce(add, [cox.site_moments(site.x, site.event, origin) for site in self.rows.sites])


def resampled(rows: Rows, rng: np.random.Generator, n: int) -> Rows:
    """n patients drawn with replacement, each staying in its institution."""
    whole = rows.sites
    owner = np.repeat(np.arange(len(whole)), [len(site.time) for site in whole])
    index = np.concatenate([np.arange(len(site.time)) for site in whole])
    drawn = rng.integers(0, len(owner), n)
    sites = []
    for code, site in enumerate(whole):
        mine = index[drawn[owner[drawn] == code]]
        if len(mine):
            sites.append(type(site)(site.name, site.x[mine], site.time[mine], site.event[mine], site.stratum[mine], ("",) * len(mine)))
    return Rows(tuple(sites), rows.names, rows.strata, (), 0)


def totals_against_exact() -> dict[str, float]:
    """Totals stopped at 0.01 SE against day-exact Efron on 100 resamples of 207 lung patients, in standard errors."""
    rows, rng, cuts = lung_rows(), np.random.default_rng(RESAMPLE_SEED), cox.CLINICAL_CUTS
    mean, largest, se, rounds, grid = [], [], [], [], []
    for _ in range(RESAMPLES):
        sample = resampled(rows, rng, COHORT)
        opener = TableOpener(sample)
        exact = cox.fit_exact(opener, sample.names, opener.grid)
        fit = cox.fit_totals(TableOpener(sample, cuts), sample.names, cuts)
        rounded = cox.fit_totals(RoundedOpener(sample, cuts), sample.names, cuts)
        gap = np.abs(fit.coef - exact.coef) / exact.se
        mean.append(float(gap.mean()))
        largest.append(float(gap.max()))
        se.append(float(np.abs(fit.se / exact.se - 1).max()))
        rounds.append(max(fit.iterations, rounded.iterations))
        grid.append(float(np.abs((rounded.coef - fit.coef) / fit.se).max()))
    return {
        "mean_gap_se": float(np.mean(mean)),
        "largest_gap_se": max(largest[:20]),
        "largest_gap_se_of_100": max(largest),
        "largest_se_ratio_error": max(se),
        "largest_rounds": max(rounds),
        "mean_rounds": float(np.mean(rounds)),
        "grid_change_se": max(grid),
    }


class _Counts:
    def __init__(self, score: Floats) -> None:
        self.score = score

    def counts_above(self, thresholds: Floats) -> NDArray[np.int64]:
        return counts_above(self.score, thresholds)


def coarse_cost(n: int, slope: float, cohorts: int = COARSE_COHORTS) -> dict[str, float]:
    """|C from the default coarse table − exact C| over cohorts of n."""
    rng, gaps = np.random.default_rng(COARSE_SEED), []
    for _ in range(cohorts):
        one = simulate(rng, n, slope)
        edges = quantile_edges(_Counts(one.score), n, float(one.score.mean()), float(one.score.std()))
        table = site_table(one.score, one.day, one.event, edges, coarse_time_edges(float(one.day.max())))
        coarse, exact = concordance(table), concordance(patient_cells(one.score, one.day, one.event))
        if coarse and exact:
            gaps.append(coarse.c - exact.c)
    found = np.asarray(gaps)
    return {"mean_abs": float(np.abs(found).mean()), "mean": float(found.mean()), "largest": float(np.abs(found).max())}


def main(slopes: Sequence[float] = (0.405, 0.955)) -> None:
    """Measure and record."""
    figures: dict[str, Any] = {
        "logit_ci_coverage": {f"C={found['true_c']:.3f}": found for found in map(coverage, slopes)},
        "totals_vs_day_exact_efron": totals_against_exact(),
        "coarse_c": {f"n={n}": {f"slope={slope}": coarse_cost(n, slope) for slope in slopes} for n in (COHORT, TEST_COHORT)},
    }
    record(
        "survival",
        covers=["shared_model/survival", "simulations/tabular.py", "simulations/tabular_lung.py", "simulations/evidence/survival.py"],
        figures=figures,
        seeds=[COVERAGE_SEED, RESAMPLE_SEED, COARSE_SEED],
    )


if __name__ == "__main__":
    main()
