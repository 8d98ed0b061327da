"""Calibration on shared rows: mean predicted against Kaplan–Meier survival in declared groups of predicted risk.

A group is what lies between declared levels of the linear predictor (quantiles of the training scores, say), within one set; its
members are a part of the rows. A hospital writes down what the model predicts for a patient at each horizon,
S(u) = exp(−H0(u) e^lp), which follows from the patient's score and public numbers. Opened are the mean prediction of a group and
its Kaplan–Meier estimate with the log(−log) interval. The slope is a Cox model with the linear predictor as its one column.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared_model.analyses.covariates_on_shares import Continuous, SlotCovariates
from shared_model.analyses.cox_on_shares import CoxModel
from shared_model.analyses.groups.declared_days import Points
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierEstimate, KaplanMeierModel, kaplan_meier
from shared_model.analyses.groups.patient_groups import Partition
from shared_model.analyses.pairs_on_shares import Pairs
from shared_model.analyses.patient_slots import Floats, PaddedPatients, Part, Rows
from shared_model.disclosure.limits import PREDICTED_BITS
from shared_model.shares.circuits.arithmetic import Arithmetic, F, Value, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.shared_value import Field
from shared_model.survival.calibration import predicted_survival
from shared_model.survival.cox.cox_result import FitFinding

_SHARE_BITS = 30


@dataclass(frozen=True)
class Predicted(Part):
    """S(u) of a patient at every horizon, from the value `score` (a linear predictor) and the cumulative hazards at score 0."""

    score: str = ""
    hazards: tuple[float, ...] = ()

    @property
    def width(self) -> int:
        """Horizons."""
        return len(self.hazards)

    @property
    def field(self) -> Field:
        """Fixed point."""
        return Field.MAIN

    @property
    def fraction(self) -> int:
        """All the bits there are."""
        return F

    def of(self, patients: PaddedPatients) -> Floats:
        """Between 0 and 1."""
        score = patients.of(self.score)
        return np.stack([predicted_survival(score, hazard) for hazard in self.hazards], axis=1)


@dataclass(frozen=True)
class CalibrationModel:
    """Which groups, at which horizons (days), and what is predicted there."""

    name: str
    partition: Partition
    horizons: tuple[int, ...]
    predicted: Predicted

    def parts(self, n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        return (*self.curves.parts(n_days), self.predicted)

    @property
    def curves(self) -> KaplanMeierModel:
        """Kaplan–Meier of the groups at the horizons."""
        return KaplanMeierModel(self.name, self.partition, self.horizons, fine_patients=0, logrank=False)

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        shape = (len(self.horizons), self.partition.n)
        guard = f"{self.partition.minimum} patients in the group and in the rest of its set"
        return (*self.curves.results, Result(f"{self.name}.predicted", shape, PREDICTED_BITS.value, 1.1, guard))


@dataclass(frozen=True)
class CalibrationEstimate:
    """By group, NaN where closed: `patients` (G,); (G, horizons): mean predicted and observed survival, and the latter's interval."""

    patients: Floats
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    findings: tuple[FitFinding, ...] = ()


async def calibration(a: Arithmetic, rows: Rows, pairs: Pairs, points: Points, model: CalibrationModel) -> CalibrationEstimate:
    """Predicted against observed, in as many openings as the curves and one or two."""
    wanted: list[Awaitable[Any]] = [
        kaplan_meier(a, rows, pairs, points, model.curves),
        a.lift(model.partition.members(rows, pairs)),
    ]
    found, members = await together(*wanted)
    predicted = await _mean(a, rows, members, found, model)
    return CalibrationEstimate(found.patients, predicted, found.survival, found.low, found.high, found.findings)


async def _mean(a: Arithmetic, rows: Rows, members: Value, found: KaplanMeierEstimate, model: CalibrationModel) -> Floats:
    """Mean prediction (G, horizons) of the groups that are shown, at the horizons where the curve is."""
    shown = np.isfinite(found.survival.T)
    share = np.where(shown, 1.0 / np.where(shown.any(axis=0), found.patients, 1.0)[None, :], 0.0)
    total = a.dot(rows[model.predicted.name].T, members).assume(len(members), "predictions of at most 1")
    mean = total.scaled(share, _SHARE_BITS).assume(1.01, "a mean of numbers up to 1; the divisor is the group's own size")
    opened = await a.reveal(f"{model.name}.predicted", mean, PREDICTED_BITS.value)
    return np.where(shown, opened, np.nan).T


def slope_model(name: str, score: str, low: float, high: float, minimum_patients: int, events: int) -> CoxModel:
    """The calibration slope, 1 when calibrated: Cox's model of the linear predictor alone, over rows of one set (van Houwelingen 2000)."""
    return CoxModel(name, SlotCovariates((Continuous(score, low, high),)), minimum_patients=minimum_patients, events_a_column=events)
