"""A `torch.optim` optimiser on one flat vector of weights: what the coordinator does with a summed update.

A site's update is n·(w − w_local)/rate, for one full-batch step the sum of its patients' gradients (client.training.local_training). Over
N patients the mean gradient is therefore Σ updates / N. Adam takes it as it is: one local step and Adam here is pooled
Adam. SGD takes the mean displacement, rate·Σ updates / N: SGD(1.0) is FedAvg, with momentum FedAvgM (DESIGN section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from site_config.study.plan_and_lock import Training

State = dict[str, NDArray[Any]]


def pseudo_gradient(update_sum: NDArray[np.float64], n_patients: int, training: Training) -> NDArray[np.float64]:
    """The gradient (D,) the server's optimiser is given; zero without patients."""
    if n_patients == 0:
        return np.zeros_like(update_sum)
    factor = training.site.rate if training.server.name == "sgd" else 1.0
    return update_sum * (factor / n_patients)


class VectorOptimiser:
    """SGD (with momentum) or Adam on a vector (D,), in float64, with a state that can be stored and put back bit for bit."""

    def __init__(self, training: Training, size: int) -> None:
        self._weights = torch.nn.Parameter(torch.zeros(size, dtype=torch.float64))
        server = training.server
        self._optimiser: torch.optim.Optimizer
        if server.name == "adam":
            self._optimiser = torch.optim.Adam([self._weights], lr=server.rate, foreach=False)
        else:
            self._optimiser = torch.optim.SGD([self._weights], lr=server.rate, momentum=server.momentum, foreach=False)

    @property
    def rate(self) -> float:
        """The learning rate in use."""
        return float(self._optimiser.param_groups[0]["lr"])

    def set_rate(self, rate: float) -> None:
        """Change the learning rate; the moments stay."""
        self._optimiser.param_groups[0]["lr"] = rate

    def step(self, weights: NDArray[Any], gradient: NDArray[np.float64]) -> NDArray[Any]:
        """New weights (D,), of the dtype of the old ones."""
        with torch.no_grad():
            self._weights.copy_(torch.from_numpy(np.ascontiguousarray(weights)))
        self._weights.grad = torch.from_numpy(np.ascontiguousarray(gradient, dtype=np.float64))
        self._optimiser.step()
        return self._weights.detach().numpy().astype(weights.dtype)

    def state(self) -> State:
        """Copies of the moments (D,), the step count and the rate, by name."""
        kept = self._optimiser.state.get(self._weights, {})
        arrays = {name: np.atleast_1d(value.detach().numpy().copy()) for name, value in kept.items() if isinstance(value, torch.Tensor)}
        return {**arrays, "rate": np.array([self.rate])}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Put a stored state back."""
        kept: dict[str, torch.Tensor] = {}
        for name, array in state.items():
            if name == "rate":
                self.set_rate(float(array[0]))
            else:
                tensor = torch.from_numpy(array.copy())
                kept[name] = tensor.reshape(()) if name == "step" else tensor
        if kept:
            self._optimiser.state[self._weights] = kept
        else:
            self._optimiser.state.pop(self._weights, None)
