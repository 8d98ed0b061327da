"""Fusion where a network's scores have heavy tails, hardly differ, or tell patients apart too well: fits against pooled rows.

`python -m evidence.accuracy.shares.extreme_scores` writes docs/evidence/extreme_scores.json (a few CPU-minutes). A cohort of 207 patients
in 37 + 15 hospitals at default minima, by the plain twin; the scores of one network are bent case by case. The oracle is statsmodels'
Efron fit of the same scores on their grid, counted between the ends that the finding names where there is one.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from statsmodels.duration.hazard_regression import PHReg

from evidence.accuracy.shares.covered_code import COVERED
from evidence.accuracy.shares.paper_cohort import PaperCohort, PaperStudy, locked, paper_cohort
from evidence.record import record
from shared_model.analyses.phases.fusion_plan import FusionEstimate

Floats = NDArray[np.float64]
SEEDS: Final = (1, 2, 3, 4, 5)
NETWORK: Final = "Rad-D"
FITTED: Final = {"Rad-D": ("Rad-D",), "RadCLN-D": ("Rad-D", "CLN")}
BARS: Final = {"beta of a standard deviation": 1e-5, "se of a standard deviation": 1e-4}


def first_to_die(cohort: PaperCohort) -> int:
    """The training patient with the earliest death."""
    return int(np.argmin(np.where(cohort.event & (cohort.set == 0), cohort.day, np.inf)))


def last_seen(cohort: PaperCohort) -> int:
    """The training patient with the longest follow-up."""
    return int(np.argmax(np.where(cohort.set == 0, cohort.day, -1.0)))


def one_at(cohort: PaperCohort, patient: int, sds: float) -> Floats:
    """The scores with one patient so many standard deviations from the mean."""
    score = cohort.networks[NETWORK].copy()
    score[patient] = score.mean() + sds * score.std()
    return score


def heavy(cohort: PaperCohort, power: float) -> Floats:
    """Standardised scores with tails that grow exponentially."""
    score = cohort.networks[NETWORK]
    return np.asarray(np.sinh(power * (score - score.mean()) / score.std()))


def several(cohort: PaperCohort) -> Floats:
    """Five training patients between 10 and 30 standard deviations away, on both sides."""
    score = cohort.networks[NETWORK].copy()
    train = np.flatnonzero(cohort.set == 0)
    at = np.concatenate([train[np.argsort(score[train])][:2], train[np.argsort(score[train])][-3:]])
    score[at] = score.mean() + np.array([-25.0, -10.0, 10.0, 20.0, 30.0]) * score.std()
    return score


def strong(cohort: PaperCohort, sds: float) -> Floats:
    """A score that tells patients apart very well, and the first to die so many standard deviations away."""
    score = -np.log(cohort.day + 30.0) + 0.5 * cohort.networks[NETWORK]
    score[first_to_die(cohort)] = score.mean() + sds * score.std()
    return np.asarray(score)


def equal_but(cohort: PaperCohort, few: int) -> Floats:
    """One score for all but a few."""
    score = np.full(len(cohort.day), 0.25)
    score[np.flatnonzero(cohort.set == 0)[:few]] = cohort.networks[NETWORK][:few]
    return score


CASES: Final[dict[str, Callable[[PaperCohort], Floats]]] = {
    "as drawn": lambda c: c.networks[NETWORK],
    "one at +12 SD, dies first": lambda c: one_at(c, first_to_die(c), 12.0),
    "one at +30 SD, dies first": lambda c: one_at(c, first_to_die(c), 30.0),
    "one at +30 SD, lives longest": lambda c: one_at(c, last_seen(c), 30.0),
    "one at -30 SD, lives longest": lambda c: one_at(c, last_seen(c), -30.0),
    "five at 10 to 30 SD": several,
    "tails to 10 SD": lambda c: heavy(c, 1.0),
    "tails to 30 SD": lambda c: heavy(c, 2.0),
    "all almost equal (SD 0.0003)": lambda c: -0.2565 + 0.0003 * c.networks[NETWORK],
    "all almost equal (SD 0.00003)": lambda c: -0.2565 + 0.00003 * c.networks[NETWORK],
    "far from 0 (mean 25)": lambda c: 25.0 + c.networks[NETWORK],
    "half of them equal": lambda c: np.maximum(c.networks[NETWORK], np.median(c.networks[NETWORK])),
    "strong effect, one at +30 SD": lambda c: strong(c, 30.0),
    "strong effect, one at +60 SD": lambda c: strong(c, 60.0),
    "nearly the order of deaths": lambda c: -2.0 * np.log(c.day + 5.0) + 0.3 * c.networks[NETWORK],
    "all but three equal": lambda c: equal_but(c, 3),
    "constant": lambda c: equal_but(c, 0),
}


def pooled(cohort: PaperCohort, x: Floats, start: Floats) -> tuple[Floats, Floats]:
    """Efron's coefficients and errors of standardised columns over the training patients.

    Newton's steps, from a start whose own error they correct: from 0 statsmodels, which cuts no step, diverges beside a far score.
    """
    mine = cohort.set == 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = PHReg(cohort.day[mine], x[mine], status=cohort.event[mine].astype(int), ties="efron").fit(
            start_params=start, disp=0, method="newton", tol=1e-14, maxiter=100
        )
    return np.asarray(fit.params), np.asarray(fit.bse)


def outcome(study: PaperStudy, found: FusionEstimate, model: str) -> dict[str, Any]:
    """Whether a model was fitted, its findings, and its distance from the pooled fit, a coefficient by the standard deviation."""
    fit = found.fits.get(model)
    if fit is None:
        return {"fitted": False, "findings": [one.code for part in FITTED[model] for one in found.cutoffs[part].findings]}
    said = [one.code for one in fit.findings]
    if fit.coefficient is None or fit.se is None:
        return {"fitted": False, "findings": said}
    specs = study.plans["fusion"].scores
    columns = []
    for part in FITTED[model]:
        low, high = found.clips.get(model, found.ranges)[part]
        columns.append(np.clip(study.cohort.score(specs[part]), low, high))
    mine = study.cohort.set == 0
    sd = np.array([column[mine].std() for column in columns])
    centre = np.array([column[mine].mean() for column in columns])
    beta, se = pooled(study.cohort, (np.column_stack(columns) - centre) / sd, fit.coefficient * sd)
    gaps = {"beta of a standard deviation": fit.coefficient * sd - beta, "se of a standard deviation": fit.se * sd - se}
    worst = {name: float(f"{np.abs(gap).max():.2g}") for name, gap in gaps.items()}
    return {"fitted": True, "findings": said, "openings": fit.openings, "coefficients": [float(f"{one:.4g}") for one in beta], **worst}


def tried(case: str, seed: int) -> dict[str, Any]:
    """All three phases with the scores of one case."""
    cohort = paper_cohort(seed=seed)
    study = PaperStudy(locked(), replace(cohort, networks=cohort.networks | {NETWORK: CASES[case](cohort)})).run()
    found: FusionEstimate = study.found["fusion"]
    shown = {model: outcome(study, found, model) for model in FITTED}
    c = study.found["evaluation"].concordance
    scores = {model: round(float(c.c[model][2]), 4) for model in FITTED if model in c.c}
    return {**shown, "test C-index": scores, "openings": {phase: one.openings for phase, one in study.costs.items()}}


def held(one: dict[str, Any]) -> bool:
    """A fit within the bars, or none with a finding."""
    fits = [one[model] for model in FITTED]
    return all(all(fit[name] <= bar for name, bar in BARS.items()) if fit["fitted"] else bool(fit["findings"]) for fit in fits)


def main() -> None:
    """Measure and record."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for case in CASES:
        rows[case] = [tried(case, seed) for seed in SEEDS]
        sys.stderr.write(f"{case} {rows[case][0]} {[held(one) for one in rows[case]]}\n")
    figures = {
        "bars": BARS,
        "cases": {
            case: {
                "headline model fitted": sum(one["RadCLN-D"]["fitted"] for one in found),
                "right or in a finding": sum(map(held, found)),
                "of": len(found),
                "most openings of fusion": max(one["openings"]["fusion"] for one in found),
                "most openings of a fit": max(one[model].get("openings", 0) for one in found for model in FITTED),
                "findings": sorted({code for one in found for model in FITTED for code in one[model]["findings"]}),
                "first seed": found[0],
            }
            for case, found in rows.items()
        },
        "all right or in a finding": all(held(one) for found in rows.values() for one in found),
    }
    record("extreme_scores", covers=[*COVERED, "evidence/accuracy/shares/extreme_scores.py"], figures=figures, seeds=list(SEEDS))


if __name__ == "__main__":
    main()
