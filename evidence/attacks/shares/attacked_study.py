"""A study on shares of made-up patients, and everything it opens: the phases' own plans on plain numbers at the same fixed point.

That shares open exactly this is tested elsewhere. Networks' scores are independent of survival: the less an image explains, the
more a fused score is a clinical one, and the more it gives away.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evidence.attacks.attacked_cohorts import COLUMNS, CONTROL_SEED, AttackedCohort, Floats, Ints
from shared_model.analyses.analysis_plan import plan_of
from shared_model.analyses.patient_slots import PaddedPatients
from shared_model.analyses.phases.phase_plan import SharedPlan
from shared_model.analyses.run_locally import compute_locally
from shared_model.analyses.scores.score_levels import LOW, STEP, level_of
from shared_model.statistics.statistic_parameters import FLAGS, RESPONSES, ScoreSpec
from simulations.cohort.simulated_patients import COEFFICIENTS, MANUFACTURERS, SurvivalOptions, simulate
from site_config.study.lock_study import lock_study
from site_config.study.plan_and_lock import Phase, RosterEntry, Study, StudyLock

HELD_OUT, VALIDATION = 46 / 207, 33 / 207
PATIENTS_A_HOSPITAL = 4
SPLITS = {"train": 0, "validation": 1, "test": 2}
PHASES: tuple[Phase, ...] = ("clinical", "fusion", "evaluation")
IMAGE_SD = 0.8
STRATA, SMALL_SET = 4, 40
CASES_KEPT = 128
"""Twenty cohorts of three sizes, two of them also with minima lifted."""


@dataclass(frozen=True)
class StudyCohort(AttackedCohort):
    """Patients of a study: also the set (0 train, 1 validation, 2 test), and what Table 1 shows; (n,) each."""

    set: Ints
    age: Floats
    male: NDArray[np.bool_]
    maker: Ints
    response: Ints
    networks: dict[str, Floats] = field(default_factory=dict)
    development: int = 0
    """Hospitals that train: the first ones."""

    def score(self, spec: ScoreSpec) -> Floats:
        """A score as hospitals form it, on its grid."""
        image = self.networks[spec.radiology] if spec.radiology else np.zeros(self.n)
        return on_grid(spec, self.x.astype(np.float64), image)

    def chosen(self, at: NDArray[np.bool_]) -> StudyCohort:
        """Some of the patients."""
        arrays = ("x", "day", "event", "site", "set", "age", "male", "maker", "response")
        mine = {name: getattr(self, name)[at] for name in arrays}
        return replace(self, **mine, networks={name: value[at] for name, value in self.networks.items()})


def on_grid(spec: ScoreSpec, x: Floats, image: Floats | float = 0.0) -> Floats:
    """The score of rows (k, 7) with an image's part."""
    columns = [COLUMNS.index(name) for name in spec.columns]
    clinical = x[:, columns] @ np.array(spec.coefficients) if columns else np.zeros(len(x))
    first, second = spec.mix or (1.0, 1.0)
    return np.asarray(LOW + STEP * level_of(first * (np.asarray(image) - spec.centre) + second * clinical))


