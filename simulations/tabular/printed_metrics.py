"""What `fedhcc-sim metrics` prints of scores: C-indices, areas, curves, tests, calibration, whichever way they were computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.compare_cindex import Difference
from shared_model.survival.concordance import Concordance
from shared_model.survival.cox.cox_result import ChiTest, FitFinding
from shared_model.survival.kaplan_meier import KaplanMeier
from shared_model.survival.normal_tails import Z95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Area:
    """An AUC with its standard error, and the sensitivity by specificity (per cent); none on shares of too few cases or controls."""

    auc: float
    se: float
    sensitivity: Mapping[int, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON."""
        points = {f"{percent / 100:g}": value for percent, value in self.sensitivity.items()}
        return {"auc": self.auc, "se": self.se, **({"sensitivity": points} if points else {})}


@dataclass(frozen=True)
class ScoreFigures:
    """Of one score: C-index, and AUC by horizon; None where it cannot be estimated."""

    c: Concordance | None
    auc: Mapping[str, Area | None]

    def as_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "c_index": self.c.c if self.c else None,
            "c_index_se": self.c.se if self.c else None,
            "c_index_ci": list(self.c.plain_ci) if self.c else None,
            "c_index_ci_logit": list(self.c.logit_ci) if self.c else None,
            "auc": {name: found.as_dict() if found else {"auc": None, "se": None} for name, found in self.auc.items()},
        }


@dataclass(frozen=True)
class PointCurve:
    """A Kaplan–Meier curve at declared points (days, P) as far as they are open, with its log(−log) interval and numbers at risk.

    `patients` and `deaths` are NaN where they are closed, `at_risk` where 1 to 4 are left; `closed` are the points that are not opened.
    """

    patients: float
    deaths: float
    time: Floats
    survival: Floats
    low: Floats
    high: Floats
    at_risk: Floats
    closed: tuple[float, ...] = ()

    def interval_at(self, day: float) -> tuple[float, float]:
        """95 % interval at an open point."""
        at = int(np.flatnonzero(self.time == day)[0])
        return float(self.low[at]), float(self.high[at])

    @property
    def median(self) -> float | None:
        """Where the straight line between the points around it crosses one half; None where no open point lies below."""
        return _crossing(self.time, self.survival)

    @property
    def median_between(self) -> tuple[float | None, float | None]:
        """The last open point above one half (day 0 where there is none) and the first one at or below it; None twice if none is."""
        below = np.flatnonzero(self.survival <= 0.5)
        if not below.size:
            return None, None
        at = int(below[0])
        return (float(self.time[at - 1]) if at else 0.0), float(self.time[at])

    @property
    def median_ci(self) -> tuple[float | None, float | None]:
        """Where the ends of the interval cross one half."""
        return _crossing(self.time, self.low), _crossing(self.time, self.high)

    def as_dict(self) -> dict[str, Any]:
        """Lists; a closed number is None."""
        return {
            "n": _whole(self.patients),
            "deaths": _whole(self.deaths),
            "time": self.time.tolist(),
            "survival": self.survival.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "at_risk": [_whole(one) for one in self.at_risk],
            "median_between": list(self.median_between),
            "median_ci": list(self.median_ci),
            "closed": list(self.closed),
        }


def _crossing(time: Floats, survival: Floats) -> float | None:
    """The day of one half; the curve is 1 at day 0."""
    below = np.flatnonzero(survival <= 0.5)
    if not below.size:
        return None
    at = int(below[0])
    day, before = (float(time[at - 1]), float(survival[at - 1])) if at else (0.0, 1.0)
    return day + (before - 0.5) / (before - float(survival[at])) * (float(time[at]) - day)


def _whole(value: float) -> int | None:
    return round(float(value)) if np.isfinite(value) else None


@dataclass(frozen=True)
class Calibrated:
    """Predicted against observed survival: slope of the score with its error, and by horizon a row a group of rising risk."""

    slope: float
    slope_se: float
    groups: Mapping[str, tuple[Mapping[str, float | int | None], ...]]

    def as_dict(self) -> dict[str, Any]:
        """JSON."""
        return {
            "slope": self.slope,
            "slope_se": self.slope_se,
            "groups": {day: [dict(row) for row in rows] for day, rows in self.groups.items()},
        }


@dataclass(frozen=True)
class TabularMetrics:
    """Everything `fedhcc-sim metrics` prints. `scores` are in the order named; the first one has the curves' calibration."""

    n: int
    events: int
    sites: int
    resolution: str
    scores: Mapping[str, ScoreFigures]
    differences: Mapping[str, Difference]
    clustered_se: float | None
    overall: KaplanMeier | PointCurve
    groups: Mapping[str, KaplanMeier | PointCurve]
    logrank: ChiTest | None
    hazard_ratio: dict[str, Any] | None
    dropped_rows: int
    follow_up: float | None = None
    calibration: Calibrated | None = None
    findings: tuple[FitFinding, ...] = field(default=())

    @property
    def first(self) -> ScoreFigures:
        """The score named first."""
        return next(iter(self.scores.values()))

    def as_dict(self) -> dict[str, Any]:
        """The JSON of `fedhcc-sim metrics`."""
        c, se = self.first.c, self.clustered_se
        return {
            "n": self.n,
            "events": self.events,
            **self.first.as_dict(),
            "c_index_se_clustered": se,
            "c_index_ci_clustered": [max(0.0, c.c - Z95 * se), min(1.0, c.c + Z95 * se)] if c and se is not None else None,
            "scores": {name: one.as_dict() for name, one in self.scores.items()},
            "differences": {name: vars(one) for name, one in self.differences.items()},
            "km": {"overall": self.overall.as_dict(), "groups": {name: curve.as_dict() for name, curve in self.groups.items()}},
            "logrank": self.logrank.as_dict() if self.logrank else None,
            "hr": self.hazard_ratio,
            "median_survival": self.overall.median,
            "median_survival_groups": {name: curve.median for name, curve in self.groups.items()},
            "median_follow_up": self.follow_up,
            "calibration": self.calibration.as_dict() if self.calibration else None,
            "sites": self.sites,
            "resolution": self.resolution,
            "dropped_rows": self.dropped_rows,
            "warnings": [finding.as_dict() for finding in self.findings],
        }


def day_key(day: float) -> str:
    """365 and 365.0 are "365"."""
    return str(int(day)) if day == int(day) else str(day)
