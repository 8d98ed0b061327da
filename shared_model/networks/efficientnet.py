"""EfficientNet-b0 for one-channel slices, with few passes over memory on the CPU.

The network of Tan and Le 2019 (https://arxiv.org/abs/1905.11946) with the tensors, names, order of construction and initial
weights of MONAI's `EfficientNetBN`, which the authors of the study use, so weights of either fit the other; tests compare
the two. It stands here by itself because to import MONAI costs a hospital's program 350 MB and several CPU-seconds, and
because a training step on the CPU spends its time on memory, not on arithmetic:

- a 1×1 convolution of few images on one thread runs image by image without oneDNN: here it is one matrix product;
- a separate padding copies every image: here the convolution pads, and a stride of 2 with uneven padding crops instead.

To make activations again in the backward pass (Chen et al. 2016, https://arxiv.org/abs/1604.06174) was measured and left out:
in the first 3 blocks it took 6 % more time, and the C library's fragmented heap was no smaller for it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from shared_model.networks.dropout import PatientNoise

GROUPS = 8  # divides every width (16 … 1280)
STEM, HEAD = 32, 1280
DROPOUT = DROP_PATH = 0.2
SQUEEZE = 4


class StageShape(NamedTuple):
    """A row of table 1 of Tan and Le: repeats, kernel, stride of the first block, expansion, output channels."""

    repeats: int
    kernel: int
    stride: int
    expand: int
    out: int


STAGES = (
    StageShape(1, 3, 1, 1, 16),
    StageShape(2, 3, 2, 6, 24),
    StageShape(2, 5, 2, 6, 40),
    StageShape(3, 3, 2, 6, 80),
    StageShape(3, 5, 1, 6, 112),
    StageShape(4, 5, 2, 6, 192),
    StageShape(1, 3, 1, 6, 320),
)


class Pointwise(nn.Conv2d):
    """A 1×1 convolution as one matrix product over all pixels, on the CPU; channels-last it needs no copy."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        if input.device.type != "cpu":
            return super().forward(input)
        return functional.linear(input.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)


class Same(nn.Conv2d):
    """A convolution of stride 1 or 2 padded as TensorFlow pads images of even size: with stride 2 one less before than behind.

    Padding by two more in front shifts the first window by a stride; its output is cut off.
    """

    def __init__(self, channels: int, out: int, kernel: int, stride: int, groups: int = 1) -> None:
        self.shifted = stride == 2
        padding = (kernel - 2) // 2 + 2 if self.shifted else kernel // 2
        super().__init__(channels, out, kernel, stride=stride, padding=padding, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H/stride, W/stride)."""
        out = super().forward(input)
        if not self.shifted:
            return out
        return out[:, :, 1 : 1 + input.shape[2] // 2, 1 : 1 + input.shape[3] // 2].contiguous(memory_format=torch.channels_last)


def normalisation(norm: str, channels: int) -> nn.Module:
    """Group normalisation, or batch normalisation with MONAI's constants."""
    return nn.GroupNorm(GROUPS, channels) if norm == "group" else nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """An inverted bottleneck with squeeze-and-excitation (MBConv), (B, C, H, W) to (B, C', H/stride, W/stride).

    `drop` is the rate at which its branch is dropped, drawn by `noise`.
    """

    def __init__(self, channels: int, stage: StageShape, stride: int, norm: str, noise: PatientNoise, drop: float) -> None:
        super().__init__()
        wide = channels * stage.expand
        self.noise, self.drop = noise, drop
        self.skips = stride == 1 and channels == stage.out
        self.expands = stage.expand != 1
        if self.expands:
            self._expand_conv = Pointwise(channels, wide, 1, bias=False)
            self._bn0 = normalisation(norm, wide)
        self._depthwise_conv = Same(wide, wide, stage.kernel, stride, groups=wide)
        self._bn1 = normalisation(norm, wide)
        self._se_reduce = Pointwise(wide, max(1, channels // SQUEEZE), 1)
        self._se_expand = Pointwise(max(1, channels // SQUEEZE), wide, 1)
        self._project_conv = Pointwise(wide, stage.out, 1, bias=False)
        self._bn2 = normalisation(norm, stage.out)

    def forward(self, input: Tensor) -> Tensor:
        """Expand, filter every channel, weigh the channels, project; and what came in where it fits."""
        out = functional.silu(self._bn0(self._expand_conv(input))) if self.expands else input
        out = functional.silu(self._bn1(self._depthwise_conv(out)))
        weights = self._se_expand(functional.silu(self._se_reduce(out.mean(dim=(2, 3), keepdim=True))))
        out = self._bn2(self._project_conv(torch.sigmoid(weights) * out))
        return input + self.noise.drop_path(out, self.drop, active=self.training) if self.skips else out


class EfficientNet(nn.Module):
    """Features (B, F) of slices (B, 1, H, W); `norm` is frozen, batch (batch normalisation both) or group.

    `drops` turns dropout before the last layer and drop-connect on, at MONAI's rates, drawn by `noise` patient by patient.
    """

    def __init__(self, features: int, norm: str, noise: PatientNoise, *, drops: bool) -> None:
        super().__init__()
        self.noise, self.drop = noise, DROPOUT if drops else 0.0
        self._conv_stem = Same(1, STEM, 3, 2)
        self._bn0 = normalisation(norm, STEM)
        self._blocks = nn.Sequential()
        total, index, channels = sum(stage.repeats for stage in STAGES), 0, STEM
        for number, stage in enumerate(STAGES):
            stack = nn.Sequential()
            for repeat in range(stage.repeats):
                rate = DROP_PATH * index / total if drops else 0.0
                stride = stage.stride if repeat == 0 else 1
                stack.add_module(str(index), InvertedResidual(channels, stage, stride, norm, noise, rate))
                index, channels = index + 1, stage.out
            self._blocks.add_module(str(number), stack)
        self._conv_head = Pointwise(channels, HEAD, 1, bias=False)
        self._bn1 = normalisation(norm, HEAD)
        self._fc = nn.Linear(HEAD, features)
        self._draw()

    def forward(self, input: Tensor) -> Tensor:
        """(B, 1, H, W) to (B, F)."""
        out = self._blocks(functional.silu(self._bn0(self._conv_stem(input))))
        out = functional.silu(self._bn1(self._conv_head(out))).mean(dim=(2, 3))
        features: Tensor = self._fc(self.noise.dropout(out, self.drop, active=self.training))
        return features

    def _draw(self) -> None:
        """Initial weights as TensorFlow's EfficientNet draws them (and MONAI, in the same order)."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels
                nn.init.normal_(module.weight, 0.0, math.sqrt(2.0 / fan_out))
            elif isinstance(module, nn.Linear):
                nn.init.uniform_(module.weight, -(module.out_features**-0.5), module.out_features**-0.5)
            if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)
