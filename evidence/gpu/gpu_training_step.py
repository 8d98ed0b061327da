"""A training step of a batch of patients on a device: ours, and a raw PyTorch loop of the authors' formulation.

The raw loop: every slice of every organ and visit through MONAI's EfficientNet-b0 by itself, twelve passes, the whole batch
in one graph under the Cox loss of the batch, images copied to the device in each step, cuDNN free to try algorithms
and take the fastest. Ours: `summed_gradient`, the code a
hospital runs. Equal precision in both, no dropout, no flips.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from client.training.local_training import scores, summed_gradient
from client.training.training_device import Hardware
from evidence.gpu.time_and_memory import Step, peak_mib, seconds
from evidence.made_up_patients import MadeUpPatients, made_up_patients
from evidence.running.training_step import authors_scores, with_stock_extractors
from shared_model.networks.rad_networks import RadNetwork, build
from shared_model.networks.weight_vector import from_vector, to_vector
from shared_model.survival.broadcast_hazard import PiecewiseHazard, piecewise_hazard, piecewise_sums
from shared_model.survival.training_loss import local_risk_set_loss
from site_config.study.plan_and_lock import Study, StudySite

Precision = Literal["float32", "float64", "mixed"]
SLICES = 12
"""Slices of a patient: two visits, two organs, three slices."""


@dataclass(frozen=True)
class GpuSetting:
    """A network's weights, patients and a hazard; small on a CPU, where only the flow is tested."""

    patients: MadeUpPatients
    hazard: PiecewiseHazard
    weights: NDArray[np.float64]
    backbone: str

    @classmethod
    def of(cls, patients: int, size: int, backbone: str, seed: int) -> GpuSetting:
        """Made-up patients and random weights by a seed."""
        made = made_up_patients(patients, seed, size=size)
        cuts = (200.0, 500.0)
        sums = piecewise_sums(np.zeros(patients), made.event_day, made.event, cuts, 0.0)
        network = build(study_of(backbone, "float64"), "Rad-D", seed=seed)
        return cls(made, piecewise_hazard(sums.mass, sums.deaths, cuts, 0.0), to_vector(network), backbone)

    def study(self, precision: Precision, gradient_norm: float = 0.0) -> Study:
        """The study at a precision."""
        return study_of(self.backbone, precision, gradient_norm)

    def network(self, precision: Precision) -> RadNetwork:
        """The network of these weights."""
        network = build(self.study(precision), "Rad-D")
        from_vector(network, self.weights.astype(np.float64 if precision == "float64" else np.float32))
        return network


def study_of(backbone: str, precision: Precision, gradient_norm: float = 0.0) -> Study:
    """A study with nothing random in its step."""
    norm = "frozen" if backbone == "efficientnet-b0" else "group"
    network = {"backbone": backbone, "norm": norm, "dropout": {"Rad-D": 0.0}}
    training = {"flips": 0.0, "precision": precision, "gradient_norm": gradient_norm}
    return Study.model_validate({"title": "step", "sites": [StudySite(name="a")], "network": network, "training": training})


def our_gradient(
    made: GpuSetting, device: torch.device, precision: Precision, *, micro_batch: int = 0, gradient_norm: float = 0.0
) -> Callable[[], NDArray[np.float64]]:
    """A function that gives the summed gradient (D,) by the code a hospital runs."""
    network, training = made.network(precision), made.study(precision, gradient_norm).training
    zeros = np.zeros(len(made.patients.keys))

    def step() -> NDArray[np.float64]:
        return summed_gradient(
            network,
            made.patients,
            made.hazard,
            0.0,
            training,
            broadcast_score=zeros,
            seed_parts=(1,),
            device=device.type,
            micro_batch=micro_batch,
        )

    return step


def our_scores(made: GpuSetting, device: torch.device, precision: Precision) -> NDArray[np.float64]:
    """Eval-mode scores (n,) by the code a hospital runs; always in the network's own precision."""
    return scores(made.network(precision), made.patients, device=device.type, micro_batch=0)


def raw_step(made: GpuSetting, device: torch.device, precision: Precision) -> Step:
    """The raw loop's step."""
    network = made.network("float32")
    network = (with_stock_extractors(network) if made.backbone == "efficientnet-b0" else network).to(device)
    network = network.to(memory_format=torch.contiguous_format)
    images = torch.from_numpy(made.patients.images.slices)
    day, event = torch.from_numpy(made.patients.event_day).to(device), torch.from_numpy(made.patients.event).to(device)
    bench = Hardware(device, 1, mixed=precision == "mixed")

    def step() -> None:
        network.train()
        network.zero_grad(set_to_none=True)
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=bench.mixed):
            with bench.cast():
                score = authors_scores(network, images.to(device))
            local_risk_set_loss(score.double(), day, event).backward()  # type: ignore[no-untyped-call]
        network.zero_grad(set_to_none=True)

    return step


def compare(made: GpuSetting, device: torch.device, times: int, micro_batches: tuple[int, ...]) -> dict[str, dict[str, float]]:
    """Images a second and peak memory of both at equal precision, and ours at other numbers of patients at once."""
    images = SLICES * len(made.patients.keys)
    found: dict[str, dict[str, float]] = {}
    for precision in ("float32", "mixed"):
        chosen: Precision = "float32" if precision == "float32" else "mixed"
        steps: dict[str, Step] = {"raw loop": raw_step(made, device, chosen), "ours": our_gradient(made, device, chosen)}
        if chosen == "float32":
            steps |= {f"ours, {n} at once": our_gradient(made, device, chosen, micro_batch=n) for n in micro_batches}
        for name, step in steps.items():
            taken = seconds(step, device, times)
            found[f"{precision} · {name}"] = {"images_a_second": images / taken, "peak_mib": peak_mib(step, device)}
    return found


def bars(found: dict[str, dict[str, float]]) -> dict[str, bool]:
    """At least 0.9 of the raw loop's images a second and at most 0.5 of its memory, at equal precision."""
    held = {}
    for precision in ("float32", "mixed"):
        raw, ours = found[f"{precision} · raw loop"], found[f"{precision} · ours"]
        held[f"{precision}: at least 0.9 of the speed"] = ours["images_a_second"] >= 0.9 * raw["images_a_second"]
        held[f"{precision}: at most 0.5 of the memory"] = ours["peak_mib"] <= 0.5 * raw["peak_mib"]
    return held
