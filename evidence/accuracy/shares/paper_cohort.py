"""A study of the size of Xia et al. 2024 without its scans: 207 patients, 37 + 15 hospitals, five models, scores drawn at random.

Networks' scores are drawn, so that no network has to be trained; every phase on shares is the study's own plan.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.analysis_plan import plan_of
from shared_model.analyses.patient_slots import PaddedPatients
from shared_model.analyses.phases.phase_plan import SharedPlan
from shared_model.analyses.phases.table1_slots import INTERVAL
from shared_model.analyses.run_locally import Computed, compute_locally
from shared_model.analyses.scores.score_levels import LOW, STEP, level_of
from shared_model.statistics.statistic_parameters import FLAGS, ScoreSpec
from site_config.study.lock_study import lock_study
from site_config.study.plan_and_lock import Phase, RosterEntry, Study, StudyLock

Floats = NDArray[np.float64]
NAMES = ("differentiation", "nash", "pvtt", "surgery", "ebrt", "tace", "rfa")
SHARES = np.array([0.3, 0.4, 0.5, 0.12, 0.75, 0.15])
BETA = np.array([0.25, 0.4, 0.5, -0.4, 0.6, -0.3, -0.2])
MAKERS = np.array([0.5, 0.2, 0.2, 0.1])
PHASES: tuple[Phase, ...] = ("clinical", "fusion", "evaluation")


def locked(sites: tuple[int, int] = (37, 15), **study: Any) -> StudyLock:
    """The lock of a study of all five models."""
    roles = [("development", sites[0]), ("evaluation", sites[1])]
    listed = [{"name": f"{role[:4]}-{n:02d}", "role": role} for role, count in roles for n in range(count)]
    made = Study.model_validate({"title": "t", "resolution": "shares", "sites": listed, **study})
    keys = [f"{n:064x}" for n in range(len(listed))]
    entries = [
        RosterEntry.model_validate({**one, "signing_key": key, "node_fingerprint": key}) for one, key in zip(listed, keys, strict=True)
    ]
    return lock_study(made, entries, code_digest="", coordinator_key="00" * 32)


@dataclass
class PaperCohort:
    """Patients (n,) with their hospital, set (0 train, 1 validation, 2 test), columns (n, 7), networks' scores, and what Table 1 shows."""

    x: Floats
    networks: dict[str, Floats]
    day: Floats
    event: NDArray[np.bool_]
    site: NDArray[np.int64]
    set: NDArray[np.int64]
    maker: NDArray[np.int64]
    response: NDArray[np.int64]
    age: Floats
    male: Floats
    development: int

    @property
    def interval(self) -> Floats:
        """Days between the two scans."""
        return np.asarray(42.0 + np.arange(len(self.day)) % 60)

    def score(self, spec: ScoreSpec) -> Floats:
        """A score as hospitals form it, on its grid."""
        image = self.networks[spec.radiology] if spec.radiology else np.zeros(len(self.day))
        columns = [NAMES.index(name) for name in spec.columns]
        clinical = self.x[:, columns] @ np.array(spec.coefficients) if columns else np.zeros(len(self.day))
        first, second = spec.mix or (1.0, 1.0)
        return np.asarray(LOW + STEP * level_of(first * (image - spec.centre) + second * clinical))

    def values(self, plan: SharedPlan) -> dict[str, Floats]:
        """Every value a patient carries in a plan."""
        found = {name: self.x[:, j] for j, name in enumerate(NAMES)}
        for j, name in enumerate(NAMES):
            found[f"first.{name}"] = (self.x[:, j] == 0).astype(float)
            found[f"others.{name}"] = (self.x[:, j] > 0).astype(float)
        for model, spec in plan.scores.items():
            score = self.score(spec)
            found[model] = level_of(score).astype(float)
            found[f"lp.{model}"] = plan.slopes.get(model, 1.0) * score
        held = self.set > 0
        return found | {
            "set": self.set.astype(float),
            "held.response": np.where(held, self.response == 3, -1.0),
            "held.manufacturer": np.where(held, self.maker, -1.0),
            "table.sex": self.male,
            "table.age": np.rint(self.age * 10),
            INTERVAL: self.interval,
            "table.manufacturer": self.maker.astype(float),
            "table.response": self.response.astype(float),
            **{f"table.{name}": self.x[:, j] for j, name in enumerate(NAMES)},
            **{f"table.{flag}": np.zeros(len(self.day)) for flag in FLAGS},
        }

    def contributed(self, plan: SharedPlan) -> list[PaddedPatients]:
        """The rows a plan reads, hospital by hospital; a hospital without such patients is there all the same."""
        values, read = self.values(plan), {"train": 0, "validation": 1, "test": 2}
        wanted = np.isin(self.set, [read[split] for split in plan.splits])
        last = self.development if "evaluation" not in plan.roles else int(self.site.max()) + 1
        return [
            PaddedPatients(self.day[mine].astype(np.int64), self.event[mine], {name: value[mine] for name, value in values.items()})
            for mine in (wanted & (self.site == s) for s in range(last))
        ]


