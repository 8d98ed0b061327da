"""What a keeper does with a child that ends or falls silent, without processes and without waiting."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from server.link.child_process import Birth, Child, began
from server.link.owner_lock import held
from server.link.process_supervisor import ASK_S, CALM_S, PAUSES_S, SILENT, Keeper
from site_config.file_lock import Lock, holder_of
from site_config.problems import federation


class Watched:
    """A child that ends and answers as it is told, and a clock."""

    def __init__(self) -> None:
        self.name, self.log, self.now = "gateway", Path("/nowhere"), 0.0
        self.starts: list[float] = []
        self.answers, self.fails = True, 0
        self.process: SimpleNamespace | None = SimpleNamespace(poll=lambda: None)
        self.said: list[str] = []
        self.keeper = Keeper(self, lambda: self.answers, self.said.append, lambda: self.now)  # type: ignore[arg-type]

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        self.process = None

    def start(self) -> None:
        if self.fails:
            self.fails -= 1
            raise federation.LINK_NOT_STARTED.problem("no")
        self.starts.append(self.now)
        self.process = SimpleNamespace(poll=lambda: None)

    def end(self) -> None:
        self.process = SimpleNamespace(poll=lambda: -9)

    def pass_time(self, seconds: float, step: float = 0.5) -> None:
        for _ in range(int(seconds / step)):
            self.now += step
            self.keeper.look()


def test_it_is_started_again_at_once_then_later_and_later() -> None:
    child = Watched()
    waits = []
    for _ in PAUSES_S:
        child.end()
        ended = child.now
        child.pass_time(40)
        waits.append(child.starts[-1] - ended)
    assert waits == sorted(waits) and waits[0] <= 0.5 and waits[-1] >= PAUSES_S[-1]
    assert len(child.said) == len(PAUSES_S) and "status -9" in child.said[0]
    child.pass_time(CALM_S + 1)
    child.end()
    ended = child.now
    child.pass_time(2)
    assert child.starts[-1] - ended <= 0.5, "long quiet, the next time it is started at once"


def test_a_frozen_one_is_started_again_and_one_missing_answer_is_nothing() -> None:
    child = Watched()
    child.answers = False
    child.pass_time(ASK_S + 0.5)
    child.answers = True
    child.pass_time(ASK_S * 2)
    assert child.starts == [] and child.said == []
    child.answers = False
    child.pass_time(ASK_S * SILENT + 2)
    assert len(child.starts) == 1 and "does not answer" in child.said[0]


def test_a_start_that_fails_is_tried_again() -> None:
    child = Watched()
    child.fails = 2
    child.end()
    child.pass_time(30)
    assert len(child.starts) == 1 and sum("FH-707" in line for line in child.said) == 2


def test_a_number_that_belongs_to_another_program_now_is_left_alone(tmp_path: Path) -> None:
    child = Child("thing", [], tmp_path / "thing.log", 1, tmp_path)
    mother = os.getppid()
    child.file.write_text(Birth(pid=mother, began=began(mother) + 1).model_dump_json())
    assert not child.end_orphan() and began(mother) and not child.file.exists()
    child.file.write_text("torn")
    assert not child.end_orphan()


@pytest.mark.parametrize("copied", [False, True])
def test_a_copy_of_an_office_leaves_the_processes_of_the_one_that_runs(tmp_path: Path, copied: bool) -> None:
    runs, folder = tmp_path / "office", tmp_path / ("copy" if copied else "office")
    runs.mkdir()
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(["sleep", "60"], cwd=runs, start_new_session=True)
    try:
        child = Child("thing", [], folder / "thing.log", 1, folder)
        child.file.write_text(Birth(pid=process.pid, began=began(process.pid)).model_dump_json())
        assert child.end_orphan() != copied
        assert (process.poll() is None) == copied
    finally:
        process.kill()
        process.wait()


def test_a_lock_names_its_holder_and_is_never_stale(tmp_path: Path) -> None:
    first, second = Lock(tmp_path / "a" / "x.lock"), Lock(tmp_path / "a" / "x.lock")
    assert holder_of(first.path) is None
    assert first.take() and not second.take()
    holder = holder_of(first.path)
    assert holder is not None and holder.pid == os.getpid()
    with pytest.raises(Exception, match=rf"FH-758.*process {os.getpid()}, since"):
        raise held(first.path, "this")
    first.release()
    assert holder_of(first.path) is None and second.take()
    second.release()
