"""How many days a plan makes."""

from __future__ import annotations

from server.study.plan_days import ANALYSES_S, GUESSED_STEP_S, OVERHEAD_S, plan_days
from site_config.study.presets import preset


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
