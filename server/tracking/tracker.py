"""Tells sinks what was opened, while a study runs and afterwards; a sink that fails stops nothing.

`tracked.json` in the run folder keeps the last round told of every name, so a study that is resumed, or tracked again, is
told once. A sink is named there by a hash: an address may hold a password.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from server.study.resume_state import StudyFolder
from server.tracking.tensorboard_and_mlflow import Sink, SinkFailed, make_sink
from server.tracking.tracked_numbers import OpenedPoint, points_of
from server.watch import study_status
from site_config.atomic_files import read_json, write_json
from site_config.problems.base import Problem

NAME = "tracked.json"
SECONDS = 5.0
PATIENCE_S = 60.0


class Tracker:
    """Sinks of one study. `catch_up` tells them what is new; `close` does so a last time."""

    def __init__(self, home: Path, study: str, words: Sequence[str], tell: Callable[[str], None]) -> None:
        simulated = StudyFolder(home / "studies" / study).signed_lock().lock.study.simulated
        self._home, self._study, self._tell = home, study, tell
        self._path = study_status.folder_of(home, study) / NAME
        self._sinks: dict[str, Sink] = {_key(word): make_sink(word, study, simulated) for word in dict.fromkeys(words)}
        self._failed: set[str] = set()

    def catch_up(self) -> int:
        """Tell every sink what it was not told yet; how many numbers were new. A failure is told of, once a sink."""
        try:
            points = points_of(self._home, self._study)
        except Problem as problem:
            self._tell(f"tracking waits: {problem.what}")
            return 0
        known: dict[str, dict[str, int]] = dict(read_json(self._path)) if self._path.exists() else {}
        told = 0
        for key, sink in self._sinks.items():
            new = unseen(points, known.get(key, {}))
            if new and self._written(key, sink, new):
                known[key] = {**known.get(key, {}), **last_steps(new)}
                write_json(self._path, known)
                told += len(new)
        return told

    def close(self) -> None:
        """Close every sink."""
        finished = (study_status.folder_of(self._home, self._study) / "result.json").exists()
        for key, sink in self._sinks.items():
            try:
                sink.close(finished)
            except SinkFailed as failure:
                self._say(key, failure)

    def _written(self, key: str, sink: Sink, points: Sequence[OpenedPoint]) -> bool:
        try:
            sink.write(points)
        except SinkFailed as failure:
            self._say(key, failure)
            return False
        self._failed.discard(key)
        return True

    def _say(self, key: str, failure: SinkFailed) -> None:
        if key not in self._failed:
            self._failed.add(key)
            self._tell(f"a tracker did not take the numbers ({failure}); the study goes on and they are offered again")


class Following:
    """A tracker in a thread of its own, so that a slow server never holds up a round."""

    def __init__(self, tracker: Tracker, seconds: float = SECONDS) -> None:
        self._tracker, self._seconds = tracker, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name="tracking")
        self._thread.start()

    def close(self) -> None:
        """Tell what is left, a minute at the longest."""
        self._over.set()
        self._thread.join(PATIENCE_S)

    def _follow(self) -> None:
        while not self._over.wait(self._seconds):
            self._tracker.catch_up()
        self._tracker.catch_up()
        self._tracker.close()


def unseen(points: Sequence[OpenedPoint], last: Mapping[str, int]) -> list[OpenedPoint]:
    """Points later than the last one told of their name.

    >>> unseen([OpenedPoint("a", 1, 0.5), OpenedPoint("a", 2, 0.4)], {"a": 1})
    [OpenedPoint(name='a', step=2, value=0.4)]
    """
    return [point for point in points if point.step > last.get(point.name, -1)]


def last_steps(points: Sequence[OpenedPoint]) -> dict[str, int]:
    """The last round of every name."""
    found: dict[str, int] = {}
    for point in points:
        found[point.name] = max(point.step, found.get(point.name, -1))
    return found


def _key(word: str) -> str:
    return f"{word.partition(':')[0]} {hashlib.sha256(word.encode()).hexdigest()[:12]}"
