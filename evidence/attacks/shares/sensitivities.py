"""Sensitivities of the clinical score at declared specificities as equations for pattern × cell, and their positive control.

Above the threshold of a specificity lie (1 − s) of the controls and, in weights that the set's own curve tells, the sensitivity of the
cases. Where the threshold is, the last estimate of the masses tells (as with the steps of a Cox model).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evidence.attacks.attacked_cohorts import Floats, encode, patterns
from evidence.attacks.claims_about_patients import Claims
from evidence.attacks.nonnegative_solver import System
from evidence.attacks.shares.attacked_study import SharesCase, StudyCohort, on_grid
from evidence.attacks.shares.equations import NEAR, SeenStudy, Unknowns
from shared_model.disclosure.limits import SENSITIVITY_BITS
from site_config.study.prognostic_models import CLN

AT_THRESHOLD = 1.0
"""Cases of the threshold's own score that may fall on either side."""


def add_sensitivities(system: System, unknowns: Unknowns, seen: SeenStudy, at: int, mass: Floats) -> None:
    """Two equations a specificity and horizon of a set, made linear at `mass`."""
    spec, found = seen.model.known.specs.get(CLN.name), seen.evaluation.roc
    opened = None if found is None else found.sensitivity.get(CLN.name)
    if spec is None or opened is None:
        return
    score, u = on_grid(spec, unknowns.x), mass.reshape(unknowns.size)
    for h, horizon in enumerate(seen.model.horizons):
        cases = unknowns.dies & (unknowns.end <= horizon)
        controls = unknowns.found.start[unknowns.interval] >= horizon
        weight = np.where(cases, unknowns.found.steps[unknowns.interval], 0.0)
        whole, beyond = float((u @ weight).sum()), u @ controls.astype(np.float64)
        if not whole > 0 or not beyond.sum() > 0:
            continue
        for percent, value in zip(seen.model.roc.specificities, opened[:, h, at], strict=True):
            if np.isfinite(value):
                allowed = float(beyond.sum()) * (1 - percent / 100)
                above = (score > _threshold(score, beyond, allowed)).astype(np.float64)
                error = 2.0 ** -(SENSITIVITY_BITS.value + 1) + AT_THRESHOLD * float(weight.max()) / whole
                system.add(above[:, None] * weight[None, :] / whole, float(value), error)
                system.add(above[:, None] * controls[None, :], allowed, NEAR)


def _threshold(score: Floats, controls: Floats, allowed: float) -> float:
    """The lowest score with at most so many controls above it, from controls by pattern."""
    levels = np.unique(score)
    above = np.array([float(controls[score > level].sum()) for level in levels])
    return float(levels[int((above <= allowed + 0.5).argmax())])


def from_daily_curves(case: SharesCase) -> tuple[Claims, StudyCohort]:
    """Positive control: whole curves of the clinical score, a point a score, at horizons a day apart; and who died, whom they tell of.

    From one day to the next the weight of the cases above a threshold grows by whoever died on that day, from the threshold of their score.
    """
    seen, cohort = SeenStudy(case.opened), case.cohort
    died = cohort.chosen(cohort.event)
    spec = seen.model.known.specs.get(CLN.name)
    if spec is None:
        return Claims.none(), died
    rows = patterns()
    of_pattern, mine = on_grid(spec, rows), on_grid(spec, cohort.x.astype(np.float64))
    levels = np.unique(mine)
    weight = _weights(cohort.day, cohort.event)
    found: list[tuple[int, float]] = []
    last = np.zeros(len(levels))
    for day in np.unique(cohort.day[cohort.event]):
        cases = cohort.event & (cohort.day < day + 1)
        curve = np.array([float(weight[cases & (mine >= level)].sum()) for level in levels])
        grown = curve - last
        for k in np.flatnonzero(grown - np.append(grown[1:], 0.0) > 1e-9):
            found += [(int(encode(rows[[one]])[0]), float(day)) for one in np.flatnonzero(of_pattern == levels[k])[:1]]
        last = curve
    return Claims(np.array([pattern for pattern, _ in found], dtype=np.int64), np.array([day for _, day in found])), died


def _weights(day: Floats, event: NDArray[np.bool_]) -> Floats:
    """1/G just before every day (n,)."""
    left = np.ones(len(day))
    for moment in np.unique(day[~event]):
        lost = float((~event & (day == moment)).sum())
        left[day > moment] *= 1 - lost / (float((day > moment).sum()) + lost)
    return np.asarray(1 / left)
