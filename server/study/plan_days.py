"""How long a plan will take: rounds, seconds a step, and the hours a day on which machines are on."""

from __future__ import annotations

from dataclasses import dataclass

from site_config.study.model import Study
from site_config.study.prognostic_models import MODELS

OVERHEAD_S = 3.0
"""Seconds of a round beside the hospitals' own step: keys, masks, sending, the office's step (measured on one machine)."""
ANALYSES_S = 600.0
"""Clinical model, fusion and evaluation together."""
GUESSED_STEP_S = 30.0


@dataclass(frozen=True)
class PlanDays:
    """Rounds of all networks, seconds a step and whether they were told by rehearsals, and what follows for a day of so many hours."""

    rounds: int
    step_s: float
    told: bool
    hours_a_day: float

    @property
    def hours(self) -> float:
        """Hours of work."""
        return (self.rounds * (self.step_s + OVERHEAD_S) + ANALYSES_S) / 3600.0

    @property
    def days(self) -> float:
        """Calendar days, weekends not counted."""
        return self.hours / self.hours_a_day

    def words(self) -> str:
        """One sentence."""
        source = "as the slowest rehearsal told" if self.told else "a guess: `fedhcc-site doctor` measures it, `--step-seconds` sets it"
        step = f"{self.rounds:,} rounds of about {self.step_s:g} s ({source})" if self.rounds else "analyses alone"
        return f"{step}: {self.hours:.1f} hours of work, {self.days:.1f} days with machines on {self.hours_a_day:g} hours a day"


def plan_days(study: Study, told_step_s: float, hours_a_day: float) -> PlanDays:
    """What a study asks of everybody; `told_step_s` is the slowest hospital's rehearsal, 0 where nobody told one.

    A round is one block's turn, so blocks that rest cost nothing; hours are those in which a block's hospitals are on together.
    """
    rounds = study.training.rounds * len(MODELS.networks(study.models))
    return PlanDays(rounds, told_step_s or GUESSED_STEP_S, told_step_s > 0, hours_a_day)
