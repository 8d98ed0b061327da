"""A hospital's part of a round under differential privacy: Σ_i ⌊g_i · min(1, C/‖g_i‖)⌋ in whole numbers.

The unit is the patient: all slices of both visits are one sample, whose loss e^{f_i} H_0(t_i) − δ_i f_i is on the public
exponential baseline H_0, so that a gradient depends on nobody else. Where everything is trained, one patient passes at a time; where
only the head (and the recurrent layers) are, the features below carry no gradient and the layers above take many patients at once
(`head_gradients`). Statistics of batch normalisation stay as they are, asserted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from client.training.batches_and_flips import SeedParts, Trainees, draw, flipped, is_flipped, load_batch, per_patient, with_images
from client.training.head_gradients import dropout_mask, head_gradients
from client.training.training_device import Hardware, choose_device, place
from shared_model.networks.rad_networks import RadNetwork
from shared_model.networks.trainable_under_privacy import is_trained
from shared_model.networks.weight_vector import floating
from shared_model.privacy.noise_on_statistics import NoiseShare
from shared_model.survival.training_loss import broadcast_loss
from site_config.study.differential_privacy import Trainable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
AT_ONCE = 64
"""Patients whose gradients above the features are formed together: 34,000 numbers each are 17 MB."""


def clipped_sum(
    network: RadNetwork,
    patients: Trainees,
    hazard_i: Floats,
    noise: NoiseShare,
    which: Trainable,
    *,
    seed_parts: SeedParts,
    flips: float,
    device: str = "cpu",
) -> Integers:
    """The sum (D_trained,) over all patients with images, in units of `noise`, before any noise; zeros without patients."""
    rows = np.flatnonzero(with_images(patients)).tolist()
    total = np.zeros(_trained_size(network, which), dtype=np.int64)
    for gradient in patient_gradients(network, patients, rows, hazard_i, which, seed_parts=seed_parts, flips=flips, device=device):
        total += noise.part(gradient)
    return total


def patient_gradients(
    network: RadNetwork,
    patients: Trainees,
    rows: Sequence[int],
    hazard_i: Floats,
    which: Trainable,
    *,
    seed_parts: SeedParts,
    flips: float,
    device: str = "cpu",
) -> Iterator[Floats]:
    """The gradient (D_trained,) of one patient after another, not clipped; `hazard_i` (n,) is the baseline at every patient's day."""
    bench = Hardware(choose_device(device), 1)
    place(network, bench.device)
    before = [buffer.clone() for buffer in network.buffers()]
    with _only(network, which), bench.arithmetic():
        if which == "all":
            for row in rows:
                yield _gradient(network, patients, row, float(hazard_i[row]), seed_parts, flips, bench)
        else:
            for start in range(0, len(rows), AT_ONCE):
                yield from _above_features(network, patients, rows[start : start + AT_ONCE], hazard_i, which, seed_parts, flips, bench)
    if not all(torch.equal(one, two) for one, two in zip(before, network.buffers(), strict=True)):
        raise ValueError("a pass under differential privacy changed the statistics of a normalisation")


def _above_features(
    network: RadNetwork,
    patients: Trainees,
    rows: Sequence[int],
    hazard_i: Floats,
    which: Trainable,
    seed_parts: SeedParts,
    flips: float,
    bench: Hardware,
) -> Floats:
    """Gradients (N, D_trained) of many patients: features one patient after another, the layers above together."""
    features, masks = [], []
    with torch.no_grad():
        for row in rows:
            features.append(network.features(_seeded_images(network, patients, row, seed_parts, flips, bench)))
            masks.append(dropout_mask(network, features[-1]))
    names = [name for name, _ in _trained(network, which)]
    hazard, event = per_patient(hazard_i, rows, bench.device), per_patient(patients.event, rows, bench.device)
    found = head_gradients(network, names, torch.cat(features), torch.cat(masks), hazard.double(), event.bool())
    return np.asarray(found.cpu().numpy(), dtype=np.float64)


def _seeded_images(network: RadNetwork, patients: Trainees, row: int, seed_parts: SeedParts, flips: float, bench: Hardware) -> Tensor:
    """A patient's images, flipped or not, with the network's dropout seeded for this patient and round."""
    key = patients.keys[row]
    images = load_batch(patients, [row], dtype=next(network.parameters()).dtype, device=bench.device)
    network.noise.seed([draw(seed_parts, "dropout", 0, key)])
    return flipped(images, [is_flipped(seed_parts, 0, key, flips)])


def _gradient(
    network: RadNetwork,
    patients: Trainees,
    row: int,
    hazard: float,
    seed_parts: SeedParts,
    flips: float,
    bench: Hardware,
) -> Floats:
    """The gradient (D,) of everything, by a backward pass of one patient."""
    score: Tensor = network(_seeded_images(network, patients, row, seed_parts, flips, bench)).double()
    event = torch.tensor([bool(patients.event[row])], device=bench.device)
    loss = broadcast_loss(score, torch.tensor([hazard], dtype=torch.float64, device=bench.device), event, centre=0.0)
    loss.sum().backward()  # type: ignore[no-untyped-call]
    trained = _trained(network, "all")
    flat = [torch.zeros_like(tensor) if tensor.grad is None else tensor.grad for _, tensor in trained]
    found = torch.cat([one.double().reshape(-1) for one in flat]).cpu().numpy()
    network.zero_grad(set_to_none=True)
    return np.asarray(found, dtype=np.float64)


def _trained(network: RadNetwork, which: Trainable) -> list[tuple[str, torch.nn.Parameter]]:
    """Trained parameters in the order of the weights' vector."""
    known = dict(network.named_parameters())
    return [(name, known[name]) for name, _ in floating(network) if name in known and is_trained(name, which)]


def _trained_size(network: RadNetwork, which: Trainable) -> int:
    return sum(parameter.numel() for _, parameter in _trained(network, which))


@contextmanager
def _only(network: RadNetwork, which: Trainable) -> Iterator[None]:
    """Training mode with a gradient for what is trained and nothing else; everything is as before afterwards."""
    wanted = {name: parameter.requires_grad for name, parameter in network.named_parameters()}
    try:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(is_trained(name, which))
        network.train()
        yield
    finally:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(wanted[name])
        network.noise.seed(None)
        network.zero_grad(set_to_none=True)
        network.eval()
