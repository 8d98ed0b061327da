"""A Cox model of a person's own table on secret shares, its baseline at declared horizons, and the C-index of its predictor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.cindex_on_shares import ConcordanceEstimate, ConcordanceModel, concordance
from shared_model.analyses.covariates_on_shares import Column, SlotCovariates
from shared_model.analyses.cox_on_shares import CoxEstimate, CoxModel, cox
from shared_model.analyses.fit_on_shares import NAN, fitted
from shared_model.analyses.groups.declared_days import make_points
from shared_model.analyses.groups.hazard_on_shares import BaselineEstimate, BaselineModel, baseline
from shared_model.analyses.pairs_on_shares import Pairs, make_pairs, within
from shared_model.analyses.patient_slots import OneHot, Rows
from shared_model.analyses.run_locally import Computed
from shared_model.analyses.weeks.cox_by_weeks import cox_by_weeks, week_parts
from shared_model.analyses.weeks.week_cells import WEEK
from shared_model.disclosure.limits import PAIRED_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.survival.broadcast_hazard import Ties
from shared_model.survival.concordance import Concordance, PairCounts
from shared_model.survival.cox.cox_result import Baseline, CoxFit, FitFinding
from simulations.tabular.complete_rows import FitRows
from simulations.tabular.doubts import LONGEST_DAYS
from simulations.tabular.shares.table_in_slots import SharedTable, as_carried, column_of, leveled
from simulations.tabular.table_as_study import Settings, default_settings
from simulations.tabular.too_small import small_parts
from site_config.problems import survival as problems
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
NO_PAIRS = PairCounts(NAN, NAN, NAN, np.zeros(0), np.zeros(0), np.zeros(0))
"""Pairs are not opened on shares."""
STRATUM = "stratum"
Grid = Literal["auto", "days", "weeks"]
PREDICTOR_DIGITS = 10
"""Linear predictors are rounded to so many decimals, so that equal covariates are equal scores."""


def fit_cox_on_shares(
    rows: FitRows, *, ties: Ties | None = None, settings: Settings | None = None, holders: int = 3, grid: Grid = "auto"
) -> CoxFit:
    """The Cox model that the holders open, with the C-index of its linear predictor.

    grid: days, or weeks, whose cost grows with the patients and not with their pairs; auto takes weeks for more patients than a study
    compares in pairs, where there are no strata. By weeks neither a baseline nor a C-index is opened.

    A study's minima hold where its settings are given; without them the table is the researcher's own, and none do. With strata
    only patients of one stratum are compared, and no baseline is opened.
    """
    own, rows = rows.names, replace(rows, names=_apart(rows.names))
    labels = {key: name for key, name in zip(rows.names, own, strict=True) if key != name}
    fit = _fitted(rows, ties, settings, holders, grid)
    return replace(fit, covariates=own, findings=tuple(finding.labelled(labels) for finding in fit.findings))


def _apart(names: Sequence[str]) -> tuple[str, ...]:
    """Names of parts: a column may be called as the strata's part is, or as another column's level."""
    found = [STRATUM]
    for name in names:
        key, number = name, 2
        while key in found:
            key, number = f"{name} ({number})", number + 1
        found.append(key)
    return tuple(found[1:])


def _fitted(rows: FitRows, ties: Ties | None, settings: Settings | None, holders: int, grid: Grid) -> CoxFit:
    """The fit under the names of parts."""
    horizons = (settings or default_settings()).evaluation.horizons
    points = () if len(rows.strata) > 1 else tuple(float(day) for day in horizons if day < rows.time.max())
    table = SharedTable(rows, holders, points)
    columns = columns_on_shares(rows)
    varying = [j for j, name in enumerate(rows.names) if name in columns]
    constant = [FitFinding.of(problems.CONSTANT, f"{name} has one value only", [name]) for name in rows.names if name not in columns]
    if len(rows.time) <= len(columns):
        constant.append(FitFinding.of(problems.NOT_ESTIMABLE, too_few(len(rows.time), len(columns))))
    if len(rows.time) <= len(columns) or not columns:
        return _nothing(rows, ties, (*rows.findings, *small_parts(rows), *constant))
    model = model_on_shares(columns, ties, settings)
    by_weeks = grid == "weeks" or (grid == "auto" and len(rows.time) > PAIRED_PATIENTS.value and len(rows.strata) < 2)
    if by_weeks and len(rows.strata) > 1:
        raise problems.NOT_ON_SHARES.problem("strata are compared by days, not by weeks")
    if by_weeks and rows.time.max() > LONGEST_DAYS:
        raise problems.NOT_ON_SHARES.problem(
            f"weeks of {rows.time.max():,.5g} days, more than a life",
            fix="Write times from the start to the last contact, or say `--grid days`.",
        )
    done = (fit_by_weeks if by_weeks else fit_by_days)(table, model, carried(rows, columns))
    found, base = done.returned
    fit = fitted(found, tuple(columns), sites=len(rows.sites), ties=ties or "efron")
    fit = replace(_spread(fit, rows.names, varying), dropped_rows=rows.dropped, baseline=_opened(table, base))
    costs, weeks = [done], [_said_of_weeks(len(rows.time))] if by_weeks else []
    if fit.kept.any() and not by_weeks:
        c, cost = concordance_on_shares(table, np.round(fit.linear_predictor(rows.x), PREDICTOR_DIGITS))
        fit, costs = fit.with_concordance(c), [done, cost]
    return replace(fit, findings=(*rows.findings, *small_parts(rows), *constant, *found.findings, *weeks, table.said(costs)))


def too_few(patients: int, columns: int) -> str:
    """Why nothing is computed where there are no more patients than columns."""
    return f"{plural(patients, 'patient')} for {plural(columns, 'column')}: no coefficient can be estimated"


def columns_on_shares(rows: FitRows) -> dict[str, Column]:
    """Every covariate that varies, as levels or with bounds."""
    found = {name: column_of(name, rows.x[:, j]) for j, name in enumerate(rows.names)}
    return {name: column for name, column in found.items() if column is not None}


def model_on_shares(columns: Mapping[str, Column], ties: Ties | None, settings: Settings | None = None) -> CoxModel:
    """The model of these columns, with a study's minima or none."""
    return CoxModel(
        "cox",
        SlotCovariates(tuple(columns.values())),
        ties=ties or "efron",
        minimum_patients=settings.minimum_cox_patients if settings else 1,
        events_a_column=settings.minimum_events_per_variable if settings else 0,
    )


