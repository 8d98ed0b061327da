"""Hazards on shared rows: the one that training begins with, and a fitted Cox model's cumulative baseline at declared horizons.

The first training hazard is the maximum-likelihood one of the piecewise exponential model at score 0 (Holford 1980): in every
interval deaths over days at risk. An interval with too few is opened together with its neighbour. Opened are hazards, neither
deaths nor days.

The baseline of a Cox model with coefficients β is Breslow's or Efron's, for a patient whose covariates are all 0:

    H0(u) = Σ 1/Σ_j P_ij e^{β'x_j}        over deaths i until u (Efron: less r/d of those who died on the same day)
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np

from shared_model.analyses.count_minimum import minimum_result, reaches
from shared_model.analyses.covariates_on_shares import SlotCovariates
from shared_model.analyses.groups.declared_days import Points
from shared_model.analyses.newton_on_shares import CAP
from shared_model.analyses.pairs_on_shares import Pairs, day_parts
from shared_model.analyses.patient_slots import Floats, PaddedPatients, Part, Rows
from shared_model.analyses.risk_sums_on_shares import Blocks, Linear, largest_weight, prepare
from shared_model.disclosure.limits import (
    BASELINE_BITS,
    COX_PATIENTS,
    FIRST_HAZARD_BITS,
    GROUP_PATIENTS,
    INTERVAL_DEATHS,
    POINT_PATIENTS,
)
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.exact_constants import bits_of, exp, shorten, total
from shared_model.shares.circuits.reciprocals import reciprocal
from shared_model.shares.circuits.shared_value import Field
from shared_model.survival.broadcast_hazard import PiecewiseHazard, exposures, interval_of
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import survival as problems


@dataclass(frozen=True)
class Exposure(Part):
    """Of a patient, in every interval between cut points: whole days at risk, whether they entered it, whether they died in it."""

    cut_days: tuple[int, ...] = ()
    n_days: int = 1

    @property
    def intervals(self) -> int:
        """How many there are."""
        return len(self.cut_days) + 1

    @property
    def width(self) -> int:
        """Three numbers an interval."""
        return 3 * self.intervals

    @property
    def field(self) -> Field:
        """Sums of days outgrow what is counted."""
        return Field.MAIN

    @property
    def bound(self) -> float:
        """The longest follow-up."""
        return float(self.n_days)

    def of(self, patients: PaddedPatients) -> Floats:
        """Days, entered, died: a block each."""
        days = exposures(patients.day, self.cut_days)
        died = np.eye(self.intervals)[interval_of(patients.day, self.cut_days)] * patients.event[:, None]
        return np.concatenate([days, days > 0, died], axis=1)


@dataclass(frozen=True)
class FirstHazardModel:
    """Constant hazards between cut points (days), of all rows."""

    name: str
    cut_days: tuple[int, ...]
    n_days: int
    minimum_patients: int = GROUP_PATIENTS.value
    minimum_deaths: int = INTERVAL_DEATHS.value

    @property
    def part(self) -> Exposure:
        """What a hospital contributes."""
        return Exposure(f"{self.name}.exposure", self.cut_days, self.n_days)

    def parts(self, _n_days: int) -> tuple[Part, ...]:
        """The same in a tuple."""
        return (self.part,)

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        n = len(self.cut_days) + 1
        guard = f"{self.minimum_patients} patients who entered the interval and {self.minimum_deaths} deaths in it"
        return (
            minimum_result(f"{self.name}.entered", n),
            minimum_result(f"{self.name}.died", n + 1),
            Result(f"{self.name}.rate", (n,), FIRST_HAZARD_BITS.value, 2.0**12, guard),
        )


@dataclass(frozen=True)
class FirstHazardEstimate:
    """The hazard by day, None with a finding where all patients together are too few; which intervals were opened as one."""

    hazard: PiecewiseHazard | None
    joined: tuple[tuple[int, ...], ...]
    findings: tuple[FitFinding, ...] = ()


def joined_intervals(enough: np.ndarray) -> tuple[tuple[int, ...], ...]:
    """Runs of intervals: one with too few goes with the one before it, at the start with the one after."""
    runs: list[list[int]] = []
    for at, alone in enumerate(enough):
        if runs and (not alone or not any(enough[runs[-1]])):
            runs[-1].append(at)
        else:
            runs.append([at])
    return tuple(tuple(run) for run in runs)


async def first_hazard(a: Arithmetic, rows: Rows, model: FirstHazardModel) -> FirstHazardEstimate:
    """About 20 openings; needs no pairs."""
    slots, n, name = len(rows[model.part.name]), model.part.intervals, model.name
    sums = rows[model.part.name].sum(0)
    entered, died = (sums[k * n : (k + 1) * n].assume(slots, "a count of patients") for k in (1, 2))
    all_died = died.sum().reshape(1).assume(slots, "a count of patients")
    ever, deaths = await together(
        reaches(a, f"{name}.entered", entered, model.minimum_patients),
        reaches(a, f"{name}.died", concatenate([died, all_died]), model.minimum_deaths),
    )
    if not (ever[0] and deaths[-1]):
        few = f"fewer than {model.minimum_patients} patients or {model.minimum_deaths} deaths for a hazard"
        return FirstHazardEstimate(None, (), (FitFinding.of(problems.FEW_EVENTS, few),))
    runs = joined_intervals(ever & deaths[:-1])
    same = np.array([[int(other in run) for other in range(n)] for run in runs for _ in run], dtype=np.int64)
    mass = (sums[:n] @ same).assume(float(slots * model.n_days), "all days of all patients")
    dead = (died @ same).assume(slots, "all deaths")
    y = await reciprocal(a, mass, float(model.minimum_patients), mass.bound, largest=1.0 / model.minimum_patients)
    rate = await a.reveal(f"{name}.rate", a.times(dead, y), FIRST_HAZARD_BITS.value)
    cuts = tuple(float(day) for day in model.cut_days)
    return FirstHazardEstimate(PiecewiseHazard(cuts, np.maximum(rate, 0.0), 0.0), runs)


@dataclass(frozen=True)
class BaselineModel:
    """The cumulative hazard at covariates 0, or at `origin` (p,), of a model with known coefficients (p,), at horizons (days)."""

    name: str
    covariates: SlotCovariates
    coefficient: tuple[float, ...]
    horizons: tuple[int, ...]
    ties: str = "efron"
    minimum_patients: int = COX_PATIENTS.value
    origin: tuple[float, ...] = ()

    def parts(self, n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return (*day_parts(n_days), *self.covariates.blocks)

    @property
    def b(self) -> Floats:
        """Coefficients of u in [0, 1]."""
        return np.array(self.coefficient) * self.covariates.width

    @property
    def largest(self) -> float:
        """About the weight of the highest risk the ranges allow beside that of their middle; in few bits, so that sums have room."""
        return shorten(largest_weight(self.b), 16)

    @property
    def scale(self) -> float:
        """What a hazard of the highest risk is multiplied with to be one at the origin."""
        origin = self.origin or (0.0,) * len(self.coefficient)
        low = [value * (column.low - at) for value, column, at in zip(self.coefficient, self.covariates.columns, origin, strict=True)]
        return exp(-total(self.b) / 2 - total(low)) / self.largest

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        n = len(self.horizons)
        guard = f"{self.minimum_patients} patients, {POINT_PATIENTS.value} at risk"
        return (
            minimum_result(f"{self.name}.enough", 1),
            minimum_result(f"{self.name}.followed", n),
            Result(f"{self.name}.hazard", (n,), BASELINE_BITS.value, 2.0**60, guard),
        )


@dataclass(frozen=True)
class BaselineEstimate:
    """H0 (horizons,), NaN where it is closed."""

    hazard: Floats
    findings: tuple[FitFinding, ...] = ()


async def baseline(a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, model: BaselineModel) -> BaselineEstimate:
    """The baseline; about 20 openings beside the pairs."""
    slots, at, name = len(pairs.died), points.columns(model.horizons), model.name
    why = "a count of patients"
    wanted: list[Awaitable[Any]] = [
        prepare(a, rows, pairs, model.covariates, model.ties),
        a.lift(pairs.n_tied if model.ties == "efron" else pairs.died),
        a.lift(pairs.present.sum().reshape(1).assume(slots, why)),
        a.lift(points.at_risk[:, at].sum(0).assume(slots, why)),
    ]
    start, times, patients, followed = await together(*wanted)
    bits: list[Awaitable[Any]] = [
        _increments(a, start.sums, start.died, times, model),
        reaches(a, f"{name}.enough", patients, model.minimum_patients),
        reaches(a, f"{name}.followed", followed, POINT_PATIENTS.value),
    ]
    step, enough, followed_bits = await together(*bits)
    shown = followed_bits & enough[0]
    most = model.largest
    hazard = a.dot(points.dead[:, at].T, step).assume(2.0 * slots * most, "a sum over deaths") * shown.astype(np.int64)
    hazard = hazard.scaled(most, bits_of(most))
    opened = await a.reveal(f"{name}.hazard", hazard, BASELINE_BITS.value)
    few = FitFinding.of(problems.BEYOND_FOLLOW_UP, f"too few patients, or fewer than {POINT_PATIENTS.value} at risk at a horizon")
    return BaselineEstimate(np.where(shown, opened * model.scale, np.nan), () if shown.all() else (few,))


async def _increments(a: Arithmetic, sums: Linear | Blocks, died: Value, times: Value, model: BaselineModel) -> Value:
    """Of every death its step (N,) of the middle risk's hazard: d_i / S⁰_i, S⁰ being multiplied by the day's deaths for Efron.

    1/S⁰ is found at coefficients 0 and followed from there to the model's, as far at a time as the last one is a good start of the next:
    a cold start over the whole range of risks would round the smallest S⁰ away.
    """
    slots, others = len(died), 1 - died
    most = float(slots * slots if model.ties == "efron" else slots)
    y = await reciprocal(a, (await sums.at(a, np.zeros(len(model.b)))).s0 + others, 1.0, most + 1.0, digits=28, largest=1.0)
    steps = max(1, ceil(total(np.abs(model.b)) / CAP))
    for k in range(1, steps + 1):
        b = model.b * (k / steps)
        ratio, largest = exp(total(np.abs(model.b)) / steps / 2), largest_weight(b)
        s0 = (await sums.at(a, b)).s0 + others
        y = await reciprocal(a, s0, 0.999 / ratio, 1.001 * ratio, warm=y, digits=34 if k == steps else 22, largest=largest)
    (step,) = await a.reduce(a.times(times, y).assume(2.0 * model.largest, "one over the remaining weight of those at risk"))
    return step
