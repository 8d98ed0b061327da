"""What TensorBoard and MLflow are told: read back by their own readers and held against the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from server import office_setup
from server.asking.office_ledger import Kept, StudyLedger
from server.commands import report, run
from server.report.metrics_json import compute
from server.study.study_results import LedgerEntry
from server.tracking.tensorboard_and_mlflow import SinkFailed, make_sink
from server.tracking.tracker import NAME, Following, Tracker
from server.watch import study_status
from server.watch.study_events import StudyEvents
from site_config.problems.base import Exit, Problem
from tests.server.report.fixture_study import make
from tests.server.watch.test_study_status import published
from tests.support import app_of, run_cli

APP = app_of(report.register, run.register)


def opened(ledger: StudyLedger, round: int, statistic: str = "training.update", outcome: Any = "opened", phase: str = "training") -> None:
    ledger.append(
        LedgerEntry(time="2026-11-23T00:00:00", phase=phase, round=round, statistic=statistic, block=0, roster=["alpha"], outcome=outcome)
    )


def told(events: StudyEvents, model: str, round: int, **numbers: float) -> None:
    events.write("progress", "x", phase=f"training {model}", done=round + 1, total=9, numbers=numbers)


@pytest.fixture
def office(tmp_path: Path) -> tuple[Path, str, StudyLedger, StudyEvents]:
    """Three rounds told, of which the ledger has opened two, and one validation loss."""
    home = tmp_path / "office"
    office_setup.init(home, "Trial office", "127.0.0.1:9443", listen="127.0.0.1:9443", superlink_port=9444)
    study = published(home)
    ledger = StudyLedger(study_status.folder_of(home, study) / "ledger.jsonl")
    events = StudyEvents(study_status.folder_of(home, study), study)
    for round, loss in enumerate((0.9, 0.8, 0.7)):
        told(events, "Rad-S", round, **{"loss": loss, "validation loss": 0.95 if round == 1 else float("nan"), "rate": 1e-4})
    opened(ledger, 0)
    opened(ledger, 1)
    opened(ledger, 1, "validation.loss")
    opened(ledger, 2, outcome="missed")
    return home, study, ledger, events


def tensorboard_of(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Every scalar by its name, by TensorBoard's own reader."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    (place,) = folder.iterdir()
    read = EventAccumulator(str(place))
    read.Reload()
    return {
        name: [(one.step, round(float(make_ndarray(one.tensor_proto)), 6)) for one in read.Tensors(name)] for name in read.Tags()["tensors"]
    }


def mlflow_of(store: Path) -> dict[str, list[tuple[int, float]]]:
    """Every metric by its name, from the lines that MLflow's file store keeps: time, value, step."""
    (run_folder,) = store.glob("[0-9]*/*/metrics")
    return {
        path.relative_to(run_folder).as_posix(): [(int(line.split()[2]), float(line.split()[1])) for line in path.read_text().splitlines()]
        for path in run_folder.rglob("*")
        if path.is_file()
    }


ROUNDS = {"Rad-S/loss": [(1, 0.9), (2, 0.8)], "Rad-S/validation loss": [(2, 0.95)]}


def test_both_are_told_what_the_ledger_has_as_opened_and_nothing_else_once(office: Any, tmp_path: Path) -> None:
    home, study, ledger, events = office
    words = [f"tensorboard:{tmp_path / 'tb'}", f"mlflow:{tmp_path / 'mlruns'}"]
    ran = run_cli(APP, "report", "track", *words, "--home", home, "--json")
    assert ran.status == 0 and ran.data["told"] == 6, ran.err
    assert tensorboard_of(tmp_path / "tb") == mlflow_of(tmp_path / "mlruns") == ROUNDS
    assert run_cli(APP, "report", "track", *words, "--home", home, "--json").data["told"] == 0
    opened(ledger, 2)
    told(events, "Rad-D", 2, loss=0.6)  # the ledger has one sum of this round: one network's point
    assert run_cli(APP, "report", "track", *words, "--home", home, "--json").data["told"] == 2
    later = {**ROUNDS, "Rad-S/loss": [*ROUNDS["Rad-S/loss"], (3, 0.7)]}
    assert mlflow_of(tmp_path / "mlruns") == later
    (tags,) = (path.parent / "tags" for path in (tmp_path / "mlruns").glob("[0-9]*/*/meta.yaml") if (path.parent / "tags").exists())
    ours = {path.name: path.read_text() for path in tags.iterdir() if not path.name.startswith("mlflow.")}
    assert ours == {"fedhcc.study": study, "fedhcc.patients": "real"}
    assert str(tmp_path) not in (study_status.folder_of(home, study) / NAME).read_text()


def test_a_finished_study_tells_its_evaluation_where_that_phase_was_opened(office: Any, tmp_path: Path) -> None:
    home, study, ledger, _ = office
    folder = study_status.folder_of(home, study)
    words = (f"tensorboard:{tmp_path / 'tb'}",)
    result = make(seed=7)
    Kept(folder, ledger).save(folder / "result.json", result.model_dump_json().encode())
    before = Tracker(home, study, words, print)
    before.catch_up()
    before.close()
    assert set(tensorboard_of(tmp_path / "tb")) <= {
        f"{model}/{name}" for model in ("Rad-S", "Rad-D") for name in ("loss", "validation loss")
    }
    opened(ledger, 0, "evaluation.table", phase="evaluation")
    again = Tracker(home, study, words, print)
    again.catch_up()
    again.close()
    found = tensorboard_of(tmp_path / "tb")
    for row in compute(result).concordance:
        assert found[f"{row.model}/{row.set}/C-index"] == [(0, pytest.approx(row.c.value, abs=1e-6))]
    assert all(name.split("/")[-1] in ("loss", "validation loss", "C-index") or "/AUC day " in name for name in found)


class Deaf:
    """A sink that fails until it is mended."""

    def __init__(self) -> None:
        self.fails, self.heard = True, list[Any]()

    def write(self, points: Any) -> None:
        if self.fails:
            raise SinkFailed("no answer")
        self.heard += points

    def close(self, finished: bool) -> None:
        assert not finished


def test_a_sink_that_fails_stops_nothing_and_is_offered_all_again(office: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    home, study, _, _ = office
    deaf = Deaf()
    monkeypatch.setattr("server.tracking.tracker.make_sink", lambda *_: deaf)
    said: list[str] = []
    tracker = Tracker(home, study, ("mlflow:x",), said.append)
    assert tracker.catch_up() == 0 and tracker.catch_up() == 0
    assert len(said) == 1 and "the study goes on" in said[0]
    deaf.fails = False
    following = Following(tracker, seconds=600.0)
    following.close()
    assert sorted((point.name, point.step) for point in deaf.heard) == [("Rad-S/loss", 1), ("Rad-S/loss", 2), ("Rad-S/validation loss", 2)]


def test_words_that_name_no_sink_are_refused_before_anything_runs(office: Any) -> None:
    home, _, _, _ = office
    for word in ("wandb:here", "tensorboard:", "mlflow"):
        with pytest.raises(Problem) as caught:
            make_sink(word, "s" * 64, False)
        assert caught.value.code == "FH-902"
    ran = run_cli(APP, "report", "track", "wandb:x", "--home", home, "--json")
    assert ran.status == Exit.USAGE and "FH-902" in ran.err + ran.out
