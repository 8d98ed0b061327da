"""Grad-CAM gives a map a slice, at places fine enough to point at something."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shared_model.networks.grad_cam import grad_cam, target_layer
from shared_model.networks.rad_networks import build
from site_config.study.prognostic_models import NetworkName
from tests.shared_model.bundle_support import lock_of


@pytest.mark.parametrize(
    ("backbone", "size", "layer"),
    [("small", 64, "stages.2"), ("small", 224, "stages.3"), ("efficientnet-b0", 64, "_blocks.2"), ("efficientnet-b0", 224, "_blocks.6")],
)
def test_the_layer_keeps_seven_places(backbone: str, size: int, layer: str) -> None:
    assert target_layer(build(lock_of(backbone).study, "Rad-S"), size) == layer


@pytest.mark.parametrize(("backbone", "model", "visits"), [("small", "Rad-D", 2), ("efficientnet-b0", "Rad-S", 1)])
def test_maps_have_the_slices_shape_and_leave_the_network_alone(backbone: str, model: NetworkName, visits: int) -> None:
    network = build(lock_of(backbone).study, model, seed=5)
    images = np.random.RandomState(0).standard_normal((2, 2, 3, 64, 64)).astype(np.float32)
    before = network(torch.from_numpy(images)[None]).item()
    maps = grad_cam(network, images)
    assert maps.shape == (visits, 2, 3, 64, 64)
    assert maps.min() >= 0
    assert maps.max() > 0
    assert network(torch.from_numpy(images)[None]).item() == before
    assert not network.training


def test_the_map_finds_the_only_thing_that_raises_the_score() -> None:
    """One bright square: a network that adds up brightness must point at it."""
    network = build(lock_of().study, "Rad-S", seed=5)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    images = np.zeros((2, 2, 3, 64, 64), dtype=np.float32)
    images[0, 0, 1, 40:56, 8:24] = 3.0
    row, column = np.unravel_index(int(grad_cam(network, images)[0, 0, 1].argmax()), (64, 64))
    assert 32 <= row < 64
    assert 0 <= column < 32
