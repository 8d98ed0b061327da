"""A site's update is the sum of its patients' gradients, whatever the micro-batch, and nothing else of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from client.training import local_training as training
from client.training.batches_and_flips import draw, is_flipped
from client.training.local_training import LocalUpdate, local_update, loss_sum, scores, scores_at
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.weight_vector import Schema, from_vector, to_vector
from shared_model.survival.broadcast_hazard import PiecewiseHazard, StepHazard, day_sums, piecewise_hazard, piecewise_sums, step_hazard
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import Organ, Study, Window, two_organs
from site_config.study.prognostic_models import NetworkName
from tests.client.training_support import MadeUp, made_up, study_with

CUTS = (150.0, 400.0, 800.0)


def hazard_at(network: RadNetwork, patients: MadeUp) -> tuple[PiecewiseHazard, float]:
    score = scores(network, patients)
    centre = float(np.log(np.exp(score).mean()))
    sums = piecewise_sums(score, patients.event_day, patients.event, CUTS, centre)
    return piecewise_hazard(sums.mass, sums.deaths, CUTS, centre), centre


def update_of(study: Study, patients: MadeUp, *, model: NetworkName = "Rad-D", micro_batch: int = 1) -> LocalUpdate:
    network = build(study, model, seed=1)
    everybody = replace(patients, is_validation=np.zeros_like(patients.is_validation), has_images=np.ones_like(patients.has_images))
    hazard, centre = hazard_at(network, everybody)
    return local_update(network, patients, hazard, centre, study.training, seed_parts=("study", model, 3), micro_batch=micro_batch)


def relative(one: NDArray[np.float64], two: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(one - two) / np.linalg.norm(two))


@pytest.mark.parametrize("norm", ["group", "frozen"])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float64", 1e-12)])
def test_micro_batches_give_the_gradient_of_the_batch_with_flips_and_dropout(norm: str, precision: str, tolerance: float) -> None:
    study = study_with(training={"precision": precision}, network={"backbone": "small", "norm": norm})
    patients = made_up(7, 3)
    whole = update_of(study, patients, micro_batch=7).update
    for micro_batch in (1, 2, 3):
        assert relative(update_of(study, patients, micro_batch=micro_batch).update, whole) < tolerance


def test_the_update_is_the_gradient_of_the_pooled_partial_likelihood() -> None:
    """Against the textbook loss (Efron), differentiated by torch on all patients at once."""
    study = study_with(training={"precision": "float64", "flips": 0}, network={"backbone": "small", "dropout": {"Rad-D": 0}})
    patients = made_up(9, 5)
    day, event = np.ceil(patients.event_day / 300), patients.event  # many ties
    patients = replace(patients, event_day=day)
    network = build(study, "Rad-D", seed=1)
    score = scores(network, patients)
    hazard: StepHazard = step_hazard(day_sums(score, day, event, int(day.max()) + 1, 0.0), "efron")
    found = local_update(network, patients, hazard, 0.0, study.training, seed_parts=("s",)).update

    network.train()
    assert patients.images is not None
    risk = network(torch.from_numpy(patients.images.slices).double())
    loss = torch.zeros((), dtype=torch.float64)
    for moment in np.unique(day[event]):
        at_risk = torch.exp(risk[torch.from_numpy(day >= moment)]).sum()
        dying = risk[torch.from_numpy((day == moment) & event)]
        for nth in range(len(dying)):
            loss = loss + torch.log(at_risk - nth / len(dying) * torch.exp(dying).sum())
        loss = loss - dying.sum()
    loss.backward()
    schema, gradients = Schema.of(network), {name: parameter.grad for name, parameter in network.named_parameters()}
    expected = np.zeros(schema.size)
    for entry in schema.entries:
        gradient = gradients[entry.name]
        if gradient is not None:
            expected[entry.start : entry.stop] = gradient.reshape(-1).numpy()
    assert relative(found, expected) < 1e-10


@pytest.mark.parametrize("split", [(0, 1, 1, 2, 4), (3, 5), (8, 0)])
def test_ragged_sites_add_up_to_the_pooled_update(split: tuple[int, ...]) -> None:
    study = study_with(training={"precision": "float64"})
    patients = made_up(8, 4)
    network = build(study, "Rad-D", seed=1)
    hazard, centre = hazard_at(network, patients)
    whole = local_update(network, patients, hazard, centre, study.training, seed_parts=("s",), micro_batch=8)
    total, first = np.zeros_like(whole.update), 0
    for n in split:
        assert patients.images is not None
        part = slice(first, first + n)
        site = MadeUp(
            patients.keys[part],
            patients.event_day[part],
            patients.event[part],
            patients.is_validation[part],
            patients.has_images[part],
            replace(patients.images, slices=patients.images.slices[part]),
        )
        total += local_update(network, site, hazard, centre, study.training, seed_parts=("s",)).update
        first += n
    assert relative(total, whole.update) < 1e-12


def test_a_site_without_patients_or_without_images_contributes_zeros() -> None:
    study = study_with()
    for empty in (made_up(0, 1), replace(made_up(2, 1), images=None)):
        network = build(study, "Rad-D", seed=1)
        result = local_update(network, empty, PiecewiseHazard(CUTS, np.full(4, 1e-3), 0.0), 0.0, study.training, seed_parts=("s",))
        assert result.patients == 0
        assert result.loss_sum == 0
        assert not result.update.any()
        assert result.update.shape == (Schema.of(network).size,)


def test_validation_patients_and_patients_without_images_are_left_out_and_counted() -> None:
    study, patients = study_with(training={"precision": "float64"}), made_up(6, 2)
    some = np.array([False, True, False, False, False, False])
    reduced = replace(patients, is_validation=some, has_images=np.array([True, True, True, True, False, False]))
    result = update_of(study, reduced)
    assert (result.patients, result.skipped) == (3, 2)
    np.testing.assert_array_equal(result.event_day, patients.event_day[[0, 2, 3]])


def test_nobody_died_is_still_a_gradient_and_everybody_censored_is_finite() -> None:
    result = update_of(study_with(), replace(made_up(3, 2), event=np.zeros(3, dtype=bool)))
    assert np.isfinite(result.update).all()


def test_the_hazard_s_scores_are_those_of_the_broadcast_weights_and_the_network_is_unchanged() -> None:
    study = study_with(training={"local_steps": 3, "site": {"name": "adam", "rate": 0.01}})
    patients, network = made_up(4, 2), build(study, "Rad-D", seed=1)
    before = to_vector(network)
    hazard, centre = hazard_at(network, patients)
    result = local_update(network, patients, hazard, centre, study.training, seed_parts=("s",))
    np.testing.assert_array_equal(to_vector(network), before)
    np.testing.assert_allclose(result.score, scores_at(study, "Rad-D", before, patients, np.arange(4)), rtol=0, atol=0)
    assert result.loss_sum == pytest.approx(loss_sum(network, patients, hazard, centre))


def test_two_sgd_steps_equal_two_steps_by_hand() -> None:
    changes = {"precision": "float64", "flips": 0, "site": {"name": "sgd", "rate": 0.05}}
    plain = {"backbone": "small", "dropout": {"Rad-D": 0}}
    one, two = study_with(training=changes, network=plain), study_with(training={**changes, "local_steps": 2}, network=plain)
    patients, network = made_up(5, 6), build(one, "Rad-D", seed=1)
    hazard, centre = hazard_at(network, patients)
    start = to_vector(network)
    first = local_update(network, patients, hazard, centre, one.training, seed_parts=("s",)).update
    from_vector(network, start - 0.05 / 5 * first)
    second = local_update(network, patients, hazard, centre, one.training, seed_parts=("s",)).update
    from_vector(network, start)
    both = local_update(network, patients, hazard, centre, two.training, seed_parts=("s",)).update
    assert relative(both, first + second) < 1e-9


def test_the_proximal_term_pulls_back_to_the_broadcast_weights() -> None:
    steps = {"local_steps": 4, "site": {"name": "sgd", "rate": 0.5}}
    free = update_of(study_with(training=steps), made_up(5, 6)).update
    held = update_of(study_with(training={**steps, "proximal": 1.0}), made_up(5, 6)).update
    assert np.linalg.norm(held) < np.linalg.norm(free)


def test_per_patient_gradients_are_clipped_one_by_one() -> None:
    patients = made_up(5, 6)
    free = update_of(study_with(), patients)
    clipped = update_of(study_with(training={"gradient_norm": 1e-5}), patients)
    assert clipped.shrunk >= 4
    assert np.linalg.norm(clipped.update) <= 5e-5 * (1 + 1e-9)
    loose = update_of(study_with(training={"gradient_norm": 1e3}), patients)
    assert loose.shrunk == 0
    assert relative(loose.update, free.update) < 1e-5


def test_a_round_repeats_bit_for_bit_and_another_round_does_not() -> None:
    study, patients = study_with(), made_up(4, 2)
    network = build(study, "Rad-D", seed=1)
    hazard, centre = hazard_at(network, patients)
    rounds = [local_update(network, patients, hazard, centre, study.training, seed_parts=("s", r)).update for r in (1, 1, 2)]
    np.testing.assert_array_equal(rounds[0], rounds[1])
    assert relative(rounds[2], rounds[0]) > 1e-3


def test_a_large_site_goes_through_its_patients_in_seeded_batches() -> None:
    study = study_with(training={"batch": 3, "local_steps": 3})
    patients = made_up(7, 2)
    network = build(study, "Rad-S", seed=1)
    task = training._Task(
        network,
        patients,
        list(range(7)),
        np.zeros(7),
        patients.event,
        0.0,
        study.training,
        ("s",),
        training.Hardware(torch.device("cpu"), 1),
    )
    batches = [task._batch(step) for step in range(3)]
    assert sorted(position for batch in batches for position in batch) == list(range(7))
    assert [len(batch) for batch in batches] == [3, 3, 1]


def test_out_of_memory_halves_the_micro_batch_says_so_and_gives_the_same_update(monkeypatch: pytest.MonkeyPatch) -> None:
    study, patients = study_with(training={"precision": "float64"}), made_up(4, 2)
    expected = update_of(study, patients, micro_batch=1)
    forward = RadNetwork.forward

    def tight(self: RadNetwork, images: torch.Tensor) -> torch.Tensor:
        if images.shape[0] > 1 and self.training:
            raise torch.OutOfMemoryError("made up")
        return forward(self, images)

    monkeypatch.setattr(RadNetwork, "forward", tight)
    result = update_of(study, patients, micro_batch=4)
    assert result.notes == ("out of memory: micro-batch reduced to 2", "out of memory: micro-batch reduced to 1")
    assert relative(result.update, expected.update) < 1e-12

    def never(self: RadNetwork, images: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("made up")

    monkeypatch.setattr(RadNetwork, "forward", never)
    with pytest.raises(Problem, match="FH-604"):
        scores(build(study, "Rad-D"), patients, micro_batch=4)


def test_three_organs_train() -> None:
    adrenal = Organ(name="adrenal", region="abdomen", window=Window(width=400, level=0), targets=("adrenal", "adrenal_tumour"))
    study = study_with(organs=(*two_organs(), adrenal), training={"flips": 0}, network={"backbone": "small", "dropout": {"Rad-D": 0}})
    patients, network = made_up(4, 8, organs=3), build(study, "Rad-D", seed=2)
    hazard, centre = hazard_at(network, patients)
    before = loss_sum(network, patients, hazard, centre)
    for step in range(15):
        update = local_update(network, patients, hazard, centre, study.training, seed_parts=("s", step)).update
        from_vector(network, (to_vector(network) - 0.1 * update / 4).astype(np.float32))
    assert loss_sum(network, patients, hazard, centre) < before


def test_flips_follow_their_probability_and_draws_are_recorded_values() -> None:
    flips = [is_flipped(("s",), 0, str(i), 0.5) for i in range(2000)]
    assert 0.46 < np.mean(flips) < 0.54
    assert not any(is_flipped(("s",), 0, str(i), 0.0) for i in range(50))
    assert all(is_flipped(("s",), 0, str(i), 1.0) for i in range(50))
    assert draw(("s", 1), "dropout", 2, "k") == draw(("s", 1), "dropout", 2, "k") != draw(("s", 11), "dropout", 2, "k")


def test_a_missing_gpu_is_a_problem_and_never_silently_the_cpu() -> None:
    assert training.choose_device("auto").type in ("cpu", "cuda")
    if not torch.cuda.is_available():
        with pytest.raises(Problem, match="FH-605"):
            training.choose_device("cuda")
