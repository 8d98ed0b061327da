"""The thirty days: what a seed draws, when it happens, and where the calm play follows it."""

from __future__ import annotations

from math import inf

import numpy as np
import pytest

from evidence.thirty_days.calendar import DAY_S, DISK, EAST, EVENTS, HALF_S, UPTIME, WEST, World, office_hours, world
from evidence.thirty_days.thirty_days_play import NEVER, FollowedStudy, StudyLeft, calm
from site_config.open_hours import together

TRAINS = [f"hospital-{k:02d}" for k in range(37)]
HELD_OUT = [f"hospital-{k:02d}" for k in range(37, 52)]
ROUNDS = 16


def drawn(seed: int) -> World:
    return world(seed, TRAINS, HELD_OUT, dict.fromkeys([*TRAINS, *HELD_OUT], 5), ROUNDS)


def test_a_seed_is_a_world_with_the_stated_outages_and_events() -> None:
    assert drawn(3) == drawn(3) != drawn(4)
    for seed in range(1, 11):
        found = drawn(seed)
        assert len(found.gone) == 2 and len(found.withdrawals) == 3 and not found.gone.keys() & found.withdrawals.keys()
        assert set(found.gone) <= set(TRAINS)
        assert set(found.due) == {*found.gone, *found.withdrawals, DISK}
        assert all(int(EVENTS[0] * ROUNDS) <= due.round < EVENTS[1] * ROUNDS and 0 <= due.later < 3600 for due in found.due.values())
    times = np.arange(0, 28 * DAY_S, 8 * HALF_S)
    out = [[any(began <= t < began + 4 * 3600 for began in found.outages[site]) for t in times] for site in TRAINS]
    assert np.mean(out) == pytest.approx(1 - UPTIME, abs=0.01)


def test_everything_happens_once_while_a_network_is_trained() -> None:
    found = drawn(5)
    first = min(due.round for due in found.due.values())
    found.asked(first - 1, 1000.0)
    assert {*found.gone.values(), *found.withdrawals.values(), found.disk_lost} == {inf}
    found.asked(ROUNDS - 1, 2000.0)
    moments = {**found.gone, **found.withdrawals, DISK: found.disk_lost}
    assert moments == {what: 2000.0 + due.later for what, due in found.due.items()}
    found.asked(ROUNDS - 1, 9e6)
    assert moments == {**found.gone, **found.withdrawals, DISK: found.disk_lost}
    quiet = calm(found)
    quiet.asked(ROUNDS - 1, 1.0)
    assert {*quiet.gone.values(), *quiet.withdrawals.values(), quiet.disk_lost} == {inf} and min(moments.values()) < inf


def test_the_calm_play_leaves_where_the_other_one_stalled() -> None:
    left = StudyLeft("next", (), {}, (), 0, ran=True)
    in_training, later = FollowedStudy({}, 15, ends=left), FollowedStudy({}, 15, "evaluation", left)
    assert not in_training.stalls("clinical", None) and not in_training.stalls("training", 15) and in_training.stalls("training", 16)
    assert in_training.stalls("fusion", None), "training had ended: its last round was not made up"
    assert not FollowedStudy({}, 3).stalls("training", 15), "the last study came to its end"
    assert FollowedStudy({}, NEVER, ends=left).stalls("training", -1), "no training was asked"
    assert not later.stalls("training", 15) and not later.stalls("fusion", None) and later.stalls("evaluation", None)


def test_a_machine_that_was_off_has_forgotten_and_hours_are_local() -> None:
    found = calm(drawn(1))
    assert found.is_on("hospital-00", 3 * DAY_S) and not found.was_off("hospital-00", 0.0, 5 * DAY_S)
    real = drawn(1)
    assert real.was_off("hospital-00", 0.0, 2 * DAY_S)
    assert not real.is_on("hospital-00", 5.5 * DAY_S), "a Saturday"
    assert real.next_on("hospital-00", 5.5 * DAY_S, 6 * DAY_S) is None


def test_the_seven_countries_have_one_hour_in_common() -> None:
    assert len(together(office_hours(zone) for zone in (*EAST, *WEST))) == 2 * 5, "half hours of a week of five days"
