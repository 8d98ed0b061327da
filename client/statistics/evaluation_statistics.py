"""Evaluation statistics of one site's patients: tables, their first pass, and what a paired comparison needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from client.cohort.prepared_cohort import Patients
from client.statistics.study_patients import Bench
from shared_model.statistics import statistic_parameters as asked
from shared_model.survival.broadcast_hazard import day_cells
from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import EvaluationTable, score_bin, site_table, time_cell

Floats = NDArray[np.float64]
Values = dict[str, NDArray[Any]]
Arrays = Mapping[str, NDArray[Any]]


def edges(cuts: tuple[float, ...]) -> Floats:
    """Bin edges (bins+1,) from inner cuts: the first bin starts at −∞, the last ends at ∞."""
    return np.concatenate([[-np.inf], np.asarray(cuts, dtype=np.float64), [np.inf]])


def subgroup(patients: Patients, p: asked.Table) -> Patients:
    """The patients a table is restricted to; `all` keeps everybody."""
    if p.variable == "all":
        return patients
    held = patients.manufacturer if p.variable == "manufacturer" else [response or "UNKNOWN" for response in patients.response]
    return patients.subset(np.array([value == p.value for value in held], dtype=bool))


def table(bench: Bench, p: asked.Table, arrays: Arrays) -> Values:
    """N[score bin, time cell, event] of a split, or of one subgroup of it."""
    patients = subgroup(bench.split(p.split), p)
    score = bench.score(patients, p.score, arrays)
    found = site_table(score, patients.event_day, patients.event, edges(p.score_cuts), np.asarray(p.time_edges))
    return {"events": found.events.astype(float), "censored": found.censored.astype(float)}


def histogram(bench: Bench, p: asked.Histogram, arrays: Arrays) -> Values:
    """Patients by fine score cell and by day, apart from each other: where an exact table needs edges."""
    patients = bench.split(p.split)
    score = bench.score(patients, p.score, arrays)
    grid = np.linspace(p.low, p.high, p.bins + 1)
    scores = np.bincount(score_bin(score, grid), minlength=p.bins)
    days = np.bincount(day_cells(patients.event_day, p.n_days), minlength=p.n_days)
    return {"scores": scores.astype(float), "days": days.astype(float)}


def contributions(bench: Bench, p: asked.Contributions, arrays: Arrays) -> Values:
    """Per score bin: patients, summed score and its radiological and clinical part."""
    patients = bench.split(p.split)
    radiology, clinical = bench.parts(patients, p.score, arrays)
    bins = score_bin(radiology + clinical, edges(p.score_cuts))
    n = len(p.score_cuts) + 1

    def by_bin(values: Floats) -> Floats:
        return np.asarray(np.bincount(bins, weights=values, minlength=n), dtype=np.float64)

    return {
        "score": by_bin(radiology + clinical),
        "radiology": by_bin(radiology),
        "clinical": by_bin(clinical),
        "patients": np.bincount(bins, minlength=n).astype(float),
    }


def placed(data: asked.TableData, score: Floats, patients: Patients) -> tuple[Floats, Floats]:
    """Influence on C and centred mid-rank, each (n,), of a site's patients in an opened table of all sites."""
    whole = EvaluationTable(edges(data.score_cuts), np.asarray(data.time_edges), np.array(data.events), np.array(data.censored))
    found = concordance(whole)
    dense = np.zeros((2, *whole.events.shape))
    if found is not None:
        for flag, counts in ((1, whole.events), (0, whole.censored)):
            rows = np.nonzero(counts)
            start = 0 if flag else int((whole.events > 0).sum())
            dense[flag][rows] = found.influence[start : start + len(rows[0])]
    bins = score_bin(score, whole.score_edges)
    cells = time_cell(patients.event_day, whole.time_edges)
    per_bin = (whole.events + whole.censored).sum(axis=1)
    rank = np.cumsum(per_bin) - per_bin / 2 - whole.n / 2
    return dense[patients.event.astype(int), bins, cells], rank[bins]


def pair(bench: Bench, p: asked.Pair, arrays: Arrays) -> Values:
    """Sums over patients of products of two scores' influences and ranks; `cluster` sums a site's influences first.

    Influence: ∂C/∂w of a patient in the opened tables (infinitesimal jackknife), so that Σψψ' is the covariance of the two
    C-indices. Only these sums leave; the patients stay.
    """
    patients = bench.split(p.split)
    parts = [placed(data, bench.score(patients, spec, arrays), patients) for spec, data in zip(p.scores, p.tables, strict=True)]
    influence = np.column_stack([part[0] for part in parts])
    rank = np.column_stack([part[1] for part in parts])
    whole = influence.sum(axis=0)
    products = rank.T @ rank
    return {
        "covariance": influence.T @ influence,
        "cluster": np.outer(whole, whole),
        "rank_products": np.array([products[0, 0], products[0, 1], products[1, 1]]),
        "patients": np.array([float(len(influence))]),
    }


FUNCTIONS: dict[str, Callable[[Bench, Any, Arrays], Values]] = {
    "evaluation.table": table,
    "evaluation.histogram": histogram,
    "evaluation.contributions": contributions,
    "evaluation.pair": pair,
}
