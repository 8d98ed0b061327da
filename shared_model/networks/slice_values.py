"""The values of a slice as a network reads them: windowed, resized by area, zero mean and unit variance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from site_config.study.plan_and_lock import Window


def averaging(source: int, target: int) -> NDArray[np.float64]:
    """Matrix (target, source) of adaptive average pooling: output i is the mean of inputs ⌊i·s/t⌋ … ⌈(i+1)·s/t⌉ − 1.

    Applied on both sides it equals `torch.nn.functional.interpolate(mode="area")`, without importing torch.
    """
    matrix = np.zeros((target, source))
    for i in range(target):
        first, last = (i * source) // target, -((-(i + 1) * source) // target)
        matrix[i, first:last] = 1.0 / (last - first)
    return matrix


def normalised(plane: NDArray[Any], window: Window, size: int) -> NDArray[np.float32]:
    """Window to [0, 1], resize by area to `size` × `size`, then zero mean and unit variance of this slice (zeros if constant)."""
    low = window.level - window.width / 2
    scaled = np.clip((plane.astype(np.float64) - low) / window.width, 0.0, 1.0)
    resized = averaging(plane.shape[0], size) @ scaled @ averaging(plane.shape[1], size).T
    resized -= resized.mean()
    deviation = float(resized.std())
    return (resized / deviation if deviation > 1e-8 else np.zeros_like(resized)).astype(np.float32)
