"""Training of one network under differential privacy.

A round at block b opens Σ_i ⌊g_i min(1, C/‖g_i‖)⌋ + noise over the block, and nothing else; the gradients g_i are on the public
exponential baseline. The step divides by the study's public number of patients, since the real one does not leave. No loss is
opened, so no step is taken back and the last weights are the model. At the end one noised hazard sets the level of survival:
with E_m expected events on the public baseline λ₀ and D_m observed ones, both noised, the rate of interval m is λ₀ D_m/E_m.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.asking.ask_masked_sum import Missed
from server.phases.first_weights import initial_weights
from server.phases.network_rounds import NetworkRounds
from server.phases.phase_context import Event, Running
from server.phases.update_scale import ScaleState
from server.study.resume_state import TrainingState
from server.study.study_results import RoundPoint
from shared_model.networks.rad_networks import build
from shared_model.networks.server_optimiser import pseudo_gradient
from shared_model.networks.trainable_under_privacy import trained_places
from shared_model.networks.weight_vector import Schema
from shared_model.privacy.noise_on_statistics import PrivateHazard, PrivateUpdate
from shared_model.privacy.noise_schedule import NoiseSchedule, baseline_rate
from site_config.problems import federation

Floats = NDArray[np.float64]
CLEAR = 2.0
"""An interval's expected events have to exceed that many standard deviations of their noise to set a rate of its own."""
LARGEST_RATIO = 20.0


def train_privately(running: Running, model: str) -> None:
    """Train to the last round, resuming where the stored state stands; leaves weights and noised baseline in `running`."""
    trainer = PrivateTrainer(running, model)
    trainer.run()
    trainer.finish()
    if not running.canary:
        running.result.baseline[model] = trainer.baseline()


class PrivateTrainer(NetworkRounds):
    """The rounds of one network under noise."""

    update = "private.update"

    def __init__(self, running: Running, model: str) -> None:
        study = running.study
        if study.privacy.dp is None:
            raise ValueError("the study declares no differential privacy")
        super().__init__(running, model)
        self.dp = study.privacy.dp
        self.schedule = NoiseSchedule.of(study, self.n_blocks)
        self.places = trained_places(Schema.of(build(study, model)), self.dp.trainable)

    def _start(self) -> TrainingState:
        """First weights, and nothing asked: what other training keeps between rounds stays empty."""
        weights = initial_weights(self.running.study, self.model, self.running.folder.root)
        return TrainingState(
            next_round=0,
            weights=weights,
            accepted=weights,
            optimiser={},
            rate_factor=1.0,
            scale=ScaleState.start((len(weights),)),
            deaths=np.zeros(len(self.cuts) + 1),
            blocks={},
            best_loss=np.inf,
            best_validation=np.inf,
            best_weights=weights,
        )

    def final(self) -> NDArray[np.float32]:
        """The last weights: no loss is opened that could tell better ones."""
        return self.state.weights

    def _round(self, round: int) -> None:
        block = self._block(round)
        noise = self.schedule.update
        asked = PrivateUpdate(model=self.model, noise=noise, dimension=int(self.places.sum()), round=round)
        try:
            opened = self.running.asker.once(self._question(self.update, asked, block, round, self._broadcast()))
        except Missed as missed:
            self._missed(missed, round)
            return
        update = np.zeros(self.places.size)
        update[self.places] = opened["update"] * noise.unit
        self.state.weights = self.optimiser.step(self.state.weights, pseudo_gradient(update, self.dp.patients, self.training))
        point = RoundPoint(model=self.model, round=round, block=block, patients=self.dp.patients, rate=self.training.server.rate)
        self.state.points.append(point)
        numbers = {"norm of the noised update": float(np.linalg.norm(update))}
        words = f"block {block + 1} of {self.n_blocks}"
        self.running.tell(Event(f"training {self.model}", round + 1, self.rounds, words, numbers))

    def baseline(self) -> dict[str, list[float]]:
        """Cumulative hazard at score 0 by day, from every block's noised events; asked once and remembered."""
        noise, m = self.schedule.hazard, len(self.cuts) + 1
        asked = PrivateHazard(model=self.model, noise=noise, cut_days=self.cuts)
        total = np.zeros(2 * m)
        for block in self.blocks:
            try:
                total += self.running.asker.remembered(self._question("private.hazard", asked, block, self.rounds, self._broadcast()))[
                    "events"
                ]
            except Missed as missed:
                raise self.running.asker.stalled(missed, f"training {self.model}, the hazard") from None
        sites = sum(len(block) for block in self.running.lock.blocks["development"])
        rates = interval_rates(total[:m] * noise.unit, total[m:] * noise.unit, noise.deviation * sites**0.5, baseline_rate(self.dp))
        if not np.isfinite(self.state.weights).all():
            raise federation.NOT_ESTIMABLE.problem(f"{self.model}: the noise drove the weights to infinity", fix="Lower the rate.")
        days = [0.0, *self.cuts, 2.0 * self.cuts[-1] if self.cuts else 2.0 * self.dp.median_days]
        return {"time": days, "cumulative_hazard": np.concatenate([[0.0], np.cumsum(rates * np.diff(days))]).tolist()}


def interval_rates(expected: Floats, observed: Floats, deviation: float, rate: float) -> Floats:
    """Events a day (M,) at score 0: the public rate times observed over expected events, both noised (`deviation` a number).

    Where expected events do not stand out of the noise the interval takes the ratio of all intervals together.
    """
    whole = float(np.clip(observed.sum(), 0, None)) / max(float(expected.sum()), deviation) if expected.sum() > 0 else 1.0
    clear = expected > CLEAR * deviation
    ratio = np.where(clear, np.divide(observed, expected, out=np.zeros_like(expected), where=clear), whole)
    return rate * np.clip(ratio, 0.0, LARGEST_RATIO)
