"""The control service of a running site, on a real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.program.control import Board, ControlClient, ControlServer, socket_path
from site_config.problems.base import Problem


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Board, ControlClient]]:
    board = Board("alpha", "1.0", clock=lambda: 100.0)
    server = ControlServer(tmp_path, board)
    server.start()
    client = ControlClient(tmp_path)
    yield board, client
    client.close()
    server.stop()


def test_health_means_registered(served: tuple[Board, ControlClient], tmp_path: Path) -> None:
    board, client = served
    assert not client.healthy()
    board.tell(connection="registered")
    end = time.monotonic() + 5
    while not client.healthy() and time.monotonic() < end:
        time.sleep(0.05)
    assert client.healthy()
    board.tell(connection="disconnected", problem="FH-715")
    end = time.monotonic() + 5
    while client.healthy() and time.monotonic() < end:
        time.sleep(0.05)
    assert not client.healthy()
    assert socket_path(tmp_path).stat().st_mode & 0o777 == 0o600


def test_pause_and_resume(served: tuple[Board, ControlClient]) -> None:
    board, client = served
    assert client.call("Pause", {"until": 200.0}).paused_until == 200.0 and board.paused()
    assert client.call("Resume").paused_until is None and not board.paused()
    client.call("Pause", {"until": 50.0})
    assert not board.paused() and board.planned_pause() is None


def test_only_a_pause_with_an_end_is_planned(served: tuple[Board, ControlClient]) -> None:
    board, client = served
    client.call("Pause", {"until": 200.0})
    assert board.planned_pause() == 200.0
    client.call("Pause")
    assert board.paused() and board.planned_pause() is None


def test_watch_tells_every_change(served: tuple[Board, ControlClient]) -> None:
    board, client = served
    stream = client.watch()
    assert next(stream).connection == "starting"
    board.tell(connection="registered")
    assert next(stream).connection == "registered"


def test_a_program_that_does_not_run(tmp_path: Path) -> None:
    client = ControlClient(tmp_path)
    with pytest.raises(Problem, match="FH-709"):
        client.call("Status")
    assert not client.healthy()


def test_long_paths_get_a_short_socket(tmp_path: Path) -> None:
    assert len(str(socket_path(tmp_path / ("x" * 120)))) < 100
