"""Evidence for the survival engine: how often the intervals of the C-index hold the truth.

`python -m evidence.accuracy.survival` (about a CPU-minute) writes docs/evidence/survival.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evidence.record import record
from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import patient_cells

Floats = NDArray[np.float64]
COVERAGE_COHORTS, COVERAGE_SEED = 2000, 11
COHORT = 207


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


def main(slopes: Sequence[float] = (0.405, 0.955)) -> None:
    """Measure and record."""
    figures: dict[str, Any] = {
        "logit_ci_coverage": {f"C={found['true_c']:.3f}": found for found in map(coverage, slopes)},
    }
    record(
        "survival",
        covers=[
            "shared_model/survival",
            "evidence/accuracy/survival.py",
        ],
        figures=figures,
        seeds=[COVERAGE_SEED],
    )


if __name__ == "__main__":
    main()
