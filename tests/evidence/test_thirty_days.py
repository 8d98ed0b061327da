"""The thirty days: what a seed draws, and one small seed played, in which the office loses its disk and five people or hospitals leave."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from client.app import forget_agents
from evidence.thirty_days.measure import MOST_COMMANDS
from evidence.thirty_days.play import calm, play, script_of
from evidence.thirty_days.stage import StageScale, copied, patients_of, stage
from evidence.thirty_days.world import DAY_S, EAST, EVENTS, HALF_S, UPTIME, WEST, World, office_hours, world
from simulations.study.homes import Homes
from site_config.hours import together
from site_config.study.model import StudyLock

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


def test_a_small_seed_ends_with_three_commands_and_the_numbers_of_the_calm_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for phase in ("fuse", "evaluate"):  # their computations on shares have tests of their own, and take a minute
        monkeypatch.setattr(f"server.study.run.{phase}", lambda _running: None)
    homes, lock = stage(tmp_path / "stage", StageScale(sites=(10, 2), patients=(90, 20), rounds=8, block=3))
    blocks: tuple[tuple[str, ...], ...] = lock.blocks["development"]
    assert len(blocks) > 1, "hospitals of the east and the west"
    found = played(tmp_path, homes, lock)
    forget_agents()
    assert found


def played(place: Path, homes: Homes, lock: StudyLock) -> bool:
    """Both plays of the first seed."""
    seen = world(1, lock.names("development"), lock.names("evaluation"), patients_of(homes), (1.3, 3.5))
    story = play(seen, copied(homes, place / "days"), lock, place)
    assert story.result is not None and story.result.label == "COMPLETE"
    assert len(story.commands) <= MOST_COMMANDS and {words.split()[0] for _, words in story.commands} == {"restore", "resume", "leave"}
    left = [n for key, n in story.result.flow.items() if key.endswith(".left")]
    assert left and all(n >= 20 for n in left), "nobody leaves a set alone"
    again = play(calm(seen), copied(homes, place / "calm"), lock, place, script_of(story, lock, seen))
    assert again.days < story.days
    return story.digest() == again.digest()
