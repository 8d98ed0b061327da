"""Whose turn it is: blocks that were not complete are passed over, owe their turns, and make them up before a network is finished."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from server.asking.ask_masked_sum import Missed
from server.phases.network_rounds import OTHERS_GO_ON_S, NetworkRounds, block_of, is_missed
from server.phases.update_scale import ScaleState
from server.study.array_files import Parts, write_with_parts
from server.study.resume_state import TrainingState
from server.study.study_results import RoundPoint
from site_config.problems import federation
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import BlockMinima, Training

BLOCKS, ROUNDS = 3, 9


class Kept:
    """A file in memory."""

    def __init__(self) -> None:
        self.data: bytes | None = None

    def load(self, _path: Path) -> bytes | None:
        return self.data

    def save_behind(self, path: Path, data: bytes, parts: Parts) -> None:
        self.data = data
        write_with_parts(path, data, parts)

    def settle(self) -> None:
        """Nothing is under way."""


class Turns(NetworkRounds):
    """Rounds that only note whose turn it was and for how long a block was asked."""

    update = "training.update"

    def _start(self) -> TrainingState:
        none = np.zeros(1, dtype=np.float32)
        scale = ScaleState.start((1,))
        return TrainingState(0, none, none, {}, 1.0, scale, np.zeros(1), {}, np.inf, np.inf, none)

    def final(self) -> NDArray[np.float32]:
        return self.state.weights

    def _round(self, round: int) -> None:
        block = self._block(round)
        asked = self._question(self.update, None, block, round, {})  # type: ignore[arg-type]
        self.running.asked.append((round, block, asked.deadline_s))  # type: ignore[attr-defined]
        if (round, block) in self.running.away:  # type: ignore[attr-defined]
            self.running.away.remove((round, block))  # type: ignore[attr-defined]
            self._missed(Missed(block, {"hospital-07": "FH-702"}), round)
            return
        self.state.points.append(RoundPoint(model=self.model, round=round, block=block, patients=20))


def running(folder: Path, away: Iterable[tuple[int, int]], standing: tuple[int, ...] = tuple(range(BLOCKS)), share: float = 1.0):
    """What `NetworkRounds` reads of a study that runs."""
    from server.asking.ask_masked_sum import Question

    def question(_name: str, _parameters: object, **more: object) -> Question:
        return Question(None, None, "training", int(more["round"]), "development", int(more["block"]), {}, 7200.0)  # type: ignore[arg-type,call-overload]

    asker = SimpleNamespace(
        standing=lambda _role: standing,
        kept=Kept(),
        question=question,
        stalled=lambda missed, phase: federation.STUDY_STALLED.problem(f"{phase}: block {missed.block + 1}, {missed.missing}"),
    )
    training = Training(rounds=ROUNDS)
    return SimpleNamespace(
        asker=asker,
        study=SimpleNamespace(training=training, blocks=BlockMinima(missed_share=share)),
        folder=SimpleNamespace(training_file=lambda _model: folder / "state.safetensors"),
        canary=False,
        asked=[],
        away=list(away),
    )


ORDER = [block_of(round, BLOCKS, Training().seed) for round in range(ROUNDS)]


def test_a_missed_turn_is_made_up_at_the_end_and_meanwhile_the_block_is_asked_for_a_moment_only(tmp_path: Path) -> None:
    turns = [round for round in range(ROUNDS) if ORDER[round] == 1]
    study = running(tmp_path, {(turns[0], 1), (turns[1], 1)})
    trainer = Turns(study, "Rad-D")  # type: ignore[arg-type]
    trainer.run()
    asked = study.asked
    assert [(round, block) for round, block, _ in asked] == [*enumerate(ORDER), (turns[0], 1), (turns[1], 1)]
    patience = {round: seconds for round, _, seconds in asked[:ROUNDS]}
    assert patience[turns[0]] == 7200.0 and patience[turns[1]] == 60.0, "the others go on"
    assert [seconds for *_, seconds in asked[ROUNDS:]] == [7200.0, 7200.0]
    assert not trainer.owed() and sum(point.patients > 0 for point in trainer.state.points) == ROUNDS


def test_what_stays_missing_stalls_at_the_end_and_a_resumed_study_asks_only_for_that(tmp_path: Path) -> None:
    study = running(tmp_path, ())
    trainer = Turns(study, "Rad-D")  # type: ignore[arg-type]
    study.away = [(round, 2) for round in range(ROUNDS)] * 2
    with pytest.raises(Problem) as stalled:
        trainer.run()
    assert stalled.value.kind == federation.STUDY_STALLED and "hospital-07" in str(stalled.value)
    study.away, study.asked = [], []
    again = Turns(study, "Rad-D")  # type: ignore[arg-type]
    again.run()
    assert [block for _, block, _ in study.asked] == [2] * len(study.asked) and len(study.asked) == 3
    assert not any(map(is_missed, again.state.points))


def test_too_many_missed_turns_stall_at_once(tmp_path: Path) -> None:
    turn = next(round for round in range(ROUNDS) if ORDER[round] == 2)
    with pytest.raises(Problem):
        Turns(running(tmp_path, {(turn, 2)}, share=0.2), "Rad-D").run()  # type: ignore[arg-type]


def test_a_block_that_was_taken_out_has_no_turns_and_owes_none(tmp_path: Path) -> None:
    study = running(tmp_path, [(round, 2) for round in range(ROUNDS)] * 2)
    trainer = Turns(study, "Rad-D")  # type: ignore[arg-type]
    with pytest.raises(Problem):
        trainer.run()
    without = running(tmp_path, set(), standing=(0, 1))
    without.asker.kept = study.asker.kept
    later = Turns(without, "Rad-D")  # type: ignore[arg-type]
    later.run()
    assert not without.asked, "all rounds were asked, and what block 3 owes is nobody's any more"
    fresh = running(tmp_path, set(), standing=(0, 1))
    Turns(fresh, "Rad-D").run()  # type: ignore[arg-type]
    assert {block for _, block, _ in fresh.asked} == {0, 1}


def test_a_block_is_waited_for_over_a_weekend_while_others_can_go_on_and_to_the_deadline_where_it_is_the_only_one(tmp_path: Path) -> None:
    trainer = Turns(running(tmp_path, ()), "Rad-D")  # type: ignore[arg-type]
    assert trainer.patience(7200.0) == 7200.0 and trainer.patience(30 * 86_400.0) == OTHERS_GO_ON_S
    alone = Turns(running(tmp_path, (), standing=(0,)), "Rad-D")  # type: ignore[arg-type]
    assert alone.patience(30 * 86_400.0) == 30 * 86_400.0
