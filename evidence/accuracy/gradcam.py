"""Does the heat map point at the tumour? Grad-CAM of a trained Rad-S on 20 fresh phantoms with a large liver tumour.

Rad-S starts from the declared warm start for phantoms (networks that have seen how large lesions are, and no survival), is
trained on made-up survival that depends on the liver tumour's area, and is then asked about phantoms of other seeds. Fixed
beforehand: "large" is at least 600 mm² in the slice looked at (the first of the rule, the one with most tumour); a hit is a
map whose maximum lies inside the tumour's mask; the test is one-sided against a map whose maximum falls anywhere in the
slice (p_i = tumour's share of the field), and, harder, anywhere in the liver (p_i = tumour's share of the organ).

`python -m evidence.accuracy.gradcam` prints and records the figures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from client.imaging import slices
from client.imaging.volume import Volume
from client.training.local_training import local_update, scores
from evidence.code_meaning import ROOT
from evidence.made_up_patients import MadeUpPatients, MemorySlices
from evidence.record import record
from shared_model.networks.grad_cam import grad_cam
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.server_optimiser import VectorOptimiser, pseudo_gradient
from shared_model.networks.weight_vector import from_vector, load_named, to_vector
from shared_model.survival.broadcast_hazard import piecewise_hazard, piecewise_sums
from simulations.cohort.nnunet_models import TASKS, Task, phantom_scans
from site_config.study.plan_and_lock import Study, StudySite

TRAIN, TEST, LARGE_MM2, ROUNDS = 40, 20, 600.0, 40
SEED, FIRST_TRAIN, FIRST_TEST = 31, 51_000, 52_000
CONTRAST = (1.5, 2.8)
WARM_START = ROOT / "simulations" / "cohort" / "models" / "warm_start_small.safetensors"


@dataclass(frozen=True)
class Phantom:
    """One phantom's slices (O, S, H, W), the pictures' labels of the liver (S, H, W: 1 organ, 2 tumour), tumour areas (S,) in mm²."""

    images: NDArray[np.float32]
    labels: NDArray[np.uint8]
    area_mm2: NDArray[np.float64]


def study() -> Study:
    """64 × 64, the field cropped to the organ, the small network."""
    fields = {
        "title": "gradcam",
        "simulated": True,
        "sites": [StudySite(name="a")],
        "imaging": {"size": 64, "field": "organ"},
        "network": {"backbone": "small", "norm": "group", "dropout": {"Rad-S": 0.0}},
        "training": {"server": {"name": "adam", "rate": 1e-3}, "batch": 1024},
    }
    return Study.model_validate(fields)


def look(task: Task, seed: int, made: Study) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float64]]:
    """Slices (S, H, W) as the network sees them, labels (S, H, W) and tumour areas (S,) of one organ of one phantom."""
    (scan,) = phantom_scans(task, [seed], CONTRAST)
    z = np.asarray(scan.spacing[0] * np.arange(scan.hu.shape[0]), np.float64)
    volume = Volume(scan.hu, z, (scan.spacing[1], scan.spacing[2]), np.array(scan.origin), np.eye(3))
    grid = slices.grid_of(z, made.imaging.spacing_mm)
    organ = slices.labels_on(np.isin(scan.labels, (task.organ, task.tumour)), grid)
    tumour = slices.labels_on(scan.labels == task.tumour, grid)
    measured = slices.measure(organ, tumour, volume, grid)
    choice = slices.choose(measured, grid, made.imaging.slices)
    if choice is None:
        raise ValueError("a phantom without its organ")
    window = next(one.window for one in made.organs if one.name == task.name)
    images = slices.render(volume, grid, choice, measured, window, made.imaging)
    picture = slices.picture(volume, grid, choice, measured, (organ, tumour), window, made.imaging)
    return np.asarray(images, np.float32), picture[:, 1], measured.tumour_mm2[list(choice.slices)]


def phantom(seed: int, made: Study) -> Phantom:
    """One phantom of both organs."""
    liver, labels, area = look(TASKS[0], seed, made)
    lung, _, _ = look(TASKS[1], seed, made)
    return Phantom(np.stack([liver, lung]), labels, area)


def cohort(found: list[Phantom]) -> MadeUpPatients:
    """Survival that depends on the liver tumour: hazard e^{1.5 z}, z the standardised log area."""
    random = np.random.default_rng(SEED)
    logged = np.log(np.array([one.area_mm2.mean() for one in found]) + 100.0)
    risk = 1.5 * (logged - logged.mean()) / logged.std()
    death = np.ceil(random.exponential(700, len(found)) * np.exp(-risk))
    censored = np.ceil(random.uniform(200, 2500, len(found)))
    images = np.stack([np.stack([one.images, one.images]) for one in found])
    no = np.zeros(len(found), dtype=bool)
    keys = tuple(str(i) for i in range(len(found)))
    return MadeUpPatients(keys, np.minimum(death, censored), death <= censored, no, ~no, MemorySlices(images))


def trained(made: Study, patients: MadeUpPatients) -> RadNetwork:
    """Rad-S from the warm start, trained as one site with a fresh hazard each round."""
    from safetensors.torch import load

    network = build(made, "Rad-S", seed=SEED)
    stored = load(WARM_START.read_bytes())
    load_named(network, {name.removeprefix("Rad-S/"): tensor for name, tensor in stored.items() if not name.startswith("Rad-D/")})
    server, cuts = VectorOptimiser(made.training, to_vector(network).size), (250.0, 600.0, 1200.0)
    for number in range(ROUNDS):
        score = scores(network, patients, micro_batch=8)
        centre = float(np.log(np.exp(score).mean()))
        sums = piecewise_sums(score, patients.event_day, patients.event, cuts, centre)
        hazard = piecewise_hazard(sums.mass, sums.deaths, cuts, centre)
        update = local_update(network, patients, hazard, centre, made.training, seed_parts=(SEED, number), micro_batch=8)
        from_vector(network, server.step(to_vector(network), pseudo_gradient(update.update, update.patients, made.training)))
    return network


def at_least(hits: int, chances: list[float]) -> float:
    """P(at least `hits` successes) of independent trials with the given chances (Poisson-binomial, exact)."""
    distribution = np.array([1.0])
    for chance in chances:
        distribution = np.convolve(distribution, [1 - chance, chance])
    return float(distribution[hits:].sum())


def main() -> None:
    """Train, look, print and record."""
    torch.set_num_threads(1)
    made = study()
    patients = cohort([phantom(FIRST_TRAIN + i, made) for i in range(TRAIN)])
    network = trained(made, patients)
    hits, in_field, in_organ, seed, seen = 0, [], [], FIRST_TEST, 0
    while seen < TEST:
        one = phantom(seed, made)
        seed += 1
        if one.area_mm2[0] < LARGE_MM2:
            continue
        seen += 1
        place = int(grad_cam(network, one.images[None])[0, 0, 0].argmax())
        labels = one.labels[0].reshape(-1)
        hits += int(labels[place] == 2)
        in_field.append(float((labels == 2).mean()))
        in_organ.append(float((labels == 2).sum() / max((labels > 0).sum(), 1)))
    figures = {
        "phantoms": TEST,
        "large_mm2": LARGE_MM2,
        "hits": hits,
        "expected_anywhere_in_the_slice": sum(in_field),
        "p_anywhere_in_the_slice": at_least(hits, in_field),
        "expected_anywhere_in_the_organ": sum(in_organ),
        "p_anywhere_in_the_organ": at_least(hits, in_organ),
        "test_seeds": [FIRST_TEST, seed - 1],
    }
    print(json.dumps(figures, indent=1))
    covers = [
        "shared_model/networks/grad_cam.py",
        "shared_model/networks/rad_networks.py",
        "shared_model/networks/extractors.py",
        "client/training/local_training.py",
        "shared_model/networks/efficientnet.py",
    ]
    record("gradcam", covers=covers, figures=figures, seeds=[SEED, FIRST_TRAIN, FIRST_TEST])


if __name__ == "__main__":
    main()
