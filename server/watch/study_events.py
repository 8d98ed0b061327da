"""What happens in a study, as it happens: `events.jsonl` in its run folder, the office's log, and whoever wants to be called.

Kinds: `progress` (phase, how far, opened numbers), `notice` (what the terminal says of trouble) and `state` (running, PAUSED,
STALLED, stopped, COMPLETE, INCOMPLETE, LOST). `--on-event CMD` is run for notices and states, not for every round.
"""

from __future__ import annotations

import json
import logging
import math
import os
import queue
import shlex
import subprocess
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from site_config.keys_and_signatures import private_folder

log = logging.getLogger("fedhcc.office")
NAME = "events.jsonl"
LIMIT = 8 << 20
HOOK_S = 30.0
Kind = Literal["progress", "notice", "state"]
END = None


class Hook:
    """Runs a command of the coordinator's for one event after another: JSON on its standard input, `FEDHCC_EVENT` in its environment.

    A command that fails or takes longer than 30 seconds is told of and stops nothing; while one runs, the next wait.
    """

    def __init__(self, command: str, tell: Callable[[str], None]) -> None:
        self._words, self._tell = shlex.split(command), tell
        self._waiting: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, daemon=True, name="on-event")
        self._thread.start()

    def call(self, event: Mapping[str, Any]) -> None:
        """Have the command run for an event."""
        self._waiting.put(event)

    def close(self) -> None:
        """Wait for what is under way."""
        self._waiting.put(END)
        self._thread.join(HOOK_S + 5.0)

    def _run(self) -> None:
        while (event := self._waiting.get()) is not None:
            environment = {**os.environ, "FEDHCC_EVENT": str(event["kind"]), "FEDHCC_STUDY": str(event["study"])}
            try:
                done = subprocess.run(  # noqa: S603 - the coordinator's own command
                    self._words, input=json.dumps(event).encode(), env=environment, timeout=HOOK_S, check=False, capture_output=True
                )
            except (OSError, subprocess.TimeoutExpired) as error:
                self._tell(f"the command of --on-event did not run: {type(error).__name__}")
                continue
            if done.returncode:
                self._tell(f"the command of --on-event ended with status {done.returncode}")


class StudyEvents:
    """Writes a study's events; `close` waits for the command."""

    def __init__(self, folder: Path, study: str, hook: Hook | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = private_folder(folder) / NAME
        self._study, self._hook, self._now = study, hook, now
        self._state = ""
        self._lock = threading.Lock()

    def write(self, kind: Kind, text: str, **data: Any) -> None:
        """One event: written, logged, and told to the command."""
        event = {"time": self._now().isoformat(timespec="seconds"), "kind": kind, "study": self._study, "text": text, **_plain(data)}
        with self._lock:
            if self._path.exists() and self._path.stat().st_size > LIMIT:
                self._path.replace(self._path.with_suffix(".1.jsonl"))
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps(event) + "\n")
        log.log(logging.INFO if kind == "progress" else logging.WARNING, "%s", text, extra={"data": {"study": self._study[:12], **data}})
        if self._hook is not None and kind != "progress":
            self._hook.call(event)

    def state(self, state: str, text: str = "") -> None:
        """The study's state, where it changed."""
        if state != self._state:
            self._state = state
            self.write("state", text or state, state=state)

    def close(self) -> None:
        """Wait for the command."""
        if self._hook is not None:
            self._hook.close()


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that JSON has; what is no number becomes null."""
    return {
        name: {key: one if math.isfinite(one) else None for key, one in value.items()} if isinstance(value, dict) else value
        for name, value in data.items()
    }


def events_of(folder: Path) -> list[dict[str, Any]]:
    """A study's events, oldest first, those of the file before included; a line that was cut off is left out."""
    found = []
    for path in (folder / "events.1.jsonl", folder / NAME):
        try:
            lines = path.read_text("utf-8", "replace").splitlines()
        except OSError:
            continue
        for line in lines:
            try:
                one = json.loads(line)
            except ValueError:
                continue
            if isinstance(one, dict):
                found.append(one)
    return found
