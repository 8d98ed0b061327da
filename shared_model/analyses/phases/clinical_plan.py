"""The clinical phase: which columns enough patients and hospitals hold, the clinical model of these, and its baseline hazard."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared_model.analyses.columns_held import ColumnsEstimate, ColumnsModel, Held, columns
from shared_model.analyses.covariates_on_shares import Continuous, Levels, SlotCovariates
from shared_model.analyses.cox_on_shares import CoxEstimate, CoxModel, cox
from shared_model.analyses.groups.declared_days import make_points
from shared_model.analyses.groups.hazard_on_shares import BaselineEstimate, BaselineModel, baseline
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import Rows, layout
from shared_model.analyses.phases.phase_plan import Earlier, SharedPlan, context, lifted, minima
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Declaration
from site_config.study.clinical_variables import DesignColumn
from site_config.study.plan_and_lock import Study, StudyLock

NAME = "cln"
HELD = "held"
SIDES = ("others", "first")
"""Who has another value of a column than its first, and who has its first: both must be enough."""


@dataclass(frozen=True)
class ClinicalEstimate:
    """The columns that were kept, in their order, the fit of them, and the baseline at the study's horizons (None without a fit)."""

    columns: ColumnsEstimate
    kept: tuple[str, ...]
    fit: CoxEstimate | None
    baseline: BaselineEstimate | None


def design_column(column: DesignColumn) -> Levels | Continuous:
    """A design column of the study: declared levels in their order, or a number within the declared bounds."""
    return Levels(column.name, column.levels) if column.levels is not None else Continuous(column.name, *column.span)


def clinical_model(study: Study) -> CoxModel:
    """CLN: the study's clinical variables, with the study's minima."""
    patients, events = minima(study)
    covariates = SlotCovariates(tuple(design_column(column) for column in study.design))
    return CoxModel(NAME, covariates, ties=study.training.ties, minimum_patients=patients, events_a_column=events)


def held_columns(study: Study) -> tuple[str, ...]:
    """Names of the bits, two for every coded column."""
    return tuple(f"{side}.{column.name}" for column in study.design if column.levels is not None for side in SIDES)


def columns_model(study: Study) -> ColumnsModel:
    """Whether enough patients and hospitals have a coded column's first value, and others; a lifted demonstration asks for one each."""
    part = Held(HELD, held_columns(study))
    return ColumnsModel("columns", part, 1, 1) if lifted(study) else ColumnsModel("columns", part)


def baseline_model(model: CoxModel, coefficient: tuple[float, ...], study: Study, origin: tuple[float, ...] = ()) -> BaselineModel:
    """The baseline of a fitted model at the study's horizons, for covariates 0 or those of the origin."""
    return BaselineModel(
        f"{model.name}-baseline",
        model.covariates,
        coefficient,
        tuple(study.evaluation.horizons),
        ties=model.ties,
        minimum_patients=model.minimum_patients,
        origin=origin,
    )


def clinical(lock: StudyLock, _earlier: Earlier) -> SharedPlan:
    """CLN on the training patients of the development hospitals."""
    study = lock.study
    model, asked = clinical_model(study), columns_model(study)
    zeros = tuple(0.0 for _ in model.covariates.columns)

    async def circuit(a: Arithmetic, rows: Rows) -> ClinicalEstimate:
        found = await columns(a, rows, asked) if asked.part.columns else ColumnsEstimate({})
        kept = tuple(one.name for one in model.covariates.columns if all(found.held.get(f"{side}.{one.name}", True) for side in SIDES))
        if not kept:
            return ClinicalEstimate(found, kept, None, None)
        return await _fit(a, rows, found, kept, model, study)

    return SharedPlan(
        phase="clinical",
        roles=("development",),
        splits=("train",),
        parts=layout((*model.parts(study.shares.longest_days), *(asked.parts(0) if asked.part.columns else ()))),
        declaration=Declaration.of(model.results, asked.results if asked.part.columns else (), baseline_model(model, zeros, study).results),
        circuit=circuit,
        context=context(lock, "clinical"),
    )


async def _fit(a: Arithmetic, rows: Rows, found: ColumnsEstimate, kept: tuple[str, ...], model: CoxModel, study: Study) -> ClinicalEstimate:
    """The model of the kept columns, and its baseline."""
    covariates = model.covariates.only(kept)
    rows = {**rows, **model.covariates.marginals(rows, covariates)}
    model = model.of(covariates)
    horizons = study.evaluation.horizons
    wanted: list[Awaitable[Any]] = [make_pairs(a, rows), make_points(a, rows, horizons)]
    pairs, points = await together(*wanted)
    fit = await cox(a, rows, pairs, model)
    if fit.coefficient is None:
        return ClinicalEstimate(found, kept, fit, None)
    coefficient = tuple(float(value) for value in np.asarray(fit.coefficient))
    return ClinicalEstimate(found, kept, fit, await baseline(a, rows, pairs, points, baseline_model(model, coefficient, study)))
