"""EfficientNet's blocks in less memory and fewer passes over it: the same tensors, names and numbers.

Three things cost most of a training step on the CPU and none of them is arithmetic. A 1×1 convolution of fewer than 17
images on one thread runs image by image; a separate padding copies every image; and normalisation followed by swish keeps
three activations for the backward pass where one suffices. With the statistics frozen the pair is swish(a·x + b) with a
number a and b for each channel, and x alone gives everything back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


class _ScaleShiftSwish(torch.autograd.Function):
    """swish(a·x + b) of x (B, C, H, W), a and b (1, C, 1, 1); keeps x and forms the rest again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        ctx.save_for_backward(x, scale, shift)
        return functional.silu(torch.addcmul(shift, x, scale), inplace=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x, scale, shift = ctx.saved_tensors
        inner = torch.ops.aten.silu_backward(grads[0], torch.addcmul(shift, x, scale))
        along = (0, 2, 3)
        return inner * scale, (inner * x).sum(along, keepdim=True), inner.sum(along, keepdim=True)


Affine = tuple[Tensor, Tensor]
Form = tuple[torch.Size, tuple[int, ...]]


def frozen_affine(norm: nn.Module, x: Tensor) -> Affine | None:
    """Scale and shift (1, C, 1, 1) of batch normalisation with frozen statistics where a graph is built; else None."""
    if not isinstance(norm, nn.BatchNorm2d) or norm.training or not torch.is_grad_enabled() or torch.compiler.is_compiling():
        return None
    if x.dtype != norm.weight.dtype or norm.running_var is None or norm.running_mean is None:
        return None
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    return scale[None, :, None, None], shift[None, :, None, None]


def normalised_swish(norm: nn.Module, x: Tensor, affine: Affine | None) -> Tensor:
    """swish(norm(x)) of x (B, C, H, W), in the memory of x where `frozen_affine` found one."""
    if affine is None:
        return functional.silu(norm(x))
    found: Tensor = _ScaleShiftSwish.apply(x, *affine)
    return found


@contextmanager
def remade(value: Tensor, make: Callable[[], Tensor] | None) -> Iterator[None]:
    """Within, operations that would keep `value` for the backward pass keep the recipe `make` instead."""
    if make is None:
        yield
        return

    def pack(saved: Tensor) -> Tensor | Form:
        return (saved.shape, saved.stride()) if saved.untyped_storage().data_ptr() == place else saved

    def unpack(packed: Tensor | Form) -> Tensor:
        return packed if isinstance(packed, Tensor) else make().as_strided(*packed)

    place = value.untyped_storage().data_ptr()
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield


def recipe(x: Tensor, affine: Affine | None, gate: Tensor | None = None) -> Callable[[], Tensor] | None:
    """How to make swish(a·x + b), times `gate` (B, C, 1, 1) where there is one, again from x; None without an affine."""
    if affine is None:
        return None
    kept, scale, shift = x.detach(), affine[0].detach(), affine[1].detach()
    factor = gate.detach() if gate is not None else None

    def make() -> Tensor:
        again = functional.silu(torch.addcmul(shift, kept, scale), inplace=True)
        return again if factor is None else again.mul_(factor)

    return make


class Pointwise(nn.Conv2d):
    """A 1×1 convolution as one matrix product over all pixels, on the CPU; channels-last it needs no copy."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H, W)."""
        if input.device.type != "cpu":
            return super().forward(input)
        return functional.linear(input.permute(0, 2, 3, 1), self.weight[:, :, 0, 0], self.bias).permute(0, 3, 1, 2)


def _padded(pad: Callable[[Tensor], Tensor], make: Callable[[], Tensor]) -> Tensor:
    return pad(make())


def lean_block(block: Any, inputs: Tensor) -> Tensor:
    """The forward pass of one of MONAI's inverted-bottleneck blocks (Tan and Le 2019), without its own random drops."""
    x, before = inputs, None
    if block.expand_ratio != 1:
        wide = block._expand_conv(x)
        affine = frozen_affine(block._bn0, wide)
        x, before = normalised_swish(block._bn0, wide, affine), recipe(wide, affine)
    pad = block._depthwise_conv_padding
    padded = pad(x)
    with remade(padded, None if before is None else partial(_padded, pad, before)):
        deep = block._depthwise_conv(padded)
    affine = frozen_affine(block._bn1, deep)
    x, again = normalised_swish(block._bn1, deep, affine), recipe(deep, affine)
    if block.has_se:
        gate = torch.sigmoid(block._se_expand(functional.silu(block._se_reduce(block._se_adaptpool(x)))))
        with remade(x, again):
            x, again = gate * x, recipe(deep, affine, gate)
    with remade(x, again):
        out: Tensor = block._project_conv(x)
    out = block._bn2(out)
    skips = block.id_skip and block.stride == 1 and block.in_channels == block.out_channels
    return out + inputs if skips else out


def make_lean(network: Any) -> None:
    """Change one of MONAI's EfficientNets in place; its `state_dict` stays as it is."""
    network._swish = nn.SiLU()
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if isinstance(layer, nn.Conv2d):
                _pad_inside(module, name, layer)
                if layer.kernel_size == layer.stride == (1, 1):
                    layer.__class__ = Pointwise
    for block in [block for stack in network._blocks for block in stack]:
        block.__class__ = _lean_class(block.__class__)


def _pad_inside(module: Any, name: str, layer: nn.Conv2d) -> None:
    """Let a convolution pad by itself where its padding is even on all sides."""
    padder = getattr(module, f"{name}_padding", None)
    if isinstance(padder, nn.ConstantPad2d) and padder.padding[0::2] == padder.padding[1::2]:
        layer.padding = (padder.padding[2], padder.padding[0])
        setattr(module, f"{name}_padding", nn.Identity())


@cache
def _lean_class(stock: Any) -> type:
    return type("LeanBlock", (stock,), {"forward": lean_block, "__doc__": "MONAI's block with the leaner forward pass."})
