"""How long a plan will take: rounds, seconds a step, and when the machines of each block are on together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, isfinite

from server.phases.network_rounds import block_of
from site_config.open_hours import together
from site_config.study.lock_study import planned_blocks, planned_holders
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import MODELS

OVERHEAD_S = 3.0
"""Seconds of a round beside the hospitals' own step: keys, masks, sending, the office's step (measured on one machine)."""
ANALYSES_S = 600.0
"""Clinical model, fusion and evaluation together."""
GUESSED_STEP_S = 30.0
HALF_S, DAY_S, WEEK_HALVES = 1800.0, 86_400.0, 336


@dataclass(frozen=True)
class PlanDays:
    """Rounds of all networks, seconds a step and whether they were told by rehearsals, and what follows for a day of so many hours.

    by_hours: calendar days from a Monday on where hospitals declare hours; None where none does.
    """

    rounds: int
    step_s: float
    told: bool
    hours_a_day: float
    by_hours: float | None = None

    @property
    def hours(self) -> float:
        """Hours of work."""
        return (self.rounds * (self.step_s + OVERHEAD_S) + ANALYSES_S) / 3600.0

    @property
    def days(self) -> float:
        """Calendar days; where no hours are declared, weekends are not counted."""
        return self.hours / self.hours_a_day if self.by_hours is None else self.by_hours

    @property
    def finite_days(self) -> float | None:
        """Calendar days; None where the plan never ends."""
        return self.days if isfinite(self.days) else None

    def words(self) -> str:
        """One sentence."""
        source = "as the slowest rehearsal told" if self.told else "a guess: `fedhcc-site doctor` measures it, `--step-seconds` sets it"
        step = f"{self.rounds:,} rounds of about {self.step_s:g} s ({source})" if self.rounds else "analyses alone"
        work = f"{step}: {self.hours:.1f} hours of work"
        if self.by_hours is None:
            return f"{work}, {self.days:.1f} days with machines on {self.hours_a_day:g} hours a day"
        if not isfinite(self.by_hours):
            return f"{work}, and no end: the machines of a block, or of the holders of shares, are never on together"
        return f"{work}, about {self.days:.0f} days at the hours the hospitals declare, where nobody is out"


def plan_days(study: Study, told_step_s: float, hours_a_day: float) -> PlanDays:
    """What a study asks of everybody; `told_step_s` is the slowest hospital's rehearsal, 0 where nobody told one.

    A round is one block's turn, so blocks that rest cost nothing; hours are those in which a block's hospitals are on together.
    """
    rounds = study.training.rounds * len(MODELS.networks(study.models))
    step = told_step_s or GUESSED_STEP_S
    by_hours = _walked(study, step + OVERHEAD_S) if any(site.hours for site in study.sites) else None
    return PlanDays(rounds, step, told_step_s > 0, hours_a_day, by_hours)


def _walked(study: Study, round_s: float) -> float:
    """Days from Monday 00:00 UTC until every round and analysis has had its turn in the hours of those it needs."""
    hours = {site.name: site.hours for site in study.sites}

    def on(names: Iterable[str]) -> frozenset[int]:
        return together(hours[name] for name in names)

    blocks = [on(block) for block in planned_blocks(study).get("development", ())]
    holders = on(planned_holders(study))
    now = max((_next(0.0, on([name])) for name in hours), default=0.0)  # everybody is asked once at admission
    for model in MODELS.networks(study.models) if blocks else ():
        del model
        for round in range(study.training.rounds):
            now = _next(now, blocks[block_of(round, len(blocks), study.training.seed)]) + round_s
    for _ in range(3):  # clinical model, fusion, evaluation: rows of everybody, then the holders together
        now = max((_next(now, on([name])) for name in hours), default=now)
        now = _next(now, holders) + ANALYSES_S / 3
    return now / DAY_S


def _next(now: float, on: frozenset[int]) -> float:
    """The first moment from now on (seconds since a Monday 00:00 UTC) in one of these half hours of the week."""
    if not isfinite(now) or not on:
        return inf
    at = int(now // HALF_S)
    ahead = next(k for k in range(WEEK_HALVES + 1) if (at + k) % WEEK_HALVES in on)
    return now if ahead == 0 else (at + ahead) * HALF_S
