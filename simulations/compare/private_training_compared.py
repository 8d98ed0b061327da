"""Training under differential privacy on compared cohorts: clipped gradients a patient, in whole numbers, with discrete Gaussian noise.

The loss is on a public exponential baseline, so that a gradient depends on nobody else; a step divides by the number of patients, which
a study declares. `distributed`: every hospital adds a share, and half of the hospitals carry what ε asks; `local`: each adds all of it.
Masks are left out, since they cancel.
"""

from __future__ import annotations

from math import ceil, log, sqrt
from typing import Final, Literal

import numpy as np
import torch

from shared_model.networks.server_optimiser import VectorOptimiser
from shared_model.privacy.discrete_gaussian import LARGEST_VARIANCE, discrete_gaussian
from shared_model.privacy.epsilon_accounting import mu_of
from shared_model.privacy.noise_on_statistics import NoiseShare
from shared_model.privacy.random_words import WordStream
from shared_model.survival.training_loss import broadcast_loss
from simulations.compare.compared_cohorts import ComparedCohort, Floats
from simulations.compare.tabular_models import Architecture

Placement = Literal["distributed", "local"]
DELTA: Final = 1e-5
CLIP: Final = 1.0


def share_of(epsilon: float, placement: Placement, rounds: int, sites: int) -> NoiseShare:
    """A hospital's noise on a round, where a patient takes part in so many."""
    multiplier = sqrt(rounds) / mu_of(epsilon, DELTA)
    return NoiseShare.of(CLIP, CLIP * multiplier / sqrt(ceil(sites / 2) if placement == "distributed" else 1))


def trained_privately(
    cohort: ComparedCohort, architecture: Architecture, optimiser: VectorOptimiser, rounds: int, share: NoiseShare, seed: int
) -> Floats:
    """Weights (D,) after all rounds; the same for the same seed. The public baseline's median is the middle of the declared cut points."""
    x, days, event = (np.concatenate([site[k] for site in cohort.sites]) for k in range(3))
    hazard = torch.from_numpy(log(2.0) / float(np.median(cohort.cut_days)) * days)
    patients, died, weights = torch.from_numpy(x)[:, None], torch.from_numpy(event), architecture.start(seed)
    # So many independent shares are one draw of their summed variance, to 1e-30 (`discrete_gaussian`).
    variance = share.variance * len(cohort.sites)
    draws = -(-variance // LARGEST_VARIANCE)
    noise = WordStream(np.random.default_rng([seed, 8]).bytes)  # a comparison is repeated by its seed; a hospital's noise never is
    for _ in range(rounds):
        leaf = torch.from_numpy(np.tile(weights, (len(days), 1))).requires_grad_()  # a row a patient: gradients stay apart
        broadcast_loss(architecture.score(leaf, patients)[:, 0], hazard, died, centre=0.0).sum().backward()  # type: ignore[no-untyped-call]
        assert leaf.grad is not None
        total = sum((share.part(one) for one in leaf.grad.numpy()), np.zeros(architecture.size, dtype=np.int64))
        for _draw in range(draws):
            total = total + discrete_gaussian(noise, variance // draws, architecture.size)
        weights = optimiser.step(weights, total * share.unit / cohort.n)
    return weights
