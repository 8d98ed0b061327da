"""Kaplan-Meier curves from noised counts, against ε and patients: how wide their intervals are, and how often these hold the truth.

The functions of a study that form intervals from counts, on plain numbers with the noise of three holders, three tenths of the
budget for results; the circuit itself is compared with them in the tests. Survival is exponential with a median of 500 days,
follow-up ends uniformly between 300 and 1,500 days.

`python -m evidence.privacy.dp_results` writes docs/evidence/dp_results.json.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from evidence.record import record
from shared_model.analyses.noised.noise_budget import ResultsNoise
from shared_model.analyses.noised.noised_cells import SET, edges_of, survival_part
from shared_model.analyses.patient_slots import PaddedPatients
from shared_model.privacy.discrete_gaussian import discrete_gaussian
from shared_model.privacy.random_words import WordStream
from shared_model.survival.noised_table import noised_survival
from simulations.threads import one_thread
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import RAD_D
from site_config.study.study_presets import preset

Floats = NDArray[np.float64]
SIZES, EPSILONS = (46, 161, 1000, 10_000), (1.0, 2.0, 4.0, 8.0)
COHORTS, SEED, SHARE, MEDIAN = 400, 9001, 0.3, 500.0


def study_of(epsilon: float) -> Study:
    """A study that opens noised results."""
    plain = preset("demo").model_dump()
    plain["models"] = (RAD_D.name,)
    plain["privacy"]["dp"] = {"epsilon": epsilon, "patients": 161, "results": SHARE}
    plain["shares"]["holders"] = 3
    return Study.model_validate(plain)


def cohort(n: int, random: np.random.Generator) -> PaddedPatients:
    """Patients of the test set."""
    death, end = random.exponential(MEDIAN / np.log(2.0), n), random.uniform(300, 1500, n)
    day = np.ceil(np.minimum(death, end)).astype(np.int64)
    return PaddedPatients(day, death <= end, {SET: np.full(n, 2.0)})


def figures() -> dict[str, Any]:
    """By patients and ε: deviation of a count, mean half width at one and two years, coverage, and how often a point is shown."""
    found: dict[str, Any] = {}
    for n in SIZES:
        for epsilon in (*EPSILONS, None):
            study = study_of(epsilon or 1.0)
            noise, part, days = ResultsNoise.of(study), survival_part(study), edges_of(study)
            assert noise is not None
            cells, deviation = part.of_set, noise.survival_deviation if epsilon else 0.0
            random, at = np.random.default_rng([SEED, n]), [days.index(365), days.index(730)]
            truth = 0.5 ** (np.array([365.0, 730.0]) / MEDIAN)
            shown, held, half = np.zeros(2), np.zeros(2), np.zeros(2)
            for _ in range(COHORTS):
                counts = part.of(cohort(n, random)).sum(axis=0)[-cells:]
                if epsilon:
                    counts = counts + discrete_gaussian(WordStream(random.bytes), noise.holders * noise.survival, cells) / 2**10
                one = noised_survival(counts, deviation**2)
                there = np.isfinite(one.survival[at])
                shown += there
                held += there & (one.low[at] <= truth) & (truth <= one.high[at])
                half += np.where(there, (one.high[at] - one.low[at]) / 2, 0.0)
            with np.errstate(invalid="ignore", divide="ignore"):
                width, kept = half / shown, held / shown
            found[f"{n} patients, " + (f"ε = {epsilon:g}" if epsilon else "no noise")] = {
                "sd of a count": round(deviation, 2),
                "half width, 1 year": _number(width[0]),
                "half width, 2 years": _number(width[1]),
                "held, 1 year": _number(kept[0]),
                "held, 2 years": _number(kept[1]),
                "shown, 2 years": _number(shown[1] / COHORTS),
            }
    worst = min(row[key] for row in found.values() for key in ("held, 1 year", "held, 2 years") if row[key] is not None)
    return {"cohorts": COHORTS, "part": SHARE, "by": found, "bars": {"every interval holds the truth in at least 92 %": worst >= 0.92}}


def _number(value: float) -> float | None:
    return round(float(value), 3) if np.isfinite(value) else None


def main() -> None:
    """Measure and record."""
    one_thread()
    found = figures()
    print(found["by"], found["bars"], flush=True)
    covers = [
        "shared_model/survival/noised_table.py",
        "shared_model/analyses/noised/noise_budget.py",
        "shared_model/analyses/noised/noised_cells.py",
    ]
    record("dp_results", covers=[*covers, "evidence/privacy/dp_results.py"], figures=found, seeds=[SEED])


if __name__ == "__main__":
    main()