def carried(rows: FitRows, columns: Mapping[str, Column]) -> dict[str, Floats]:
    """What patients carry of these columns."""
    return {name: as_carried(columns[name], rows.x[:, j]) for j, name in enumerate(rows.names) if name in columns}


def fit_by_days(table: SharedTable, model: CoxModel, values: dict[str, Floats]) -> Computed:
    """(estimate, baseline at the table's points) of the model by days, and its cost."""
    places = table.places(table.points)
    strata = _strata(table.rows)
    zeros = tuple(0.0 for _ in model.covariates.columns)
    base = BaselineModel("baseline", model.covariates, zeros, places, ties=model.ties, minimum_patients=model.minimum_patients)

    async def circuit(a: Arithmetic, shared: Rows) -> tuple[CoxEstimate, BaselineEstimate | None]:
        pairs = await _compared(a, shared, strata)
        found = await cox(a, shared, pairs, model)
        if found.coefficient is None or not places:
            return found, None
        known = replace(base, coefficient=tuple(float(value) for value in found.coefficient))
        return found, await baseline(a, shared, pairs, await make_points(a, shared, places), known)

    parts = (*model.parts(len(table.times)), *strata)
    results = (*model.results, *(base.results if places else ()))
    return table.compute(parts, results, circuit, values | {STRATUM: table.rows.stratum.astype(np.float64)})


def fit_by_weeks(table: SharedTable, model: CoxModel, values: dict[str, Floats]) -> Computed:
    """(estimate, None) by weeks, and its cost."""

    async def circuit(a: Arithmetic, shared: Rows) -> tuple[CoxEstimate, BaselineEstimate | None]:
        return await cox_by_weeks(a, shared, model), None

    days = int(table.rows.time.max()) + 1
    return table.compute(week_parts(model, days), model.results, circuit, values, whole_days=True)


def _said_of_weeks(patients: int) -> FitFinding:
    what = f"{patients} patients: risk sets by cells of {WEEK} days, the order within one is lost; no C-index and no baseline is opened"
    return FitFinding.of(problems.BY_WEEKS, what)


def _strata(rows: FitRows) -> tuple[OneHot, ...]:
    return (OneHot(STRATUM, len(rows.strata)),) if len(rows.strata) > 1 else ()


async def _compared(a: Arithmetic, shared: Rows, strata: Sequence[OneHot]) -> Pairs:
    """Pairs of patients, of one stratum where there are strata."""
    pairs = await make_pairs(a, shared)
    return await within(a, pairs, shared[STRATUM]) if strata else pairs


def concordance_on_shares(table: SharedTable, score: Floats) -> tuple[Concordance | None, Computed]:
    """Harrell's C of a score (n,) with its jackknife error, within strata; the score's distinct values are its levels."""
    values, level = leveled(score)
    strata = _strata(table.rows)
    model = ConcordanceModel("c", (("score", len(values)),), minimum_patients=1)

    async def circuit(a: Arithmetic, shared: Rows) -> ConcordanceEstimate:
        return await concordance(a, shared, await _compared(a, shared, strata), model)

    carried = {"score": level, STRATUM: table.rows.stratum.astype(np.float64)}
    done = table.compute((*model.parts(len(table.times)), *strata), model.results, circuit, carried)
    found: ConcordanceEstimate = done.returned
    return opened_concordance(found, "score"), done


def opened_concordance(found: ConcordanceEstimate, name: str) -> Concordance | None:
    """The C-index of all patients; None where it is closed."""
    c, se = float(found.c[name][0]), float(found.se[name][0])
    return Concordance(c, se, NO_PAIRS, np.zeros(0)) if np.isfinite(c) else None


def _opened(table: SharedTable, base: BaselineEstimate | None) -> Baseline:
    if base is None:
        return Baseline(np.zeros(0), np.zeros(0))
    shown = np.isfinite(base.hazard)
    return Baseline(np.asarray(table.points)[shown], base.hazard[shown])


def _spread(fit: CoxFit, names: tuple[str, ...], at: list[int]) -> CoxFit:
    """The same fit over all columns named, the constant ones dropped."""
    p = len(names)
    coef, covariance, kept = np.zeros(p), np.zeros((p, p)), np.zeros(p, dtype=np.bool_)
    coef[at], kept[at] = fit.coef, fit.kept
    covariance[np.ix_(at, at)] = fit.covariance
    return replace(fit, covariates=names, coef=coef, covariance=covariance, kept=kept)


def _nothing(rows: FitRows, ties: Ties | None, findings: Sequence[FitFinding]) -> CoxFit:
    """No covariate varies: nothing is computed."""
    nobody: Any = CoxEstimate(len(rows.time), int(rows.event.sum()), None, None, None, 0)
    fit = fitted(nobody, rows.names, sites=len(rows.sites), ties=ties or "efron", findings=tuple(findings))
    return replace(fit, dropped_rows=rows.dropped)
