"""Phases on secret shares: each computes its plan over the roster's rows and reads the few numbers that were opened.

Cox: `shared_model.analyses.cox` says what is fitted; nothing here sees a sum. What was opened in earlier phases travels with the
holders' signatures, so that a hospital believes a coefficient only where more holders than may collude signed it.
"""

from __future__ import annotations

from typing import Any

from server.asking.shared import Shared, SharedComputation
from server.phases.context import Running
from shared_model.analyses.cox import CoxEstimate
from shared_model.analyses.plan import plan_of
from shared_model.shares.protocol import believe
from shared_model.shares.replay import replay
from site_config.study.model import Phase


def compute(running: Running, phase: Phase, *scores: Any) -> Any:
    """What a phase's circuit returned; its results are asked once, and answered from the study's folder after that."""
    earlier = tuple(running.shared.values())
    plan = plan_of(running.lock, phase, believe(running.lock, earlier))
    what = Shared(plan, plan.sites(running.lock), running.state(*scores), earlier)
    found = SharedComputation(running.asker, running.folder, what).results()
    running.shared[phase] = found
    return replay(plan.circuit, plan.parts, plan.declaration, found.numbers())


def clinical_fit(running: Running) -> CoxEstimate:
    """CLN on shares."""
    found: CoxEstimate = compute(running, "clinical")
    return found
