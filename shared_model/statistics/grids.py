"""Grids of days that follow from a lock: the same at the coordinator, who asks on them, and at hospitals, who hold questions to them."""

from __future__ import annotations

from shared_model.survival.cox.totals import CLINICAL_CUTS
from shared_model.survival.table import coarse_time_edges
from site_config.study.model import Evaluation, Study, Training

QUARTER = 365.25 / 4
LONGEST_DAYS = 4_000
"""The last day of an evaluation's cells."""


def training_cuts(training: Training) -> tuple[float, ...]:
    """Declared cut points, or the quarter grid: the first M − 1 quarters of a year, M intervals."""
    if training.cut_days is not None:
        return training.cut_days
    return tuple(round(QUARTER * m, 2) for m in range(1, training.intervals))


def clinical_cuts(study: Study) -> tuple[float, ...]:
    """Cut points of the piecewise hazards of Cox models on totals."""
    return study.training.cut_days or CLINICAL_CUTS


def evaluation_edges(evaluation: Evaluation, cell_days: int) -> tuple[float, ...]:
    """Edges of evaluation cells of a length, the horizons among them."""
    return tuple(float(edge) for edge in coarse_time_edges(LONGEST_DAYS, cell_days, evaluation.horizons))


def evaluation_grids(evaluation: Evaluation) -> frozenset[tuple[float, ...]]:
    """Every grid the study's tables may have."""
    lengths = {evaluation.cell_days, evaluation.clinical_cell_days}
    lengths |= {max(length, evaluation.small_cell_days) for length in lengths}
    return frozenset(evaluation_edges(evaluation, length) for length in lengths)