def ragged(rng: np.random.Generator, n: int, sites: int) -> NDArray[np.int64]:
    """A hospital for each of n patients: some have none, some one, one has many."""
    weights = np.array([0, 1, 1, 2, 4, 8], dtype=float)[np.arange(sites) % 6] + 1e-9
    return rng.choice(sites, n, p=weights / weights.sum())


def paper_cohort(
    seed: int = 0, sizes: tuple[int, int, int] = (128, 33, 46), sites: tuple[int, int] = (37, 15), coarse: int = 1
) -> PaperCohort:
    """Patients whose survival depends on columns and on what the networks see; days in steps of `coarse`."""
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    x = np.concatenate([rng.choice(4, n, p=[0.2, 0.45, 0.25, 0.1])[:, None], rng.random((n, 6)) < SHARES], axis=1).astype(float)
    image = rng.normal(0, 0.8, n)
    risk = x @ BETA
    death = rng.exponential(520 / np.exp(risk - risk.mean() + image))
    end = rng.uniform(150, 1800, n)
    day = np.minimum(np.minimum(death, end) // coarse * coarse, 1990)
    set_ = np.repeat([0, 1, 2], sizes)
    site = np.concatenate([ragged(rng, sizes[0] + sizes[1], sites[0]), sites[0] + ragged(rng, sizes[2], sites[1])])
    progressed = rng.random(n) < 1 / (1 + np.exp(-image))
    return PaperCohort(
        x=x,
        networks={"Rad-S": 0.4 * image + rng.normal(0.2, 0.35, n), "Rad-D": 0.7 * image + rng.normal(-0.1, 0.3, n)},
        day=day,
        event=death <= end,
        site=site,
        set=set_,
        maker=rng.choice(len(MAKERS), n, p=MAKERS),
        response=np.where(progressed, 3, rng.choice(3, n)),
        age=rng.integers(30, 85, n).astype(float),
        male=(rng.random(n) < 0.8).astype(float),
        development=sites[0],
    )


@dataclass
class PaperStudy:
    """The phases of a study one after the other; what each found, opened and cost."""

    lock: StudyLock
    cohort: PaperCohort
    found: dict[str, Any] = field(default_factory=dict)
    opened: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)
    plans: dict[str, SharedPlan] = field(default_factory=dict)
    costs: dict[str, Computed] = field(default_factory=dict)

    def run(self, holders: int = 0, multiple: int = 8) -> PaperStudy:
        """All three phases, by holders or (0) by the plain twin."""
        for phase in PHASES:
            plan = self.plans[phase] = plan_of(self.lock, phase, dict(self.opened))
            done = compute_locally(
                plan.parts, self.cohort.contributed(plan), plan.declaration, plan.circuit, holders=holders, multiple=multiple
            )
            self.found[phase], self.opened[phase], self.costs[phase] = done.returned, dict(done.opened), done
        return self
