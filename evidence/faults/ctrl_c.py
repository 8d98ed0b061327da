"""Evidence: Ctrl-C of `fedhcc-sim run` in every phase of both engines: one line, within two seconds, nobody left behind.

`python -m evidence.faults.ctrl_c [ENGINE ...]` writes docs/evidence/ctrl_c.json. The command runs as a process group of its own, as in a
terminal, and the whole group is sent SIGINT: while Python is still importing, then in every phase that tells of itself, while the
hospitals' programs start and while they work. The same command then goes on from where it was stopped; the last one runs to its end.
A moment counts as held where the program ends with status 130 within two seconds, its last line says that it stopped, no traceback is
among its lines, and none of the processes that it had started, or that those had, is left. A moment that never came is not held.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evidence.record import record
from simulations.interrupts import INTERRUPTED, STOPPED

COVERS = [
    "evidence/faults/ctrl_c.py",
    "simulations/interrupts.py",
    "simulations/engines/loopback_engine.py",
    "simulations/study/simulated_study.py",
]
LIMIT_S = 2.0
EARLY_S = (0.0, 0.2, 1.0)
"""Seconds after the start, before there is a line of progress."""
STARTS_S = 900.0
HOSPITAL = b"client.cli"
"""What the command of a hospital's program contains."""


@dataclass(frozen=True)
class InterruptMoment:
    """When the signal is sent: after a line of progress, with so many hospitals' programs running, and so many seconds more."""

    line: str
    seconds: float = 0.0
    programs: int = 0

    def __str__(self) -> str:
        programs = f"{self.programs} hospitals' programs started" if self.programs else ""
        return ", ".join(filter(None, (self.line.replace(".*", "…"), programs, f"{self.seconds:g} s more" if self.seconds else "")))


COHORT = (
    InterruptMoment("Simulated patients.*: 0/"),
    InterruptMoment("Simulated patients.*: [4-9]/"),
    InterruptMoment("Scans .*: 0/"),
    InterruptMoment("Scans .*: [3-5]/"),
)
LAST_SCAN = "Scans .*: 6/6"
PHASES = ("Admission .*", "Clinical .*: 0/", "Clinical .*: 1/", "Training rad-s", "Training rad-d", "Evaluation .*")
STARTING = (InterruptMoment(LAST_SCAN, programs=1), InterruptMoment(LAST_SCAN, programs=6), InterruptMoment(LAST_SCAN, 4.0, programs=6))
MOMENTS = {
    "local": (
        *COHORT,
        InterruptMoment(LAST_SCAN, 1.0),
        *map(InterruptMoment, PHASES),
        InterruptMoment("Report.*: 0/"),
        InterruptMoment("Report.*: 0/", 0.5),
    ),
    "loopback": (
        *COHORT[1::2],
        *STARTING,
        *map(InterruptMoment, PHASES),
        InterruptMoment("Evaluation .*", 0.5),
        InterruptMoment("Report.*: 0/", 0.5),
    ),
}
"""In the order in which a study comes to them; each start goes on from the one before."""


@dataclass
class InterruptedRun:
    """One start that was interrupted: after which line, how long the end took, what was left of how many processes."""

    moment: str
    seconds: float
    status: int
    lines_after: list[str]
    traceback: bool
    left: int
    processes: int

    @property
    def held(self) -> bool:
        """Whether it ended as it should."""
        told = [line for line in self.lines_after if line.strip()]
        if self.status == -signal.SIGINT and not told and self.left == 0:
            return True  # the system ended it before Python had begun: nothing to say it with
        return (
            self.seconds <= LIMIT_S
            and self.status == INTERRUPTED
            and not self.traceback
            and self.left == 0
            and bool(told)
            and told[-1].strip() == STOPPED
        )


