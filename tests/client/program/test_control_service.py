"""The control service of a running site, on a real socket."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from client.program.control_service import Board, ControlClient, ControlServer, socket_path
from site_config.problems.base import Problem


@pytest.fixture
def server(tmp_path: Path) -> ControlServer:
    return ControlServer(tmp_path, Board("alpha", "1.0", clock=lambda: 100.0))


@pytest.fixture
def served(tmp_path: Path, server: ControlServer) -> Iterator[tuple[Board, ControlClient]]:
    board = server.board
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


def threads() -> set[str]:
    """Names of gRPC's own threads in this process, as the system sees them."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            found.add((task / "comm").read_text().strip())
    return found & {"lifeguard", "event_engine"}


def until(found: Callable[[], bool]) -> bool:
    end = time.monotonic() + 30
    while not found() and time.monotonic() < end:
        time.sleep(0.02)
    return found()


def test_it_sleeps_while_nobody_is_connected(server: ControlServer, tmp_path: Path) -> None:
    before = threads()  # an earlier test's channel may still be open
    server.start()
    try:
        assert not server.awake and not (tmp_path / "control.grpc").exists()
        for _ in range(2):  # and again after the first caller has gone
            one, two = ControlClient(tmp_path), ControlClient(tmp_path)
            assert one.call("Status").site == "alpha" and two.call("Pause", {"until": 50.0}).paused_until == 50.0
            assert server.awake and (tmp_path / "control.grpc").stat().st_mode & 0o777 == 0o600
            one.close()
            assert two.call("Resume").paused_until is None
            two.close()
            assert until(lambda: not server.awake) and not (tmp_path / "control.grpc").exists()
        assert until(lambda: threads() <= before), "gRPC's threads ended with it"
    finally:
        server.stop()
    assert not socket_path(tmp_path).exists()


def test_its_end_ends_whoever_watches(server: ControlServer, tmp_path: Path) -> None:
    server.start()
    client = ControlClient(tmp_path)
    stream = client.watch()
    assert next(stream).connection == "starting"
    server.stop()
    with pytest.raises((Problem, StopIteration)):
        while True:
            next(stream)
    client.close()
    with pytest.raises(Problem, match="FH-709"):
        ControlClient(tmp_path).call("Status")


def test_a_caller_that_says_nothing_or_nonsense_hurts_nobody(server: ControlServer, tmp_path: Path) -> None:
    server.start()
    try:
        for words in (b"", b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 100):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as rude:
                rude.connect(str(socket_path(tmp_path)))
                with contextlib.suppress(OSError):  # it may be hung up on while it speaks
                    rude.sendall(words)
                client = ControlClient(tmp_path)
                assert client.call("Status").site == "alpha"
                client.close()
        assert until(lambda: not server.awake)
    finally:
        server.stop()


def test_a_program_that_does_not_run(tmp_path: Path) -> None:
    client = ControlClient(tmp_path)
    with pytest.raises(Problem, match="FH-709"):
        client.call("Status")
    assert not client.healthy()


def test_long_paths_get_a_short_socket(tmp_path: Path) -> None:
    assert len(str(socket_path(tmp_path / ("x" * 120)))) < 100
