"""What is drawn of the fused model: score distribution, nomogram, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from server.report import opened, text
from server.report.numbers import Calibration, CalibrationPoint, Distribution, DrawnNomogram, Estimate, NomogramAxis
from server.study.results import ScoreTable, SetName, StudyResult, score_slope
from shared_model.survival import calibration as calibrate
from shared_model.survival.kaplan_meier import kaplan_meier
from shared_model.survival.nomogram import Nomogram as Drawn
from shared_model.survival.nomogram import nomogram as draw
from shared_model.survival.table import Cells
from site_config.problems.base import Problem
from site_config.study.model import Study
from site_config.study.prognostic_models import MODELS, ModelName

SETS: tuple[SetName, ...] = ("train", "validation", "test")
CALIBRATION_GROUPS = 4
CALIBRATION_PATIENTS = 20
CHANCES = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)


def distributions(result: StudyResult, minimum: int) -> list[Distribution]:
    """Score distribution of every model and set, small bins joined with their neighbour."""
    return [one for table in result.tables if table.variable == "all" and (one := _distribution(table, minimum)) is not None]


def _distribution(table: ScoreTable, minimum: int) -> Distribution | None:
    edges = table.bin_edges or table.score_edges
    own = edges == table.score_edges
    events = [sum(row) for row in table.events] if own else []
    patients = [sum(a) + sum(b) for a, b in zip(table.events, table.censored, strict=True)] if own else list(table.bin_patients or [])
    if not patients or sum(patients) < minimum:
        return None
    groups = _joined(patients, minimum)
    parts = {name: [_mean(means, patients, group) for group in groups] for name, means in (table.contributions or {}).items()}
    kept = {name: means for name, means in parts.items() if any(mean for mean in means)}
    n, n_events = opened.size(table)
    return Distribution(
        model=table.model,
        set=table.set,
        n=n,
        events=n_events,
        low=[edges[g[0]] for g in groups],
        high=[edges[g[-1] + 1] for g in groups],
        patients=[sum(patients[b] for b in g) for g in groups],
        bin_events=[sum(events[b] for b in g) for g in groups] if own else [],
        contributions=kept,
    )


def _joined(patients: Sequence[int], minimum: int) -> list[list[int]]:
    """Runs of neighbouring bins with at least `minimum` patients each; what is left over joins the last run."""
    groups: list[list[int]] = []
    current: list[int] = []
    for index in range(len(patients)):
        current.append(index)
        if sum(patients[b] for b in current) >= minimum:
            groups.append(current)
            current = []
    if current:
        groups[-1].extend(current)
    return groups


def _mean(means: Sequence[float | None], patients: Sequence[int], group: Sequence[int]) -> float | None:
    kept = [(means[b], patients[b]) for b in group if means[b] is not None and patients[b]]
    total = sum(n for _, n in kept)
    return sum((mean or 0.0) * n for mean, n in kept) / total if total else None


def baseline_at(result: StudyResult, model: ModelName, horizon: float) -> float | None:
    """H0(horizon) at score 0: between the cut points of a piecewise-constant hazard a straight line, else a step."""
    base = result.baseline.get(model)
    if not base or not base.get("time"):
        return None
    time, hazard = np.asarray(base["time"], dtype=np.float64), np.asarray(base["cumulative_hazard"], dtype=np.float64)
    if not np.isfinite(hazard).all():
        return None
    fit = result.fusion.get(model) or result.clinical or {}
    if fit.get("resolution") == "totals":
        return float(np.interp(horizon, np.append(0.0, time), np.append(0.0, hazard)))
    at = int(np.searchsorted(time, horizon, side="right")) - 1
    return float(hazard[at]) if at >= 0 else 0.0


def calibrations(result: StudyResult, study: Study, minimum: int) -> list[Calibration]:
    """The best fitted model's calibration at the first horizon on every set."""
    horizon = study.evaluation.horizons[0] if study.evaluation.horizons else 365
    for model in (one.name for one in MODELS):
        hazard = baseline_at(result, model, horizon)
        tables = [table for set_ in SETS if (table := opened.find(result, model, set_)) is not None]
        if hazard and tables:
            slope = score_slope(result, model)
            return [_calibration(table, slope, float(horizon), hazard, max(CALIBRATION_PATIENTS, minimum)) for table in tables]
    return []


