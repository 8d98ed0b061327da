"""Gradients a patient at a time: one-patient backward passes, Opacus' own, and what one patient moves (issue O, bar 1)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from opacus.grad_sample import GradSampleModule

from client.statistics.private_statistics_of_site import hazard_sum
from client.training.private_update import clipped_sum, patient_gradients
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.trainable_under_privacy import is_trained, trained_places
from shared_model.networks.weight_vector import Schema, floating
from shared_model.privacy.noise_on_statistics import NoiseShare, PrivateHazard
from site_config.study.differential_privacy import Trainable
from tests.client.training_support import MadeUp, MadeUpSlices, made_up, study_with

RATE = 1e-3
SEEDS = (7, "study", "Rad-D", 0)


def network(model: str = "Rad-D") -> RadNetwork:
    return build(study_with(network={"backbone": "small", "norm": "group", "dropout": {model: 0.0}}), model, seed=5)


def gradients(net: RadNetwork, patients: MadeUp, which: Trainable) -> np.ndarray:
    rows = list(range(len(patients.keys)))
    found = patient_gradients(net, patients, rows, RATE * patients.event_day, which, seed_parts=SEEDS, flips=0.0)
    return np.array(list(found))


@pytest.mark.parametrize("which", ["head", "lstm+head", "all"])
@pytest.mark.parametrize("model", ["Rad-S", "Rad-D"])
def test_equal_to_a_backward_pass_of_that_patient_alone(model: str, which: Trainable) -> None:
    """With everything trained and the loss e^f H − δ f written out by hand."""
    net, patients = network(model), made_up(4, 1)
    found = gradients(net, patients, which)
    assert all(parameter.requires_grad == (name != "cls_2.bias") for name, parameter in net.named_parameters())
    net.cls_2.bias.requires_grad_(True)
    assert patients.images is not None
    for i in range(4):
        net.zero_grad(set_to_none=True)
        score = net(torch.from_numpy(patients.images.load(i)[None])).double()[0]
        (torch.exp(score) * RATE * patients.event_day[i] - float(patients.event[i]) * score).backward()
        known = dict(net.named_parameters())
        wanted = [known[name].grad.reshape(-1).double() for name, _ in floating(net) if is_trained(name, which)]
        assert found[i] == pytest.approx(torch.cat(wanted).numpy(), rel=1e-5, abs=1e-5 * np.abs(found[i]).max())
    assert found.shape[1] == trained_places(Schema.of(network(model)), which).sum()


def test_equal_to_opacus_on_the_head() -> None:
    """Its hooks fit linear layers; the small network's group norm and the recurrent layers of Rad-D stay below."""
    net, patients = network("Rad-S"), made_up(6, 2)
    ours = gradients(net, patients, "head")
    with torch.no_grad():
        features = net.features(torch.from_numpy(np.stack([patients.images.load(i) for i in range(6)])))  # type: ignore[union-attr]
    joined = torch.cat([features[:, 0, index] for index in range(len(net.organs))], dim=1)
    net.cls_2.bias.requires_grad_(True)
    theirs = GradSampleModule(torch.nn.Sequential(net.cls_1, torch.nn.ReLU(), net.cls_2), loss_reduction="sum").train()
    score = theirs(joined).squeeze(1).double()
    hazard = torch.from_numpy(RATE * patients.event_day)
    (torch.exp(score) * hazard - torch.from_numpy(patients.event.astype(float)) * score).sum().backward()
    wanted = torch.cat([parameter.grad_sample.reshape(6, -1) for parameter in theirs.parameters()], dim=1).numpy()
    assert ours == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def without(patients: MadeUp, gone: int) -> MadeUp:
    kept = [i for i in range(len(patients.keys)) if i != gone]
    assert patients.images is not None
    slices = MadeUpSlices(patients.images.slices[kept])
    keys = tuple(patients.keys[i] for i in kept)
    return MadeUp(keys, patients.event_day[kept], patients.event[kept], patients.is_validation[kept], patients.has_images[kept], slices)


