"""Evidence for the simulated cohorts: the paper's marginals, and intervals of the Cox model that hold what is true.

`python -m simulations.evidence.cohort` (about two CPU-minutes) writes docs/evidence/cohort.json. The coverage is that of the
day-exact Efron fit of the seven variables on `clinical-only` cohorts, summed over their 52 hospitals; a coefficient that
runs to infinity (EBRT has 10 carriers) is counted as a separation and left out of that coefficient's coverage.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from shared_model.survival import cox
from simulations.cohort_presets import PRESETS
from simulations.evidence.record import record
from simulations.survival_model import BINARY_COUNTS, COEFFICIENTS, SimulatedPopulation, simulate
from simulations.tabular import Rows, SiteRows, TableOpener
from site_config.catalogue import survival as problems

COHORTS = 200
MORE_COHORTS = 1000
MARGINAL_COHORTS = 50
FIRST_SEED = 40_000
Z95 = 1.959963984540054


def table(population: SimulatedPopulation) -> Rows:
    """The seven variables as each hospital would hold them."""
    names = tuple(COEFFICIENTS)
    sites = []
    for name, patients in population.sites.items():
        x = np.array([[patient.clinical[variable] for variable in names] for patient in patients], float)
        day = np.array([patient.event_day for patient in patients], float)
        event = np.array([patient.event for patient in patients])
        nobody = np.zeros(len(patients), np.int64)
        sites.append(SiteRows(name=name, x=x, time=day, event=event, stratum=nobody, group=("all",) * len(patients)))
    return Rows(sites=tuple(sites), names=names, strata=("all",), groups=(), dropped=0)


def coverage(seeds: range) -> dict[str, Any]:
    """Share of cohorts whose 95 % Wald interval holds the true coefficient, mean error and separations, a variable."""
    names = tuple(COEFFICIENTS)
    true = np.array(list(COEFFICIENTS.values()))
    held, error, separated = np.zeros(len(names)), np.zeros(len(names)), np.zeros(len(names), int)
    for seed in seeds:
        rows = table(simulate(PRESETS["clinical-only"].survival, seed))
        opener = TableOpener(rows)
        fit = cox.fit_exact(opener, names, opener.grid, sites=len(rows.sites))
        monotone = [finding.what for finding in fit.findings if finding.code == problems.MONOTONE.label]
        flat = np.array([any(name in what for what in monotone) for name in names])
        separated += flat
        inside = np.abs(fit.coef - true) <= Z95 * fit.se
        held += inside & ~flat
        error += np.where(flat, 0.0, fit.coef - true)
    usable = len(seeds) - separated
    return {
        name: {"true": true[k], "coverage": held[k] / usable[k], "mean_error": error[k] / usable[k], "separations": int(separated[k])}
        for k, name in enumerate(names)
    }


def marginals(seeds: range) -> dict[str, Any]:
    """Means over `paper` cohorts of what the paper states, with the spread between cohorts."""
    from lifelines import KaplanMeierFitter

    found: dict[str, list[float]] = {}
    for seed in seeds:
        population = simulate(PRESETS["paper"].survival, seed)
        people = population.patients
        held_out = [patient for patient in people if patient.role == "evaluation"]
        curve = KaplanMeierFitter().fit([p.event_day for p in people], [p.event for p in people])
        values: dict[str, float] = {
            "patients": len(people),
            "centres": len(population.sites),
            "development centres": sum(role == "development" for role in population.roles.values()),
            "evaluation patients": len(held_out),
            "events %": 100 * float(np.mean([p.event for p in people])),
            "median survival, days": float(curve.median_survival_time_),
            "age": float(np.mean([p.age for p in people])),
            "age sd": float(np.std([p.age for p in people])),
            "men": sum(p.male for p in people),
            "interval, days": float(np.median([p.followup_day - p.baseline_day for p in people])),
            "Siemens of 78": 78 * float(np.mean([p.manufacturer == "SIEMENS" for p in people])),
            "GE of 78": 78 * float(np.mean([p.manufacturer == "GE MEDICAL SYSTEMS" for p in people])),
            **{name: sum(p.clinical[name] for p in people) for name in BINARY_COUNTS},
            **{f"differentiation {grade}": sum(p.clinical["differentiation"] == grade for p in people) for grade in range(4)},
            **{f"RECIST {response}": sum(p.response == response for p in people) for response in ("CR", "PR", "SD", "PD", "NE")},
        }
        for name, value in values.items():
            found.setdefault(name, []).append(value)
    return {name: {"mean": round(float(np.mean(v)), 2), "sd": round(float(np.std(v)), 2)} for name, v in found.items()}


def main() -> int:
    """Measure, record, print; 1 when a coverage leaves 0.92 to 0.98.

    Two hundred cohorts know a coverage to ±0.03 only (95 %), so a thousand that begin with the same seeds stand beside them.
    """
    seeds = range(FIRST_SEED, FIRST_SEED + MORE_COHORTS)
    figures: dict[str, Any] = {
        "cohorts": COHORTS,
        "coverage": coverage(seeds[:COHORTS]),
        "more_cohorts": MORE_COHORTS,
        "coverage_more": coverage(seeds),
        "marginals": marginals(seeds[:MARGINAL_COHORTS]),
    }
    covers = [
        "simulations/survival_model.py",
        "simulations/cohort_presets.py",
        "simulations/evidence/cohort.py",
        "shared_model/survival/cox_exact.py",
    ]
    path = record("cohort", covers=covers, figures=figures, seeds=[seeds[0], seeds[-1]])
    print(path.read_text())
    return int(not all(0.92 <= one["coverage"] <= 0.98 for one in figures["coverage_more"].values()))


if __name__ == "__main__":
    raise SystemExit(main())
