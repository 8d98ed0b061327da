"""What an office may broadcast in training: a hazard, weights and a step that leave no hospital, day or few patients to be read."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from client.program.message_agent import Agent
from client.release.contributed_counts import in_a_step
from client.release.earlier_releases import Ledger
from client.release.journal_entries import RELEASE, Released
from client.release.request_against_lock import check_numbers
from client.release.site_policy import refusals
from evidence.attacks.attacked_federation import AttackedFederation
from shared_model.secure_sum import pairwise_masks
from shared_model.statistics import day_grids
from shared_model.statistics.statistic_declaration import REGISTRY
from shared_model.statistics.statistic_parameters import (
    PreCounts,
    TrainingHazard,
    TrainingUpdate,
    UpdateScale,
    ValidationLoss,
)
from shared_model.survival.broadcast_hazard import piecewise_sums
from site_config.hash_chained_journal import Entry
from site_config.problems import federation, privacy
from site_config.problems.base import Problem
from site_config.site_yaml import Policy
from site_config.study.plan_and_lock import Shares, Study, StudySite, Training

SITES = tuple(f"site-{letter}" for letter in "abcde")
CUTS = day_grids.training_cuts(Training())
HAZARD: dict[str, Any] = {"kind": "piecewise", "cut_days": list(CUTS), "rate": [1e-3] * (len(CUTS) + 1), "centre": 0.0}
STEPS: dict[str, Any] = {
    "kind": "step",
    "cumulative": [0.0] * 300 + [1.0] * 3700,
    "correction": [0.0] * 4000,
    "centre": 0.0,
    "ties": "efron",
}


SAID: dict[str, Any] = {"parameters": {}, "question": "", "roster": SITES, "cohort": "", "shape": {}, "bytes": 0, "masked": False}
SAID |= {"noise": "", "counts": None, "rule": "", "hash": ""}


def study(**changes: Any) -> Study:
    return Study(title="t", sites=tuple(StudySite(name=name) for name in SITES), models=("CLN", "Rad-D"), **changes)


def made_federation(**changes: Any) -> AttackedFederation:
    return AttackedFederation.make(
        {name: tuple(f"{name}/{i}" for i in range(30)) for name in SITES}, policy=Policy(), study=study(**changes)
    )


def update(hazard: dict[str, Any] = HAZARD, model: str = "Rad-D") -> TrainingUpdate:
    scale = UpdateScale(lengths=(10_000,), exponents=(0,))
    numbers = {"dimension": 10_000, "centre": 0.0, "ring": 32, "cut_days": CUTS, "round": 0}
    return TrainingUpdate.model_validate({"model": model, "hazard": hazard, "scale": scale.model_dump(), **numbers})


def refused(name: str, parameters: Any, **changes: Any) -> bool:
    try:
        check_numbers(Policy(), made_federation(**changes).lock, "development", name, parameters, Ledger(), lifted=False)
    except Problem as problem:
        assert problem.kind is privacy.OUTSIDE_LOCK
        return True
    return False


BROKEN = [
    STEPS,
    {**HAZARD, "cut_days": [300.0, 301.0], "rate": [0.0, 1e3, 0.0]},
    {**HAZARD, "rate": [-1.0, *HAZARD["rate"][1:]]},
    {**HAZARD, "rate": [1e200, *HAZARD["rate"][1:]]},
    {**HAZARD, "rate": [float("nan"), *HAZARD["rate"][1:]]},
    {**HAZARD, "rate": HAZARD["rate"][1:]},
    {**HAZARD, "centre": 150.0},
    {**HAZARD, "kind": "other"},
    {**HAZARD, "more": 1},
    {"kind": "piecewise"},
    {},
]


@pytest.mark.parametrize("hazard", BROKEN)
def test_a_hazard_that_jumps_at_a_chosen_day_counts_who_was_followed_until_it(hazard: dict[str, Any]) -> None:
    """With weights of zero the opened loss was the number of patients followed beyond the day, a day a round."""
    assert refused("training.update", update(hazard))
    assert refused("validation.loss", ValidationLoss(model="Rad-D", hazard=hazard, centre=0.0))


def test_hazards_as_the_office_makes_them_go_on() -> None:
    assert not refused("training.update", update())
    assert not refused("validation.loss", ValidationLoss(model="Rad-D", hazard=HAZARD, centre=0.0))
    by_day = Training(hazard="fresh", hazard_resolution="exact")
    assert not refused("training.update", update(STEPS), training=by_day)
    assert refused("validation.loss", ValidationLoss(model="Rad-D", hazard=STEPS, centre=0.0), training=by_day)
    assert refused("training.update", update({**STEPS, "cumulative": [1.0]}), training=by_day)


def test_a_network_that_the_study_does_not_train_is_asked_nothing() -> None:
    assert refused("training.update", update(model="Rad-S"))
    assert refused("training.hazard", TrainingHazard(model="Rad-S", centre=0.0, cut_days=CUTS))


def test_rounds_are_not_asked_again_for_ever() -> None:
    """Each with another hazard was another question, so that the lock's number of rounds bounded nothing."""
    made = made_federation(training=Training(rounds=2))
    ledger, asked = Ledger(), made.context("training.update", update(), phase="training")
    for turn in range(8):
        check_numbers(Policy(), made.lock, "development", "training.update", update(), ledger, lifted=False)
        released = Released(**SAID, context=asked.model_copy(update={"parameters": f"{turn:064x}"}))
        ledger.feed(Entry.make(turn, "", RELEASE, released.model_dump(mode="json"), ""))
    with pytest.raises(Problem, match="4 times the rounds"):
        check_numbers(Policy(), made.lock, "development", "training.update", update(), ledger, lifted=False)
    check_numbers(Policy(), made.lock, "development", "validation.loss", LOSS, ledger, lifted=False)


