"""Grids of days that follow from a lock: the same at the coordinator, who asks on them, and at hospitals, who hold questions to them."""

from __future__ import annotations

from site_config.study.plan_and_lock import Training

QUARTER = 365.25 / 4
LONGEST_DAYS = 4_000
"""The last day of an evaluation's cells."""


def training_cuts(training: Training) -> tuple[float, ...]:
    """Declared cut points, or the quarter grid: the first M − 1 quarters of a year, M intervals."""
    if training.cut_days is not None:
        return training.cut_days
    return tuple(round(QUARTER * m, 2) for m in range(1, training.intervals))
