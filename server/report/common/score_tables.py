"""Opened tables of scores found by model and set, and turned into what `shared_model.survival` computes on."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from server.study.study_results import ScoreTable, SetName, StudyResult
from shared_model.survival.calibration import with_bin_scores
from shared_model.survival.evaluation_table import Cells, EvaluationTable
from site_config.study.prognostic_models import ModelName


def find(result: StudyResult, model: ModelName, set_: SetName, variable: str = "all", value: str = "all") -> ScoreTable | None:
    """The opened table of a model on a set (or subgroup); None where none was opened or it is empty."""
    for table in result.tables:
        if (table.model, table.set, table.variable, table.value) == (model, set_, variable, value):
            return table if size(table)[0] else None
    return None


def size(table: ScoreTable) -> tuple[int, int]:
    """Patients and events."""
    events = sum(map(sum, table.events))
    return events + sum(map(sum, table.censored)), events


def evaluation_table(table: ScoreTable) -> EvaluationTable:
    """The same counts with ±inf for open edges."""
    edges = [math.inf if edge is None else edge for edge in table.score_edges]
    if table.score_edges[0] is None:
        edges[0] = -math.inf
    return EvaluationTable(
        np.asarray(edges, dtype=np.float64),
        np.asarray(table.time_edges, dtype=np.float64),
        np.asarray(table.events, dtype=np.int64),
        np.asarray(table.censored, dtype=np.int64),
    )


def joined(cells: Iterable[Cells], *, as_strata: bool = False) -> Cells:
    """Several sets' cells in one; `as_strata` gives each set a stratum of its own, so that none is compared with another."""
    parts = list(cells)
    strata = [np.full(len(part.count), number if as_strata else 0, dtype=np.int64) for number, part in enumerate(parts)]
    return Cells(
        np.concatenate([part.score for part in parts]),
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.event for part in parts]),
        np.concatenate([part.count for part in parts]),
        np.concatenate(strata),
    )


def bin_scores(table: ScoreTable) -> list[float]:
    """A score for every bin: its opened mean where one was opened for these bins, else the middle (or the edge) of the bin."""
    edges = table.score_edges
    own = table.bin_mean is not None and table.bin_edges in (None, edges) and len(table.bin_mean) == len(edges) - 1
    means = table.bin_mean if own and table.bin_mean is not None else [None] * (len(edges) - 1)
    return [mean if mean is not None else _middle(low, high) for mean, low, high in zip(means, edges[:-1], edges[1:], strict=True)]


def _middle(low: float | None, high: float | None) -> float:
    if low is None or high is None:
        return next((edge for edge in (low, high) if edge is not None), 0.0)
    return (low + high) / 2


def scored_cells(table: ScoreTable) -> Cells:
    """A table's cells with scores on the scale of the linear predictor."""
    return with_bin_scores(evaluation_table(table), bin_scores(table))
