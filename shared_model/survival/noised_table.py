"""Survival from a noised life table: the estimate, and an interval that holds the patients' chance and the noise.

d_k deaths and c_k ends of follow-up in the intervals k = 1 … K and b patients followed beyond, each with noise of a known variance v.
With n_k = Σ_{j≥k} (d_j + c_j) + b at risk at an interval's start and, by the actuarial convention, h_k = n_k − c_k/2 exposed,

    log S_k = Σ_{i≤k} log(1 − d_i/h_i),    Var log S_k = Σ_{i≤k} d_i/(h_i(h_i − d_i)) + v ‖∂ log S_k/∂(d, c, b)‖²

(Greenwood's sum, and the noise to first order). Everything here is computed from what was opened, so it costs no privacy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_model.survival.normal_tails import Z95

Floats = NDArray[np.float64]
CLEAR = 2.0
"""Those exposed have to exceed so many standard deviations of their own noise; else the curve ends before the interval."""


@dataclass(frozen=True)
class NoisedSurvival:
    """By interval's end (K,), NaN where the noise covers who is left: survival, its 95 % interval, and noised numbers at risk there."""

    patients: float
    events: float
    survival: Floats
    low: Floats
    high: Floats
    at_risk: Floats


def noised_survival(cells: ArrayLike, variance: float) -> NoisedSurvival:
    """Of one set's cells (2K + 1,): deaths by interval, ends of follow-up by interval, followed beyond.

    Example:
        >>> found = noised_survival([10, 5, 2, 3, 80], 0.0)
        >>> [round(float(one), 3) for one in found.survival]
        [0.899, 0.847]
    """
    y = np.asarray(cells, dtype=np.float64)
    k = len(y) // 2
    deaths = y[:k]
    of_deaths, of_exposed, of_risk = _linear(k)
    exposed, at_risk = of_exposed @ y, np.append((of_risk @ y)[1:], y[-1])
    clear = exposed > np.maximum(CLEAR * np.sqrt(variance * (of_exposed**2).sum(axis=1)), 0.0)
    clear &= exposed > deaths
    shown = np.logical_and.accumulate(clear)
    h, d = np.where(shown, exposed, 1.0), np.where(shown, deaths, 0.0)
    slope = (of_exposed - of_deaths) / (h - d)[:, None] - of_exposed / h[:, None]
    log = np.cumsum(np.log1p(-d / h))
    chance = np.cumsum(np.maximum(d, 0.0) / (h * (h - d)))
    noise = variance * (np.cumsum(slope, axis=0) ** 2).sum(axis=1)
    half = Z95 * np.sqrt(chance + noise)
    survival, low, high = (np.where(shown, np.clip(np.exp(one), 0.0, 1.0), np.nan) for one in (log, log - half, log + half))
    falling = np.where(shown, np.minimum.accumulate(np.where(shown, survival, 1.0)), np.nan)
    return NoisedSurvival(float(y.sum()), float(deaths.sum()), falling, low, high, np.where(shown, at_risk, np.nan))


def _linear(k: int) -> tuple[Floats, Floats, Floats]:
    """d, h and n as linear maps (K, 2K + 1) of the cells."""
    later, own = np.triu(np.ones((k, k))), np.eye(k)
    zeros, ones = np.zeros((k, 1)), np.ones((k, 1))
    return np.hstack([own, np.zeros((k, k)), zeros]), np.hstack([later, later - own / 2, ones]), np.hstack([later, later, ones])
