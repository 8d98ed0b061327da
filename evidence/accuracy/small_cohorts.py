"""Evidence: small and odd cohorts end right or in a numbered finding, and no value leaves its proved range.

`python -m evidence.accuracy.small_cohorts` runs 200 cohorts of 20 to 120 patients through the three phases on shares by the plain
twin, which holds every number of every opening against the range that the circuit proves for it, and writes
`docs/evidence/small_cohorts.json`. Every second one lifts the minima, as a demonstration does, so that circuits run on what a real
study would refuse. Whatever was estimated is held against pooled rows.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from statsmodels.duration.hazard_regression import PHReg

from evidence.attacks.attacked_cohorts import COLUMNS
from evidence.attacks.shares.attacked_study import OpenedStudy, StudyCohort, draw_study, locked, opened_study
from evidence.record import record
from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.analyses.phases.earlier_results import known_scores
from shared_model.analyses.phases.evaluation_openings import EvaluationModel
from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import patient_cells
from shared_model.survival.kaplan_meier import kaplan_meier
from site_config.study.prognostic_models import MODELS

Generator = np.random.Generator
COHORTS: Final = 200
FIRST: Final = 9001
TOLERANCE: Final = {"coefficient": 2e-5, "C": 1e-6, "survival": 1e-4}
LARGEST: Final = 6.0
"""Of a coefficient, on a column of unit variance: beyond it the pooled likelihood is flat too, and the estimate is not compared."""
COVERS: Final = ["shared_model/analyses", "shared_model/shares/circuits/arithmetic.py", "shared_model/shares/circuits/reciprocals.py"]


def _separated(cohort: StudyCohort, rng: Generator) -> StudyCohort:
    """One column says who dies, early."""
    cohort.x[:, 1] = cohort.event
    return replace(cohort, day=np.where(cohort.event, cohort.day // 8, cohort.day))


def _five_early_deaths(cohort: StudyCohort, rng: Generator) -> StudyCohort:
    """Five patients hold a column, and die first."""
    first = np.arange(len(cohort.day)) < 5
    cohort.x[:, 4] = first
    return replace(cohort, day=np.where(first, np.arange(len(first)), cohort.day + 10.0), event=cohort.event | first)


def _constant_column(cohort: StudyCohort, rng: Generator) -> StudyCohort:
    """Two columns that do not vary."""
    cohort.x[:, 0], cohort.x[:, 3] = 1.0, 0.0
    return cohort


def _same_columns(cohort: StudyCohort, rng: Generator) -> StudyCohort:
    """Two columns that say the same."""
    cohort.x[:, 2] = cohort.x[:, 5]
    return cohort


def _one_event(cohort: StudyCohort, rng: Generator) -> StudyCohort:
    """One death in all."""
    return replace(cohort, event=np.arange(len(cohort.day)) == rng.integers(len(cohort.day)))


def _same_scores(cohort: StudyCohort, rng: Generator) -> StudyCohort:
    """Both networks give everybody one score."""
    return replace(cohort, networks={name: np.full(len(cohort.day), 0.3) for name in cohort.networks})


def _extreme_scores(cohort: StudyCohort, rng: Generator) -> StudyCohort:
    """Scores far beyond their grid, one patient alone."""
    alone = np.where(np.arange(len(cohort.day)) == 0, 1e6, 0.0)
    return replace(cohort, networks={name: 40 * score + alone for name, score in cohort.networks.items()})


def _nobody_held_out(cohort: StudyCohort, rng: Generator) -> StudyCohort:
    """Everybody trains."""
    return replace(cohort, set=np.zeros_like(cohort.set), site=np.minimum(cohort.site, cohort.development - 1))


KINDS: Final[dict[str, Callable[[StudyCohort, Generator], StudyCohort]]] = {
    "ordinary": lambda cohort, _rng: cohort,
    "separated": _separated,
    "five early deaths": _five_early_deaths,
    "constant columns": _constant_column,
    "equal columns": _same_columns,
    "one death": _one_event,
    "all censored": lambda cohort, _rng: replace(cohort, event=np.zeros_like(cohort.event)),
    "all died": lambda cohort, _rng: replace(cohort, event=np.ones_like(cohort.event)),
    "one day": lambda cohort, _rng: replace(cohort, day=np.full_like(cohort.day, 400.0)),
    "day 0 and the last": lambda cohort, rng: replace(cohort, day=np.where(rng.random(len(cohort.day)) < 0.5, 0.0, 1990.0)),
    "few days": lambda cohort, _rng: replace(cohort, day=cohort.day // 300 * 300),
    "one hospital": lambda cohort, _rng: replace(cohort, site=np.where(cohort.set < 2, 0, cohort.development)),
    "equal scores": _same_scores,
    "extreme scores": _extreme_scores,
    "nobody held out": lambda cohort, _rng: replace(
        cohort, set=np.zeros_like(cohort.set), site=np.minimum(cohort.site, cohort.development - 1)
    ),
}


@dataclass
class OddCohortEnd:
    """How one cohort ended: what was compared, the findings by number, and what is wrong."""

    kind: str
    lifted: bool
    patients: int
    compared: int = 0
    findings: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def hold(self, what: str, found: float, pooled: float, tolerance: float) -> None:
        """Hold an opened number against pooled rows."""
        self.compared += 1
        if not abs(found - pooled) <= tolerance * max(1.0, abs(pooled)):
            self.wrong.append(f"{what}: {found:.7g}, pooled {pooled:.7g}")


def cohort_of(seed: int) -> tuple[str, bool, StudyCohort]:
    """The kind of a seed, whether minima are lifted, and the cohort."""
    rng = np.random.default_rng(seed)
    kind, lifted = list(KINDS)[(seed - FIRST) % len(KINDS)], seed % 2 == 0
    drawn = draw_study(int(rng.integers(20, 121)), seed)
    coarse = int(rng.choice([1, 1, 7, 30]))
    return kind, lifted, KINDS[kind](replace(drawn, x=drawn.x.copy(), day=drawn.day // coarse * coarse), rng)


def outcome(seed: int) -> OddCohortEnd:
    """One cohort through all phases. A value beyond its proved range raises; nothing here catches it."""
    kind, lifted, cohort = cohort_of(seed)
    found = OddCohortEnd(kind, lifted, cohort.n)
    study = opened_study(cohort, locked(cohort, lifted=lifted))
    train = cohort.chosen(cohort.set == 0)
    clinical, fusion = study.found["clinical"], study.found["fusion"]
    _fit(found, "CLN", clinical.fit, train.x[:, [COLUMNS.index(name) for name in clinical.kept]].astype(np.float64), train)
    for name, fit in fusion.fits.items():
        specs = [study.plans["fusion"].scores[part] for part in MODELS[name].needs or (name,)]
        _fit(found, name, fit, np.stack([train.score(spec) for spec in specs], axis=1), train)
    found.findings += [finding.code for one in fusion.cutoffs.values() for finding in one.findings]
    _evaluation(found, study, cohort)
    return found


def _fit(found: OddCohortEnd, name: str, fit: CoxEstimate | None, x: NDArray[np.float64], train: StudyCohort) -> None:
    """A Cox model: estimated as pooled rows have it, or with a finding."""
    if fit is None:
        return
    found.findings += [finding.code for finding in fit.findings]
    if fit.coefficient is None:
        if not fit.findings:
            found.wrong.append(f"{name}: neither an estimate nor a finding")
        return
    spread = x.std(axis=0)
    if not spread.all():
        found.wrong.append(f"{name}: estimated, though a column does not vary")
        return
    pooled = PHReg(train.day + 1, x / spread, status=train.event.astype(int), ties="efron").fit(
        disp=0, method="newton", tol=1e-14, maxiter=200
    )
    for value, oracle, sd in zip(fit.coefficient, pooled.params, spread, strict=True):
        if np.isfinite(oracle) and abs(oracle) <= LARGEST:
            found.hold(f"{name} coefficient", float(value), float(oracle / sd), TOLERANCE["coefficient"] / max(float(sd), 1e-3))


def _evaluation(found: OddCohortEnd, study: OpenedStudy, cohort: StudyCohort) -> None:
    """Points of the sets' curves and C-indices."""
    estimate = study.found["evaluation"]
    found.findings += [finding.code for finding in estimate.survival.findings]
    days = EvaluationModel(study.lock.study, known_scores(study.lock, study.opened)).survival.days
    for s in range(3):
        mine = cohort.chosen(cohort.set == s)
        shown = np.flatnonzero(np.isfinite(estimate.survival.survival[s]))
        curve = kaplan_meier(patient_cells(np.zeros(mine.n), mine.day, mine.event)) if shown.size else None
        for point in shown:
            if curve is not None:
                found.hold("survival", float(estimate.survival.survival[s, point]), curve.at(days[point]), TOLERANCE["survival"])
        for name, spec in study.plans["evaluation"].scores.items():
            c = float(estimate.concordance.c[name][s])
            oracle = concordance(patient_cells(mine.score(spec), mine.day, mine.event)) if np.isfinite(c) else None
            if oracle is not None:
                found.hold(f"C {name}", c, oracle.c, TOLERANCE["C"])


def outcomes(seeds: Sequence[int]) -> Iterator[OddCohortEnd]:
    """Every seed's cohort."""
    for seed in seeds:
        yield outcome(seed)


def main() -> None:
    """Run and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cohorts", type=int, default=COHORTS)
    seeds = range(FIRST, FIRST + parser.parse_args().cohorts)
    found = []
    for seed, one in zip(seeds, outcomes(seeds), strict=True):
        sys.stderr.write(f"{seed} {one}\n")
        found.append(one)
    figures = {
        "cohorts": len(found),
        "kinds": dict(Counter(one.kind for one in found)),
        "patients": [min(one.patients for one in found), max(one.patients for one in found)],
        "numbers_compared": sum(one.compared for one in found),
        "findings": dict(sorted(Counter(code for one in found for code in one.findings).items())),
        "wrong": {str(seed): one.wrong for seed, one in zip(seeds, found, strict=True) if one.wrong},
        "bars": {"every cohort ends right or in a numbered finding": not any(one.wrong for one in found)},
    }
    record("small_cohorts", covers=COVERS, figures=figures, seeds=list(seeds))


if __name__ == "__main__":
    main()