def _calibration(table: ScoreTable, slope_of_score: float, horizon: float, hazard: float, minimum: int) -> Calibration:
    cells = opened.scored_cells(table)
    cells = replace(cells, score=slope_of_score * cells.score)
    n, events = opened.size(table)
    slope = _slope(cells, n, events)
    codes = calibrate.quantile_groups(cells, CALIBRATION_GROUPS, minimum)
    groups = [_group(cells.where(codes == code), horizon, hazard) for code in range(int(codes.max(initial=-1)) + 1)]
    return Calibration(model=table.model, set=table.set, horizon=round(horizon), groups=[g for g in groups if g is not None], slope=slope)


def _group(cells: Cells, horizon: float, hazard: float) -> CalibrationPoint | None:
    """Mean predicted against Kaplan–Meier survival; None when nobody of the group was followed to the horizon."""
    km = kaplan_meier(cells)
    try:
        observed, (low, high) = km.at(horizon), km.interval_at(horizon)
    except Problem:
        return None
    mean = float(cells.count @ calibrate.predicted_survival(cells.score, hazard) / cells.count.sum())
    return CalibrationPoint(n=cells.n, events=cells.n_events, predicted=mean, observed=observed, low=low, high=high)


def _slope(cells: Cells, n: int, events: int) -> Estimate:
    try:
        fit = calibrate.calibration_slope(cells).as_dict()
    except Problem as problem:
        return Estimate(n=n, events=events, reason=str(problem))
    coef, se, interval = fit["coef"][0], fit["se"][0], fit["hr_ci"][0]
    if coef is None or not se or interval is None:
        return Estimate(n=n, events=events, reason="not estimable")
    return Estimate(n=n, events=events, value=coef, low=coef - 1.96 * se, high=coef + 1.96 * se, se=se, p=fit["p"][0])


def nomogram(result: StudyResult, study: Study) -> DrawnNomogram | None:
    """Axes of the fused model: the radiological score over its declared range, every clinical variable over its values."""
    for model in (one.name for one in MODELS.preferred(result.fusion) if one.is_fused):
        parts = _parts(MODELS[model].needs, result.fusion[model])
        hazards = {float(h): value for h in study.evaluation.horizons if (value := baseline_at(result, model, h))}
        if parts is not None and hazards and result.clinical is not None:
            return _nomogram(result, study, model, parts, hazards)
    return None


def _parts(names: tuple[str, ...], fit: dict[str, Any]) -> tuple[str, float, float] | None:
    """Name and coefficient of the radiological score, coefficient of the clinical one; None where one was not estimated."""
    by_name = dict(zip(fit["covariates"], fit["coef"], strict=True))
    image, clinical = (by_name.get(name) for name in names)
    return None if image is None or clinical is None else (names[0], float(image), float(clinical))


def _nomogram(
    result: StudyResult, study: Study, model: ModelName, parts: tuple[str, float, float], hazards: dict[float, float]
) -> DrawnNomogram | None:
    network, radiology, clinical = parts
    fit = result.clinical or {}
    coef = dict(zip(fit["covariates"], fit["coef"], strict=True))
    columns = [column for column in study.design if coef.get(column.name) is not None]
    low, high = result.score_ranges.get(network, [0.0, 0.0])[:2]
    if not high > low:
        return None
    names = [network, *(column.name for column in columns)]
    slopes = [radiology, *(clinical * float(coef[column.name] or 0.0) for column in columns)]
    ranges = [(low, high), *(column.span for column in columns)]
    try:
        drawn = draw(names, slopes, ranges, hazards)
    except ValueError:
        return None
    axes = [NomogramAxis(label=f"Radiological score ({network})", ticks=[(text.number(t, 1), p) for t, p in _pairs(drawn, 0)])]
    for index, column in enumerate(columns, start=1):
        ticks = [(column.shown(t), p) for t, p in _pairs(drawn, index) if column.levels is None or t in column.levels]
        axes.append(NomogramAxis(label=column.label, ticks=sorted(ticks, key=lambda tick: tick[1])))
    survival = {
        round(h): [(s, drawn.total_for(s, h)) for s in CHANCES if 0 <= drawn.total_for(s, h) <= drawn.largest_total] for h in hazards
    }
    return DrawnNomogram(model=model, axes=axes, total_range=(0.0, drawn.largest_total), survival=survival)


def _pairs(drawn: Drawn, axis: int) -> list[tuple[float, float]]:
    return list(zip(drawn.axes[axis].ticks, drawn.axes[axis].points, strict=True))
