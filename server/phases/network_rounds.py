"""The rounds of one network, with or without noise: what is kept between them, whose turn it is, what a missing block costs."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from server.asking.ask import Missed, Question
from server.phases.context import WEIGHTS, Running
from server.study.results import RoundPoint
from server.study.state import TrainingState, arrays_bytes
from shared_model.networks.optimiser import VectorOptimiser
from shared_model.statistics.base import Parameters
from shared_model.statistics.grids import training_cuts

MISSED_SHARE = 0.2
"""A block that misses more than this share of its turns stalls the study."""


class NetworkRounds(ABC):
    """Training of one network, resumed where its stored state stands; a subclass says what a round asks and learns."""

    update: str
    """The statistic that a block is asked for in its turn."""

    def __init__(self, running: Running, model: str) -> None:
        self.running, self.model, self.training = running, model, running.study.training
        self.cuts = training_cuts(self.training)
        self.n_blocks = len(running.lock.blocks["development"])
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
        """All rounds that are left."""
        path, kept = self.running.folder.training_file(self.model), self.running.asker.kept
        while self.state.next_round < self.rounds:
            self._round(self.state.next_round)
            self.state.next_round += 1
            self.state.optimiser = self.optimiser.state()
            kept.save_behind(path, *self.state.as_file())  # written while the next round is asked
        kept.settle()

    def finish(self) -> None:
        """Leave the final weights in `running`, in the result by their digest, and on the disk."""
        final, running = self.final(), self.running
        running.weights[self.model] = final
        running.result.weights[self.model] = hashlib.sha256(np.ascontiguousarray(final).tobytes()).hexdigest()
        running.result.rounds += self.state.points
        kept = arrays_bytes({"weights": final}, {"model": self.model, "study": running.lock.study_id})
        running.asker.kept.save(running.folder.weights_file(self.model), kept)

    def _block(self, round: int) -> int:
        """The block of a round: in a seeded order, each once in a cycle."""
        return block_of(round, self.n_blocks, self.training.seed)

    def _broadcast(self) -> dict[str, NDArray[Any]]:
        return {f"{WEIGHTS}{self.model}": self.state.weights}

    def _question(self, name: str, parameters: Parameters, block: int, round: int, state: dict[str, NDArray[Any]]) -> Question:
        ahead = self._next_turn(round) if name == self.update else None
        return self.running.asker.question(
            name, parameters, phase="training", role="development", block=block, round=round, state=state, next_round=ahead
        )

    def _next_turn(self, round: int) -> int | None:
        """The round in which a round's block is asked again; None after its last."""
        block = self._block(round)
        return next((later for later in range(round + 1, self.rounds) if self._block(later) == block), None)

    def _missed(self, missed: Missed, round: int) -> None:
        """A block that was not complete costs its turn; too many turns, or the only block, stall the study."""
        turns = max(self.rounds // self.n_blocks, 1)
        share = self.running.asker.ledger.missed_share("training", self.update, turns).get(missed.block, 1 / turns)
        if self.n_blocks == 1 or share > MISSED_SHARE:
            raise self.running.asker.stalled(missed, f"training {self.model}, round {round + 1}")
        self.state.points.append(RoundPoint(model=self.model, round=round, block=missed.block, patients=0, accepted=False))


def block_of(round: int, n_blocks: int, seed: int) -> int:
    """The block of a round: in a seeded order, each once in a cycle."""
    cycle, turn = divmod(round, n_blocks)
    return _order(cycle, n_blocks, seed)[turn]


@lru_cache(maxsize=8)
def _order(cycle: int, n_blocks: int, seed: int) -> tuple[int, ...]:
    return tuple(int(block) for block in np.random.Generator(np.random.PCG64([seed, cycle])).permutation(n_blocks))
