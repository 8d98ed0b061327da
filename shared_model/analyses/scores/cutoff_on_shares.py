"""The cut-off of the risk groups on shared rows: a quantile of a score on its declared levels, the median by default.

High risk is a score above the cut-off, which is the smallest level with at most the quantile's complement above it (of n patients
n//2 for the median): `score > cut-off` splits as the pooled rows do, ties included. Digit by digit, for every level k of a digit,

    excess(k) = b · above(k) − (b − a) · n      for the quantile a/b

is above zero below the cut-off and nowhere else, so its bits are the digit and no more. One level is opened, where there are enough
patients; a cut-off that ties push to the edge, with too few above it, is not kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shared_model.analyses.count_minimum import minimum_result, reaches
from shared_model.analyses.pairs_on_shares import level_parts, more
from shared_model.analyses.patient_slots import Part, Rows
from shared_model.disclosure.limits import GROUP_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.shared_value import public
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import survival as problems


@dataclass(frozen=True)
class CutoffModel:
    """The quantile (a, b) = a/b of a score of so many levels low, low + step, …; a side has at least `minimum_patients`."""

    name: str
    score: str
    levels: int
    low: float = 0.0
    step: float = 1.0
    quantile: tuple[int, int] = (1, 2)
    minimum_patients: int = GROUP_PATIENTS.value
    most: int = 0
    """Patients at most, where a number is known; 0: as many as there are slots."""

    def __post_init__(self) -> None:
        if not 0 < self.quantile[0] < self.quantile[1]:
            raise ValueError("a quantile lies between 0 and 1")

    def parts(self, _n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return level_parts(self.score, self.levels)

    @property
    def patients(self) -> int:
        """So many leave the minimum on either side where no scores are tied."""
        a, b = self.quantile
        return -(-self.minimum_patients * b // min(a, b - a))

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        guard = f"{self.patients} patients"
        digits = level_parts(self.score, self.levels)
        return (
            minimum_result(f"{self.name}.enough", 1),
            *(Result(f"{self.name}.digit.{place}", (digit.width,), 0, 1.0, guard, bit=True) for place, digit in enumerate(digits)),
            minimum_result(f"{self.name}.sides", 2),
        )


@dataclass(frozen=True)
class CutoffEstimate:
    """The level, and the score it stands for; None with a finding where no cut-off leaves enough on either side."""

    level: int | None
    value: float | None
    findings: tuple[FitFinding, ...] = ()


async def cutoff(a: Arithmetic, rows: Rows, model: CutoffModel, member: Value | None = None) -> CutoffEstimate:
    """The cut-off of all patients of the rows; an opening for every doubling of the slots and two, a digit; needs no pairs.

    member (N,): 1 for those alone who count, where not everybody does.
    """
    digits = [rows[part.name] for part in level_parts(model.score, model.levels)]
    slots = model.most or len(digits[0])
    here = digits[0].sum(1).assume(1.0, "one level") if member is None else member
    patients = await a.lift(here.sum().reshape(1).assume(slots, "a count of patients"))
    (enough,) = await reaches(a, f"{model.name}.enough", patients, model.patients)
    if not enough:
        return none_kept(f"fewer than {model.patients} patients")
    above, level = patients * 0, 0
    for place, (part, digit) in enumerate(zip(level_parts(model.score, model.levels), digits, strict=True)):
        counts = await a.lift(a.dot(here, more(digit)).assume(slots, "a count of patients"))
        counts = (counts + above).assume(slots, "a count of patients")
        found = await _digit(a, f"{model.name}.digit.{place}", counts, patients, model)
        above, level = counts[found : found + 1], level + found * part.unit
        if place < len(digits) - 1:
            (here,) = await a.reduce(a.times(here, digit[:, found]).assume(1.0, "all digits so far agree"))
    sides = concatenate([above, (patients - above).assume(slots, "a count of patients")])
    if not (await reaches(a, f"{model.name}.sides", sides, model.minimum_patients)).all():
        return none_kept(f"the cut-off leaves fewer than {model.minimum_patients} patients on one side")
    return CutoffEstimate(level, model.low + model.step * level)


async def _digit(a: Arithmetic, name: str, above: Value, patients: Value, model: CutoffModel) -> int:
    """The lowest level of a digit with at most the complement above it, from patients above each level (levels,)."""
    numerator, denominator = model.quantile
    excess = denominator * above - (denominator - numerator) * patients
    positive = np.arange(1, max(numerator * int(above.bound), 1) + 1)
    factors = concatenate([excess.reshape(1, -1)] * len(positive)) - public(excess, positive[:, None], 0)
    beyond = await a.reveal_zero(name, *(factors[j] for j in range(len(positive))))
    return int((~beyond).argmax())


def none_kept(why: str) -> CutoffEstimate:
    """No cut-off, and why."""
    return CutoffEstimate(None, None, (FitFinding.of(problems.NO_CUTOFF, why),))
