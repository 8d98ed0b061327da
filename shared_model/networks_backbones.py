"""The organs' feature extractors: one-channel slices (B, 1, H, W) to 32 features.

`efficientnet-b0` is MONAI's EfficientNetBN (the authors' choice), never with its own download; importing MONAI costs
about 12 CPU-seconds, so it happens only when such a network is built. `small` has four stages and no dependency: for
tests, scale runs and quick studies.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from shared_model.networks_lean import make_lean
from shared_model.networks_noise import PatientNoise

FEATURES = 32
GROUPS = 8  # divides every width of EfficientNet-b0 (16 … 1280)
B0_DROPOUT = 0.2
SMALL_WIDTHS = (16, 32, 64, 96)


def extractor(backbone: str, norm: str, noise: PatientNoise, drops: bool) -> nn.Module:
    """A feature extractor; `drops` turns its own dropout and drop-connect on (drawn by `noise`)."""
    if backbone == "small":
        return SmallExtractor(norm)
    return efficientnet_b0(norm, noise, drops)


class SmallExtractor(nn.Module):
    """Four stages of 3×3 convolutions with stride 2, normalisation and ReLU; mean over the field; linear to 32."""

    def __init__(self, norm: str) -> None:
        super().__init__()
        width = 1
        stages: list[nn.Module] = []
        for out in SMALL_WIDTHS:
            layer = nn.GroupNorm(GROUPS, out) if norm == "group" else nn.BatchNorm2d(out)
            stages.append(nn.Sequential(nn.Conv2d(width, out, 3, stride=2, padding=1, bias=False), layer, nn.ReLU(inplace=True)))
            width = out
        self.stages = nn.Sequential(*stages)
        self._fc = nn.Linear(width, FEATURES)

    def forward(self, slices: Tensor) -> Tensor:
        """Features (B, 32) of slices (B, 1, H, W)."""
        out: Tensor = self._fc(self.stages(slices).mean(dim=(2, 3)))
        return out


def efficientnet_b0(norm: str, noise: PatientNoise, drops: bool) -> nn.Module:
    """MONAI's EfficientNet-b0 with one input channel and 32 outputs.

    MONAI draws dropout and drop-connect from torch's global generator, which would make the gradient depend on how
    patients are batched. Both are switched off there and put back as hooks that ask `noise`, at the same places and rates.
    `networks_lean` takes passes over memory out.
    """
    from monai.networks.nets.efficientnet import EfficientNetBN

    layer: Any = ("group", {"num_groups": GROUPS}) if norm == "group" else ("batch", {"eps": 1e-3, "momentum": 0.01})
    network: nn.Module = EfficientNetBN(
        "efficientnet-b0", pretrained=False, in_channels=1, spatial_dims=2, num_classes=FEATURES, norm=layer
    )
    parts: Any = network
    parts._dropout.p = 0.0
    make_lean(network)
    if drops:
        parts._fc.register_forward_pre_hook(partial(_drop_features, noise))
    for stack in parts._blocks:
        for block in stack:
            rate, block.drop_connect_rate = block.drop_connect_rate, 0.0
            skips = block.id_skip and block.stride == 1 and block.in_channels == block.out_channels
            if drops and rate and skips:
                block._bn2.register_forward_hook(partial(_drop_path, noise, block, rate))
    return network


def _drop_features(noise: PatientNoise, layer: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """Dropout in front of the last linear layer."""
    return (noise.dropout(inputs[0], B0_DROPOUT, active=layer.training),)


def _drop_path(noise: PatientNoise, block: nn.Module, rate: float, _layer: nn.Module, _inputs: tuple[Tensor], out: Tensor) -> Tensor:
    """Drop-connect: the block's branch of a whole slice is dropped before it joins the skip connection."""
    return noise.drop_path(out, rate, active=block.training)
