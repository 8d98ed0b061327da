"""Training of one network by broadcast hazard (DESIGN section 3).

With weights w and scores f_i(w), centred at c, a round at block b opens under one roster

    G = Σ_i ∂/∂w [ e^{f_i − c} H(t_i) − δ_i (f_i − c) ],   mass_m = Σ_i e^{f_i − c} e_im,   Σ_i δ_i (f_i − c),   n,

and the coordinator sets λ_m = D_m / Σ_b mass_m (each block's sums from its own last turn, moved to a common centre),
H = Σ_m λ_m e_m, and takes one step of a `torch.optim` optimiser along G/n. The profile log-likelihood of the broadcast
weights, Σ_m D_m log(D_m/mass_m) + Σ δ (f − c) − D, is known from the same sums one round late: when it has fallen below
the last accepted one by more than a tolerance, the step is undone and the rate halved.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from server.asking.ask_masked_sum import WHOLE, Missed, Question, Values
from server.phases.first_weights import initial_weights, tensor_lengths
from server.phases.network_rounds import RESTING_S, NetworkRounds
from server.phases.phase_context import WEIGHTS, Event, Running, scalar
from server.phases.update_scale import ScaleState
from server.study.resume_state import BlockSums, TrainingState
from server.study.study_results import RoundPoint
from shared_model.networks.server_optimiser import pseudo_gradient
from shared_model.statistics.statistic_parameters import TrainingHazard, TrainingStart, TrainingUpdate, ValidationLoss
from shared_model.survival.broadcast_hazard import (
    DaySums,
    PiecewiseHazard,
    PiecewiseSums,
    StepHazard,
    next_centre,
    piecewise_hazard,
    piecewise_loglik,
    step_hazard,
)
from site_config.problems import federation

Floats = NDArray[np.float64]
RISE_PER_EVENT = 0.05
LONGEST_DAYS = 8_000


def train(running: Running, model: str) -> None:
    """Train to the last round, resuming where the stored state stands, and leave the final weights in `running.weights`."""
    trainer = Trainer(running, model)
    trainer.run()
    trainer.finish()


class Trainer(NetworkRounds):
    """The rounds of one network by broadcast hazard."""

    update = "training.update"

    def rests(self, block: int) -> bool:
        """Also a block that was away when training began."""
        return block not in self.state.blocks or super().rests(block)

    def run(self) -> None:
        """As every network's, and no block is left out that was away from the beginning to the end."""
        super().run()
        for block in self.blocks:
            if block not in self.state.blocks:
                try:
                    self._join(block)
                except Missed as missed:
                    raise self.running.asker.stalled(missed, "training") from None

    def _start(self) -> TrainingState:
        """The state before the first round, of the blocks that are complete; a block that is not joins in a turn of its own."""
        before = self.carried()
        weights = initial_weights(self.running.study, self.model, self.running.folder.root) if before is None else before.weights
        first = TrainingState(
            next_round=0,
            weights=weights,
            accepted=weights,
            optimiser={},
            rate_factor=1.0,
            scale=ScaleState.start(tensor_lengths(self.running.study, self.model)),
            deaths=np.zeros(len(self.cuts) + 1),
            blocks={},
            best_loss=np.inf,
            best_validation=np.inf,
            best_weights=weights,
        )
        away: Missed | None = None
        for block in self.blocks:
            try:
                self._begin(first, block)
            except Missed as missed:
                away = missed
        if away is not None and (not first.blocks or self.running.canary):
            raise self.running.asker.stalled(away, "training")
        if first.deaths.sum() == 0:
            raise federation.NOT_ESTIMABLE.problem(f"{self.model}: no training patient has an event")
        return first if before is None else first.gone_on_from(before)

    def _join(self, block: int, briefly: bool = False) -> None:
        """A block that was away when training began: its deaths and hazard sums count from now on; losses before are of fewer patients."""
        self._begin(self.state, block, briefly)
        self.state.best_loss = np.inf

    def _begin(self, state: TrainingState, block: int, briefly: bool = False) -> None:
        """Ask a block what training starts from, for a minute or so where others go on; raises `Missed`, and then nothing is changed."""
        question = self._question("training.start", TrainingStart(cut_days=self.cuts), block, 0, {})
        opened = self.running.asker.remembered(_for_a_moment(question) if briefly else question)
        sums = BlockSums(opened["exposure"], 0.0, round_of(opened, "patients"), round_of(opened, "events"), 0.0)
        if self.training.hazard == "carried":
            sums = self._first_sums(block, sums, state.weights, briefly)
        state.deaths = state.deaths + opened["deaths"]
        state.blocks[block] = sums

    def _first_sums(self, block: int, counted: BlockSums, weights: NDArray[np.float32], briefly: bool) -> BlockSums:
        """A block's hazard sums at the first weights, which no update has carried yet.

        Weights that were trained before spread their scores widely. A hazard of equal scores makes a first step of the wrong
        direction and size, and an optimiser with moments remembers it: on phantoms it moved a held-out C-index by 0.03.
        """
        parameters = TrainingHazard(model=self.model, centre=0.0, cut_days=self.cuts)
        question = self._question("training.hazard", parameters, block, 0, {f"{WEIGHTS}{self.model}": weights})
        opened = self.running.asker.remembered(_for_a_moment(question) if briefly else question)
        return BlockSums(opened["mass"], scalar(opened, "event_score"), counted.patients, counted.events, 0.0)

    def final(self) -> NDArray[np.float32]:
        """The kept weights: of the last round, or of the best validation loss."""
        best = self.training.keep == "best" and np.isfinite(self.state.best_validation)
        return self.state.best_weights if best else self.state.weights

    def _sums(self) -> tuple[PiecewiseSums, float]:
        """All blocks' last sums moved to one centre, and that centre."""
        centre = max(sums.centre for sums in self.state.blocks.values())
        mass = sum((sums.mass * np.exp(sums.centre - centre) for sums in self.state.blocks.values()), np.zeros(len(self.cuts) + 1))
        whole = PiecewiseSums(mass, self.state.deaths)
        new = next_centre(whole, centre)
        return PiecewiseSums(mass * np.exp(centre - new), self.state.deaths), new

    def _hazard(self, round: int) -> tuple[PiecewiseHazard | StepHazard, float]:
        if self.training.hazard == "fresh":
            return self._fresh(round)
        sums, centre = self._sums()
        return piecewise_hazard(sums.mass, sums.deaths, self.cuts, centre), centre

    def _fresh(self, round: int) -> tuple[PiecewiseHazard | StepHazard, float]:
        """Hazard sums asked at the very weights that are trained from: of all blocks, on intervals or on days."""
        _, centre = self._sums()
        exact = self.training.hazard_resolution == "exact"
        parameters = TrainingHazard(model=self.model, centre=centre, cut_days=self.cuts, n_days=LONGEST_DAYS if exact else 0)
        asker = self.running.asker
        begun = [block for block in self.blocks if block in self.state.blocks]
        parts = [asker.once(self._question("training.hazard", parameters, block, round, self._broadcast())) for block in begun]
        mass = np.sum([part["mass"] for part in parts], axis=0)
        deaths = np.sum([part["deaths"] for part in parts], axis=0)
        if exact:
            days = DaySums(mass, np.sum([part["death_mass"] for part in parts], axis=0), deaths)
            return step_hazard(days, self.training.ties, centre), centre
        return piecewise_hazard(mass, deaths, self.cuts, centre), centre

    def _round(self, round: int) -> None:
        block = self._block(round)
        asker = self.running.asker
        try:
            if block not in self.state.blocks:
                self._join(block, round not in self._due)
            hazard, centre = self._hazard(round)
            parameters = TrainingUpdate(
                model=self.model,
                dimension=len(self.state.weights),
                hazard=hazard.as_dict(),
                centre=centre,
                scale=self.state.scale.broadcast(self.training.clip),
                ring=self.training.ring if self.state.scale.known else 64,
                cut_days=self.cuts,
                round=round,
            )
            opened = asker.once(self._question(self.update, parameters, block, round, self._broadcast()))
            opened["update"] = parameters.scale.multiply(opened["update"])
            opened["largest"] = opened["largest"] * parameters.scale.units()
        except Missed as missed:
            self._missed(missed, round)
            return
        self._learn(round, block, opened, centre)
        if (round + 1) % self.training.validate_every == 0 or round + 1 == self.rounds:
            self._validate()
        point = self.state.points[-1]
        numbers = {"loss": point.loss or np.nan, "validation loss": point.validation_loss or np.nan, "rate": point.rate}
        self.running.tell(Event(f"training {self.model}", round + 1, self.rounds, f"block {block + 1} of {self.n_blocks}", numbers))

    def _learn(self, round: int, block: int, opened: Values, centre: float) -> None:
        patients, events = round_of(opened, "patients"), round_of(opened, "events")
        if patients == 0:
            raise federation.EMPTY_AGGREGATE.problem(f"training {self.model}: block {block + 1} holds no training patient")
        before = self.state.blocks[block]
        self.state.blocks[block] = BlockSums(opened["mass"], scalar(opened, "event_score"), patients, events, centre)
        loss = self._loss()
        events_all = max(float(self.state.deaths.sum()), 1.0)
        patients_all = max(sum(block.patients for block in self.state.blocks.values()), 1)
        point = RoundPoint(model=self.model, round=round, block=block, patients=patients, clipped=round_of(opened, "clipped"))
        point.loss = loss / patients_all if np.isfinite(loss) else None
        risen = not np.isfinite(loss) or loss > self.state.best_loss + RISE_PER_EVENT * events_all
        if risen and round > 0:
            self.state.blocks[block] = before
            self.state.weights = self.state.accepted
            self.state.rate_factor *= 0.5
            self.optimiser.set_rate(self.training.server.rate * self.state.rate_factor)
            point.accepted = False
        else:
            self.state.best_loss = min(self.state.best_loss, loss) if round >= self.n_blocks else loss
            self.state.accepted = self.state.weights
            self.state.scale = self.state.scale.learned(opened["largest"], self.n_blocks)
            gradient = pseudo_gradient(opened["update"], patients, self.training)
            self.state.weights = self.optimiser.step(self.state.weights, gradient)
        point.rate = self.training.server.rate * self.state.rate_factor
        self.state.points.append(point)

    def _loss(self) -> float:
        """Negative profile log-likelihood of all blocks' last sums."""
        sums, centre = self._sums()
        scores = sum(s.event_score + s.events * s.centre for s in self.state.blocks.values())
        return -piecewise_loglik(sums, scores, centre)

    def _validate(self) -> None:
        """One masked number: the validation patients' loss at the weights of the next round.

        Under one roster of all blocks: a fifth of a block's patients are too few to open anything of.
        """
        everybody = WHOLE if len(self.running.lock.blocks["development"]) > 1 else 0
        counts = self.running.asker.counts_of("development", everybody, "validation")
        if counts is None or counts.patients == 0 or any(self.rests(block) for block in self.blocks):
            return
        sums, centre = self._sums()
        hazard = piecewise_hazard(sums.mass, sums.deaths, self.cuts, centre).as_dict()
        parameters = ValidationLoss(model=self.model, hazard=hazard, centre=centre)
        round = self.state.points[-1].round
        try:
            opened = self.running.asker.once(self._question("validation.loss", parameters, everybody, round, self._broadcast()))
        except Missed:
            return
        patients = round_of(opened, "patients")
        if patients == 0:
            return
        value = scalar(opened, "loss") / patients
        self.state.points[-1].validation_loss = value
        if value < self.state.best_validation:
            self.state.best_validation = value
            self.state.best_weights = self.state.weights


def _for_a_moment(question: Question) -> Question:
    return replace(question, deadline_s=min(question.deadline_s, RESTING_S))


def round_of(values: Values, name: str) -> int:
    """A count segment of one number."""
    return round(scalar(values, name))
