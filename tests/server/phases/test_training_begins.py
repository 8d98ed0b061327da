"""How training begins when a block is away: the others go on, it joins in a turn of its own, and nothing is finished without it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from server.asking.ask_masked_sum import Missed, Question
from server.phases import network_training as module
from server.phases.network_rounds import block_of
from server.phases.network_training import Trainer
from server.study.array_files import Parts, write_with_parts
from shared_model.statistics.day_grids import training_cuts
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import BlockMinima, Training

BLOCKS, ROUNDS = 3, 6
PATIENTS = {0: 20, 1: 30, 2: 40}
DEADLINE = 7200.0


class Office:
    """An office that is answered by every block but those that are away at a moment; a moment is a question."""

    def __init__(self, folder: Path, away: dict[int, range], canary: bool = False) -> None:
        self.moment, self.away, self.waited = 0, away, list[tuple[str, int, float]]()
        self.data: bytes | None = None
        self.asker = SimpleNamespace(
            standing=lambda _role: tuple(range(BLOCKS)),
            kept=SimpleNamespace(load=lambda _path: self.data, save_behind=self._save, settle=lambda: None),
            question=self._question,
            remembered=self._answer,
            once=self._answer,
            counts_of=lambda *_: None,
            stalled=lambda missed, phase: federation.STUDY_STALLED.problem(f"{phase}: block {missed.block + 1}"),
        )
        self.study = SimpleNamespace(
            training=Training(rounds=ROUNDS, intervals=2),
            blocks=BlockMinima(missed_share=1.0),
            deadlines=SimpleNamespace(training=DEADLINE),
        )
        self.lock = SimpleNamespace(leaving=None, blocks={"development": ((), (), ())})
        self.folder = SimpleNamespace(
            root=folder, training_file=lambda _model: folder / "state.safetensors", carried_file=lambda name: folder / name
        )
        self.canary, self.tell = canary, lambda _event: None

    def _save(self, path: Path, data: bytes, parts: Parts) -> None:
        self.data = data
        write_with_parts(path, data, parts)

    def _question(self, name: str, parameters: object, **more: Any) -> Question:
        statistic = SimpleNamespace(name=name)
        return Question(statistic, parameters, "training", more["round"], "development", more["block"], {}, DEADLINE)  # type: ignore[arg-type]

    def _answer(self, question: Question) -> dict[str, np.ndarray]:
        self.moment += 1
        self.waited.append((question.statistic.name, question.block, question.deadline_s))
        if self.moment in self.away.get(question.block, ()):
            raise Missed(question.block, {"hospital-07": "FH-702"})
        n = PATIENTS[question.block]
        m = len(training_cuts(self.study.training)) + 1
        one = {name: np.array([float(n)]) for name in ("patients", "events")}
        if question.statistic.name == "training.start":
            return one | {"deaths": np.full(m, float(n)), "exposure": np.full(m, 100.0 * n)}
        hazard = {"mass": np.full(m, 100.0 * n), "event_score": np.zeros(1), "deaths": np.full(m, float(n))}
        if question.statistic.name == "training.hazard":
            return one | hazard
        return one | hazard | {"update": np.ones(4), "largest": np.ones(1), "clipped": np.zeros(1), "loss": np.zeros(1)}


@pytest.fixture(autouse=True)
def four_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "initial_weights", lambda *_: np.zeros(4, dtype=np.float32))
    monkeypatch.setattr(module, "tensor_lengths", lambda *_: (4,))


def test_a_block_that_is_away_at_the_beginning_joins_later_and_makes_up_its_turns(tmp_path: Path) -> None:
    office = Office(tmp_path, {1: range(1, 12)})
    trainer = Trainer(office, "Rad-D")  # type: ignore[arg-type]
    assert sorted(trainer.state.blocks) == [0, 2] and trainer.rests(1)
    assert trainer.state.deaths[0] == PATIENTS[0] + PATIENTS[2]
    trainer.run()
    assert sorted(trainer.state.blocks) == [0, 1, 2]
    assert trainer.state.deaths[0] == sum(PATIENTS.values()), "its deaths count once it is there"
    assert not trainer.owed() and sum(point.patients > 0 for point in trainer.state.points) == ROUNDS
    starts = [seconds for name, block, seconds in office.waited if name == "training.start" and block == 1]
    assert starts[0] == DEADLINE and set(starts[1:-1]) <= {60.0}, "waited for once, then asked for a moment in its turns"


def test_nothing_is_finished_without_it_and_nothing_begins_without_anybody(tmp_path: Path) -> None:
    office = Office(tmp_path, {1: range(1, 1000)})
    trainer = Trainer(office, "Rad-D")  # type: ignore[arg-type]
    with pytest.raises(Problem) as stalled:
        trainer.run()
    assert stalled.value.kind == federation.STUDY_STALLED
    done = sum(point.patients > 0 for point in trainer.state.points)
    assert done == sum(block != 1 for block in (block_of(round, BLOCKS, Training().seed) for round in range(ROUNDS)))
    with pytest.raises(Problem):
        Trainer(Office(tmp_path / "x", dict.fromkeys(range(BLOCKS), range(1, 1000))), "Rad-D")  # type: ignore[arg-type]
    with pytest.raises(Problem):
        Trainer(Office(tmp_path / "y", {1: range(1, 1000)}, canary=True), "Rad-D")  # type: ignore[arg-type]
