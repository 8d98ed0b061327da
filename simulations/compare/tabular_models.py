"""A linear or small network model of tabular covariates, held by many hospitals at once.

Weights are (S, D): a row a hospital. Hospitals' patients are padded to (S, n_max), so one step of all hospitals is one batch
of matrix products; no hospital's row influences another's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from simulations.compare.compared_cohorts import Bools, Floats

ModelName = Literal["linear", "mlp"]
HIDDEN = 8


@dataclass(frozen=True)
class Architecture:
    """`linear`: f = w'x. `mlp`: f = v' tanh(W'x + b), eight hidden units. No last bias: a hazard absorbs it."""

    name: ModelName
    p: int

    @property
    def size(self) -> int:
        """Number of weights D."""
        return self.p if self.name == "linear" else (self.p + 2) * HIDDEN

    def start(self, seed: int) -> Floats:
        """First weights (D,), the same for every method."""
        if self.name == "linear":
            return np.zeros(self.p)
        draw = np.random.default_rng([seed, 5])
        first = draw.normal(0, 1 / np.sqrt(self.p), (self.p, HIDDEN))
        return np.concatenate([first.ravel(), np.zeros(HIDDEN), draw.normal(0, 0.1, HIDDEN)])

    def score(self, weights: Tensor, x: Tensor) -> Tensor:
        """Scores (S, n) of patients x (S, n, p) under weights (S, D)."""
        if self.name == "linear":
            return torch.bmm(x, weights[:, :, None]).squeeze(2)
        split = self.p * HIDDEN
        first = weights[:, :split].reshape(-1, self.p, HIDDEN)
        hidden = torch.tanh(torch.bmm(x, first) + weights[:, None, split : split + HIDDEN])
        return torch.bmm(hidden, weights[:, split + HIDDEN :, None]).squeeze(2)

    def held_out(self, weights: Floats, x: Floats) -> Floats:
        """Scores (S, n) of the same patients x (n, p) under every row of weights (S, D)."""
        with torch.inference_mode():
            rows = torch.from_numpy(np.atleast_2d(weights))
            return np.asarray(self.score(rows, torch.from_numpy(x).expand(len(rows), -1, -1)).numpy(), dtype=np.float64)


@dataclass(frozen=True)
class Padded:
    """Patients of S hospitals: x (S, n, p), time and event (S, n), `present` where a place is a patient."""

    x: Tensor
    time: Tensor
    event: Tensor
    present: Tensor

    @classmethod
    def of(cls, sites: tuple[tuple[Floats, Floats, Bools], ...]) -> Padded:
        """Hospitals of different sizes, padded with absent patients."""
        n, p = max(len(time) for _, time, _ in sites), sites[0][0].shape[1]
        x, time = np.zeros((len(sites), n, p)), np.zeros((len(sites), n))
        event, present = np.zeros((len(sites), n), bool), np.zeros((len(sites), n), bool)
        for s, (rows, days, died) in enumerate(sites):
            x[s, : len(days)], time[s, : len(days)], event[s, : len(days)], present[s, : len(days)] = rows, days, died, True
        return cls(*(torch.from_numpy(array) for array in (x, time, event, present)))

    @property
    def sizes(self) -> Floats:
        """Patients (S,)."""
        return np.asarray(self.present.sum(1).numpy(), dtype=np.float64)

    def flat(self, values: Tensor) -> NDArray[np.float64]:
        """(S, n) to the present patients (N,), hospital after hospital."""
        return np.asarray(values[self.present].detach().numpy(), dtype=np.float64)

    def back(self, values: Floats) -> Tensor:
        """(N,) back to (S, n), absent places 0."""
        out = torch.zeros(self.present.shape, dtype=torch.float64)
        out[self.present] = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float64))
        return out


def local_partial_likelihood(score: Tensor, data: Padded) -> Tensor:
    """Negative log partial likelihood (S,), Breslow, every hospital with its own risk sets only."""
    later = (data.time[:, None, :] >= data.time[:, :, None]) & data.present[:, None, :]
    itself = torch.eye(score.shape[1], dtype=torch.bool)
    at_risk = score[:, None, :].expand(-1, score.shape[1], -1).masked_fill(~(later | itself), float("-inf"))
    terms = torch.logsumexp(at_risk, dim=2) - score
    return torch.where(data.event & data.present, terms, torch.zeros_like(terms)).sum(1)


@dataclass(frozen=True)
class PooledLikelihood:
    """Efron's partial likelihood of all patients together, by plain differentiation: what nobody may compute in a federation."""

    later: Tensor
    tied: Tensor
    share: Tensor
    event: Tensor

    @classmethod
    def of(cls, time: Tensor, event: Tensor) -> PooledLikelihood:
        """Risk sets and ties of pooled patients, time and event (N,)."""
        later = time[None, :] >= time[:, None]
        tied = (time[None, :] == time[:, None]) & event[None, :] & event[:, None]
        before = torch.tril(tied, diagonal=-1).sum(1)
        share = before.double() / tied.sum(1).clamp(min=1)
        return cls(later.double(), tied.double(), share, event)

    def loss(self, score: Tensor) -> Tensor:
        """Negative log partial likelihood (scalar) of scores (N,)."""
        centre = score.detach().max()
        risk = torch.exp(score - centre)
        total = self.later @ risk - self.share * (self.tied @ risk)
        terms = torch.log(total) + centre - score
        return torch.where(self.event, terms, torch.zeros_like(terms)).sum()
