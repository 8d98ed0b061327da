"""A Cox fit from what was revealed of it: what its circuit returned to every holder, for who has only the opened numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.cox import FLAT, FLAT_COLUMNS, MONOTONE, TOO_WIDE, CoxEstimate, CoxModel
from shared_model.analyses.newton import STEPS, Newton
from shared_model.shares.constants import shorten
from shared_model.survival.cox.result import Finding
from site_config.problems import survival as problems


def read_cox(model: CoxModel, opened: Mapping[str, NDArray[Any]]) -> CoxEstimate:
    """The estimate from the results `NAME.*` of `cox`, by name."""
    n, deaths = (int(opened[f"{model.name}.{count}"]) for count in ("patients", "deaths"))
    p = len(model.covariates)
    if not deaths:
        return _without(n, deaths, 0, Finding.of(problems.NO_EVENTS, "no events: no coefficient can be estimated"))
    if n < model.minimum_patients or deaths < model.events_a_column * p:
        return _without(n, deaths, 0, Finding.of(problems.FEW_EVENTS, f"{n} patients and {deaths} events for {p} covariates"))
    newton = _steps(model, opened)
    taken = len(newton.steps)
    variance = opened.get(f"{model.name}.variance")
    if newton.growing:
        return _without(n, deaths, taken, Finding.of(problems.MONOTONE, MONOTONE.format(_listed(model, newton.growing))))
    if newton.too_far:
        return _without(n, deaths, taken, Finding.of(problems.RANGE_TOO_WIDE, TOO_WIDE.format(_listed(model, newton.too_far))))
    if variance is None:
        return _without(n, deaths, taken, Finding.of(problems.NOT_CONVERGED, f"not converged in {STEPS} steps"))
    flat = np.flatnonzero(variance > FLAT)
    if flat.size:
        return _without(n, deaths, taken, Finding.of(problems.COLLINEAR, FLAT_COLUMNS.format(_listed(model, flat))))
    width, share = model.covariates.width, shorten(1 / deaths, 9)
    se = np.sqrt(np.maximum(variance, 0) * share) / width
    return CoxEstimate(n, deaths, newton.b / width, se, float(opened[f"{model.name}.score"]) / share, taken)


def _steps(model: CoxModel, opened: Mapping[str, NDArray[Any]]) -> Newton:
    newton = Newton(len(model.covariates))
    for k in range(1, STEPS + 1):
        step = opened.get(f"{model.name}.fine.{k}", opened.get(f"{model.name}.step.{k}"))
        if step is None:
            break
        newton.take(np.asarray(step, dtype=np.float64))
    return newton


def _without(n: int, deaths: int, steps: int, finding: Finding) -> CoxEstimate:
    return CoxEstimate(n, deaths, None, None, None, steps, (finding,))


def _listed(model: CoxModel, columns: Iterable[int]) -> str:
    return ", ".join(model.covariates.columns[j].name for j in columns)
