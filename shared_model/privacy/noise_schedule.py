"""From a study to its noise: how many releases a patient is part of, and how large each one's noise is.

Of the μ² that ε and δ allow, results take the part that the study declares (`analyses.noised.budget`); the rest is for training.
A patient is part of one update a turn of the own block, for every network, and of one hazard a network. A tenth of the training's
part goes to the hazards, the rest to the updates, evenly. A patient's part of the hazard has the norm √2: expected and observed
events, each at most 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, sqrt

from shared_model.privacy.epsilon_accounting import composed, epsilon_of, mu_of
from shared_model.privacy.noise_on_statistics import NoiseShare
from site_config.study.differential_privacy import DifferentialPrivacy
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS

HAZARD_SHARE = 0.1
HAZARD_NORM = sqrt(2.0)


@dataclass(frozen=True)
class NoiseSchedule:
    """The noise of a study. `updates` a network a patient is part of, `networks`, and the noise multipliers σ/Δ."""

    dp: DifferentialPrivacy
    updates: int
    networks: int
    update_multiplier: float
    hazard_multiplier: float

    @classmethod
    def of(cls, study: Study, n_blocks: int) -> NoiseSchedule:
        """The schedule of a study with so many training blocks; `ValueError` where it declares no differential privacy."""
        dp, networks = study.privacy.dp, len(MODELS.networks(study.models))
        if dp is None:
            raise ValueError("the study declares no differential privacy")
        updates = ceil(study.training.rounds / n_blocks)
        mu = mu_of(dp.epsilon, dp.delta) * sqrt(1 - dp.results)
        hazard = sqrt(networks / HAZARD_SHARE) / mu
        return cls(dp, updates, networks, sqrt(networks * updates / (1 - HAZARD_SHARE)) / mu, hazard)

    def _share(self, norm: float, multiplier: float) -> NoiseShare:
        shares = self.dp.honest if self.dp.placement == "distributed" else 1
        return NoiseShare.of(norm, norm * multiplier / sqrt(shares))

    @property
    def update(self) -> NoiseShare:
        """A hospital's noise on an update."""
        return self._share(self.dp.clip_norm, self.update_multiplier)

    @property
    def hazard(self) -> NoiseShare:
        """A hospital's noise on a hazard."""
        return self._share(HAZARD_NORM, self.hazard_multiplier)

    def shift(self, shares: int) -> float:
        """μ of the whole study where so many shares stay secret."""
        updates, hazards = self.networks * self.updates, self.networks
        return composed([self.update.shift(shares) * sqrt(updates), self.hazard.shift(shares) * sqrt(hazards)])

    @property
    def promised(self) -> float:
        """μ the study promises: with the secure sum for shares of noise, at the single hospital for local noise."""
        return self.shift(self.dp.honest if self.dp.placement == "distributed" else 1)

    def epsilon(self, *, secure_sum: bool) -> float:
        """ε of the whole study: with the secure sum holding and enough hospitals honest, or for who sees this hospital's own vector."""
        return epsilon_of(self.shift(self.dp.honest if secure_sum else 1), self.dp.delta)

    @property
    def releases(self) -> tuple[tuple[float, int], ...]:
        """(noise multiplier, how many) of everything a patient takes part in, as an accountant asks for it."""
        return (self.update_multiplier, self.networks * self.updates), (self.hazard_multiplier, self.networks)

    def signal_to_noise(self, trained: int, patients: int) -> float:
        """Most signal over noise of one update of so many weights: every patient's gradient at full norm and all in one direction."""
        return patients / (self.update_multiplier * sqrt(trained))


def baseline_rate(dp: DifferentialPrivacy) -> float:
    """Events a day of the public exponential baseline."""
    return log(2.0) / dp.median_days
