"""The coordinator's processes have an owner: real `fedhcc-coordinator serve`, a closed terminal, and kills of each part alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server import office_setup
from server.link.child_process import Birth, group, listening
from server.link.nginx_gateway import OFFICE_LOCK
from server.link.process_supervisor import Supervisor, link_answers
from simulations.engines.loopback_engine import ONE_THREAD, loopback_address
from site_config.file_lock import holder_of
from tests.support import ROOT

LIMIT_S = 60.0


def until(happened: Callable[[], bool], limit_s: float = LIMIT_S) -> bool:
    end = time.monotonic() + limit_s
    while not happened():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _hears_hangups() -> None:
    """As in a terminal: whoever runs these tests under `nohup` hands a deaf ear on."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class Office:
    """An office and its `serve`."""

    def __init__(self, home: Path) -> None:
        self.home = home
        address, superlink = loopback_address()
        office_setup.init(home, "Trial office", address, listen=address, superlink_port=superlink)
        self.ports = (superlink, int(address.rpartition(":")[2]))
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *words: str) -> subprocess.Popen[bytes]:
        line = [sys.executable, "-P", "-m", "server.cli", *words, "--home", str(self.home)]
        with (self.home / "said.txt").open("ab") as out:
            return subprocess.Popen(
                line,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **ONE_THREAD, "PYTHONPATH": str(ROOT)},
                start_new_session=True,
                preexec_fn=_hears_hangups,
            )

    def serve(self) -> None:
        self.process = self.command("serve")
        assert until(self.answers), self.said

    def answers(self) -> bool:
        return all(link_answers(self.home).values())

    @property
    def said(self) -> str:
        return (self.home / "said.txt").read_text()

    def pid(self, name: str) -> int:
        return Birth.model_validate_json((self.home / "gateway" / f"{name}.pid").read_text()).pid

    def free(self) -> bool:
        return not any(listening(port) for port in self.ports)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(30)
            self.process = None


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    found = Office(tmp_path_factory.mktemp("owner") / "office")
    try:
        yield found
    finally:
        found.end()


@pytest.fixture
def served(office: Office) -> Office:
    if office.process is None:
        office.serve()
    return office


def test_a_second_coordinator_is_refused_by_name_of_the_first(served: Office) -> None:
    second = served.command("serve")
    assert second.wait(30) == 12
    assert served.process is not None and f"process {served.process.pid}, since" in served.said and "FH-758" in served.said
    assert served.answers()


def test_a_closed_terminal_ends_nothing(served: Office) -> None:
    assert served.process is not None
    served.process.send_signal(signal.SIGHUP)
    assert until(lambda: (served.home / "logs" / "coordinator.log").exists())
    assert served.process.poll() is None and served.answers()
    holder = holder_of(served.home / OFFICE_LOCK)
    assert holder is not None and holder.pid == served.process.pid and "serve" in holder.command


@pytest.mark.parametrize("name", ["gateway", "superlink"])
def test_a_part_that_is_killed_alone_is_started_again(served: Office, name: str) -> None:
    before = served.pid(name)
    os.kill(before, signal.SIGKILL)
    assert until(lambda: served.pid(name) != before if (served.home / "gateway" / f"{name}.pid").exists() else False)
    assert until(served.answers)
    assert not list(group(before)), "a worker outlived its master"


def test_what_is_killed_takes_its_processes_along_and_a_run_takes_over(served: Office) -> None:
    said: list[str] = []
    before = served.pid("superlink")
    with Supervisor(served.home, said.append):
        assert said == [] and served.pid("superlink") == before, "it uses the processes of whoever serves"
        served.end(signal.SIGKILL)
        assert until(lambda: bool(said) and served.answers()), said
        holder = holder_of(served.home / OFFICE_LOCK)
        assert holder is not None and holder.pid == os.getpid() and not list(group(before))
    assert until(served.free, 20)
    assert holder_of(served.home / OFFICE_LOCK) is None


def test_an_orphan_is_ended_by_the_next_owner(served: Office) -> None:
    master = served.pid("gateway")
    os.kill(master, signal.SIGSTOP)
    os.kill(master, signal.SIGKILL)
    served.end(signal.SIGKILL)
    served.serve()
    assert not list(group(master))


def test_it_ends_cleanly(served: Office) -> None:
    served.end()
    assert until(served.free, 20)
    assert not list((served.home / "gateway").glob("*.pid"))
