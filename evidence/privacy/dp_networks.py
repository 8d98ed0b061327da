"""C-index of Rad-D on phantoms trained under differential privacy: head, and recurrent layers with head, by patients and ε.

The backbone is frozen at the demonstration's warm start, so that a patient's features are computed once. Clipped gradients of all
patients each round by the hospital's own code (`client.training.head_gradients`), in whole numbers, on the public exponential
baseline, with the noise of every hospital (four patients each; half of them honest), as a study adds it. C is on 400 others of the
population. Also measured: gradients of patients together against one backward pass after another.

`python -m evidence.privacy.dp_networks` writes docs/evidence/dp_networks.json; `--patients 161` measures one size.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client.training.head_gradients import head_gradients
from client.training.private_update import patient_gradients
from evidence.accuracy.signal import slices_of
from evidence.made_up_patients import made_up_patients
from evidence.record import record
from shared_model.networks.pretrained_weights import load_warm_start
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.trainable_under_privacy import is_trained, trained_places
from shared_model.networks.weight_vector import Schema, floating, from_vector, to_vector
from shared_model.privacy.noise_on_statistics import NoiseShare
from shared_model.privacy.noise_schedule import NoiseSchedule, baseline_rate
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.simulated_patients import concordance, simulate
from simulations.cohort.write_cohort import WARM_START
from simulations.threads import one_thread
from site_config.study.differential_privacy import Trainable
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import RAD_D
from site_config.study.study_presets import preset

Floats = NDArray[np.float64]
SIZES = {161: 3, 1000: 2, 4000: 1}
"""Patients, and how many cohorts of so many are trained."""
FIRST_SEED, HELD_OUT, PATIENTS_A_SITE = 8001, 400, 4
EPSILONS = (1.0, 2.0, 4.0, 8.0)
ROUNDS, RATE, TOGETHER = 20, 0.03, 256
"""The rate is the best of 0.03, 0.1, 0.3 and 1 without noise, on seeds 9001 and 9002 at 161 patients."""
MATRIX, SLICE_MM = 64, 5.0
"""Phantoms are drawn so coarsely: the networks see 64 x 64 pixels in any case."""
WHICH: tuple[Trainable, ...] = ("head", "lstm+head")


@dataclass(frozen=True)
class PhantomFeatures:
    """Features (n, V, O, 32) at the frozen backbone, day and event (n,)."""

    features: torch.Tensor
    day: Floats
    event: NDArray[np.bool_]

    def part(self, rows: slice) -> PhantomFeatures:
        """Some of the patients."""
        return PhantomFeatures(self.features[rows], self.day[rows], self.event[rows])


def study_of(patients: int, epsilon: float, which: Trainable) -> Study:
    """The demonstration's study of Rad-D with so much noise."""
    plain = preset("demo").model_dump()
    plain["models"], plain["training"]["rounds"], plain["training"]["server"] = (RAD_D.name,), ROUNDS, {"name": "sgd", "rate": RATE}
    honest = ceil(patients / PATIENTS_A_SITE / 2)
    plain["privacy"]["dp"] = {"epsilon": epsilon, "patients": patients, "honest": honest, "trainable": which}
    return Study.model_validate(plain)


def network_of(study: Study, seed: int) -> RadNetwork:
    """The network at its warm start."""
    network = build(study, RAD_D.name, seed=seed)
    load_warm_start(network, WARM_START.read_bytes())
    return network.eval()


