"""The evaluation table N[score bin, time cell, event]: everything an evaluation opens.

A site counts its patients, tables of sites add, and every metric of this package is a function of the sum. With rank
bins and day cells the table is exact, and *is* the list of (rank, day, event); a coarse one has at most 16 score
bins of at least 10 patients and cells of 30 days with the horizons always among the edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Cells:
    """Weighted observations, the form every metric computes on: all vectors are (m,).

    `score` orders risk (higher = earlier death expected), `time` is in days, `count` is the number of patients with
    these values (> 0), and only patients of one `stratum` are ever compared.
    """

    score: Floats
    time: Floats
    event: NDArray[np.bool_]
    count: Floats
    stratum: Counts

    @property
    def n(self) -> int:
        """Patients."""
        return round(float(self.count.sum()))

    @property
    def n_events(self) -> int:
        """Events."""
        return round(float(self.count[self.event].sum()))

    def where(self, keep: NDArray[np.bool_]) -> Cells:
        """The cells a mask (m,) keeps."""
        return Cells(self.score[keep], self.time[keep], self.event[keep], self.count[keep], self.stratum[keep])


@dataclass(frozen=True)
class EvaluationTable:
    """Counts of patients by score bin, time cell and event.

    Bin b holds scores in (score_edges[b], score_edges[b+1]], cell j days in (time_edges[j], time_edges[j+1]]; what lies
    outside counts in the nearest bin or cell, so day 0 is in the first cell. `events` and `censored` are (B, T).
    """

    score_edges: Floats
    time_edges: Floats
    events: Counts
    censored: Counts

    def __add__(self, other: EvaluationTable) -> EvaluationTable:
        """Counts of both; `ValueError` when the edges differ."""
        same = np.array_equal(self.score_edges, other.score_edges) and np.array_equal(self.time_edges, other.time_edges)
        if not same:
            raise ValueError("tables with different edges do not add")
        return EvaluationTable(self.score_edges, self.time_edges, self.events + other.events, self.censored + other.censored)

    @property
    def n(self) -> int:
        """Patients."""
        return int(self.events.sum() + self.censored.sum())

    @property
    def n_events(self) -> int:
        """Events."""
        return int(self.events.sum())

    def cells(self) -> Cells:
        """Non-empty entries; a score is its bin's number, a time its cell's upper edge."""
        parts = [(np.nonzero(counts), counts, dead) for counts, dead in ((self.events, True), (self.censored, False))]
        bins = np.concatenate([index[0] for index, _, _ in parts])
        times = np.concatenate([index[1] for index, _, _ in parts])
        count = np.concatenate([counts[index] for index, counts, _ in parts]).astype(np.float64)
        dead = np.concatenate([np.full(len(index[0]), flag) for index, _, flag in parts])
        upper = self.time_edges[1:]
        return Cells(bins.astype(np.float64), upper[times], dead, count, np.zeros(len(bins), dtype=np.int64))


def as_cells(source: Cells | EvaluationTable) -> Cells:
    """Cells of a table, or the cells themselves."""
    return source.cells() if isinstance(source, EvaluationTable) else source


def patient_cells(score: ArrayLike, time: ArrayLike, event: ArrayLike, stratum: ArrayLike | None = None) -> Cells:
    """One cell a patient: score (n,), time (n,) in days, event (n,), optional stratum (n,) integer codes."""
    scores = np.asarray(score, dtype=np.float64)
    strata = np.zeros(len(scores), dtype=np.int64) if stratum is None else np.asarray(stratum, dtype=np.int64)
    return Cells(scores, np.asarray(time, dtype=np.float64), np.asarray(event, dtype=bool), np.ones(len(scores)), strata)


def score_bin(score: ArrayLike, score_edges: ArrayLike) -> Counts:
    """Bin (n,) of every score; see `EvaluationTable`."""
    edges = np.asarray(score_edges, dtype=np.float64)
    found = np.searchsorted(edges, np.asarray(score, dtype=np.float64), side="left") - 1
    return np.clip(found, 0, len(edges) - 2).astype(np.int64)


def time_cell(event_day: ArrayLike, time_edges: ArrayLike) -> Counts:
    """Cell (n,) of every day; see `EvaluationTable`."""
    return score_bin(event_day, time_edges)


def site_table(score: ArrayLike, event_day: ArrayLike, event: ArrayLike, score_edges: ArrayLike, time_edges: ArrayLike) -> EvaluationTable:
    """One site's table from score, event_day (days), event, each (n,); n may be 0.

    Raises `ValueError` for a score or day that is no number: it belongs in no bin.
    """
    scores, days = np.asarray(score, dtype=np.float64), np.asarray(event_day, dtype=np.float64)
    if np.isnan(scores).any() or np.isnan(days).any():
        raise ValueError("a score or day is not a number")
    bins, cells, dead = score_bin(scores, score_edges), time_cell(days, time_edges), np.asarray(event, dtype=bool)
    shape = (len(np.asarray(score_edges)) - 1, len(np.asarray(time_edges)) - 1)
    flat = bins * shape[1] + cells
    events = np.bincount(flat[dead], minlength=shape[0] * shape[1]).reshape(shape)
    censored = np.bincount(flat[~dead], minlength=shape[0] * shape[1]).reshape(shape)
    return EvaluationTable(
        np.asarray(score_edges, dtype=np.float64),
        np.asarray(time_edges, dtype=np.float64),
        events.astype(np.int64),
        censored.astype(np.int64),
    )


def coarse_time_edges(last_day: float, cell_days: int = 30, horizons: Sequence[float] = (365, 730)) -> Floats:
    """Edges 0, cell_days, … beyond `last_day`, the horizons always among them.

    A regular edge nearer than half a cell to a horizon gives way to it, so that no cell is a sliver.
    """
    regular = np.arange(0, max(float(last_day), cell_days) + cell_days, cell_days, dtype=np.float64)
    fixed = np.asarray([horizon for horizon in horizons if horizon < regular[-1]], dtype=np.float64)
    if len(fixed):
        near = np.abs(regular[:, None] - fixed[None, :]).min(axis=1) < cell_days / 2
        near[[0, -1]] = False
        regular = regular[~near]
    return np.unique(np.concatenate([regular, fixed]))
