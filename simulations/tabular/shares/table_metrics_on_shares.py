"""Metrics of scores on a person's own table, computed on secret shares: what the holders open of it, and what stays closed and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shared_model.analyses.cindex_on_shares import ConcordanceEstimate
from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.analyses.groups.calibration_on_shares import CalibrationEstimate
from shared_model.analyses.phases.evaluation_openings import SPECIFICITIES
from shared_model.analyses.scores.roc_on_shares import RocEstimate
from shared_model.disclosure.limits import POINT_PATIENTS
from shared_model.survival.compare_cindex import Difference
from shared_model.survival.cox.cox_result import ChiTest, FitFinding
from shared_model.survival.normal_tails import Z95, two_sided, upper_tail
from simulations.tabular.complete_rows import FitRows
from simulations.tabular.exact_metrics import few_groups, no_concordance
from simulations.tabular.printed_metrics import Area, Calibrated, PointCurve, ScoreFigures, TabularMetrics, day_key
from simulations.tabular.shares.analyses_of_table import MetricsPlan, OpenedMetrics
from simulations.tabular.shares.curve_points import closed_points, declared_points, opened_curve
from simulations.tabular.shares.predicted_by_score import predict
from simulations.tabular.shares.table_cox_on_shares import opened_concordance
from simulations.tabular.shares.table_in_slots import SharedTable
from simulations.tabular.table_as_study import Settings, default_settings
from simulations.tabular.too_small import constant_score, small_parts
from site_config.problems import survival as problems


def fit_metrics_on_shares(
    rows: FitRows,
    horizons: Sequence[float] | None = None,
    points: Sequence[float] = (),
    settings: Settings | None = None,
    holders: int = 3,
) -> TabularMetrics:
    """Metrics of the scores in the covariates; a higher score means an earlier death.

    horizons: days of the AUC and of calibration; left out, a study's. points: days of the curves; left out, every month or half year.
    A study's minima hold where its settings are given; without them the table is the researcher's own, and only the end of a curve
    (fewer than five at risk) stays closed.
    """
    horizons = tuple(float(day) for day in horizons or (settings or default_settings()).evaluation.horizons)
    longest = float(rows.time.max())
    inside = tuple(day for day in horizons if 0 < day < longest)
    table = SharedTable(rows, holders, declared_points(rows, points, inside))
    prediction = predict(table, rows.x[:, 0], inside, settings)
    plan = MetricsPlan(table, inside, settings, prediction)
    done = table.compute(plan.parts, plan.results, plan.circuit, plan.values())
    opened: OpenedMetrics = done.returned
    scores = {name: _figures(opened, name, horizons, inside) for name in rows.names}
    overall = opened_curve(opened.of("overall"), 0, table.points)
    groups, test, ratio, of_groups = _groups(plan, opened)
    calibrated = _calibrated(plan, opened)
    findings = [*rows.findings, *constant_score(rows), *small_parts(rows), *no_concordance(rows, next(iter(scores.values())).c)]
    findings += [
        FitFinding.of(problems.BEYOND_FOLLOW_UP, f"day {day_key(day)} lies beyond the last follow-up")
        for day in horizons
        if day not in inside
    ]
    findings += [*prediction.findings, *_said(opened), *closed_points("all patients", overall), *of_groups]
    findings += _closed_groups(calibrated)
    findings.append(table.said([one for one in (prediction.cost, done) if one is not None]))
    return TabularMetrics(
        n=len(rows.time),
        events=int(rows.event.sum()),
        sites=len(rows.sites),
        resolution="shares",
        scores=scores,
        differences=_differences(opened.of("concordance"), rows.names),
        clustered_se=None,
        overall=overall,
        groups=groups,
        logrank=test,
        hazard_ratio=ratio,
        dropped_rows=rows.dropped,
        follow_up=opened_curve(opened.of("follow_up"), 0, table.points).median,
        calibration=calibrated,
        findings=tuple(dict.fromkeys(findings)),
    )


def _figures(opened: OpenedMetrics, name: str, horizons: Sequence[float], inside: Sequence[float]) -> ScoreFigures:
    areas: dict[str, Area | None] = {}
    found = opened.of("roc")
    for day in horizons:
        at = inside.index(day) if day in inside else None
        auc = float(found.auc[f"score.{name}"][at, 0]) if found and at is not None else np.nan
        areas[day_key(day)] = _area(found, f"score.{name}", at) if found and at is not None and np.isfinite(auc) else None
    return ScoreFigures(opened_concordance(opened.of("concordance"), f"score.{name}"), areas)


def _area(found: RocEstimate, score: str, at: int) -> Area:
    points = found.sensitivity[score][:, at, 0]
    shown = {percent: float(value) for percent, value in zip(SPECIFICITIES, points, strict=True) if np.isfinite(value)}
    return Area(float(found.auc[score][at, 0]), float(found.se[score][at, 0]), shown)


def _differences(found: ConcordanceEstimate, names: Sequence[str]) -> dict[str, Difference]:
    """By pair of scores, the opened difference with its own standard error."""
    pairs = [(one, other) for at, one in enumerate(names) for other in names[at + 1 :]]
    made = {f"{one}-{other}": f"score.{one}-score.{other}" for one, other in pairs}
    return {
        name: _difference(float(found.c[key][0]), float(found.se[key][0])) for name, key in made.items() if np.isfinite(found.c[key][0])
    }


def _difference(gap: float, se: float) -> Difference:
    z = gap / se if se > 1e-6 else 0.0
    return Difference(gap, se, z, upper_tail(z), two_sided(z))


def _said(opened: OpenedMetrics) -> list[FitFinding]:
    """What the analyses themselves say stays closed."""
    found: list[FitFinding] = []
    for name in ("concordance", "roc", "calibration"):
        one = opened.of(name)
        found += [FitFinding(finding.code, f"{_WORDS[name]}: {finding.what}") for finding in (one.findings if one else ())]
    return found


_WORDS = {"concordance": "C-index", "roc": "AUC", "calibration": "calibration"}


def _groups(
    plan: MetricsPlan, opened: OpenedMetrics
) -> tuple[dict[str, PointCurve], ChiTest | None, dict[str, Any] | None, list[FitFinding]]:
    """Curves by label, log-rank test, hazard ratio, and what is said of them."""
    names = plan.table.rows.groups
    if not names:
        return {}, None, None, []
    found, fit = opened.of("groups")
    curves = {name: opened_curve(found, at, plan.table.points) for at, name in enumerate(names)}
    said = [*few_groups(names), *found.findings]
    for name, curve in curves.items():
        said += closed_points(f"group {name}", curve)
    said += [FitFinding(one.code, one.what.replace("second", f"group {names[1]}")) for one in (fit.findings if fit else ())]
    (test,) = found.logrank
    if test is None and len(names) > 1:
        said.append(FitFinding.of(problems.NOT_ESTIMABLE, "log-rank test and hazard ratio: a group is closed"))
    return curves, test if len(names) > 1 else None, _ratio(fit), said


def _ratio(fit: CoxEstimate | None) -> dict[str, Any] | None:
    if fit is None:
        return None
    if fit.coefficient is None or fit.se is None:
        return {"hr": None, "ci": None, "p": None}
    b, se = float(fit.coefficient[0]), float(fit.se[0])
    return {"hr": float(np.exp(b)), "ci": [float(np.exp(b - Z95 * se)), float(np.exp(b + Z95 * se))], "p": two_sided(b / se)}


def _calibrated(plan: MetricsPlan, opened: OpenedMetrics) -> Calibrated | None:
    found: CalibrationEstimate | None = opened.of("calibration")
    known = plan.prediction
    if known.slope is None:
        return None
    rows: dict[str, tuple[dict[str, float | int | None], ...]] = {}
    for at, day in enumerate(known.hazards if found else ()):
        assert found is not None
        rows[day_key(day)] = tuple(_row(found, group, at) for group in range(len(found.patients)) if np.isfinite(found.patients[group]))
    return Calibrated(known.slope, known.slope_se, rows)


def _closed_groups(found: Calibrated | None) -> list[FitFinding]:
    """Groups whose survival at a horizon is not opened."""
    said = []
    for day, rows in (found.groups if found else {}).items():
        closed = [str(row["group"]) for row in rows if row["observed"] is None]
        if closed:
            few = f"fewer than {POINT_PATIENTS.value} are at risk there"
            said.append(FitFinding.of(problems.BEYOND_FOLLOW_UP, f"calibration at day {day}: group {', '.join(closed)} is closed, {few}"))
    return said


def _row(found: CalibrationEstimate, group: int, at: int) -> dict[str, float | int | None]:
    """One group at one horizon; closed numbers are None."""
    numbers = {name: float(getattr(found, name)[group, at]) for name in ("predicted", "observed", "low", "high")}
    return {
        "group": group + 1,
        "n": int(found.patients[group]),
        **{name: one if np.isfinite(one) else None for name, one in numbers.items()},
    }
