"""The declared points of a table's curves, and what was opened at them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shared_model.analyses.groups.declared_days import MONTH, grid
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierEstimate
from shared_model.disclosure.limits import FINE_PATIENTS, POINT_PATIENTS
from shared_model.survival.cox.cox_result import FitFinding
from simulations.tabular.complete_rows import FitRows
from simulations.tabular.doubts import LONGEST_DAYS
from simulations.tabular.printed_metrics import PointCurve, day_key
from site_config.problems import survival as problems

LEAST = 6
"""Points that monthly or half-yearly ones must give; a table with fewer, or times longer than a life, is cut into equal steps: its
unit may be another, or its times dates."""
STEPS = 12


def declared_points(rows: FitRows, given: Sequence[float], horizons: Sequence[float]) -> tuple[float, ...]:
    """The points (days) of the curves: those given, or monthly ones (half-yearly for fewer patients than a study asks), and the horizons.

    Points are moved onto a horizon they lie next to, as in a study.
    """
    longest = float(rows.time.max())
    inside = [float(day) for day in horizons if 0 < day < longest]
    if given:
        return tuple(sorted({*map(float, given), *inside}))
    months = 1 if len(rows.time) >= FINE_PATIENTS.value else 6
    days: Sequence[float] = [] if longest > LONGEST_DAYS else [float(day) for day in grid(months, int(longest))]
    near = MONTH / 2
    if len(days) < LEAST:
        days, near = [longest * k / STEPS for k in range(1, STEPS)], longest / STEPS / 2
    return tuple(sorted({*(day for day in days if all(abs(day - horizon) >= near for horizon in inside)), *inside}))


def opened_curve(found: KaplanMeierEstimate, group: int, points: Sequence[float]) -> PointCurve:
    """One group's curve at the points that are open."""
    days = np.asarray(points, dtype=np.float64)
    shown = np.isfinite(found.survival[group])
    return PointCurve(
        patients=float(found.patients[group]),
        deaths=float(found.deaths[group]),
        time=days[shown],
        survival=found.survival[group][shown],
        low=found.low[group][shown],
        high=found.high[group][shown],
        at_risk=found.at_risk[group][shown],
        closed=tuple(float(day) for day in days[~shown]),
    )


def closed_points(name: str, curve: PointCurve) -> list[FitFinding]:
    """Where a curve ends, and why."""
    if not curve.closed:
        return []
    if not len(curve.time):
        return [FitFinding.of(problems.BEYOND_FOLLOW_UP, f"the curve of {name} stays closed: too few patients, or too few at risk")]
    first, n = day_key(round(curve.closed[0], 2)), POINT_PATIENTS.value
    return [FitFinding.of(problems.BEYOND_FOLLOW_UP, f"the curve of {name} ends before day {first}: fewer than {n} are at risk there")]