class StartedRun:
    """A start of the command: its lines of progress as they come, and its process group."""

    def __init__(self, engine: str, out: Path) -> None:
        command = [sys.executable, "-P", "-m", "simulations.cli", "run", "--preset", "tiny", "--engine", engine, "--out", str(out)]
        self.out = out
        self.process = subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.lines: list[str] = []
        self.told = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self.told:
                self.lines.append(line.rstrip("\n"))
                self.told.notify_all()
        with self.told:
            self.told.notify_all()

    def wait_for(self, moment: InterruptMoment) -> bool:
        """Whether the moment came before the command ended."""
        with self.told:
            self.told.wait_for(lambda: self._told(moment.line) or not self.reader.is_alive(), STARTS_S if moment.line else 0.0)
        if moment.line and not self._told(moment.line):
            return False
        while self.process.poll() is None and _hospitals(family_of(self.process.pid)) < moment.programs:
            time.sleep(0.05)
        time.sleep(moment.seconds)
        return self.process.poll() is None

    def _told(self, words: str) -> bool:
        return any(re.match(words, line, re.IGNORECASE) for line in self.lines)

    def interrupt(self, moment: str) -> InterruptedRun | None:
        """Ctrl-C now; None where the command had ended by itself."""
        before, family = len(self.lines), family_of(self.process.pid)
        if self.process.poll() is not None:
            return None
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(60)
        seconds = time.monotonic() - began
        self.reader.join(5)
        after = self.lines[before:]
        broken = any("Traceback" in line or "KeyboardInterrupt" in line for line in self.lines)
        return InterruptedRun(moment, round(seconds, 3), status, after, broken, left_of(self.process.pid, self.out, family), len(family))


def family_of(leader: int) -> dict[int, str]:
    """The processes that descend from one, by number, each with when it was started (a number may be given again)."""
    parents, started = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        if (fields := _fields(entry)) and fields[0] != "Z":
            parents[int(entry.name)], started[int(entry.name)] = int(fields[1]), fields[19]
    found = {leader}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {one: started[one] for one in found if one in started}


def _fields(entry: Path) -> list[str]:
    """What the kernel tells of a process, from its state on; nothing where it has ended."""
    try:
        return (entry / "stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return []


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def _hospitals(family: dict[int, str]) -> int:
    return sum(HOSPITAL in _command(Path(f"/proc/{one}")) for one in family)


def left_of(session: int, out: Path, family: dict[int, str]) -> int:
    """Of a session, of a family, or at work in a folder: processes that still run two seconds after the leader ended."""
    end = time.monotonic() + LIMIT_S
    while (left := _running(session, out, family)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def _running(session: int, out: Path, family: dict[int, str]) -> int:
    found = 0
    for entry in Path("/proc").glob("[0-9]*"):
        fields = _fields(entry)
        if fields and fields[0] != "Z":
            ours = int(fields[3]) == session or family.get(int(entry.name)) == fields[19]
            found += ours or str(out).encode() in _command(entry)
    return found


def interrupted(engine: str, out: Path) -> dict[str, Any]:
    """Every moment of one engine, then the same command to its end."""
    found: list[InterruptedRun] = []
    missed: list[str] = []
    for moment in (*(InterruptMoment("", seconds) for seconds in EARLY_S), *MOMENTS[engine]):
        start = StartedRun(engine, out)
        name = str(moment) if moment.line else f"{moment.seconds:g} s after the start"
        came = start.wait_for(moment)
        if came and (one := start.interrupt(name)):
            found.append(one)
        else:
            missed.append(name)
        print(engine, name, found[-1] if came else f"did not come: {start.lines[-3:]}", flush=True)
    last = StartedRun(engine, out)
    status = last.process.wait(STARTS_S)
    return {
        "moments": [
            {"moment": one.moment, "seconds": one.seconds, "processes": one.processes, "left": one.left, "held": one.held} for one in found
        ],
        "never came": missed,
        "held": f"{sum(one.held for one in found)} of {len(found) + len(missed)}",
        "slowest_s": max((one.seconds for one in found), default=None),
        "goes_on_to_its_end": status == 0 and (out / "report.html").exists(),
    }


def main() -> int:
    """Measure the named engines, or both; 1 where a moment was not held or the study did not go on."""
    engines = sys.argv[1:] or [*MOMENTS]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and what that starts would too
    figures: dict[str, Any] = {}
    for engine in engines:
        with tempfile.TemporaryDirectory(prefix="ctrl-c-") as folder:
            figures[engine] = interrupted(engine, Path(folder) / "out")
        print(engine, figures[engine], flush=True)
    good = all(
        one["goes_on_to_its_end"] and not one["never came"] and all(moment["held"] for moment in one["moments"]) for one in figures.values()
    )
    figures["bars"] = {"one line within two seconds at every moment, and the same command goes on": good}
    record("ctrl_c", covers=COVERS, figures=figures, seeds=[7], command="python -m evidence.faults.ctrl_c")
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
