"""The rounds of one network, with or without noise: what is kept between them, whose turn it is, what a missing block costs."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.asking.ask_masked_sum import Missed, Question
from server.phases.phase_context import WEIGHTS, Running
from server.study.resume_state import TrainingState, arrays_bytes
from server.study.study_results import RoundPoint
from shared_model.networks.server_optimiser import VectorOptimiser
from shared_model.statistics.day_grids import training_cuts
from shared_model.statistics.statistic_declaration import Parameters

RESTING_S = 60.0
"""Seconds for which a block is asked that was not complete in its last turn."""

OTHERS_GO_ON_S = 4 * 86_400.0
"""Seconds for which a block is waited for at most while there are others that can go on: over a long weekend."""


class NetworkRounds(ABC):
    """Training of one network, resumed where its stored state stands; a subclass says what a round asks and learns."""

    update: str
    """The statistic that a block is asked for in its turn."""

    def __init__(self, running: Running, model: str) -> None:
        self.running, self.model, self.training = running, model, running.study.training
        self.cuts = training_cuts(self.training)
        self.blocks = running.asker.standing("development")
        self.n_blocks = len(self.blocks)
        self._due: dict[int, int] = {}
        self.rounds = 1 if running.canary else self.training.rounds
        path = running.folder.training_file(model)
        self.state = self._start() if running.asker.kept.load(path) is None else TrainingState.load(path)
        self.optimiser = VectorOptimiser(self.training, len(self.state.weights))
        if self.state.optimiser:
            self.optimiser.restore(self.state.optimiser)

    @abstractmethod
    def _start(self) -> TrainingState:
        """The state before the first round."""

    @abstractmethod
    def _round(self, round: int) -> None:
        """Ask the block whose turn it is, and learn from what it opened."""

    @abstractmethod
    def final(self) -> NDArray[np.float32]:
        """The weights that are kept."""

    def run(self) -> None:
        """All rounds that are left, then the turns that blocks missed: a study is not finished without them."""
        while self.state.next_round < self.rounds:
            self._round(self.state.next_round)
            self.state.next_round += 1
            self._keep()
        for turn in self.owed():
            self._due = {turn.round: turn.block}
            self.state.points.remove(turn)
            self._round(turn.round)
            self._keep()
        self._due = {}
        self.running.asker.kept.settle()

    def carried(self) -> TrainingState | None:
        """Where training stood in the study that this one goes on from without some of its patients; None where it begins anew."""
        path = self.running.folder.carried_file(f"{self.model}.safetensors")
        return TrainingState.load(path) if self.running.lock.leaving is not None and path.exists() else None

    def owed(self) -> tuple[RoundPoint, ...]:
        """The turns that blocks of the study missed and that were not made up yet."""
        return tuple(point for point in self.state.points if is_missed(point) and point.block in self.blocks)

    def _keep(self) -> None:
        self.state.optimiser = self.optimiser.state()
        path = self.running.folder.training_file(self.model)
        self.running.asker.kept.save_behind(path, *self.state.as_file())  # written while the next round is asked

    def finish(self) -> None:
        """Leave the final weights in `running`, in the result by their digest, and on the disk."""
        final, running = self.final(), self.running
        running.weights[self.model] = final
        running.result.weights[self.model] = hashlib.sha256(np.ascontiguousarray(final).tobytes()).hexdigest()
        running.result.rounds += self.state.points
        kept = arrays_bytes({"weights": final}, {"model": self.model, "study": running.lock.study_id})
        running.asker.kept.save(running.folder.weights_file(self.model), kept)

    def _block(self, round: int) -> int:
        """The block of a round: in a seeded order, each once in a cycle; of a turn that is made up, the block that missed it."""
        return self._due.get(round, self.blocks[block_of(round, self.n_blocks, self.training.seed)])

    def _broadcast(self) -> dict[str, NDArray[Any]]:
        return {f"{WEIGHTS}{self.model}": self.state.weights}

    def _question(self, name: str, parameters: Parameters, block: int, round: int, state: dict[str, NDArray[Any]]) -> Question:
        asker, ahead = self.running.asker, self._next_turn(round) if name == self.update else None
        asked = asker.question(
            name, parameters, phase="training", role="development", block=block, round=round, state=state, next_round=ahead
        )
        if name == self.update and round not in self._due and self.rests(block):
            return replace(asked, deadline_s=min(asked.deadline_s, RESTING_S))
        return replace(asked, deadline_s=self.patience(asked.deadline_s))

    def patience(self, deadline_s: float) -> float:
        """Seconds for which a block is waited for: the phase's deadline where it is the only one."""
        return deadline_s if self.n_blocks == 1 else min(deadline_s, OTHERS_GO_ON_S)

    def _next_turn(self, round: int) -> int | None:
        """The round in which a round's block is asked again; None after its last, and for a turn that is made up."""
        block = self._block(round)
        later = range(round + 1, self.rounds) if round not in self._due else ()
        return next((one for one in later if self._block(one) == block), None)

    def rests(self, block: int) -> bool:
        """Whether a block was not complete in its last turn: the others go on, and it is asked for a short time only."""
        last = next((point for point in reversed(self.state.points) if point.block == block), None)
        return last is not None and is_missed(last)

    def _missed(self, missed: Missed, round: int) -> None:
        """A block that was not complete owes its turn; too many turns, the only block, or a turn made up in vain stall the study."""
        self.state.points.append(RoundPoint(model=self.model, round=round, block=missed.block, patients=0, accepted=False))
        turns = max(self.rounds // self.n_blocks, 1)
        share = sum(is_missed(point) and point.block == missed.block for point in self.state.points) / turns
        if self.n_blocks == 1 or round in self._due or share > self.running.study.blocks.missed_share:
            raise self.running.asker.stalled(missed, f"training {self.model}, round {round + 1}")


def is_missed(point: RoundPoint) -> bool:
    """Whether a block was not complete in this turn."""
    return point.patients == 0 and not point.accepted


def block_of(round: int, n_blocks: int, seed: int) -> int:
    """The block of a round: in a seeded order, each once in a cycle."""
    cycle, turn = divmod(round, n_blocks)
    return _order(cycle, n_blocks, seed)[turn]


@lru_cache(maxsize=8)
def _order(cycle: int, n_blocks: int, seed: int) -> tuple[int, ...]:
    return tuple(int(block) for block in np.random.Generator(np.random.PCG64([seed, cycle])).permutation(n_blocks))
