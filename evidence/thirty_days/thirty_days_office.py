"""The office of the thirty days: a clock that only waiting moves, hospitals that answer when they are on, a person who looks at the screen.

The office's and the hospitals' own code runs: asking, phases, ledger, door, journal, generations, backup, restore and leave. What is not
there is the network between them, which other evidence covers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from client.app import forget_agents
from client.cohort.withdrawal import withdraw
from client.program.patients_by_study import live_table
from evidence.thirty_days.calendar import BEGIN, World
from server.link.transport import Exchange, Failure
from shared_model.secure_sum.federation_messages import Message
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes
from site_config.problems import federation

STEP_S: Mapping[str, float] = {"rows": 60.0, "hold": 1.0}
"""Seconds a question of a kind takes a hospital; any other one two."""
PLAIN_S = 2.0
ROUND_S = 900.0
"""A round of a network: a quarter of an hour, as several local steps on a CPU take."""
UPDATE = "training.update"
STARTS = ("training.start", "training.hazard")
"""What is asked of a block before its first round."""


class DiskLost(Exception):
    """The office's disk is gone, and its program with it."""


@dataclass
class PlayClock:
    """Seconds since `BEGIN`, moved by waiting alone."""

    now: float = 0.0

    def monotonic(self) -> float:
        """The time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Time passes."""
        self.now += seconds

    def moment(self) -> datetime:
        """The date."""
        return BEGIN + timedelta(seconds=self.now)


@dataclass
class Happenings:
    """What comes to pass as the clock moves on: each withdrawal once, a nightly backup, the loss of the disk once."""

    world: World
    clock: PlayClock
    homes: Homes
    backup: Callable[[], None] = lambda: None
    done: set[str] = field(default_factory=set)
    next_backup: float = 2 * 3600.0
    lost: bool = False

    def look(self) -> None:
        """Let everything happen that is due."""
        now = self.clock.now
        for site, moment in self.world.withdrawals.items():
            if moment <= now and site not in self.done:
                self.done.add(site)
                one_withdraws(self.homes, site)
        if self.world.calm:
            return
        lost = now >= self.world.disk_lost and not self.lost
        if now >= self.next_backup and not (lost and self.next_backup > self.world.disk_lost):  # the night before a loss has its backup
            self.next_backup = (now // 86_400 + 1) * 86_400 + 2 * 3600.0
            self.backup()
        if lost:  # what was written since the last night is gone
            self.lost = True
            raise DiskLost


def one_withdraws(homes: Homes, site: str) -> None:
    """The first patient of a hospital in the order of ids withdraws, as `fedhcc-site data withdraw` does it."""
    config = homes.config(site)
    key = sorted(live_table(config).rows)[0]
    withdraw(config.state, config.state / "prepared", key, ())


class Days:
    """Carries messages at the hours at which hospitals are on; the clock stands where the last one answered, or at the deadline."""

    def __init__(self, happenings: Happenings, heard: Callable[[Mapping[str, Message]], None]) -> None:
        self._happenings, self._heard = happenings, heard
        self._world, self._clock, self._homes = happenings.world, happenings.clock, happenings.homes
        self._inner = local_transport(self._homes.sites())
        self._seen: dict[str, float] = {}

    def sites(self) -> Mapping[str, bool]:
        """Who is on now."""
        return {site: self._world.is_on(site, self._clock.now) for site in self._homes.sites()}

    def exchange(self, requests: Mapping[str, Message], deadline_s: float) -> Exchange:
        """Each hospital answers as soon as it is on."""
        clock, until = self._clock, self._clock.now + deadline_s
        self._heard(requests)
        self._happenings.look()
        turns: list[tuple[float, str]] = []
        done = Exchange()
        for site in requests:
            at = self._world.next_on(site, clock.now, until)
            if at is None:
                done.failures[site] = Failure(federation.SITE_SILENT.label, "deadline")
            else:
                turns.append((at, site))
        for at, site in sorted(turns):
            clock.now = max(clock.now, at)
            self._happenings.look()
            if not self._world.is_on(site, clock.now):
                done.failures[site] = Failure(federation.SITE_UNAVAILABLE.label, "switched off")
                continue
            self._woken(site)
            answer = self._inner.exchange({site: requests[site]}, deadline_s)
            done.replies.update(answer.replies)
            done.failures.update(answer.failures)
        if any(failure.code == federation.SITE_SILENT.label for failure in done.failures.values()):
            waits = self._happenings
            clock.now = until if waits.lost or waits.world.calm else max(clock.now, min(until, waits.world.disk_lost))
            waits.look()  # the office's disk does not wait for a deadline
            clock.now = until
        else:
            clock.now += max((_seconds(request) for request in requests.values()), default=0.0)
        return done

    def _woken(self, site: str) -> None:
        """A machine that was off since its last answer begins anew: its program holds nothing in memory."""
        last = self._seen.get(site)
        if last is not None and self._world.was_off(site, last, self._clock.now):
            forget_agents(self._homes.site(site))
        self._seen[site] = self._clock.now


def _seconds(request: Message) -> float:
    """How long a question takes; the last of a round's three carries the round's seconds, so that a round is lost as a whole or not."""
    context = request.body.get("context")
    last = request.kind == "open" and isinstance(context, dict) and context.get("statistic") == UPDATE
    return ROUND_S if last else STEP_S.get(request.kind, PLAIN_S)
