"""Planned pauses: while a hospital rests until a time it has told, the clock of the question asked of it stands still.

A hospital in a planned pause answers every message with FH-721 and the end of the pause, which a person or the policy's hours
set: neither depends on a patient. Whoever ends a pause early is noticed by a `status` message every quarter of a minute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from server.link.transport import Exchange, Failure
from shared_model.secure_sum.federation_messages import Message
from site_config.problems import federation

if TYPE_CHECKING:
    from server.asking.clocks_and_waiting import Effects

PROBE_S = 15.0
PROBE_LIMIT_S = 30.0
Ask = Callable[[Mapping[str, Message], float], Exchange]


def resting(failures: Mapping[str, Failure]) -> dict[str, int]:
    """The sites in a planned pause, with its end in seconds since 1970."""
    return {site: failure.until for site, failure in failures.items() if failure.code == federation.SITE_PAUSED.label}


class Pauses:
    """The pauses of one question; together they stop its clock for at most `allowed_s` seconds."""

    def __init__(self, ask: Ask, effects: Effects, allowed_s: float) -> None:
        self._ask = ask
        self._effects = effects
        self._left = allowed_s

    def wait(self, failures: Mapping[str, Failure], tell: Callable[[str], None]) -> float:
        """Wait until no site rests any more; the seconds for which the clock stood still, 0 where no site rests or none are left.

        `tell` is called once, before waiting, with the time at which the last pause ends.
        """
        began = self._effects.monotonic()
        told = False
        sites = resting(failures)
        while sites and not self._effects.should_stop():
            waited = self._effects.monotonic() - began
            ahead = min(max(sites.values()) - self._effects.now().timestamp(), self._left - waited)
            if ahead <= 0:
                break
            if not told:
                told = True
                tell(datetime.fromtimestamp(max(sites.values()), UTC).isoformat(timespec="seconds"))
            self._effects.sleep(min(PROBE_S, ahead))
            sites = resting(self._ask({site: Message("status", {}) for site in sites}, PROBE_LIMIT_S).failures)
        waited = self._effects.monotonic() - began
        self._left -= waited
        return waited if told else 0.0
