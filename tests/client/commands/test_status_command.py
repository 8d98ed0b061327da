"""`fedhcc-site status` of a program that is just starting."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from client import keys_kit_and_decisions as at_site
from client.commands import status_pause_logs
from client.program.control_service import Board, ControlServer
from site_config.file_lock import Lock
from tests.support import app_of, run_cli

APP = app_of(status_pause_logs.register)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    at_site.init(tmp_path / "state", "alpha")
    (tmp_path / "site.yaml").write_text("site: alpha\n")
    return tmp_path


@pytest.fixture
def at_the_second_question(home: Path, monkeypatch: pytest.MonkeyPatch) -> ControlServer:
    """The program's control service begins while the command waits, however fast the machine is."""
    server = ControlServer(home / "state", Board("alpha", "1.0"))
    begun = threading.Event()

    def sleep(_seconds: float) -> None:
        if not begun.is_set():
            begun.set()
            server.start()

    monkeypatch.setattr(status_pause_logs, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    return server


def test_a_program_that_is_starting_is_waited_for_where_that_was_asked(home: Path, at_the_second_question: ControlServer) -> None:
    ran = run_cli(APP, "status", "--home", home, "--wait", "60")
    at_the_second_question.stop()
    assert ran.status == 0 and "alpha" in ran.out


def test_one_that_holds_the_folder_is_waited_for_without_being_asked(home: Path, at_the_second_question: ControlServer) -> None:
    lock = Lock(home / "state" / "run.lock")
    assert lock.take()
    ran = run_cli(APP, "status", "--home", home)
    at_the_second_question.stop()
    lock.release()
    assert ran.status == 0 and "alpha" in ran.out


def test_one_that_does_not_run_is_told_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_pause_logs, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pytest.fail))
    assert "FH-709" in run_cli(APP, "status", "--home", home).err


def test_waiting_ends(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(status_pause_logs, "time", clock)
    assert "FH-709" in run_cli(APP, "status", "--home", home, "--wait", "3").err
    assert now[0] == 3.0
