"""When whose machine is on, who closes, who withdraws, and when the office loses its disk: a pure function of a seed.

Hospitals stand in seven countries between UTC+1 and UTC+9, which have one working hour a day in common. A machine is on from 08 to 17
local time on weekdays, and then up 97 % of the time, with outages of four hours. People leave and the disk is lost while a network is
trained: each within an hour after the office begins a round that the seed draws, so that no study ends before its story.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from math import inf
from typing import Final

import numpy as np

from site_config.open_hours import OpenHours

EAST: Final = ("Asia/Seoul", "Asia/Tokyo", "Asia/Shanghai", "Asia/Taipei")
WEST: Final = ("Europe/Rome", "Europe/Berlin", "Europe/Vienna")
BEGIN: Final = datetime(2026, 11, 2, tzinfo=UTC)
"""A Monday. Moments of a world are seconds since then."""
DAY_S, HOUR_S, HALF_S = 86_400.0, 3600.0, 1800.0
UPTIME, OUTAGE_H = 0.97, 4.0
HORIZON_DAYS = 60
EVENTS: Final = (0.15, 0.8)
"""The part of the rounds of training in which people leave and the disk is lost."""
DISK: Final = "the office's disk"


def office_hours(zone: str) -> OpenHours:
    """08 to 17, Monday to Friday."""
    return OpenHours(from_hour=8, to_hour=17, weekdays=("mon", "tue", "wed", "thu", "fri"), time_zone=zone)


def zones(development: Iterable[str], evaluation: Iterable[str]) -> dict[str, str]:
    """Hospital → its country's time zone: training hospitals in all seven countries, those held out in the western ones."""
    trains, held_out = sorted(development), sorted(evaluation)
    found = {site: (EAST + WEST)[k % 7] for k, site in enumerate(trains)}
    return found | {site: WEST[k % 3] for k, site in enumerate(held_out)}


@dataclass(frozen=True)
class Due:
    """Something that happens so many seconds after the office has begun to ask for a round of training, counted from 0."""

    round: int
    later: float


@dataclass
class World:
    """What happens; moments are seconds since `BEGIN`, infinite for what has not happened yet.

    due: hospital that closes, or loses a patient, or `DISK` → when. `calm` is the same without outages, office hours and lost disks.
    """

    zones: Mapping[str, str]
    outages: Mapping[str, tuple[float, ...]]
    gone: dict[str, float]
    withdrawals: dict[str, float]
    due: Mapping[str, Due]
    disk_lost: float = inf
    calm: bool = False

    def asked(self, round: int, now: float) -> None:
        """The office begins a round of training: what is due by then gets its moment."""
        for what, due in self.due.items():
            if due.round <= round and self._moment(what) == inf:
                self.happens(what, now + due.later)

    def happens(self, what: str, moment: float) -> None:
        """Give a hospital that closes or loses a patient, or the disk, its moment, at most the one that it has."""
        if what == DISK:
            self.disk_lost = min(self.disk_lost, moment)
        else:
            moved = self.gone if what in self.gone else self.withdrawals
            moved[what] = min(moved[what], moment)

    def _moment(self, what: str) -> float:
        return self.disk_lost if what == DISK else {**self.gone, **self.withdrawals}[what]

    def is_on(self, site: str, moment: float) -> bool:
        """Whether a hospital answers at a moment."""
        if moment >= self.gone.get(site, inf):
            return False
        if self.calm:
            return True
        out = any(began <= moment < began + OUTAGE_H * HOUR_S for began in self.outages[site])
        return not out and _open(self.zones[site], int(moment // HALF_S))

    def next_on(self, site: str, moment: float, until: float) -> float | None:
        """The first moment from now on at which a hospital answers, to half an hour; None for none before `until`."""
        while moment <= until:
            if self.is_on(site, moment):
                return moment
            moment = (moment // HALF_S + 1) * HALF_S
        return None

    def was_off(self, site: str, since: float, moment: float) -> bool:
        """Whether the machine was switched off between two moments, so that what it held in memory is lost."""
        first, last = int(since // HALF_S), int(moment // HALF_S)
        return not self.calm and any(not self.is_on(site, k * HALF_S) for k in range(first + 1, last + 1))


@cache
def _open(zone: str, half: int) -> bool:
    return office_hours(zone).includes_at(BEGIN + timedelta(seconds=half * HALF_S))


def world(seed: int, development: Sequence[str], evaluation: Sequence[str], patients: Mapping[str, int], rounds: int) -> World:
    """The world of a seed. Two training hospitals close, three others of more than two patients lose one, while rounds are trained."""
    draw = np.random.default_rng([18, seed])
    trains, every = sorted(development), sorted([*development, *evaluation])
    gap = OUTAGE_H * UPTIME / (1.0 - UPTIME)
    outages = {}
    for site in every:
        at, found = draw.exponential(gap), []
        while at < HORIZON_DAYS * 24:
            found.append(float(at * HOUR_S // HALF_S * HALF_S))
            at += OUTAGE_H + draw.exponential(gap)
        outages[site] = tuple(found)
    gone = [str(one) for one in draw.choice(trains, 2, replace=False)]
    several = [site for site in every if patients[site] > 2 and site not in gone]
    withdraws = [str(one) for one in draw.choice(several, 3, replace=False)]
    due = {what: Due(int(draw.uniform(*EVENTS) * rounds), float(draw.uniform(0.0, HOUR_S))) for what in (*gone, *withdraws, DISK)}
    return World(zones(development, evaluation), outages, dict.fromkeys(gone, inf), dict.fromkeys(withdraws, inf), due)
