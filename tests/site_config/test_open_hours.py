"""A hospital's hours: days of the week, over midnight, in its own time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from client.program.site_runner import hours_begin
from site_config.documents.read_yaml_documents import parse_site
from site_config.open_hours import WEEK, OpenHours
from site_config.problems.base import Problem

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def open_moments(hours: OpenHours, half_hours: int = 7 * 48) -> list[datetime]:
    return [at for at in (MONDAY + timedelta(minutes=30 * k) for k in range(half_hours)) if hours.includes_at(at)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "America/New_York", "Asia/Kolkata"])
def test_office_hours_in_seven_days(zone: str) -> None:
    hours = OpenHours(from_hour=8, to_hour=17, weekdays=WEEK[:5], time_zone=zone)
    found = open_moments(hours)
    assert len(found) == 5 * 9 * 2, "nine hours on five days, whatever the zone"
    assert {hours.local(at).hour for at in found} == set(range(8, 17)) and {hours.local(at).weekday() for at in found} == set(range(5))


def test_a_night_belongs_to_the_day_on_which_it_began() -> None:
    hours = OpenHours(from_hour=22, to_hour=6, weekdays=("sun",), time_zone="UTC")
    assert [at.strftime("%a %H") for at in open_moments(hours)][::2] == [
        "Mon 00", "Mon 01", "Mon 02", "Mon 03", "Mon 04", "Mon 05", "Sun 22", "Sun 23",
    ]  # fmt: skip


@pytest.mark.parametrize("zone", ["UTC", "Asia/Seoul", "Asia/Kolkata"])
def test_when_the_hours_begin_next(zone: str) -> None:
    hours = OpenHours(from_hour=8, to_hour=17, weekdays=WEEK[:5], time_zone=zone)
    for half in range(0, 7 * 48, 5):
        at = MONDAY + timedelta(minutes=30 * half)
        begin = hours_begin(hours, at.timestamp())
        if hours.includes_at(at):
            assert begin is None
        else:
            assert begin is not None
            local = hours.local(datetime.fromtimestamp(begin, UTC))
            assert (local.hour, local.minute) == (8, 0) and local.weekday() < 5
            assert not [one for one in open_moments(hours, 14 * 48) if at <= one < datetime.fromtimestamp(begin, UTC)]


def test_no_day_and_no_hour_is_never() -> None:
    assert hours_begin(OpenHours(weekdays=(), time_zone="UTC"), MONDAY.timestamp()) is None


def test_a_zone_that_does_not_exist_is_told_with_its_line() -> None:
    with pytest.raises(Problem, match="time zone"):
        parse_site(b"site: alpha\npolicy:\n  schedule: {time_zone: Europe/Bern}\n")
