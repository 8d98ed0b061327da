"""Batch normalisation's running statistics, recomputed: for the pooled baseline only.

MONAI's EfficientNet-b0 updates them with momentum 0.01, so after a few hundred steps they are still mostly their first
values, and eval-mode scores are wrong. Recomputing takes one pass over the training patients with the final weights and
averages the batches' statistics evenly.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from shared_model.networks.rad_networks import RadNetwork


def recompute(network: RadNetwork, batches: Iterable[Tensor]) -> None:
    """Set the running statistics to the mean over the given image batches (N, V, O, S, H, W); weights stay as they are."""
    layers = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    network.noise.seed(None)
    try:
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None  # torch then averages all batches evenly
        network.train()
        with torch.no_grad():
            for images in batches:
                network(images)
    finally:
        network.eval()
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
