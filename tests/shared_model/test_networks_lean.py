"""The leaner forward pass against MONAI's network as it comes: same tensors, same outputs, same gradients."""

import pytest
import torch
from torch import nn

from shared_model.networks_lean import make_lean

BATCH = ("batch", {"eps": 1e-3, "momentum": 0.01})
GROUP = ("group", {"num_groups": 8})


def stock(norm: object) -> nn.Module:
    from monai.networks.nets.efficientnet import EfficientNetBN

    torch.manual_seed(3)
    network = EfficientNetBN("efficientnet-b0", pretrained=False, in_channels=1, spatial_dims=2, num_classes=32, norm=norm)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2.0)
    for stack in network._blocks:
        for block in stack:
            block.drop_connect_rate = 0.0
    return network.double().eval()


def passed(network: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Output and gradients by name."""
    out = network(images)
    (out**2).sum().backward()
    return out.detach(), {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("norm", [BATCH, GROUP], ids=["frozen", "group"])
def test_lean_and_stock_networks_are_the_same_function_with_the_same_gradients(norm: object) -> None:
    plain, lean = stock(norm), stock(norm)
    make_lean(lean)
    assert list(lean.state_dict()) == list(plain.state_dict())
    images = torch.rand((3, 1, 64, 64), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    one, gradients = passed(plain, images)
    two, lean_gradients = passed(lean, images.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(one, two, rtol=1e-10, atol=1e-12)
    assert lean_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (lean_gradients[name] - gradient).norm() <= 1e-9 * gradient.norm() + 1e-12, name
    with torch.no_grad():
        assert torch.allclose(lean(images), one, rtol=1e-10, atol=1e-12)


def test_statistics_that_are_not_frozen_go_the_ordinary_way() -> None:
    plain, lean = stock(BATCH).train(), stock(BATCH).train()
    plain._dropout.p = lean._dropout.p = 0.0
    make_lean(lean)
    images = torch.rand((4, 1, 64, 64), dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(plain(images), lean(images), rtol=1e-9, atol=1e-10)
    assert torch.allclose(plain._bn1.running_var, lean._bn1.running_var)
