"""A person's own table on secret shares: what a study opens of it, computed by holders in this process.

A study declares levels and bounds beforehand. Here they are taken from the table itself, and times are replaced by their order,
which is all a Cox model and a C-index read of them; a finding says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.concordance import ConcordanceEstimate, ConcordanceModel, concordance
from shared_model.analyses.covariates import Column, Continuous, Levels, SlotCovariates
from shared_model.analyses.cox import CoxEstimate, CoxModel, cox
from shared_model.analyses.fitted import NAN, fitted
from shared_model.analyses.locally import Computed, compute_locally
from shared_model.analyses.pairs import make_pairs
from shared_model.analyses.rows import PaddedPatients
from shared_model.analyses.rows import Rows as Shared
from shared_model.shares.arithmetic import Arithmetic
from shared_model.shares.declaration import Declaration
from shared_model.survival.concordance import Concordance, PairCounts
from shared_model.survival.cox.result import CoxFit, FitFinding
from shared_model.survival.hazard import Ties
from simulations.tabular.as_study import Settings
from simulations.tabular.rows import FitRows, SiteRows
from simulations.tabular.small import small_parts
from site_config.problems import survival as problems

MOST_LEVELS = 12
"""A covariate of at most so many values is one of levels, of more a continuous one."""
Floats = NDArray[np.float64]
NO_PAIRS = PairCounts(NAN, NAN, NAN, np.zeros(0), np.zeros(0), np.zeros(0))
"""Pairs are not opened on shares."""


def fit_cox_on_shares(rows: FitRows, *, ties: Ties | None = None, settings: Settings | None = None, holders: int = 3) -> CoxFit:
    """The Cox model that the holders open, with the C-index of its linear predictor; strata are refused (FH-830).

    A study's minima hold where its settings are given; without them the table is the researcher's own, and none do.
    """
    if len(rows.strata) > 1:
        raise problems.NOT_ON_SHARES.problem("a stratified model is not computed on shares")
    least = settings.minimum_cox_patients if settings else 1
    columns = tuple(_column(name, rows.x[:, j]) for j, name in enumerate(rows.names))
    varying = [j for j, column in enumerate(columns) if column is not None]
    constant = [FitFinding.of(problems.CONSTANT, f"{rows.names[j]} has one value only") for j in range(len(columns)) if j not in varying]
    kept = tuple(column for column in columns if column is not None)
    model = CoxModel(
        "cox",
        SlotCovariates(kept),
        ties=ties or "efron",
        minimum_patients=least,
        events_a_column=settings.minimum_events_per_variable if settings else 0,
    )
    times = _order(rows)
    sites = [_patients(site, kept, varying, times) for site in rows.sites]

    async def circuit(a: Arithmetic, shared: Shared) -> CoxEstimate:
        return await cox(a, shared, await make_pairs(a, shared), model)

    done = compute_locally(model.parts(len(times)), sites, Declaration.of(model.results), circuit, holders=holders)
    findings = (*rows.findings, *small_parts(rows), *constant, _how(done, holders))
    fit = fitted(done.returned, tuple(column.name for column in kept), sites=len(rows.sites), ties=ties or "efron", findings=findings)
    fit = replace(_spread(fit, rows.names, varying), dropped_rows=rows.dropped)
    return fit.with_concordance(concordance_on_shares(rows, fit.linear_predictor(rows.x), holders)) if fit.kept.any() else fit


def concordance_on_shares(rows: FitRows, score: Floats, holders: int) -> Concordance | None:
    """Harrell's C of a score (n,) with its jackknife error; the score's distinct values are its levels."""
    values = np.unique(score)
    times = _order(rows)
    model = ConcordanceModel("c", (("score", len(values)),), minimum_patients=1)
    start = 0
    sites = []
    for site in rows.sites:
        mine = score[start : start + len(site.time)]
        start += len(mine)
        day = np.searchsorted(times, site.time).astype(np.int64)
        sites.append(PaddedPatients(day, site.event, {"score": np.searchsorted(values, mine).astype(np.float64)}))

    async def circuit(a: Arithmetic, shared: Shared) -> ConcordanceEstimate:
        return await concordance(a, shared, await make_pairs(a, shared), model)

    done = compute_locally(model.parts(len(times)), sites, Declaration.of(model.results), circuit, holders=holders)
    found: ConcordanceEstimate = done.returned
    c, se = float(found.c["score"][0]), float(found.se["score"][0])
    return Concordance(c, se, NO_PAIRS, np.zeros(0)) if np.isfinite(c) else None


def _column(name: str, values: Floats) -> Column | None:
    """The declaration that fits a column; None for a constant one."""
    distinct = np.unique(values)
    if len(distinct) < 2:
        return None
    if len(distinct) <= MOST_LEVELS:
        return Levels(name, tuple(float(value) for value in distinct))
    return Continuous(name, float(distinct[0]), float(distinct[-1]))


def _order(rows: FitRows) -> Floats:
    """The distinct times, ascending; at least two, since a grid has two days."""
    found = np.unique(rows.time)
    return found if len(found) > 1 else np.append(found, found[-1] + 1)


def _patients(site: SiteRows, columns: tuple[Column, ...], at: list[int], times: Floats) -> PaddedPatients:
    place: Callable[[Levels, Floats], Floats] = lambda column, x: np.searchsorted(column.values, x).astype(np.float64)  # noqa: E731
    values: dict[str, Any] = {}
    for column, j in zip(columns, at, strict=True):
        values[column.name] = place(column, site.x[:, j]) if isinstance(column, Levels) else site.x[:, j]
    return PaddedPatients(np.searchsorted(times, site.time).astype(np.int64), site.event, values)


def _spread(fit: CoxFit, names: tuple[str, ...], at: list[int]) -> CoxFit:
    """The same fit over all columns named, the constant ones dropped."""
    p = len(names)
    coef, covariance, kept = np.zeros(p), np.zeros((p, p)), np.zeros(p, dtype=np.bool_)
    coef[at], kept[at] = fit.coef, fit.kept
    covariance[np.ix_(at, at)] = fit.covariance
    return replace(fit, covariates=names, coef=coef, covariance=covariance, kept=kept)


def _how(done: Computed, holders: int) -> FitFinding:
    who = f"{holders} holders of shares in this process" if holders else "the plain twin of the computation on shares"
    cost = f", {done.openings} openings, {done.megabytes:.0f} MB and {done.seconds:.1f} CPU-s a holder" if holders else ""
    return FitFinding.of(
        problems.ON_SHARES, f"computed by {who}{cost}; levels and bounds are the table's own, a study declares them beforehand"
    )
