"""The thirty days: what a seed draws, and one small seed played, in which the office loses its disk and five people or hospitals leave."""

from __future__ import annotations

import numpy as np
import pytest

from evidence.thirty_days.calendar import DAY_S, EAST, EVENTS, HALF_S, UPTIME, WEST, World, office_hours, world
from evidence.thirty_days.thirty_days_play import calm
from site_config.open_hours import together

TRAINS = [f"hospital-{k:02d}" for k in range(37)]
HELD_OUT = [f"hospital-{k:02d}" for k in range(37, 52)]


def drawn(seed: int) -> World:
    return world(seed, TRAINS, HELD_OUT, dict.fromkeys([*TRAINS, *HELD_OUT], 5))


def test_a_seed_is_a_world_with_the_stated_outages_and_events() -> None:
    assert drawn(3) == drawn(3) != drawn(4)
    for seed in range(1, 11):
        found = drawn(seed)
        assert len(found.gone) == 2 and len(found.withdrawals) == 3 and not found.gone.keys() & found.withdrawals.keys()
        assert set(found.gone) <= set(TRAINS)
        moments = [*found.gone.values(), *found.withdrawals.values(), found.disk_lost]
        assert all(EVENTS[0] <= moment / DAY_S <= EVENTS[1] + 2 and int(moment // DAY_S) % 7 < 5 for moment in moments)
    times = np.arange(0, 28 * DAY_S, 8 * HALF_S)
    out = [[any(began <= t < began + 4 * 3600 for began in found.outages[site]) for t in times] for site in TRAINS]
    assert np.mean(out) == pytest.approx(1 - UPTIME, abs=0.01)


def test_a_machine_that_was_off_has_forgotten_and_hours_are_local() -> None:
    found = calm(drawn(1))
    assert found.is_on("hospital-00", 3 * DAY_S) and not found.was_off("hospital-00", 0.0, 5 * DAY_S)
    real = drawn(1)
    assert real.was_off("hospital-00", 0.0, 2 * DAY_S)
    assert not real.is_on("hospital-00", 5.5 * DAY_S), "a Saturday"
    assert real.next_on("hospital-00", 5.5 * DAY_S, 6 * DAY_S) is None


def test_the_seven_countries_have_one_hour_in_common() -> None:
    assert len(together(office_hours(zone) for zone in (*EAST, *WEST))) == 2 * 5, "half hours of a week of five days"
