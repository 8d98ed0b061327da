"""How long a step usually takes: declared once by a rehearsal, learned from then on, and what follows for whoever waits.

A step that takes three times as long as usual stands still more often than not. Whoever waits says so then, instead of at
the end of a phase's deadline; nothing is ended for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from statistics import median

REMEMBERED, MOST_STEPS = 9, 10_000
TIMES = 3.0
"""So many times the usual seconds are waited before a step counts as standing still."""
ENOUGH = 3
"""Steps that were seen before what was declared is forgotten."""


class StepTimes:
    """Seconds by step, a step being whatever the caller names, such as a statistic or a site with a statistic.

    >>> times = StepTimes({"training.update": 4.0})
    >>> times.usual("training.update"), times.usual("validation.loss")
    (4.0, None)
    >>> for seconds in (9.0, 10.0, 11.0): times.learn("training.update", seconds)
    >>> times.usual("training.update"), times.patience("training.update", 5.0, 60.0), times.patience("keys", 5.0, 60.0)
    (10.0, 30.0, 60.0)
    """

    def __init__(self, declared: Mapping[str, float] | None = None) -> None:
        self._declared = dict(declared or {})
        self._seen: dict[str, deque[float]] = {}

    def declare(self, step: str, seconds: float) -> None:
        """What somebody expects of a step before it was seen."""
        self._declared[step] = seconds

    def learn(self, step: str, seconds: float) -> None:
        """Take in how long a step took."""
        if step not in self._seen and len(self._seen) >= MOST_STEPS:
            self._seen.clear()  # names come from outside
        self._seen.setdefault(step, deque(maxlen=REMEMBERED)).append(seconds)

    def usual(self, step: str) -> float | None:
        """The median of the last ones, what was declared while few were seen, None while nothing is known."""
        seen = self._seen.get(step, ())
        if len(seen) >= ENOUGH or (seen and step not in self._declared):
            return float(median(seen))
        return self._declared.get(step)

    def patience(self, step: str, least: float, most: float) -> float:
        """Seconds to wait before the step counts as standing still: three times the usual, between two bounds; `most` while unknown."""
        usual = self.usual(step)
        return most if usual is None else min(max(TIMES * usual, least), most)
