"""What a score predicts, opened first: its slope in a Cox model, the baseline at the horizons, and the quarters of its values."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.covariates_on_shares import SlotCovariates
from shared_model.analyses.cox_on_shares import CoxEstimate, CoxModel, cox
from shared_model.analyses.groups.declared_days import make_points
from shared_model.analyses.groups.hazard_on_shares import BaselineEstimate, BaselineModel, baseline
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import Rows
from shared_model.analyses.run_locally import Computed
from shared_model.analyses.scores.cutoff_on_shares import CutoffEstimate, CutoffModel, cutoff
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.survival.cox.cox_result import FitFinding
from simulations.tabular.shares.table_in_slots import SharedTable, as_carried, column_of, leveled
from simulations.tabular.table_as_study import Settings

Floats = NDArray[np.float64]
SCORE = "score"
QUARTERS = ((1, 4), (1, 2), (3, 4))
HALVES = ((1, 2),)


@dataclass(frozen=True)
class ScorePrediction:
    """Slope of a score with its error, baseline hazards at score 0 by horizon (day), and the values that cut its groups.

    Without a slope, `findings` say why.
    """

    slope: float | None
    slope_se: float
    hazards: dict[float, float]
    cuts: tuple[float, ...]
    findings: tuple[FitFinding, ...]
    cost: Computed | None = None


def predict(table: SharedTable, score: Floats, horizons: tuple[float, ...], settings: Settings | None) -> ScorePrediction:
    """Computed on shares of the score (n,) and of its levels; nothing is computed for a constant score."""
    column = column_of(SCORE, score)
    if column is None:
        return ScorePrediction(None, 0.0, {}, (), ())
    patients, events, group = minima(settings)
    values, level = leveled(score)
    cuts = QUARTERS if len(score) >= 4 * group else HALVES if len(score) >= 2 * group else ()
    model = CoxModel("slope", SlotCovariates((column,)), minimum_patients=patients, events_a_column=events)
    quantiles = [
        CutoffModel(f"quantile-{a}-{b}", "level", len(values), quantile=(a, b), minimum_patients=group, most=len(score)) for a, b in cuts
    ]
    places = table.places(horizons)
    base = BaselineModel("baseline", model.covariates, (0.0,), places, minimum_patients=patients)

    async def circuit(a: Arithmetic, shared: Rows) -> tuple[CoxEstimate, BaselineEstimate | None, list[CutoffEstimate]]:
        wanted: list[Awaitable[Any]] = [_fit(a, shared, model, base), *(cutoff(a, shared, one) for one in quantiles)]
        (found, opened), *levels = await together(*wanted)
        return found, opened, levels

    parts = [*model.parts(len(table.times)), *(part for one in quantiles[:1] for part in one.parts(0))]
    results = [*model.results, *base.results, *(result for one in quantiles for result in one.results)]
    done = table.compute(parts, results, circuit, {SCORE: as_carried(column, score), "level": level})
    found, opened, levels = done.returned
    if found.coefficient is None or found.se is None or opened is None:
        return ScorePrediction(None, 0.0, {}, (), found.findings, done)
    hazards = {day: float(one) for day, one in zip(horizons, opened.hazard, strict=True) if np.isfinite(one)}
    edges = tuple(sorted({float(values[one.level]) for one in levels if one.level is not None}))
    findings = (*opened.findings, *(finding for one in levels for finding in one.findings))
    return ScorePrediction(float(found.coefficient[0]), float(found.se[0]), hazards, edges, findings, done)


def minima(settings: Settings | None) -> tuple[int, int, int]:
    """Patients of a Cox model, deaths a column, patients of a group: a study's; none for a table that is the researcher's own."""
    if settings is None:
        return 1, 0, 1
    return settings.minimum_cox_patients, settings.minimum_events_per_variable, settings.group_patients


async def _fit(a: Arithmetic, shared: Rows, model: CoxModel, base: BaselineModel) -> tuple[CoxEstimate, BaselineEstimate | None]:
    pairs = await make_pairs(a, shared)
    found = await cox(a, shared, pairs, model)
    if found.coefficient is None or not base.horizons:
        return found, None
    known = replace(base, coefficient=tuple(float(value) for value in found.coefficient))
    return found, await baseline(a, shared, pairs, await make_points(a, shared, base.horizons), known)
