"""Evidence: whether a patient died, read from a round of training without noise by somebody who holds the patient's images.

Thirty-three phantoms whose outcomes are drawn anew, so that their images tell nothing of them, train the default network (Rad-S,
EfficientNet-b0) for one round by the hospital's own code, at 64 and at 224 pixels, with `training.gradient_norm` off and at several
norms. Who holds the images of a patient computes ∂f by both flips, takes away what other people's gradients span, and fits the rest
to the block's summed update: a death pulls the coefficient down (the review's script `t4_training.py`). Control: people who did not train.

`python -m evidence.privacy.unprotected_outcome` writes `docs/evidence/unprotected_outcome.json`.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from client.training.local_training import local_update
from evidence.accuracy.signal import slices_of
from evidence.attacks.outcome import auc, outcomes_drawn_anew, row
from evidence.made_up_patients import MadeUpPatients, MemorySlices
from evidence.record import record
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.weight_vector import gradient_vector
from shared_model.survival.broadcast_hazard import piecewise_hazard, piecewise_sums
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.simulated_patients import simulate
from simulations.threads import one_thread
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import RAD_S, own_dropout
from site_config.study.study_presets import preset

Floats = NDArray[np.float64]
SEEDS = {64: tuple(range(7201, 7205)), 224: tuple(range(7201, 7203))}
"""Pixels → seeds."""
MEMBERS, STRANGERS, OTHERS = 33, 20, 20
NORMS = (0.0, 1.0)
COORDINATES, NUISANCE = 200_000, 20
MATRIX = 96


@dataclass(frozen=True)
class Attacker:
    """Gradients of the score (n, 2, D) by both flips, of members and of strangers, and what other people's span (D, K)."""

    members: NDArray[np.float32]
    strangers: NDArray[np.float32]
    basis: NDArray[np.float32]

    def death(self, update: NDArray[np.float32], of: NDArray[np.float32]) -> Floats:
        """A score (n,) of each one's death: less of its gradient in the update."""
        left = update - self.basis @ (self.basis.T @ update)
        found = np.zeros(len(of))
        for i, both in enumerate(of):
            own = both - (both @ self.basis) @ self.basis.T
            gram = own @ own.T
            found[i] = -np.linalg.solve(gram + 1e-3 * np.trace(gram) / 2 * np.eye(2), own @ left).sum()
        return found


def study_of(size: int, norm: float) -> Study:
    """The demonstration's study with the default network, so many pixels and so much clipping."""
    plain = preset("demo").model_dump()
    plain["models"], plain["imaging"]["size"] = (RAD_S.name,), size
    plain["network"] = {"backbone": "efficientnet-b0", "norm": "group", "dropout": own_dropout()}
    plain["training"] |= {"batch": 1024, "flips": 0.5, "gradient_norm": norm}
    return Study.model_validate(plain)


def phantoms(size: int, seed: int) -> MadeUpPatients:
    """Members, strangers and others, one after another."""
    options, study = PRESETS["demo"], study_of(size, 0.0)
    assert options.phantom is not None
    small, n = replace(options.phantom, matrix=MATRIX, slice_mm=5.0), MEMBERS + STRANGERS + OTHERS
    population = simulate(replace(options.survival, patients=(n, 1), sites=(12, 1), lone_sites=0), seed)
    people = [one for one in population.patients if one.role == "development"]
    days = np.ones(n)
    no = np.zeros(n, dtype=bool)
    images = MemorySlices(np.stack([slices_of(one, small, study)[:1] for one in people]))
    return outcomes_drawn_anew(MadeUpPatients(tuple(one.key for one in people), days, no, no, ~no, images), seed)


def gradients(network: RadNetwork, people: MadeUpPatients, places: NDArray[np.int64]) -> NDArray[np.float32]:
    """∂f (n, 2, D) of everybody, plain and flipped, without dropout."""
    network.eval()
    found = []
    for i in range(len(people.keys)):
        image = people.images.load(i)[None]
        for shown in (image, image[..., ::-1, ::-1]):
            network.zero_grad(set_to_none=True)
            network(torch.from_numpy(np.ascontiguousarray(shown))).sum().backward()
            found.append(gradient_vector(network)[places].astype(np.float32))
    network.zero_grad(set_to_none=True)
    return np.array(found).reshape(len(people.keys), 2, -1)


def attacker(network: RadNetwork, people: MadeUpPatients, seed: int) -> tuple[Attacker, NDArray[np.int64]]:
    """Who holds everybody's images, and the coordinates looked at."""
    size = sum(one.numel() for one in network.parameters())
    places = np.random.default_rng(seed).choice(size, min(COORDINATES, size), replace=False)
    found = gradients(network, people, places)
    others = found[MEMBERS + STRANGERS :].reshape(-1, len(places))
    mean = others.mean(axis=0)
    leading = np.linalg.svd(others - mean, full_matrices=False)[2][:NUISANCE]
    basis = np.linalg.qr(np.vstack([mean[None], leading]).T)[0]
    return Attacker(found[:MEMBERS], found[MEMBERS : MEMBERS + STRANGERS], basis), places


def one_round(size: int, seed: int) -> dict[float, dict[str, float]]:
    """AUC of members and of strangers by norm, and the part of patients whose gradient was shrunk."""
    people = phantoms(size, seed)
    members, strangers = people.part(range(MEMBERS)), people.part(range(MEMBERS, MEMBERS + STRANGERS))
    network = build(study_of(size, 0.0), RAD_S.name, seed=seed)
    held, places = attacker(network, people, seed)
    cuts = tuple(91.3 * k for k in range(1, 8))
    sums = piecewise_sums(np.zeros(MEMBERS), members.event_day, members.event, cuts, 0.0)
    hazard = piecewise_hazard(sums.mass, sums.deaths, cuts, 0.0)
    found = {}
    for norm in NORMS:
        training = study_of(size, norm).training
        done = local_update(network, members, hazard, 0.0, training, seed_parts=(seed, "unprotected", norm > 0))
        update = done.update[places].astype(np.float32)
        found[norm] = {
            "members": auc(held.death(update, held.members), members.event),
            "control": auc(held.death(update, held.strangers), strangers.event),
            "shrunk": done.shrunk / MEMBERS,
        }
    return found


def figures(seeds: dict[int, tuple[int, ...]]) -> dict[str, Any]:
    """Both sizes."""
    table: dict[str, Any] = {}
    for size, of_size in seeds.items():
        runs = [one_round(size, seed) for seed in of_size]
        for norm in NORMS:
            name = f"{size} px, " + (f"gradient_norm {norm:g}" if norm else "unprotected")
            table[name] = {key: row([run[norm][key] for run in runs]) for key in ("members", "control")}
            table[name]["shrunk"] = round(float(np.mean([run[norm]["shrunk"] for run in runs])), 2)
            print(name, table[name], flush=True)
    return {"members": MEMBERS, "rounds": 1, "network": "Rad-S, EfficientNet-b0, default dropout and flips", "auc": table}


def main() -> None:
    """Measure and record."""
    one_thread()
    parser = argparse.ArgumentParser()
    parser.add_argument("--pixels", type=int, nargs="*", default=list(SEEDS), choices=list(SEEDS))
    asked = parser.parse_args().pixels
    found = figures({size: SEEDS[size] for size in asked})
    covers = ["client/training/local_training.py", "shared_model/networks/rad_networks.py", "evidence/privacy/unprotected_outcome.py"]
    record("unprotected_outcome", covers=covers, figures=found, seeds=list(SEEDS[64]))


if __name__ == "__main__":
    main()
