"""A nomogram of a Cox model: points per variable, total points, survival at horizons (as R's rms draws it).

Axes run over declared ranges, never over the smallest and largest patient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Axis:
    """A variable's axis: tick values and their points, 0 at the end of lower risk."""

    name: str
    ticks: tuple[float, ...]
    points: tuple[float, ...]


@dataclass(frozen=True)
class Nomogram:
    """Axes; `points_per_unit` of linear predictor; lp = total/points_per_unit + `lp_at_zero`; baseline H0 by horizon (days)."""

    axes: tuple[Axis, ...]
    points_per_unit: float
    lp_at_zero: float
    baseline: Mapping[float, float]

    @property
    def largest_total(self) -> float:
        """Points of the worst patient on the declared ranges."""
        return sum(max(axis.points) for axis in self.axes)

    def survival(self, total_points: float, horizon: float) -> float:
        """S(horizon) = exp(−H0 e^lp) of a patient with this total."""
        return exp(-self.baseline[horizon] * exp(total_points / self.points_per_unit + self.lp_at_zero))

    def total_for(self, survival: float, horizon: float) -> float:
        """Total points (may lie off the axis) at which survival at the horizon is as given, 0 < survival < 1."""
        return (log(-log(survival) / self.baseline[horizon]) - self.lp_at_zero) * self.points_per_unit


def nomogram(
    names: Sequence[str],
    coef: Sequence[float],
    ranges: Sequence[tuple[float, float]],
    baseline: Mapping[float, float],
    ticks: int = 9,
    marks: Mapping[str, Sequence[float]] | None = None,
) -> Nomogram:
    """points_j(x) = 100 (b_j x − min over the axis)/D, D the largest |b_j|·range; `baseline` is H0(u) at covariates 0.

    `marks` has the ticks of axes that need their own: the codes of a coded variable, round numbers of a logarithm.
    Raises `ValueError` for an empty range or a model without any effect.
    """
    low_high = np.asarray(ranges, dtype=np.float64).reshape(-1, 2)
    slopes = np.asarray(coef, dtype=np.float64)
    if bool(np.any(low_high[:, 1] <= low_high[:, 0])):
        raise ValueError("an axis needs a range")
    span = np.abs(slopes) * (low_high[:, 1] - low_high[:, 0])
    widest = float(span.max(initial=0.0))
    if widest == 0:
        raise ValueError("no variable has an effect")
    per_unit = 100 / widest
    axes, start = [], 0.0
    for name, slope, (low, high) in zip(names, slopes, low_high, strict=True):
        values = (marks or {}).get(name) or nice_ticks(float(low), float(high), ticks)
        smallest = float(min(slope * low, slope * high))
        start += smallest
        axes.append(Axis(name, tuple(values), tuple(max(float(per_unit * (slope * value - smallest)), 0.0) for value in values)))
    return Nomogram(tuple(axes), per_unit, start, dict(baseline))


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """Round values within [low, high], its two ends always among them as they are."""
    raw = (high - low) / max(count - 1, 1)
    magnitude = 10 ** np.floor(np.log10(raw))
    step = float(next(m for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * (1 - 1e-9)) * magnitude)
    inner = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    return [low, *_apart(inner, low, high, step), high]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """Logarithms of 1, 2 or 5 times a power of ten within [low, high], of as many of them as there is room for, and the two ends."""
    powers = range(int(np.floor(low / log(10))), int(np.ceil(high / log(10))) + 1)
    for shown in ((1, 2, 5), (1, 3), (1,)):
        inner = np.array([log(first) + power * log(10) for power in powers for first in shown])
        if np.count_nonzero((inner > low) & (inner < high)) <= count:
            break
    return [low, *_apart(inner, low, high, (high - low) / count), high]


def _apart(inner: Floats, low: float, high: float, step: float) -> list[float]:
    """The values between the two ends, 0 being 0, less what lies so close to an end that it is that end."""
    return [round(float(value), 12) + 0.0 for value in inner if low + 1e-6 * step < value < high - 1e-6 * step]
