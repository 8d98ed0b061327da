"""C-index of a linear model trained under differential privacy, against ε: 207 patients at 52 hospitals, distributed and local noise.

Clipped gradients of the loss on the public exponential baseline in whole numbers, full rounds, discrete Gaussian shares of every
hospital, as a study adds them (`NoiseSchedule`, `NoiseShare`); masks are left out, since they cancel. C is on 2,070 other
patients of the same simulated population. The seven variables are scaled to [-1, 1] by their declared codes, which is public.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evidence.record import record
from shared_model.privacy.discrete_gaussian import discrete_gaussian
from shared_model.privacy.noise_on_statistics import NoiseShare
from shared_model.privacy.noise_schedule import NoiseSchedule
from shared_model.privacy.random_words import WordStream
from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import patient_cells
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.simulated_patients import simulate
from site_config.study.plan_and_lock import Study, StudySite, seven_variables
from site_config.study.prognostic_models import RAD_S

Floats = NDArray[np.float64]
SEEDS = tuple(range(5001, 5021))
OTHERS = tuple(range(5101, 5111))
EPSILONS = (1.0, 2.0, 4.0, 8.0)
PLACEMENTS = ("distributed", "local")
ROUNDS, RATE, MEDIAN_DAYS, HONEST = 30, 2.0, 500.0, 26


@dataclass(frozen=True)
class LinearCohort:
    """x (n, 8) with a column of ones, day and event (n,), hospital (n,)."""

    x: Floats
    day: Floats
    event: NDArray[np.bool_]
    site: NDArray[np.int64]


def made(seed: int) -> LinearCohort:
    """207 simulated patients in 52 hospitals with the seven variables."""
    population = simulate(PRESETS["clinical-only"].survival, seed)
    rows = [(i, p) for i, patients in enumerate(population.sites.values()) for p in patients]
    columns = [[2.0 * p.clinical[v.name] / max(max(v.values), 1) - 1.0 for v in seven_variables()] + [1.0] for _, p in rows]
    day, event = np.array([p.event_day for _, p in rows], dtype=float), np.array([p.event for _, p in rows], dtype=bool)
    return LinearCohort(np.array(columns), day, event, np.array([i for i, _ in rows]))


def trained(people: LinearCohort, share: NoiseShare | None, seed: int) -> Floats:
    """Coefficients (8,) after all rounds; without noise where `share` is None (clipped all the same)."""
    exact = share or NoiseShare.of(1.0, 1.0)
    n, size = len(people.day), people.x.shape[1]
    noise, stream = np.zeros((ROUNDS, size)), WordStream(np.random.default_rng([seed, 8]).bytes)
    for _ in np.unique(people.site) if share else ():
        noise += discrete_gaussian(stream, exact.variance, ROUNDS * size).reshape(ROUNDS, size)
    beta, rate = np.zeros(size), np.log(2.0) / MEDIAN_DAYS
    for round in range(ROUNDS):
        residual = np.exp(np.minimum(people.x @ beta, 30.0)) * rate * people.day - people.event
        total = sum((exact.part(one) for one in people.x * residual[:, None]), np.zeros(size, dtype=np.int64))
        beta = beta - RATE * (total + noise[round]) * exact.unit / n
    return beta


def c_index(people: LinearCohort, beta: Floats) -> float:
    """C of the linear score."""
    found = concordance(patient_cells(people.x @ beta, people.day, people.event))
    return float("nan") if found is None else float(found.c)


def share_of(epsilon: float, placement: str) -> NoiseShare:
    """A hospital's noise of a study of one network that declares this."""
    dp = {"epsilon": epsilon, "patients": 207, "honest": HONEST, "placement": placement}
    fields = {"title": "linear", "models": (RAD_S.name,), "sites": (StudySite(name="a"),), "training": {"rounds": ROUNDS}}
    return NoiseSchedule.of(Study.model_validate({**fields, "privacy": {"dp": dp}}), 1).update


def figures(seeds: tuple[int, ...]) -> dict[str, Any]:
    """Mean C and its standard error over cohorts, by placement and ε."""
    parts = [made(seed) for seed in OTHERS]
    others = LinearCohort(*(np.concatenate([getattr(one, name) for one in parts]) for name in ("x", "day", "event", "site")))
    cohorts = [made(seed) for seed in seeds]
    table: dict[str, Any] = {
        "no noise": _row([c_index(others, trained(one, None, seed)) for one, seed in zip(cohorts, seeds, strict=True)])
    }
    for placement in PLACEMENTS:
        for epsilon in EPSILONS:
            share = share_of(epsilon, placement)
            found = [c_index(others, trained(one, share, seed)) for one, seed in zip(cohorts, seeds, strict=True)]
            table[f"{placement}, ε = {epsilon:g}"] = _row(found)
    lost = {f"ε = {epsilon:g}": round(table["no noise"]["c"] - table[f"distributed, ε = {epsilon:g}"]["c"], 4) for epsilon in EPSILONS}
    bars = {"distributed at ε = 4 loses at most 0.02": lost["ε = 4"] <= 0.02}
    return {"c_by_epsilon": table, "lost_distributed": lost, "rounds": ROUNDS, "honest": HONEST, "bars": bars}


def _row(found: list[float]) -> dict[str, float]:
    return {"c": round(float(np.mean(found)), 4), "se": round(float(np.std(found, ddof=1) / len(found) ** 0.5), 4)}


def main() -> None:
    """Measure and record."""
    found = figures(SEEDS)
    print(found, flush=True)
    covers = [
        "shared_model/privacy/discrete_gaussian.py",
        "shared_model/privacy/noise_on_statistics.py",
        "shared_model/privacy/noise_schedule.py",
    ]
    covers += ["shared_model/privacy/epsilon_accounting.py", "evidence/privacy/dp_utility.py"]
    record("dp_utility", covers=covers, figures=found, seeds=list(SEEDS))


if __name__ == "__main__":
    main()
