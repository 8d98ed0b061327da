"""Per-patient clipping: Σ_i g_i · min(1, C/‖g_i‖), accumulated where the gradients are.

Norms and the sum are float64 on the network's own device. Nothing of a patient's gradient goes to the host: with eight
million weights that was a copy of 64 MB a patient, and a wait for everything before it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from shared_model.networks.weight_vector import floating


class ClippedSum:
    """The running sum over patients; `take` after each patient's backward pass, `result` once."""

    def __init__(self, network: nn.Module, limit: float) -> None:
        self._network = network
        self._limit = limit
        self._sums: dict[str, Tensor] = {}
        self._shrunk: Tensor | None = None

    @torch.no_grad()
    def take(self) -> None:
        """Clip the gradients the network holds, add them, and clear them."""
        found = {name: parameter.grad.double() for name, parameter in self._network.named_parameters() if parameter.grad is not None}
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(gradient) for gradient in found.values()]))
        over = norm > self._limit
        factor = torch.where(over, self._limit / norm, torch.ones_like(norm))
        self._shrunk = over.long() if self._shrunk is None else self._shrunk + over
        for name, gradient in found.items():
            if name in self._sums:
                self._sums[name].addcmul_(gradient, factor)
            else:
                self._sums[name] = gradient * factor
        self._network.zero_grad(set_to_none=True)

    def result(self) -> tuple[NDArray[np.float64], int]:
        """The sum (D,) in the order of the weights' vector, and how many patients were shrunk; the one copy to the host."""
        parts = [
            self._sums[name].reshape(-1) if name in self._sums else torch.zeros_like(tensor, dtype=torch.float64).reshape(-1)
            for name, tensor in floating(self._network)
        ]
        shrunk = 0 if self._shrunk is None else int(self._shrunk)
        return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float64), shrunk
