"""The coordinator's two child processes: started in groups of their own, ended with their owner, found again as orphans.

Each child has a file with its number and the moment it began, so that a number that was given to another program since is not
mistaken for it. A child's group is ended whole: a worker that survived its master would hold the port.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from site_config.atomic_files import read_limited, write_atomic
from site_config.problems import federation

QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
START_S = 60.0
LOG_LIMIT = 8 << 20
LAUNCHER = Path(__file__).with_name("end_with_parent.py")


class Birth(BaseModel):
    """A process that was started: its number, which is its group's too, and the kernel's clock when it began."""

    pid: int
    began: int


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every Flower process: no telemetry, no update check."""
    return {**os.environ, **QUIET, **(extra or {})}


def began(pid: int) -> int:
    """When a process began, in ticks of the kernel's clock; 0 where there is none, or only what is left of one."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])


def group(leader: int) -> Iterator[int]:
    """The processes of a group."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # a process may end meanwhile
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[2]) == leader and fields[0] not in "ZX":
                yield int(path.parent.name)


def end_group(leader: int, number: signal.Signals = signal.SIGKILL, wait_s: float = 5.0) -> None:
    """End a group and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
    end = time.monotonic() + wait_s
    while time.monotonic() < end and any(True for _ in group(leader)):
        time.sleep(0.02)


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts TCP connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


@dataclass
class Child:
    """A process of ours with its name, log, port, and the folder it works in, which holds its number.

    `dies_of`: the signal the kernel sends it when its owner ends.
    """

    name: str
    command: list[str]
    log: Path
    port: int
    folder: Path
    dies_of: signal.Signals = signal.SIGKILL
    process: subprocess.Popen[bytes] | None = None

    @property
    def file(self) -> Path:
        """Where its number stands."""
        return self.folder / f"{self.log.stem}.pid"

    def start(self, wait: Callable[[float], None] = time.sleep) -> None:
        """Start and wait until the port accepts connections; FH-707 when it does not. An orphan of an earlier owner is ended first."""
        self.end_orphan()
        if listening(self.port):
            raise federation.LINK_NOT_STARTED.problem(
                f"Port {self.port} for the {self.name} is in use by another program",
                fix=f"See which one: `ss -ltnp 'sport = :{self.port}'`. Where it is an office in another folder, perhaps the one that this "
                "folder is a copy of, go on there, or end that program first: one office, one folder.",
            )
        self.trim_log()
        launcher = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(self.dies_of)), *self.command]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(  # noqa: S603
                launcher,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment({"PYTHONPATH": python_path()}),
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                start_new_session=True,
            )
        birth = Birth(pid=self.process.pid, began=began(self.process.pid))
        write_atomic(self.file, birth.model_dump_json().encode(), 0o600)
        for _ in range(int(START_S / 0.1)):
            if listening(self.port):
                return
            if self.process.poll() is not None:
                break
            wait(0.1)
        self.stop()
        raise federation.LINK_NOT_STARTED.problem(f"The {self.name} did not start{last_words(self.log)}", where=f"logs/{self.log.name}")

    def trim_log(self) -> None:
        """Put a long log aside and begin it anew; a process that writes into it appends, and goes on at its new beginning."""
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    def end_orphan(self) -> bool:
        """End what an owner left that was killed; whether there was something. Its workers may have outlived it.

        What works in another folder is left alone: this one may be a copy of an office that runs.
        """
        try:
            birth = Birth.model_validate_json(read_limited(self.file, 1 << 12)) if self.file.exists() else None
        except ValidationError:
            birth = None
        self.file.unlink(missing_ok=True)
        if birth is None or birth.pid == os.getpid():
            return False
        leader = began(birth.pid)
        if leader and leader != birth.began:
            return False  # the number belongs to another program now
        members = [pid for pid in group(birth.pid) if self._works_here(pid)]
        if members:
            end_group(birth.pid)
        return bool(members)

    def _works_here(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").readlink() == self.folder.resolve()
        except OSError:
            return False

    def alive(self) -> bool:
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self, grace_s: float = 10.0) -> None:
        """Ask to end, then end."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(grace_s)
        self.kill()

    def kill(self) -> None:
        """End at once, with whatever belongs to it, as a power cut would."""
        if self.process is not None:
            end_group(self.process.pid)
            self.process.wait()
            self.file.unlink(missing_ok=True)
            self.process = None


def python_path() -> str:
    """Where a child finds this program: where this process does, made absolute, because a child works in another folder."""
    return os.pathsep.join(str(Path(place).resolve()) for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place)


def last_words(log: Path, most: int = 160) -> str:
    """The end of a log, in one line, as a person is told it; empty where the log is."""
    lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
    found = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {found[-most:]}" if found else ""