@pytest.mark.parametrize("seed", range(6))
def test_a_patient_moves_the_update_by_the_norm_at_most(seed: int) -> None:
    """Random cohorts of 1, 2 and 4; a patient whose slices are no numbers, and one whose day is none."""
    patients = made_up((1, 2, 4)[seed % 3], 20 + seed)
    assert patients.images is not None
    patients.images.slices[0] *= 1e3 if seed % 2 else np.nan
    patients.event_day[-1] = np.nan if seed >= 4 else 1e9
    net = network("Rad-S")
    share = NoiseShare.of(0.01, 0.02)
    whole = total(net, patients, share)
    for gone in range(len(patients.keys)):
        moved = whole - total(net, without(patients, gone), share)
        assert float(np.linalg.norm(moved)) * share.unit <= share.norm


def total(net: RadNetwork, patients: MadeUp, share: NoiseShare) -> np.ndarray:
    return clipped_sum(net, patients, RATE * patients.event_day, share, "head", seed_parts=SEEDS, flips=0.5)


@pytest.mark.parametrize("seed", range(20))
def test_a_patient_moves_the_hazard_by_its_norm_at_most(seed: int) -> None:
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 9))
    score, day = random.normal(0, 40, n), random.exponential(900, n)
    score[0], day[-1] = (np.nan, 1e6) if seed % 2 else (800.0, np.nan)
    event = random.random(n) < 0.6
    asked = PrivateHazard(model="Rad-S", noise=NoiseShare.of(2**0.5, 5.0), cut_days=(180.0, 360.0, 720.0))
    whole = hazard_sum(score, day, event, asked, RATE)
    for gone in range(n):
        kept = np.arange(n) != gone
        moved = whole - hazard_sum(score[kept], day[kept], event[kept], asked, RATE)
        assert float(np.linalg.norm(moved)) * asked.noise.unit <= asked.noise.norm


def test_a_changed_statistic_of_a_normalisation_is_found() -> None:
    net, patients = network("Rad-S"), made_up(2, 3)
    net.register_buffer("running", torch.zeros(1))
    turning = patient_gradients(net, patients, [0, 1], RATE * patients.event_day, "head", seed_parts=SEEDS, flips=0.0)
    next(turning)
    net.running += 1
    with pytest.raises(ValueError, match="statistics of a normalisation"):
        list(turning)


def test_nobody_contributes_zeros() -> None:
    assert not total(network("Rad-S"), made_up(0, 1), NoiseShare.of(1.0, 1.0)).any()


@pytest.mark.parametrize("which", ["head", "lstm+head"])
@pytest.mark.parametrize("model", ["Rad-S", "Rad-D"])
def test_many_patients_together_equal_each_alone_with_dropout_and_flips(model: str, which: Trainable) -> None:
    """`vmap` over five patients, against a backward pass of one patient with the same draws."""
    net = build(study_with(network={"backbone": "small", "norm": "group", "dropout": {model: 0.25}}), model, seed=5)
    patients = made_up(5, 4)
    hazard = RATE * patients.event_day
    together = np.array(list(patient_gradients(net, patients, range(5), hazard, which, seed_parts=SEEDS, flips=0.5)))
    everything = np.array(list(patient_gradients(net, patients, range(5), hazard, "all", seed_parts=SEEDS, flips=0.5)))
    schema = Schema.of(net)
    wanted = everything[:, trained_places(schema, which)[trained_places(schema, "all")]]
    assert together == pytest.approx(wanted, rel=1e-5, abs=1e-5 * np.abs(wanted).max())
    alone = [next(iter(patient_gradients(net, patients, [i], hazard, which, seed_parts=SEEDS, flips=0.5))) for i in range(5)]
    assert together == pytest.approx(np.array(alone), rel=1e-5, abs=1e-6)
