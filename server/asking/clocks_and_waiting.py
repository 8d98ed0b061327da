"""Clocks, waiting, stopping and telling: passed in, so that tests never sleep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import shared_model.statistics.list_of_statistics  # noqa: F401  registers the statistics


@dataclass
class Effects:
    """Clocks, waiting, stopping and telling, passed in so that tests never sleep.

    `disturbed` gives what went wrong on the way since it was last asked: a code by whom it concerns. `notice` tells whoever
    watches, while it happens, what the ledger keeps.
    """

    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    should_stop: Callable[[], bool] = lambda: False
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    disturbed: Callable[[], dict[str, str]] = dict
    notice: Callable[[str], None] = lambda _text: None
