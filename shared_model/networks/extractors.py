"""The organs' feature extractors: one-channel slices (B, 1, H, W) to 32 features.

`efficientnet-b0` is the authors' choice (`networks_efficientnet`); `small` has four stages: for tests, scale runs and quick
studies.
"""

from __future__ import annotations

from torch import Tensor, nn

from shared_model.networks.dropout import PatientNoise
from shared_model.networks.efficientnet import GROUPS, EfficientNet

FEATURES = 32
SMALL_WIDTHS = (16, 32, 64, 96)


def extractor(backbone: str, norm: str, noise: PatientNoise, drops: bool) -> nn.Module:
    """A feature extractor; `drops` turns its own dropout and drop-connect on (drawn by `noise`)."""
    if backbone == "small":
        return SmallExtractor(norm)
    return EfficientNet(FEATURES, norm, noise, drops=drops)


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
