"""Evidence for the survival engine: interval coverage, totals against day-exact, the cost of the coarse table.

`python -m evidence.accuracy.survival` (about three CPU-minutes) writes docs/evidence/survival.json.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evidence.record import record
from shared_model.statistics.segments import DAY_GRID, GRID, SQUARE_GRID
from shared_model.survival.concordance import concordance
from shared_model.survival.cox import api as cox
from shared_model.survival.cutoff import counts_above, quantile_edges
from shared_model.survival.table import coarse_time_edges, patient_cells, site_table
from simulations.tabular.fit import FitRows, SiteRows, TableOpener
from simulations.tabular.lung import lung_rows

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


class ReleasedOpener(TableOpener):
    """A table's sums as a study opens them: every site's part on the release grid."""

    def _released(self, grids: dict[str, float], of: Callable[[SiteRows], Any]) -> Any:
        return reduce(
            add, [type(sums)(**{name: _on(vars(sums)[name], grid) for name, grid in grids.items()}) for sums in map(of, self.rows.sites)]
        )

    def totals_start(self, mean: Floats, sd: Floats) -> cox.TotalsStart:
        """Sum of `totals_start`."""
        grids = {"deaths": 1.0, "exposure": DAY_GRID, "event_covariates": GRID}
        found: cox.TotalsStart = self._released(
            grids, lambda site: cox.totals_start(site.x, site.time, site.event, self.cut_days, mean, sd)
        )
        return found

    def totals_round(self, beta: Floats, rates: Floats, mean: Floats, sd: Floats) -> cox.TotalsRound:
        """Sum of `totals_round`."""
        grids = {"mass": DAY_GRID, "weighted": GRID}
        found: cox.TotalsRound = self._released(
            grids, lambda site: cox.totals_round(site.x, site.time, self.cut_days, beta, rates, mean, sd)
        )
        return found

    def totals_end(self, beta: Floats, rates: Floats, centres: Floats, mean: Floats, sd: Floats) -> cox.TotalsEnd:
        """Sum of `totals_end`."""
        grids = {"second": SQUARE_GRID, "weighted": GRID}
        found: cox.TotalsEnd = self._released(
            grids, lambda site: cox.totals_end(site.x, site.time, self.cut_days, beta, rates, centres, mean, sd)
        )
        return found


def _on(values: Floats, grid: float) -> Floats:
    return np.asarray(np.rint(np.asarray(values) / grid) * grid, dtype=np.float64)


def resampled(rows: FitRows, rng: np.random.Generator, n: int) -> FitRows:
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
    return FitRows(tuple(sites), rows.names, rows.strata, (), 0)


def totals_against_exact() -> dict[str, dict[str, float]]:
    """Totals against day-exact Efron on 100 resamples of 207 lung patients, in standard errors.

    `unrounded` is the method itself, `released` what a study of this size opens at its defaults (rounds stop at 0.8 standard
    errors); the last two go on to 0.01 standard errors.
    """
    rows, rng, cuts = lung_rows(), np.random.default_rng(RESAMPLE_SEED), cox.CLINICAL_CUTS
    openers: dict[str, tuple[type[TableOpener], float | None]] = {
        "unrounded": (TableOpener, None),
        "released": (ReleasedOpener, None),
        "unrounded, to 0.01 SE": (TableOpener, 0.01),
        "released, to 0.01 SE": (ReleasedOpener, 0.01),
    }
    gaps: dict[str, list[Floats]] = {name: [] for name in openers}
    errors: dict[str, list[float]] = {name: [] for name in openers}
    rounds: dict[str, list[int]] = {name: [] for name in openers}
    for _ in range(RESAMPLES):
        sample = resampled(rows, rng, COHORT)
        opener = TableOpener(sample)
        exact = cox.fit_exact(opener, sample.names, opener.grid)
        for name, (kind, stop) in openers.items():
            fit = cox.fit_totals(kind(sample, cuts), sample.names, cuts, tolerance_se=stop)
            gaps[name].append(np.abs(fit.coef - exact.coef) / exact.se)
            errors[name].append(float(np.abs(fit.se / exact.se - 1).max()))
            rounds[name].append(fit.iterations)
    return {
        name: {
            "mean_gap_se": float(np.mean(gaps[name])),
            "largest_gap_se": float(np.max(gaps[name][:20])),
            "largest_gap_se_of_100": float(np.max(gaps[name])),
            "largest_se_ratio_error": max(errors[name][:20]),
            "largest_se_ratio_error_of_100": max(errors[name]),
            "largest_rounds": float(max(rounds[name])),
            "mean_rounds": float(np.mean(rounds[name])),
        }
        for name in openers
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
        covers=[
            "shared_model/survival",
            "shared_model/statistics/catalogue.py",
            "simulations/tabular/fit.py",
            "simulations/tabular/lung.py",
            "evidence/accuracy/survival.py",
        ],
        figures=figures,
        seeds=[COVERAGE_SEED, RESAMPLE_SEED, COARSE_SEED],
    )


if __name__ == "__main__":
    main()