def test_counts_by_column_are_no_part_of_a_study_on_shares() -> None:
    """Pairs of columns were counted exactly, whatever Table 1 hides: one patient with both."""
    columns = ("tace", "surgery")
    assert refused("precounts", PreCounts(split="train", columns=columns))
    assert not refused("precounts", PreCounts(split="train", columns=()))
    assert not refused("precounts", PreCounts(split="train", columns=columns), resolution="exact")


LOSS = ValidationLoss(model="Rad-D", hazard=HAZARD, centre=0.0)
AT_WEIGHTS = {"training.update": update(), "training.hazard": TrainingHazard(model="Rad-D", centre=0.0, cut_days=CUTS)}
AT_WEIGHTS["validation.loss"] = LOSS  # type: ignore[assignment]


@pytest.mark.parametrize("name", AT_WEIGHTS)
@pytest.mark.parametrize("far", [1e300, -1e300, np.inf, np.nan])
def test_no_broadcast_makes_a_hospital_refuse_by_its_patients(name: str, far: float) -> None:
    """A refusal is seen hospital by hospital: forty of them, with centres chosen in turn, told the one patient's last day."""
    segments = REGISTRY[name].segments(AT_WEIGHTS[name])
    counts = {"patients", "events", "deaths", "clipped"}
    values = {one.name: np.full(one.shape, 1.0 if one.name in counts else far) for one in segments if one.name != "clipped"}
    encoded = pairwise_masks.encode(segments, values, 5)
    cut = sum(one.size for one in segments if one.name not in counts)
    assert int(encoded["clipped"][0]) == cut


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused_for_all_alike(number: float) -> None:
    holder, weights = SimpleNamespace(_states=OrderedDict()), np.zeros(9, dtype=np.float32)
    assert Agent._broadcast(holder, "d", {"weights.Rad-D": weights})  # type: ignore[arg-type]
    weights[3] = number
    with pytest.raises(Problem) as refused:
        Agent._broadcast(holder, "d", {"weights.Rad-D": weights})  # type: ignore[arg-type]
    assert refused.value.kind is federation.MESSAGE_MALFORMED and refused.value.kind.leaves


def test_the_day_of_one_patient_is_not_found_by_asking_with_other_centres() -> None:
    segments = REGISTRY["training.hazard"].segments(AT_WEIGHTS["training.hazard"])
    for centre in np.linspace(-200.0, 200.0, 41):
        sums = piecewise_sums(np.zeros(1), np.array([517.0]), np.array([True]), CUTS, float(centre))
        values = {"mass": sums.mass, "deaths": sums.deaths, "event_score": np.array([-centre]), "patients": np.ones(1)}
        pairwise_masks.encode(segments, values, 5)


@pytest.mark.parametrize(
    ("batch", "steps", "codes"), [(1, 1, {"FH-532"}), (3, 1, {"FH-532"}), (4, 1, set()), (1, 4, set()), (16, 1, set())]
)
def test_an_update_of_batches_of_one_is_that_of_a_few_patients(batch: int, steps: int, codes: set[str]) -> None:
    """Five hospitals: a round of batches of one summed five patients' gradients, however many the block has."""
    lock = made_federation(training=Training(batch=batch, local_steps=steps)).lock
    assert {problem.code for problem in refusals(Policy(), lock, SITES[0])} == codes


def test_patients_of_a_step_are_counted_as_hospitals_contribute_them() -> None:
    found = {"site-a": {"train": 100, "validation": 20}, "site-b": {"train": 1}, "site-c": {"train": 2}, "ghost": {"train": 50}}
    assert in_a_step(found, ("site-a", "site-b", "site-c"), ("train",), 16) == 19
    assert in_a_step(found, ("site-a", "site-b", "unknown"), ("train",), 200) == 101


@pytest.mark.parametrize(
    ("slots", "codes"), [(4, set()), (8, set()), (64, set()), (5, {"FH-532"}), (9, {"FH-532"}), (12, {"FH-532"}), (2, {"FH-532"})]
)
def test_rows_filled_up_to_multiples_tell_more_together_than_each(slots: int, codes: set[str]) -> None:
    """Studies of 4, 5, 6 and 7 told half of all numbers of patients; powers of two tell no more than the finest."""
    lock = made_federation(shares=Shares(slots=slots)).lock
    assert {problem.code for problem in refusals(Policy(), lock, SITES[0])} == codes


def test_several_multiples_tell_a_hospitals_size_and_powers_of_two_do_not() -> None:
    def told(multiples: tuple[int, ...]) -> int:
        return len({tuple(-(-n // one) for one in multiples) for n in range(1, 201)})

    assert told((4, 5, 6, 7)) > 100
    assert told((4, 8, 16, 32)) == 50
