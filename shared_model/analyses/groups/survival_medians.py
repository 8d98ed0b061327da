"""What follows publicly from an opened Kaplan–Meier curve: its interval, and medians in whole months."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared_model.analyses.groups.declared_days import MONTH
from shared_model.analyses.patient_slots import Floats
from shared_model.survival.normal_tails import Z95

Survival = tuple[Floats, Floats, Floats]


def interval(hazard: Floats, greenwood: Floats, patients: Floats) -> Survival:
    """S, and its 95 % interval on the log(−log) scale, of −log S and Greenwood's sum (G, P) of groups of so many patients (G,).

    Where nobody has died yet, −log S is 0 but for rounding, and the interval is a point, as it is where S = 0 (−log S infinite).
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        none = hazard < 0.5 / patients[:, None]
        hazard = np.where(none, 0.0, hazard)
        half = np.where(none | np.isinf(hazard), 0.0, Z95 * np.sqrt(np.maximum(greenwood, 0.0)) / hazard)
        survival = np.exp(-hazard)
        return survival, np.exp(-hazard * np.exp(half)), np.exp(-hazard * np.exp(-half))


@dataclass(frozen=True)
class Median:
    """When a curve falls to one half: after the first day (0 is the start) and by the second, both declared points; in whole months."""

    after: int
    by: int
    months: int


def median(days: Sequence[int], survival: Floats) -> Median | None:
    """The median of a curve at declared points, NaN where it is closed; None where it does not fall to one half.

    `months` is the nearest whole month to where the straight line between the two points crosses one half.
    """
    at = np.array([0, *days])
    values = np.concatenate([[1.0], survival])
    open_ = np.flatnonzero(np.isfinite(values))
    low = [place for place in open_ if values[place] <= 0.5]
    if not low:
        return None
    second = low[0]
    first = open_[open_ < second][-1]
    share = (values[first] - 0.5) / (values[first] - values[second])
    day = at[first] + share * (at[second] - at[first])
    return Median(int(at[first]), int(at[second]), int(day / MONTH + 0.5))
