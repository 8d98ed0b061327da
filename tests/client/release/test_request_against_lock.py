"""A hostile coordinator's numbers: 1,000 requests outside the lock are 1,000 numbered refusals, each in the journal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from client.release.earlier_releases import Ledger
from client.release.request_against_lock import check_numbers, study_floor_faults
from client.release.site_policy import refusals
from evidence.attacks.attacked_federation import PLENTY, AttackedFederation
from shared_model.statistics import day_grids
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import (
    Contributions,
    Covariates,
    CoxExact,
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
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import Study, StudySite, Training

SITES = tuple(f"site-{letter}" for letter in "abcde")
SECURE = Policy()
OPEN = Policy(resolutions=("counts", "update", "shares", "exact"))
NAMES = ("tace", "surgery")
SCORE = ScoreSpec(model="Rad-D", radiology="Rad-D")


def study(**changes: Any) -> Study:
    return Study(title="t", sites=tuple(StudySite(name=name) for name in SITES), **changes)


def honest(plan: Study) -> dict[str, tuple[str, Any]]:
    """A question of each kind as the honest coordinator asks it: statistic → phase and parameters."""
    covariates, zero, one = Covariates(columns=NAMES), (0.0, 0.0), (1.0, 1.0)
    fit = CoxExact(covariates=covariates, mean=zero, sd=one, beta=(0.3, -0.2), n_days=4_000)
    training = day_grids.training_cuts(plan.training)
    return {
        "precounts": ("clinical", PreCounts(split="train", columns=NAMES)),
        "characteristics": ("evaluation", SplitOnly(split="train")),
        "moments": ("clinical", Moments(split="train", covariates=covariates, origin=zero)),
        "cox.exact": ("clinical", fit),
        "training.start": ("training", TrainingStart(cut_days=training)),
        "training.hazard": ("training", TrainingHazard(model="Rad-D", centre=0.0, cut_days=training)),
        "evaluation.table": ("evaluation", Table(split="train", score=SCORE, score_cuts=(0.0, 0.5), time_edges=(0.0, 30.0, 60.0))),
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
        ]
    if "centre" in plain:
        changes += [{"centre": 1e9}, {"n_days": 4_000}]
    if "score_cuts" in plain:
        score = plain["score"]
        changes += [{"score": {**score, "radiology": None, "columns": ["tace"], "coefficients": [1e6]}}]
        mixed = {**score, "columns": ["tace"], "coefficients": [1.0], "mix": [1.0, 1.0]}
        changes += [{"score": {**mixed, "mix": [1e7, 1e-7]}}]
    return type(asked).model_validate({**plain, **changes[random.integers(len(changes))]})


def nothing(statistic: Any, parameters: Any, _arrays: Any) -> dict[str, Any]:
    return {segment.name: np.zeros(segment.shape) for segment in statistic.segments(parameters)}


@pytest.fixture(scope="module")
def federation() -> AttackedFederation:
    patients = {name: tuple(f"{name}/{i}" for i in range(30)) for name in SITES}
    return AttackedFederation.make(patients, policy=OPEN, study=study(models=("CLN", "Rad-D"), resolution="exact"))


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
    assert set(codes) == {"FH-532"}
    assert sum(entry.kind == "refusal" for entry in site.journal) - before == 1_000
    assert not any(entry.kind == "release" for entry in site.journal)


def test_two_sets_of_cuts_for_one_table_are_one_set_twice_as_fine() -> None:
    patients = {name: tuple(f"{name}/{i}" for i in range(30)) for name in SITES}
    federation = AttackedFederation.make(patients, policy=OPEN, study=study(models=("CLN", "Rad-D"), resolution="exact"))
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
        {"training": Training(cut_days=tuple(float(day) for day in range(300, 340)))},
        {"training": Training(rounds=100_000)},
    ],
)
def test_no_study_goes_below_the_policys_floors(federation: AttackedFederation, changes: dict[str, Any]) -> None:
    assert study_floor_faults(SECURE, study(**changes)) and not study_floor_faults(SECURE, study())
    lock = federation.lock.model_copy(update={"study": study(**changes)})
    assert "FH-532" in {problem.code for problem in refusals(SECURE, lock, SITES[0])}


def test_a_study_on_shares_opens_no_sum_whatever_is_asked() -> None:
    """Neither by the policy's word nor by a lenient policy: sums beside counts and updates are no part of such a study."""
    patients = {name: tuple(f"{name}/{i}" for i in range(30)) for name in SITES}
    of_sums = [name for name in REGISTRY if not REGISTRY[name].asked_in(study())]
    assert {"moments", "cox.exact", "evaluation.table", "evaluation.pair", "score.counts", "characteristics"} <= set(of_sums)
    questions = honest(study())
    for policy in (SECURE, OPEN):
        federation = AttackedFederation.make(patients, policy=policy, study=study(models=("CLN", "Rad-D")))
        for number, name in enumerate(sorted(set(questions) & set(of_sums)), 1):
            phase, parameters = questions[name]
            context = federation.context(name, parameters, phase=phase, attempt=number)
            with pytest.raises(Problem) as refused:
                federation.release(SITES[0], context, parameters, federation.keys(context, SITES), nothing, counts=PLENTY)
            assert refused.value.code in {"FH-504", "FH-532"}


def test_fine_cells_of_the_hazard_are_the_locks_or_refused(federation: AttackedFederation) -> None:
    cuts = day_grids.training_cuts(federation.lock.study.training)
    fine = TrainingHazard(model="Rad-D", centre=0.0, cut_days=cuts, n_days=100)
    with pytest.raises(Problem):
        check_numbers(OPEN, federation.lock, "development", "training.hazard", fine, Ledger(), lifted=False)
