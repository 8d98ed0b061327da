"""Dropout and drop-connect whose masks belong to patients, not to batches.

Every patient of a forward pass has a seed of its own; masks are drawn on the CPU from that patient's generator in the
order the layers ask. So a patient meets the same masks alone, in a micro-batch, in a full batch and on a GPU, and a
gradient summed over micro-batches is the gradient of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class PatientNoise:
    """Masks from one generator a patient; without seeds nothing is dropped."""

    def __init__(self) -> None:
        self._generators: list[torch.Generator] = []

    def seed(self, seeds: Sequence[int] | None) -> None:
        """One seed in [0, 2^63) for each patient of the next forward pass, or None to drop nothing."""
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds or ()]

    def dropout(self, values: Tensor, rate: float, *, active: bool) -> Tensor:
        """Values (N·k, …) with elements dropped at `rate` and the rest scaled up; row blocks of k belong to one patient."""
        if not (active and rate and self._generators):
            return values
        return values * self._mask(values, tuple(values.shape[1:]), rate)

    def drop_path(self, values: Tensor, rate: float, *, active: bool) -> Tensor:
        """Values (N·k, …) with whole rows dropped at `rate` and the rest scaled up."""
        if not (active and rate and self._generators):
            return values
        return values * self._mask(values, (1,) * (values.dim() - 1), rate)

    def _mask(self, values: Tensor, shape: tuple[int, ...], rate: float) -> Tensor:
        rows = values.shape[0] // len(self._generators)
        drawn = [torch.rand((rows, *shape), generator=generator) for generator in self._generators]
        return (torch.cat(drawn) >= rate).to(device=values.device, dtype=values.dtype) / (1.0 - rate)
