"""Beside a simulated study: the same network trained on pooled patients, and both held against the cohort's truth.

The pooled twin starts from the same weights, sees the same flips, takes as many full-batch steps with the same optimiser,
and minimises the exact partial likelihood of all training patients. It runs in a process of its own with one thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.cohort.prepared_cohort import load_patients
from client.statistics.study_patients import Bench
from client.training.local_training import local_update, scores
from server.phases.first_weights import initial_weights
from server.phases.network_training import LONGEST_DAYS
from server.study.resume_state import StudyFolder, load_arrays, save_arrays
from server.study.study_results import PooledScore, Simulation, StudyResult
from shared_model.networks.rad_networks import build
from shared_model.networks.server_optimiser import VectorOptimiser, pseudo_gradient
from shared_model.networks.weight_vector import from_vector
from shared_model.survival.broadcast_hazard import day_sums, step_hazard
from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import patient_cells
from simulations.interrupts import before_processes
from simulations.study.site_folders import Homes
from simulations.study.site_folders import Homes as At
from simulations.threads import one_thread
from site_config.atomic_files import read_json
from site_config.problems import host
from site_config.study.plan_and_lock import StudyLock
from site_config.study.prognostic_models import MODELS, ModelName

Floats = NDArray[np.float64]


def compare_with_pooled(homes: Homes, lock: StudyLock) -> Beside | None:
    """Start the pooled training of the study's last network, unless it is done; None where no network is trained."""
    model = next(reversed(MODELS.networks(lock.study.models)), None)
    if model is None:
        return Beside(homes, lock, None, None)
    path = homes.root / "pooled" / f"{lock.study_id}.{model}.safetensors"
    process = None
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        before_processes()
        process = get_context("spawn").Process(target=train_pooled, args=(homes.root, lock.study_id, model, path), daemon=True)
        process.start()
    return Beside(homes, lock, path, process)


@dataclass
class Pool:
    """Several hospitals' patients as one, for `client.training.local_training`: what no federation ever holds."""

    keys: tuple[str, ...]
    event_day: Floats
    event: NDArray[np.bool_]
    is_validation: NDArray[np.bool_]
    has_images: NDArray[np.bool_]
    images: Any

    @classmethod
    def of(cls, parts: list[Any]) -> Pool:
        """Patients of several hospitals in the given order."""
        where = [(part, i) for part in parts for i in range(len(part))]
        return cls(
            keys=tuple(key for part in parts for key in part.keys),
            event_day=np.concatenate([part.event_day for part in parts]),
            event=np.concatenate([part.event for part in parts]),
            is_validation=np.concatenate([part.is_validation for part in parts]),
            has_images=np.concatenate([part.has_images for part in parts]),
            images=_Images(where),
        )


@dataclass
class _Images:
    where: list[tuple[Any, int]]

    def load(self, i: int) -> NDArray[np.float32]:
        """Images of the i-th patient of the pool."""
        part, row = self.where[i]
        return np.asarray(part.images.load(row), dtype=np.float32)


def pool(homes: Homes, lock: StudyLock, split: str) -> Pool:
    """The analysis set of a split over all hospitals."""
    parts = []
    for name in lock.names("evaluation" if split == "test" else "development"):
        patients = load_patients(homes.config(name), lock.study, lock.study_id, lock.entry(name).role)
        parts.append(Bench(lock.study, patients).split(split))
    return Pool.of(parts)


def train_pooled(root: Path, study_id: str, model: ModelName, path: Path) -> None:
    """Full-batch training on the exact partial likelihood; writes weights and held-out scores."""
    one_thread()
    homes = At(root)
    lock = StudyFolder(homes.coordinator / "studies" / study_id).signed_lock().lock
    training = lock.study.training
    patients, held_out = pool(homes, lock, "train"), pool(homes, lock, "test")
    whole = training.model_copy(update={"batch": len(patients.keys), "local_steps": 1, "proximal": 0.0})
    weights = initial_weights(lock.study, model, homes.coordinator)
    network = build(lock.study, model)
    optimiser = VectorOptimiser(training, len(weights))
    for round in range(training.rounds):
        from_vector(network, weights)
        score = scores(network, patients)
        sums = day_sums(score, patients.event_day, patients.event, LONGEST_DAYS, float(score.mean()))
        hazard = step_hazard(sums, training.ties, float(score.mean()))
        found = local_update(network, patients, hazard, hazard.centre, whole, seed_parts=(training.seed, study_id, model, round))
        weights = optimiser.step(weights, pseudo_gradient(found.update, found.patients, training))
    from_vector(network, weights)
    save_arrays(path, {"weights": weights, "test": scores(network, held_out)}, {"model": model})


@dataclass
class Beside:
    """The pooled twin, running or done, and what it adds to the result."""

    homes: Homes
    lock: StudyLock
    path: Path | None
    process: SpawnProcess | None

    def add_to(self, result: StudyResult) -> None:
        """Wait for the twin and add the comparison, the oracle and what made the cohort learnable."""
        if result.simulation is None:
            result.simulation = Simulation()
        self._truth(result)
        if self.path is None:
            return
        if self.process is not None:
            self.process.join()
            if self.process.exitcode:
                raise host.INTERNAL.problem("the pooled twin's process ended with a fault")
        arrays, meta = load_arrays(self.path)
        result.simulation.pooled = [self._compared(meta["model"], arrays["test"])]

    def _compared(self, model: Any, pooled: Floats) -> PooledScore:
        from scipy.stats import spearmanr

        folder = self.homes.coordinator / "studies" / self.lock.study_id / "run" / "training" / f"{model}.final.safetensors"
        network = build(self.lock.study, model)
        from_vector(network, load_arrays(folder)[0]["weights"])
        held_out = pool(self.homes, self.lock, "test")
        federated = scores(network, held_out)
        found = [concordance(patient_cells(score, held_out.event_day, held_out.event)) for score in (federated, pooled)]
        return PooledScore(
            model=model,
            n=len(federated),
            events=int(held_out.event.sum()),
            spearman=float(spearmanr(federated, pooled).statistic),
            c_federated=found[0].c if found[0] else None,
            c_federated_ci=found[0].plain_ci if found[0] else None,
            c_pooled=found[1].c if found[1] else None,
            c_pooled_ci=found[1].plain_ci if found[1] else None,
        )

    def _truth(self, result: StudyResult) -> None:
        path = self.homes.cohort / "truth.json"
        if not path.exists() or result.simulation is None:
            return
        truth = read_json(path)
        result.simulation.seed = truth.get("seed")
        for name, oracle in truth.get("oracle", {}).items():
            if oracle["c_index"] is None:
                continue
            result.simulation.oracle[name] = oracle["c_index"]
            result.simulation.oracle_images[name] = oracle["image_c_index"]
        options = truth.get("options", {})
        phantom, survival = options.get("phantom") or {}, options.get("survival") or {}
        shown = {
            "lesion contrast": f"× {phantom.get('lesion_contrast', 1)}",
            "effect of tumour burden": f"× {survival.get('image_effect', 1)}",
            "growth between the visits, beside burden": f"× {survival.get('growth_weight', 0.6)}",
            "effect of the clinical variables": f"× {survival.get('clinical_effect', 1)}",
            "image size": f"{self.lock.study.imaging.size} px",
            "field": "cropped to the organ" if self.lock.study.imaging.field == "organ" else "whole",
            "backbone": self.lock.study.network.backbone,
            "warm start": self.lock.study.network.warm_start,
        }
        result.simulation.settings |= shown
        result.notes += [f"{name}: {value}" for name, value in shown.items()]