def draw_study(n: int, seed: int) -> StudyCohort:
    """n patients in the proportions of the paper: 46 of 207 at held-out hospitals, 33 for validation."""
    held_out = round(n * HELD_OUT)
    sites = (max(3, round((n - held_out) / PATIENTS_A_HOSPITAL)), max(2, round(held_out / 3)))
    options = SurvivalOptions(patients=(n - held_out, held_out), sites=sites, lone_sites=min(3, sites[0] // 4))
    population = simulate(options, seed)
    rng = np.random.default_rng([seed, 23])
    rows = [(number, patient) for number, people in enumerate(population.sites.values()) for patient in people]
    held = np.array([patient.role == "evaluation" for _, patient in rows])
    sets = np.where(held, 2, 0)
    sets[rng.permutation(np.flatnonzero(~held))[: round(n * VALIDATION)]] = 1
    makers = list(MANUFACTURERS)
    return StudyCohort(
        x=np.array([[patient.clinical[name] for name in COLUMNS] for _, patient in rows], dtype=np.int64),
        day=np.array([patient.event_day for _, patient in rows], dtype=np.float64),
        event=np.array([patient.event for _, patient in rows], dtype=bool),
        site=np.array([number for number, _ in rows], dtype=np.int64),
        set=sets.astype(np.int64),
        age=np.array([patient.age for _, patient in rows]),
        male=np.array([patient.male for _, patient in rows]),
        maker=np.array([makers.index(patient.manufacturer) for _, patient in rows], dtype=np.int64),
        response=np.array([RESPONSES.index(patient.response) for _, patient in rows], dtype=np.int64),
        networks={name: rng.normal(0.0, IMAGE_SD, len(rows)) for name in ("Rad-S", "Rad-D")},
        development=sites[0],
    )


def study_controls(n: int, seed: int, count: int = 8) -> tuple[StudyCohort, ...]:
    """Independent cohorts of the same kind: what a claim hits by chance."""
    return tuple(draw_study(n, CONTROL_SEED + 1_000 * seed + k) for k in range(count))


def reshuffled(cohort: StudyCohort, seed: int, count: int = 8) -> tuple[StudyCohort, ...]:
    """The same days and the same rows, dealt to each other anew within a set and a stratum of the true clinical predictor.

    They share with the cohort what a paper prints: Table 1, the curves of the sets, and that patients at risk die earlier. A claim
    that fits them as often tells nothing of who is who. Strata are quarters, halves in sets of fewer than 40.
    """
    predictor = cohort.x @ np.array([COEFFICIENTS[name] for name in COLUMNS])
    stratum = np.zeros(cohort.n, dtype=np.int64)
    for at in range(len(SPLITS)):
        mine = np.flatnonzero(cohort.set == at)
        parts = STRATA if len(mine) >= SMALL_SET else STRATA // 2
        order = mine[np.argsort(predictor[mine], kind="stable")]
        for k, part in enumerate(np.array_split(order, parts)):
            stratum[part] = STRATA * at + k
    return tuple(replace(cohort, x=cohort.x[_within(stratum, np.random.default_rng([seed, 41, k]))]) for k in range(count))


def _within(stratum: Ints, rng: np.random.Generator) -> Ints:
    """A permutation (n,) that leaves everybody in their stratum."""
    found = np.arange(len(stratum))
    for one in np.unique(stratum):
        mine = np.flatnonzero(stratum == one)
        found[mine] = rng.permutation(mine)
    return found


def locked(cohort: StudyCohort, *, lifted: bool = False) -> StudyLock:
    """A study of all five models at defaults; `lifted`, a demonstration, which opens what a study of its size would not."""
    hospitals = int(cohort.site.max()) + 1
    roles = ["development" if number < cohort.development else "evaluation" for number in range(hospitals)]
    listed = [{"name": f"hospital-{number:02d}", "role": role} for number, role in enumerate(roles)]
    privacy = {"privacy": {"demonstration": True}, "simulated": True} if lifted else {}
    study = Study.model_validate({"title": "attack", "resolution": "shares", "sites": listed, **privacy})
    keys = [f"{number:064x}" for number in range(hospitals)]
    entries = [RosterEntry(**one, signing_key=key, node_fingerprint=key) for one, key in zip(listed, keys, strict=True)]  # type: ignore[arg-type]
    return lock_study(study, entries, code_digest="", coordinator_key="00" * 32)


def values(cohort: StudyCohort, plan: SharedPlan) -> dict[str, Floats]:
    """Every value a patient carries in a plan."""
    x = cohort.x.astype(np.float64)
    found: dict[str, NDArray[Any]] = {}
    for at, name in enumerate(COLUMNS):
        found[name] = found[f"table.{name}"] = x[:, at]
        found[f"first.{name}"], found[f"others.{name}"] = (x[:, at] == 0).astype(float), (x[:, at] > 0).astype(float)
    for model, spec in plan.scores.items():
        score = cohort.score(spec)
        found[model], found[f"lp.{model}"] = level_of(score).astype(float), plan.slopes.get(model, 1.0) * score
    held = cohort.set > 0
    found |= {"set": cohort.set, "table.sex": cohort.male, "table.manufacturer": cohort.maker, "table.response": cohort.response}
    found |= {"table.age": np.rint(cohort.age * 10), **{f"table.{flag}": np.zeros(cohort.n) for flag in FLAGS}}
    found |= {"table.interval_days": 42 + np.arange(cohort.n) % 60}
    found |= {"held.response": np.where(held, cohort.response == RESPONSES.index("PD"), -1)}
    found |= {"held.manufacturer": np.where(held, cohort.maker, -1)}
    return {name: np.asarray(value, dtype=np.float64) for name, value in found.items()}


def contributed(cohort: StudyCohort, plan: SharedPlan) -> list[PaddedPatients]:
    """The rows a plan reads, hospital by hospital."""
    carried = values(cohort, plan)
    wanted = np.isin(cohort.set, [SPLITS[split] for split in plan.splits])
    last = cohort.development if "evaluation" not in plan.roles else int(cohort.site.max()) + 1
    return [
        PaddedPatients(cohort.day[mine].astype(np.int64), cohort.event[mine], {name: value[mine] for name, value in carried.items()})
        for mine in (wanted & (cohort.site == number) for number in range(last))
    ]


@dataclass(frozen=True)
class OpenedStudy:
    """What the phases opened, by phase and name, and what a reader makes of it."""

    lock: StudyLock
    plans: dict[str, SharedPlan]
    opened: dict[str, dict[str, NDArray[Any]]]
    found: dict[str, Any]


def opened_study(cohort: StudyCohort, lock: StudyLock) -> OpenedStudy:
    """Run the phases one after the other, as a study does."""
    done = OpenedStudy(lock, {}, {}, {})
    for phase in PHASES:
        plan = done.plans[phase] = plan_of(lock, phase, dict(done.opened))
        computed = compute_locally(plan.parts, contributed(cohort, plan), plan.declaration, plan.circuit, holders=0, multiple=1)
        done.opened[phase], done.found[phase] = dict(computed.opened), computed.returned
    return done


@dataclass(frozen=True)
class SharesCase:
    """One cohort with its controls and what a study on shares opens of it; computed when first asked for."""

    n: int
    seed: int
    lifted: bool = False

    @cached_property
    def cohort(self) -> StudyCohort:
        """The patients."""
        return draw_study(self.n, self.seed)

    @cached_property
    def others(self) -> tuple[StudyCohort, ...]:
        """Controls that print the same curves and the same Table 1."""
        return reshuffled(self.cohort, self.seed)

    @cached_property
    def strangers(self) -> tuple[StudyCohort, ...]:
        """Independent cohorts."""
        return study_controls(self.n, self.seed)

    @cached_property
    def opened(self) -> OpenedStudy:
        """Everything opened."""
        return opened_study(self.cohort, locked(self.cohort, lifted=self.lifted))


@lru_cache(maxsize=CASES_KEPT)
def shares_case(n: int, seed: int, lifted: bool = False) -> SharesCase:
    """The case of a size and a seed, kept for the next family."""
    return SharesCase(n, seed, lifted)
