"""Our EfficientNet-b0 against MONAI's as it comes: same tensors, same draws, same outputs, same gradients."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from shared_model.networks.dropout import PatientNoise
from shared_model.networks.efficientnet import EfficientNet
from tests.support import ROOT

NORMS = {"frozen": ("batch", {"eps": 1e-3, "momentum": 0.01}), "group": ("group", {"num_groups": 8})}


def spread(network: nn.Module) -> nn.Module:
    """Float64, with statistics that are not those of a new layer, and no drops."""
    torch.manual_seed(4)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    return network.double().eval()


def stock(norm: str) -> nn.Module:
    from monai.networks.nets.efficientnet import EfficientNetBN

    torch.manual_seed(3)
    network = EfficientNetBN("efficientnet-b0", pretrained=False, in_channels=1, spatial_dims=2, num_classes=32, norm=NORMS[norm])
    for stack in network._blocks:
        for block in stack:
            block.drop_connect_rate = 0.0
    network._dropout.p = 0.0
    return spread(network)


def ours(norm: str, drops: bool = False) -> EfficientNet:
    torch.manual_seed(3)
    network = EfficientNet(32, norm, PatientNoise(), drops=drops)
    spread(network)
    return network


def train(network: nn.Module) -> nn.Module:
    """Training mode with frozen statistics, as the networks train."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    return network


def passed(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Output and gradients by name."""
    out = network(images)
    (out / out.detach().std()).square().sum().backward()
    return out.detach(), {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("norm", NORMS)
def test_the_same_function_with_the_same_gradients(norm: str) -> None:
    plain, own = stock(norm), ours(norm)
    assert list(own.state_dict()) == list(plain.state_dict())
    for name, tensor in plain.state_dict().items():
        assert torch.equal(own.state_dict()[name], tensor), name
    images = torch.rand((3, 1, 64, 96), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    one, gradients = passed(train(plain), images)
    two, own_gradients = passed(train(own), images.contiguous(memory_format=torch.channels_last))
    scale = one.abs().max()
    assert (one - two).abs().max() <= 1e-9 * scale
    assert own_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (own_gradients[name] - gradient).norm() <= 1e-8 * gradient.norm() + 1e-9, name
    with torch.no_grad():
        assert (own(images) - one).abs().max() <= 1e-9 * scale


def test_statistics_that_are_not_frozen_are_learned_as_monai_learns_them() -> None:
    plain, own = stock("frozen").train(), ours("frozen").train()
    images = torch.rand((4, 1, 64, 64), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    one, two = plain(images), own(images)
    assert (one - two).abs().max() <= 1e-8 * one.abs().max()
    assert torch.allclose(plain._bn1.running_var, own._bn1.running_var)


def test_drops_are_those_of_the_patient_and_only_in_training() -> None:
    images = torch.rand((4, 1, 64, 64), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    plain, network = ours("group"), ours("group", drops=True)
    network.noise.seed([5, 6])
    assert torch.equal(network(images), plain(images))
    network.train()
    both = network(images)
    network.noise.seed([6])
    assert torch.allclose(network(images[2:]), both[2:], rtol=1e-9)
    assert not torch.allclose(plain(images), both)


def test_a_copy_draws_from_its_own_noise() -> None:
    network = ours("group", drops=True)
    copied = copy.deepcopy(network)
    assert copied.noise is not network.noise
    assert all(block.noise is copied.noise for stack in copied._blocks for block in stack)


def test_building_and_training_do_not_import_monai() -> None:
    code = (
        "import sys, torch; from shared_model.networks.rad_networks import RadNetwork; "
        "n = RadNetwork('Rad-D', ['liver'], backbone='efficientnet-b0', norm='group', dropout=0.0).train(); "
        "n(torch.rand(1, 2, 1, 1, 32, 32)).sum().backward(); print('monai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
