"""Whole numbers behind an opened Kaplan-Meier curve.

Between two points a curve falls by ΔH = Σ log(m/(m − 1)) and Greenwood's sum grows by ΔG = Σ 1/(m (m − 1)) over deaths with m at
risk. Where nobody is lost in between both telescope, so that a = (e^ΔH − 1)/ΔG patients at the first death and d = a (1 − e^−ΔH)
deaths are whole numbers; where somebody is, they are near.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evidence.attacks.attacked_cohorts import AttackedCohort, Floats, Ints
from evidence.attacks.shares.attacked_study import OpenedStudy
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierModel

LAST_DAY = 3_000.0
LEAST_FALL = 1e-4


@dataclass(frozen=True)
class CurveCells:
    """Intervals (start, end] of one group, with the deaths and the losses in each that an opened curve tells (all shape (k,))."""

    start: Floats
    end: Floats
    deaths: Ints
    lost: Ints

    @classmethod
    def none(cls) -> CurveCells:
        """A curve that is closed."""
        return cls(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))

    @property
    def middle(self) -> Floats:
        """The day that is claimed of somebody within."""
        return (self.start + self.end) / 2

    @property
    def steps(self) -> Floats:
        """By how much the curve falls at one death of each interval, those lost being at risk for half of it."""
        gone = self.deaths + self.lost
        at_risk = gone[::-1].cumsum()[::-1] - self.lost / 2
        share = 1 / np.maximum(at_risk, 1.0)
        left = np.cumprod(np.maximum(1 - share * self.deaths, 0.0))
        return np.asarray(share * np.concatenate([[1.0], left[:-1]]))


def falls(hazard: Floats, greenwood: Floats) -> tuple[Floats, Floats]:
    """Deaths and patients at risk at the first of them (k,), from −log S and Greenwood's sum at the points (k,)."""
    fall, growth = np.diff(hazard, prepend=0.0), np.diff(greenwood, prepend=0.0)
    some = (fall > LEAST_FALL) & (growth > 0)
    growth = np.where(some, growth, 1.0)
    at_risk = np.where(some, np.expm1(fall) / growth, 0.0)
    return np.where(some, at_risk * -np.expm1(-fall), 0.0), at_risk


def cells(opened: OpenedStudy, model: KaplanMeierModel, group: int) -> CurveCells:
    """What one group's curve tells; no cells where it is closed."""
    found = opened.opened["evaluation"]
    name = model.name
    patients = float(found[f"{name}.patients"][group])
    hazard, greenwood = found[f"{name}.hazard"][:, group], found[f"{name}.greenwood"][:, group]
    shown = np.flatnonzero(_shown(opened, model, group))
    if not patients or not shown.size:
        return CurveCells.none()
    days = np.array(model.days, dtype=np.float64)[shown]
    raw, at_risk = falls(hazard[shown], greenwood[shown] / patients)
    deaths = np.rint(raw)
    total = float(found[f"{name}.deaths"][group]) or float(deaths.sum())
    after = _after(found, model, group, days, patients, deaths, at_risk)
    before = np.concatenate([[patients], after[:-1]])
    lost = np.maximum(before - after - deaths, 0)
    rest = max(total - float(deaths.sum()), 0.0)
    return CurveCells(
        start=np.concatenate([[0.0], days]),
        end=np.append(days, LAST_DAY),
        deaths=np.append(deaths, rest).astype(np.int64),
        lost=np.append(lost, max(float(after[-1]) - rest, 0.0)).astype(np.int64),
    )


def _shown(opened: OpenedStudy, model: KaplanMeierModel, group: int) -> np.ndarray:
    """The points that are open: the curve as the coordinator reads it is not NaN."""
    estimate = opened.found["evaluation"]
    if model.name == "survival":
        curve = estimate.survival
    elif model.name == "response":
        curve = estimate.response.curves
    else:
        curve = estimate.models[model.name.removesuffix("-risk")].risk.curves
    return np.asarray(np.isfinite(curve.survival[group]) & (curve.survival[group] > 0))


def _after(
    found: dict[str, np.ndarray], model: KaplanMeierModel, group: int, days: Floats, patients: float, deaths: Floats, at_risk: Floats
) -> Floats:
    """Patients left after each point: numbers at risk where they are opened, else before the next death, else in between."""
    known = dict(zip(model.ticks, found[f"{model.name}.at_risk"][:, group], strict=True)) if model.ticks else {}
    left = np.full(len(days), np.nan)
    for at, day in enumerate(days):
        if known.get(int(day)):
            left[at] = known[int(day)]
        elif at + 1 < len(days) and at_risk[at + 1]:
            left[at] = np.rint(at_risk[at + 1])
    told = np.flatnonzero(np.isfinite(left))
    if not told.size:
        return np.asarray(np.maximum(patients - np.cumsum(deaths), 0))
    filled = np.interp(np.arange(len(days)), np.concatenate([[-1.0], told]), np.concatenate([[patients], left[told]]))
    return np.asarray(np.minimum.accumulate(np.rint(filled)))


def months_right(cohort: AttackedCohort, found: CurveCells) -> float:
    """Share of a group's deaths whose interval is told right."""
    died = cohort.day[cohort.event]
    true = np.array([((died > start) & (died <= end)).sum() for start, end in zip(found.start, found.end, strict=True)])
    return float(np.minimum(true, found.deaths).sum() / max(len(died), 1))
