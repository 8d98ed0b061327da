"""How many days a plan makes."""

from __future__ import annotations

from server.study.plan_days import ANALYSES_S, GUESSED_STEP_S, OVERHEAD_S, plan_days
from site_config.open_hours import OpenHours
from site_config.study.lock_study import planned_blocks
from site_config.study.plan_and_lock import StudySite
from site_config.study.study_presets import preset


def test_the_paper_s_plan() -> None:
    study = preset("paper")
    found = plan_days(study, 12.0, 9.0)
    networks = 2
    assert found.rounds == networks * study.training.rounds and found.told
    assert found.hours == (found.rounds * (12.0 + OVERHEAD_S) + ANALYSES_S) / 3600
    assert found.days == found.hours / 9.0 and "slowest rehearsal" in found.words()


def test_before_anybody_told_and_without_networks() -> None:
    assert plan_days(preset("paper"), 0.0, 24.0).step_s == GUESSED_STEP_S
    assert "a guess" in plan_days(preset("paper"), 0.0, 24.0).words()
    assert plan_days(preset("cox"), 0.0, 24.0).rounds == 0 and "analyses alone" in plan_days(preset("cox"), 0.0, 24.0).words()


WORKDAYS = ("mon", "tue", "wed", "thu", "fri")


def _across(zones: tuple[str, ...], sites: int = 24, minimum: int = 5, rounds: int = 10):
    """A study of the paper's plan over hospitals of several time zones, in turn."""
    open_ = [OpenHours(from_hour=8, to_hour=17, weekdays=WORKDAYS, time_zone=zone) for zone in zones]
    named = tuple(StudySite(name=f"hospital-{k:02d}", role="development", hours=open_[k % len(zones)]) for k in range(sites))
    study = preset("paper")
    more = {"sites": named, "draw": None, "models": ("Rad-D",), "training": study.training.model_copy(update={"rounds": rounds})}
    return study.model_copy(update={**more, "blocks": study.blocks.model_copy(update={"minimum_sites": minimum})})


def test_blocks_follow_the_hours_and_every_block_has_a_working_day() -> None:
    zones = ("Asia/Seoul", "Europe/Rome", "America/New_York")
    study = _across(zones, sites=72)
    blocks = planned_blocks(study)["development"]
    of = {site.name: site.hours.time_zone for site in study.sites if site.hours}
    assert len(blocks) >= 3 and all(len({of[name] for name in block}) == 1 for block in blocks)
    assert sorted(name for block in blocks for name in block) == sorted(of)
    assert planned_blocks(study, "again")["development"] != blocks


def test_days_are_those_in_which_somebody_is_there() -> None:
    found = plan_days(_across(("Asia/Seoul", "Europe/Rome")), 7200.0, 24.0)
    assert found.by_hours is not None and 2 < found.days < 30, "two halves of a day take turns"
    assert "about" in found.words() and found.days > plan_days(_across(("Europe/Rome",)), 7200.0, 24.0).days
    never = plan_days(_across(("Asia/Seoul", "America/New_York"), sites=4, minimum=4), 30.0, 24.0)
    assert never.words().endswith("never on together") and never.finite_days is None