def phantoms(patients: int, seed: int) -> tuple[PhantomFeatures, PhantomFeatures]:
    """Training and held-out patients of one population."""
    options, study = PRESETS["demo"], preset("demo")
    assert options.phantom is not None
    small = replace(options.phantom, matrix=MATRIX, slice_mm=SLICE_MM)
    sites = (max(12, patients // PATIENTS_A_SITE), 3)
    population = simulate(replace(options.survival, patients=(patients, HELD_OUT), sites=sites, lone_sites=0), seed)
    network = network_of(study, seed)
    found = []
    for role in ("development", "evaluation"):
        people = [patient for patient in population.patients if patient.role == role]
        with torch.no_grad():
            features = [network.features(torch.from_numpy(slices_of(one, small, study)[None])) for one in people]
        day, event = np.array([one.event_day for one in people], float), np.array([one.event for one in people], dtype=bool)
        found.append(PhantomFeatures(torch.cat(features), day, event))
    return found[0], found[1]


def trained(people: PhantomFeatures, held: PhantomFeatures, study: Study, share: NoiseShare | None, sites: int, seed: int) -> float:
    """C on the held-out patients after all rounds; clipped without noise for `share` None."""
    dp = study.privacy.dp
    assert dp is not None
    network, which = network_of(study, seed), dp.trainable
    exact = share or NoiseShare.of(dp.clip_norm, dp.clip_norm)
    names = [name for name, _ in floating(network) if is_trained(name, which)]
    places, weights = trained_places(Schema.of(network), which), to_vector(network)
    hazard, random = torch.from_numpy(baseline_rate(dp) * people.day), np.random.default_rng(seed)
    for _ in range(ROUNDS):
        from_vector(network, weights)
        total = np.zeros(int(places.sum()), dtype=np.int64)
        for start in range(0, len(people.day), TOGETHER):
            some = slice(start, start + TOGETHER)
            masks = torch.ones((len(people.day[some]), 8))
            event = torch.from_numpy(people.event[some])
            found = head_gradients(network, names, people.features[some], masks, hazard[some], event).numpy()
            total += sum((exact.part(one) for one in found), np.zeros_like(total))
        if share:
            total += together(share, sites, total.size, random)
        weights[places] -= (RATE * total * exact.unit / len(people.day)).astype(weights.dtype)
    from_vector(network, weights)
    with torch.no_grad():
        score = network.head(held.features).double().numpy()
    return float(concordance(score, held.day, held.event))


def together(share: NoiseShare, sites: int, size: int, random: np.random.Generator) -> NDArray[np.int64]:
    """The sum (size,) of every hospital's discrete Gaussian: 2^19 units wide at least, it is a rounded normal one to 1e-12."""
    return np.rint(random.normal(0.0, (share.variance * sites) ** 0.5, size)).astype(np.int64)


def of_size(patients: int, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Mean C by what is trained and ε, with its standard error over cohorts."""
    cohorts = [phantoms(patients, seed) for seed in seeds]
    sites, table = max(12, patients // PATIENTS_A_SITE), {}
    for which in WHICH:
        for epsilon in (*EPSILONS, None):
            study = study_of(patients, epsilon or 1.0, which)
            share = NoiseSchedule.of(study, 1).update if epsilon else None
            found = [trained(people, held, study, share, sites, seed) for (people, held), seed in zip(cohorts, seeds, strict=True)]
            spread = round(float(np.std(found, ddof=1) / len(found) ** 0.5), 4) if len(found) > 1 else None
            table[f"{which}, " + (f"ε = {epsilon:g}" if epsilon else "no noise")] = {"c": round(float(np.mean(found)), 4), "se": spread}
            print(patients, which, epsilon, table[f"{which}, " + (f"ε = {epsilon:g}" if epsilon else "no noise")], flush=True)
    start = [_start(held, seed) for (_, held), seed in zip(cohorts, seeds, strict=True)]
    return {"cohorts": len(seeds), "untrained": {"c": round(float(np.mean(start)), 4)}, **table}


def _start(held: PhantomFeatures, seed: int) -> float:
    with torch.no_grad():
        score = network_of(preset("demo"), seed).head(held.features).double().numpy()
    return float(concordance(score, held.day, held.event))


def together_or_alone() -> dict[str, float]:
    """CPU milliseconds a patient of the recurrent layers' and head's gradient: one backward pass after another, and together."""
    people, study = made_up_patients(TOGETHER, 1, size=32), study_of(161, 4.0, "lstm+head")
    network = network_of(study, 1)
    names = [name for name, _ in floating(network) if is_trained(name, "lstm+head")]
    with torch.no_grad():
        features = network.features(torch.from_numpy(people.images.slices))
    hazard, event = torch.from_numpy(1e-3 * people.event_day), torch.from_numpy(people.event)
    masks = torch.ones((TOGETHER, 8))
    spent = {}
    for name, size in (("one after another", 1), ("together", TOGETHER)):
        begun = time.process_time()
        for at in range(0, TOGETHER, size):
            some = slice(at, at + size)
            head_gradients(network, names, features[some], masks[some], hazard[some], event[some])
        spent[name] = round(1000 * (time.process_time() - begun) / TOGETHER, 3)
    begun = time.process_time()
    for _ in patient_gradients(network, people, range(TOGETHER), 1e-3 * people.event_day, "all", seed_parts=(1,), flips=0.0):
        pass
    spent["all layers, one backward pass after another"] = round(1000 * (time.process_time() - begun) / TOGETHER, 3)
    return spent


def main() -> None:
    """Measure and record, a size at a time."""
    one_thread()
    parser = argparse.ArgumentParser()
    parser.add_argument("--patients", type=int, nargs="*", default=list(SIZES))
    figures: dict[str, Any] = {
        "rounds": ROUNDS,
        "rate": RATE,
        "held_out": HELD_OUT,
        "matrix": MATRIX,
        "milliseconds_a_patient": together_or_alone(),
    }
    for patients in parser.parse_args().patients:
        seeds = tuple(range(FIRST_SEED, FIRST_SEED + SIZES.get(patients, 1)))
        figures[f"{patients} patients"] = of_size(patients, seeds)
        covers = [
            "client/training/head_gradients.py",
            "shared_model/privacy/noise_on_statistics.py",
            "shared_model/privacy/noise_schedule.py",
        ]
        covers += ["shared_model/privacy/epsilon_accounting.py", "evidence/privacy/dp_networks.py"]
        record("dp_networks", covers=covers, figures=figures, seeds=list(range(FIRST_SEED, FIRST_SEED + max(SIZES.values()))))


if __name__ == "__main__":
    main()
