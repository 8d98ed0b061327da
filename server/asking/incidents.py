"""What goes wrong on the way to the hospitals while a study runs, whether or not an ask fails for it.

Flower repeats what a short outage swallowed, and sites wait for their gateway, so a study can pass through one without a
missing reply. Somebody must be told all the same: a thread looks every second whether the coordinator's two processes
accept connections and what the SuperLink's log says of refused keys, tells the terminal, and keeps it for the ledger.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

from server.hospital_register import load
from server.link.child_process import listening
from site_config.problems import federation
from site_config.problems.base import Kind

LOOK_S = 1.0
ASLEEP_S = 15.0
SUPERLINK, GATEWAY, COORDINATOR = "SuperLink", "gateway", "coordinator"
REFUSED = re.compile(rb"node ID (\d+) could not be activated")
STILL = re.compile(rb"process of node ID (\d+) shows no sign of life")


class Disturbances:
    """Watches from `start` to `stop`; `taken` gives what happened since it was last asked, a code by whom it concerns."""

    def __init__(
        self,
        home: Path,
        tell: Callable[[str], None],
        answers: Callable[[int], bool] = listening,
        clock: Callable[[], float] = time.time,
    ) -> None:
        register = load(home)
        self._doors: dict[str, tuple[int, Kind]] = {
            SUPERLINK: (register.superlink_port, federation.LINK_LOST),
            GATEWAY: (int(register.listen.rpartition(":")[2]), federation.GATEWAY_DOWN),
        }
        self._sites = {site.node_id: site.name for site in register.active().values()}
        self._log = home / "logs" / "superlink.log"
        self._read = self._log.stat().st_size if self._log.exists() else 0
        self._tell, self._answers, self._clock = tell, answers, clock
        self._down: dict[str, float] = {}
        self._looked: float | None = None
        self._happened: dict[str, str] = {}
        self._said = ""
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="disturbances")

    def keep(self, name: str, kind: Kind, words: str) -> None:
        """Tell something, once in a row, and keep it for the ledger."""
        with self._lock:
            self._happened[name] = kind.label
        if words != self._said:
            self._tell(words)
        self._said = words

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End and wait for the thread."""
        self._over.set()
        self._thread.join(timeout=5)

    def taken(self) -> dict[str, str]:
        """What happened since the last call, and what is still so."""
        with self._lock:
            found, self._happened = self._happened, {}
            return found | {name: self._doors[name][1].label for name in self._down}

    def look(self) -> None:
        """One look at this machine's own sleep, at both processes and at what is new in the SuperLink's log."""
        moment, before = self._clock(), self._looked
        if before is not None and moment - before > ASLEEP_S:
            words = f"this machine stood still for {moment - before:.0f} s: {federation.OFFICE_SLEPT.label}; no hospital is to blame"
            self.keep(COORDINATOR, federation.OFFICE_SLEPT, words)
        self._ask_doors()
        self._looked = self._clock()  # a question that waits for its answer is no sleep
        new = self._new_lines()
        for site in self._named(STILL, new):
            words = f"the working process of {site} shows no sign of life: {federation.SITE_FROZEN.label}"
            self.keep(site, federation.SITE_FROZEN, words)
        for site in self._named(REFUSED, new):
            self.keep(site, federation.NODE_ACTIVE, f"a second program with the key of {site} was refused: {federation.NODE_ACTIVE.label}")

    def _ask_doors(self) -> None:
        for name, (port, kind) in self._doors.items():
            if not self._answers(port):
                self._went(name, kind)
            elif name in self._down:
                self._came(name)

    def _run(self) -> None:
        while not self._over.wait(LOOK_S):
            self.look()

    def _went(self, name: str, kind: Kind) -> None:
        if name not in self._down:
            self.keep(name, kind, f"the {name} does not answer: {kind.label}; the study waits for it")
            self._down[name] = self._clock()

    def _came(self, name: str) -> None:
        with self._lock:
            seconds = self._clock() - self._down.pop(name)
        self._said = ""
        self._tell(f"the {name} answers again, after {seconds:.0f} s")

    def _named(self, what: re.Pattern[bytes], lines: bytes) -> list[str]:
        """The sites that some lines of the log speak of."""
        found = {int(number) for number in what.findall(lines)}
        return sorted(self._sites[number] for number in found if number in self._sites)

    def _new_lines(self) -> bytes:
        """What the SuperLink's log says since the last look."""
        size = self._log.stat().st_size if self._log.exists() else 0
        if size < self._read:
            self._read = 0  # a new log was begun
        if size <= self._read:
            return b""
        with self._log.open("rb") as stream:
            stream.seek(self._read)
            new = stream.read(1 << 20)
        self._read += len(new)
        return new
