"""What `fedhcc-site status` tells of each study: refused and why, admitted, in which phase, finished."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from client import keys_kit_and_decisions as at_site
from client.app import agent_of, forget_agents
from client.program.message_agent import Agent
from server.asking.clocks_and_waiting import Effects
from server.phases.phase_context import Event
from server.study.run_study import run_study
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes
from site_config.keys_and_signatures import read_lock
from site_config.problems.base import Problem
from site_config.study.plan_and_lock import StudyLock


class Clock:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0

    def wait(self, seconds: float) -> None:
        self.now += seconds


def test_each_study_has_its_own_word(tables: Callable[..., tuple[Homes, StudyLock]]) -> None:
    homes, lock = tables()
    name = lock.names("development")[0]
    forget_agents()
    agent = getattr(agent_of(homes.site(name)), "__self__", None)
    assert isinstance(agent, Agent)
    signed = (homes.coordinator / "studies" / lock.study_id / "lock.json").read_bytes()

    at_site.offer(homes.config(name).state, read_lock(signed))
    at_site.decide(homes.config(name).state, lock.study_id, "declined", "2026-11-26T20:00:00")
    seen: list[str] = []

    def go(tell: Callable[[Event], None] = lambda _event: None) -> None:
        clock = Clock()
        effects = Effects(lambda: clock.now, clock.wait)
        run_study(homes.coordinator, lock.study_id, local_transport(homes.sites()), effects=effects, tell=tell)

    with pytest.raises(Problem, match="FH-753"):
        go()
    assert agent.studies[lock.study_id].startswith("refused: FH-419")
    at_site.decide(homes.config(name).state, lock.study_id, "approved", "2026-11-26T20:01:00")
    go(lambda _event: seen.append(agent.studies[lock.study_id]))
    words = list(dict.fromkeys(seen))
    assert words[0] in ("admitted", "admission") and {"clinical", "finished"} <= set(words), words
    forget_agents()
