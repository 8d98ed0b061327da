"""Hours of the week in which a machine is on, and how long several are on together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from site_config.study.clinical_variables import Strict

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: Final[tuple[Weekday, ...]] = get_args(Weekday)


class OpenHours(Strict):
    """Hours of the day and days of the week in which the site computes; 22 to 6 goes over midnight, into the next day.

    >>> nights = OpenHours(from_hour=22, to_hour=6, weekdays=("fri",), time_zone="Asia/Seoul")
    >>> [nights.includes_at(datetime(2026, 11, 27, hour, tzinfo=UTC)) for hour in (12, 13, 20, 21)]  # a Friday; Seoul is 9 hours ahead
    [False, True, True, False]
    """

    from_hour: int = Field(default=0, ge=0, le=23)
    to_hour: int = Field(default=24, ge=1, le=24)
    weekdays: tuple[Weekday, ...] = WEEK
    time_zone: str = Field(default="", max_length=64)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        """A name of the time zone database, or nothing."""
        try:
            ZoneInfo(name or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError("is no time zone; write one such as Europe/Berlin, or leave it out for the machine's own") from None
        return name

    def local(self, moment: datetime) -> datetime:
        """A moment in the schedule's own zone; in the machine's, where it names none."""
        return moment.astimezone(ZoneInfo(self.time_zone)) if self.time_zone else moment

    def includes_at(self, moment: datetime) -> bool:
        """Whether the site computes at a moment; what goes over midnight belongs to the day on which it began."""
        local = self.local(moment)
        after_midnight = self.from_hour >= self.to_hour and local.hour < self.to_hour
        day = WEEK[(local.weekday() - after_midnight) % len(WEEK)]
        return self.includes(local.hour) and day in self.weekdays

    def includes(self, hour: int) -> bool:
        """Whether the site computes in this hour, 0 to 23."""
        if self.from_hour < self.to_hour:
            return self.from_hour <= hour < self.to_hour
        return hour >= self.from_hour or hour < self.to_hour


ANY_WEEK: Final = datetime(2026, 1, 5, tzinfo=UTC)
"""A Monday; hours are compared in this week, so that they are the same whenever a study is locked."""
HALF: Final = timedelta(minutes=30)
ALWAYS: Final = OpenHours()


def half_hours(hours: OpenHours) -> frozenset[int]:
    """The half hours of a week (0 to 335, from Monday 00:00 UTC) that are open.

    >>> len(half_hours(OpenHours(from_hour=8, to_hour=17, weekdays=("mon", "tue"), time_zone="Europe/Rome")))
    36
    """
    return frozenset(k for k in range(336) if hours.includes_at(ANY_WEEK + k * HALF))


def together(hours: Iterable[OpenHours | None]) -> frozenset[int]:
    """The half hours of a week in which all are open.

    >>> days = ("mon", "tue", "wed", "thu", "fri")
    >>> east, west = (OpenHours(from_hour=8, to_hour=17, weekdays=days, time_zone=zone) for zone in ("Asia/Seoul", "Europe/Rome"))
    >>> len(together([east, west]))
    10
    """
    found = frozenset(range(336))
    for one in hours:
        found &= half_hours(one or ALWAYS)
    return found


def grouped(hours: Sequence[tuple[str, OpenHours | None]], least: int) -> tuple[tuple[str, ...], ...]:
    """Names in groups whose hours overlap by at least half of each one's own, every group of `least` names or more where there are so many.

    In the order of the names; a group that is too small joins the one with which it has most hours in common.
    """
    groups: list[tuple[frozenset[int], list[str]]] = []
    for name, one in hours:
        own = half_hours(one or ALWAYS)
        for at, (common, names) in enumerate(groups):
            if 2 * len(common & own) >= len(own):
                groups[at] = (common & own, [*names, name])
                break
        else:
            groups.append((own, [name]))
    while len(groups) > 1 and (small := min(groups, key=lambda group: len(group[1])))[1] and len(small[1]) < least:
        groups.remove(small)
        at = max(range(len(groups)), key=lambda k: len(groups[k][0] & small[0]))
        groups[at] = (groups[at][0] & small[0], [*groups[at][1], *small[1]])
    return tuple(tuple(names) for _, names in groups)
