"""Evidence: Ctrl-C of `fedhcc-sim run` at counted moments of both engines: one line, within two seconds, nobody left behind.

`python -m evidence.faults.ctrl_c [ENGINE ...]` writes docs/evidence/ctrl_c.json. The command runs as a process group of its own, as in a
terminal, and the whole group is sent SIGINT: while Python is still importing, and then each time after so many lines of progress more
than the last time. The same command then goes on from where it was stopped; the last one runs to the end. A moment counts as held
where the program ends with status 130 within two seconds, its last line says that it stopped, no traceback is among its lines, and
no process of the group or of its sites is left.
"""

from __future__ import annotations

import os
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
LINES = {"local": (1, 3, 6, 10, 15, 21, 28), "loopback": (1, 3, 5, 8, 12)}
"""After how many lines of progress of a start the signal is sent."""
STARTS_S = 900.0


@dataclass
class InterruptedRun:
    """One start that was interrupted: after which line, how long the end took, and what was left."""

    moment: str
    seconds: float
    status: int
    lines_after: list[str]
    traceback: bool
    left: int

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

    def wait_for(self, lines: int) -> bool:
        """Whether so many lines came before the command ended."""
        with self.told:
            return self.told.wait_for(
                lambda: len(self.lines) >= lines or not self.reader.is_alive() or self.process.poll() is not None, STARTS_S
            ) and (len(self.lines) >= lines)

    def interrupt(self, moment: str) -> InterruptedRun | None:
        """Ctrl-C now; None where the command had ended by itself."""
        before = len(self.lines)
        if self.process.poll() is not None:
            return None
        began = time.monotonic()
        os.killpg(self.process.pid, signal.SIGINT)
        status = self.process.wait(60)
        seconds = time.monotonic() - began
        self.reader.join(5)
        after = self.lines[before:]
        broken = any("Traceback" in line or "KeyboardInterrupt" in line for line in self.lines)
        return InterruptedRun(moment, round(seconds, 3), status, after, broken, left_of(self.process.pid, self.out))


def left_of(session: int, out: Path) -> int:
    """Processes of a session, or of sessions of their own that work in its folder, that still run two seconds after its leader ended."""
    end = time.monotonic() + LIMIT_S
    while (left := _running(session, out)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def _running(session: int, out: Path) -> int:
    found = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        found += fields[0] != "Z" and (int(fields[3]) == session or str(out).encode() in words)
    return found


def interrupted(engine: str, out: Path) -> dict[str, Any]:
    """Every moment of one engine, then the same command to its end."""
    found: list[InterruptedRun | None] = []
    for seconds in EARLY_S:
        start = StartedRun(engine, out)
        time.sleep(seconds)
        found.append(start.interrupt(f"{seconds:g} s after the start"))
    for lines in LINES[engine]:
        start = StartedRun(engine, out)
        if not start.wait_for(lines):
            break
        found.append(start.interrupt(f"line {lines}: {start.lines[lines - 1].split(':')[0]}"))
        print(engine, found[-1], flush=True)
    last = StartedRun(engine, out)
    status = last.process.wait(STARTS_S)
    held = [one for one in found if one is not None]
    return {
        "moments": [
            {"moment": one.moment, "seconds": one.seconds, "status": one.status, "left": one.left, "held": one.held} for one in held
        ],
        "held": f"{sum(one.held for one in held)} of {len(held)}",
        "slowest_s": max((one.seconds for one in held), default=None),
        "goes_on_to_its_end": status == 0 and (out / "report.html").exists(),
    }


def main() -> int:
    """Measure the named engines, or both; 1 where a moment was not held or the study did not go on."""
    engines = sys.argv[1:] or [*LINES]
    figures: dict[str, Any] = {}
    for engine in engines:
        with tempfile.TemporaryDirectory(prefix="ctrl-c-") as folder:
            figures[engine] = interrupted(engine, Path(folder) / "out")
        print(engine, figures[engine], flush=True)
    good = all(one["goes_on_to_its_end"] and all(moment["held"] for moment in one["moments"]) for one in figures.values())
    figures["bars"] = {"one line within two seconds at every moment, and the same command goes on": good}
    record("ctrl_c", covers=COVERS, figures=figures, seeds=[7], command="python -m evidence.faults.ctrl_c")
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
