"""A hostile coordinator's numbers: 1,000 requests outside the lock are 1,000 numbered refusals, each in the journal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from client.release.held import check_numbers, study_floor_faults
from client.release.ledger import Ledger
from client.release.policy import refusals
from evidence.attacks.federation import PLENTY, AttackedFederation
from shared_model.statistics import grids
from shared_model.statistics.base import REGISTRY
from shared_model.statistics.parameters import (
    Contributions,
    Covariates,
    CoxEnd,
    CoxExact,
    CoxRound,
    CoxStart,
    Histogram,
    Moments,
    PreCounts,
    ScoreSpec,
    SplitOnly,
    Table,
    TrainingHazard,
    TrainingStart,
)
from site_config.problems import privacy
from site_config.problems.base import Problem
from site_config.site import Policy
from site_config.study.model import Evaluation, Study, StudySite, Training

SITES = tuple(f"site-{letter}" for letter in "abcde")
SECURE = Policy()
NAMES = ("tace", "surgery")
SCORE = ScoreSpec(model="Rad-D", radiology="Rad-D")


def study(**changes: Any) -> Study:
    return Study(title="t", sites=tuple(StudySite(name=name) for name in SITES), **changes)


def honest(plan: Study) -> dict[str, tuple[str, Any]]:
    """A question of each kind as the honest coordinator asks it: statistic → phase and parameters."""
    cuts, zero, one = grids.clinical_cuts(plan), (0.0, 0.0), (1.0, 1.0)
    covariates = Covariates(columns=NAMES)
    at = {"covariates": covariates, "cut_days": cuts, "mean": zero, "sd": one}
    fit = {**at, "beta": (0.3, -0.2), "rates": (0.001,) * (len(cuts) + 1)}
    edges = grids.evaluation_edges(plan.evaluation, plan.evaluation.cell_days)
    training = grids.training_cuts(plan.training)
    return {
        "precounts": ("clinical", PreCounts(split="train", columns=NAMES)),
        "characteristics": ("evaluation", SplitOnly(split="train")),
        "moments": ("clinical", Moments(split="train", covariates=covariates, origin=zero)),
        "cox.start": ("clinical", CoxStart(**at)),
        "cox.round": ("clinical", CoxRound(**fit)),
        "cox.end": ("clinical", CoxEnd(**fit, centres=(zero,) * (len(cuts) + 1))),
        "training.start": ("training", TrainingStart(cut_days=training)),
        "training.hazard": ("training", TrainingHazard(model="Rad-D", centre=0.0, cut_days=training)),
        "evaluation.table": ("evaluation", Table(split="train", score=SCORE, score_cuts=(0.0, 0.5), time_edges=edges)),
        "evaluation.contributions": ("evaluation", Contributions(split="train", score=SCORE, score_cuts=(0.0, 0.5))),
    }


def finer(random: np.random.Generator, name: str, asked: Any) -> Any:
    """The question with one number outside the lock."""
    plain = asked.model_dump()
    days = sorted(float(day) for day in random.choice(3_000, 12, replace=False) + 1)
    changes: list[dict[str, Any]] = []
    if "cut_days" in plain:
        cuts = list(plain["cut_days"])
        changes += [{"cut_days": days}, {"cut_days": [*cuts[:-1], cuts[-1] + 0.5]}, {"cut_days": cuts[:-1]}, {"cut_days": [*cuts, 3_000.0]}]
    if "split" in plain:
        changes += [{"split": "test"}]
    if plain.get("columns"):
        changes += [{"columns": ["patient"]}, {"columns": [*plain["columns"], "age_in_days"]}]
    if "mean" in plain:
        changes += [{"mean": [1e9, 0.0]}, {"sd": [1e-12, 1.0]}, {"sd": [0.0, 1.0]}, {"mean": [0.0]}, {"sd": [-1.0, 1.0]}]
    if "origin" in plain:
        changes += [{"origin": [1e10, 0.0]}, {"origin": [0.0] * 3}]
    if "beta" in plain:
        changes += [
            {"beta": [float(random.uniform(21, 1e6)), 0.0]},
            {"beta": [0.1]},
            {"rates": [1.0]},
            {"rates": [-1.0] * len(plain["rates"])},
        ]
    if "centres" in plain:
        changes += [{"centres": [[1e6, 0.0]] * len(plain["centres"])}, {"centres": []}]
    if "centre" in plain:
        changes += [{"centre": 1e9}, {"n_days": 4_000}]
    if "time_edges" in plain:
        changes += [{"time_edges": days}, {"time_edges": [float(day) for day in range(2_000)]}, {"exact": True}]
    if "score_cuts" in plain:
        changes += [{"score_cuts": sorted(random.normal(size=int(random.integers(16, 60))).tolist())}]
        score = plain["score"]
        changes += [{"score": {**score, "radiology": None, "columns": ["tace"], "coefficients": [1e6]}}]
        mixed = {**score, "columns": ["tace"], "coefficients": [1.0], "mix": [1.0, 1.0], "spread": [1e6, 1e-6]}
        changes += [{"score": mixed}, {"score": {**mixed, "mix": [1e7, 1e-7]}}]
    return type(asked).model_validate({**plain, **changes[random.integers(len(changes))]})


def nothing(statistic: Any, parameters: Any, _arrays: Any) -> dict[str, Any]:
    return {segment.name: np.zeros(segment.shape) for segment in statistic.segments(parameters)}


@pytest.fixture(scope="module")
def federation() -> AttackedFederation:
    patients = {name: tuple(f"{name}/{i}" for i in range(30)) for name in SITES}
    return AttackedFederation.make(patients, policy=SECURE, study=study(models=("CLN", "Rad-D")))


def test_honest_questions_pass(federation: AttackedFederation) -> None:
    for name, (_, parameters) in honest(federation.lock.study).items():
        check_numbers(SECURE, federation.lock, "development", name, parameters, Ledger(), lifted=False)
        assert name in REGISTRY


def test_a_thousand_requests_outside_the_lock(federation: AttackedFederation) -> None:
    random = np.random.default_rng(1000)
    questions = honest(federation.lock.study)
    site = federation.hospitals[SITES[0]]
    before = sum(entry.kind == "refusal" for entry in site.journal)
    codes: dict[str, int] = {}
    for number in range(1_000):
        name = sorted(questions)[number % len(questions)]
        phase, parameters = questions[name]
        asked = finer(random, name, parameters)
        context = federation.context(name, asked, phase=phase, attempt=number + 1)
        keys = federation.keys(context, SITES)
        with pytest.raises(Problem) as refused:
            federation.release(SITES[0], context, asked, keys, nothing, counts=PLENTY)
        codes[refused.value.code] = codes.get(refused.value.code, 0) + 1
    assert set(codes) == {"FH-532", "FH-504"}, "504: a grid of days makes the question an exact one"
    assert sum(entry.kind == "refusal" for entry in site.journal) - before == 1_000
    assert not any(entry.kind == "release" for entry in site.journal)


def test_two_sets_of_cuts_for_one_table_are_one_set_twice_as_fine() -> None:
    patients = {name: tuple(f"{name}/{i}" for i in range(30)) for name in SITES}
    federation = AttackedFederation.make(patients, policy=SECURE, study=study(models=("CLN", "Rad-D")))
    computes = dict.fromkeys(SITES, nothing)
    phase, first = honest(federation.lock.study)["evaluation.table"]
    federation.ask("evaluation.table", first, computes, phase=phase)
    federation.ask("evaluation.table", first, computes, phase=phase, attempt=2)
    other = first.model_copy(update={"score_cuts": (0.1, 0.4)})
    with pytest.raises(Problem) as refused:
        federation.ask("evaluation.table", other, computes, phase=phase, attempt=3)
    assert refused.value.kind is privacy.OUTSIDE_LOCK


@pytest.mark.parametrize(
    "changes",
    [
        {"evaluation": Evaluation(cell_days=1, bin_patients=1, small_set=1, small_cell_days=1, clinical_cell_days=1, clinical_bins=16)},
        {"training": Training(cut_days=tuple(float(day) for day in range(300, 340)))},
        {"training": Training(rounds=100_000)},
        {"evaluation": Evaluation(bin_patients=1)},
    ],
)
def test_no_study_goes_below_the_policys_floors(federation: AttackedFederation, changes: dict[str, Any]) -> None:
    assert study_floor_faults(SECURE, study(**changes)) and not study_floor_faults(SECURE, study())
    lock = federation.lock.model_copy(update={"study": study(**changes)})
    assert "FH-532" in {problem.code for problem in refusals(SECURE, lock, SITES[0])}


def test_exact_grids_are_the_locks_or_refused(federation: AttackedFederation) -> None:
    exact = CoxExact(covariates=Covariates(columns=NAMES), mean=(0.0, 0.0), sd=(1.0, 1.0), beta=(0.0, 0.0), n_days=100)
    fine = Histogram(split="train", score=SCORE, low=-1, high=1, bins=16, n_days=100)
    for name, parameters in (("cox.exact", exact), ("evaluation.histogram", fine)):
        with pytest.raises(Problem):
            check_numbers(SECURE, federation.lock, "development", name, parameters, Ledger(), lifted=False)
