"""Figure 4 c: predicted against observed survival of the best fitted model, at every horizon on every set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pydantic import Field

from server.report import number_text
from server.report.common import figure_style, score_tables
from server.report.common.baseline_survival import baseline_at, beyond
from server.report.common.estimate_kinds import SETS, Estimate, Numbers, Where
from server.report.common.figure_style import SET_LABEL, Picture
from server.report.common.from_shares import with_closed
from server.report.common.two_groups import estimate_words, size_words
from server.report.page_blocks import Block, Figure, Panel, TableBlock
from server.report.parts.models.variable_importance import FUSED
from server.report.parts.part import ReportedStudy, ReportPart
from server.study.opened_analyses import OpenedAnalyses, OpenedCalibration
from server.study.study_results import ScoreTable, score_slope
from shared_model.disclosure.limits import CURVE_GROUP_PATIENTS
from shared_model.survival import calibration as calibrate
from shared_model.survival import compare_cindex
from shared_model.survival.evaluation_table import Cells
from shared_model.survival.kaplan_meier import kaplan_meier
from shared_model.survival.normal_tails import two_sided
from site_config.problems.base import Problem
from site_config.study.prognostic_models import MODELS, ModelName

GROUPS = 4


class CalibrationPoint(Numbers):
    """One dot of the calibration figure."""

    n: int
    events: int | None
    predicted: float
    observed: float
    low: float
    high: float


class Calibration(Numbers):
    """Predicted against observed survival at a horizon on one set; slope 1 is perfect spread. `reason` where there are no groups."""

    model: ModelName
    set: Where
    horizon: int
    groups: list[CalibrationPoint] = Field(default_factory=list)
    slope: Estimate
    reason: str | None = None


def numbers(report: ReportedStudy) -> list[Calibration]:
    """The best fitted model's calibration at every horizon on every set."""
    if report.analyses is not None:
        return _from_shares(report.analyses)
    for model in (one.name for one in MODELS):
        tables = [table for set_ in SETS if (table := score_tables.find(report.result, model, set_)) is not None]
        if tables and baseline_at(report.result, model, 0.0) is not None:
            return [
                _calibration(report, table, float(horizon), hazard)
                for horizon in report.study.evaluation.horizons
                if (hazard := baseline_at(report.result, model, horizon)) is not None
                for table in tables
            ]
    return []


def _from_shares(analyses: OpenedAnalyses) -> list[Calibration]:
    model = next((one.name for one in MODELS.preferred(row.model for row in analyses.calibration)), None)
    return [
        Calibration(
            model=row.model,
            set=row.set,
            horizon=row.horizon,
            groups=[CalibrationPoint(events=None, **group.model_dump()) for group in row.groups],
            slope=_opened_slope(row),
        )
        for row in analyses.calibration
        if row.model == model and row.set != "all"
    ]


def _opened_slope(row: OpenedCalibration) -> Estimate:
    n = sum(group.n for group in row.groups)
    if row.slope is None or not row.slope_se:
        return Estimate(n=n, events=None, reason="not opened")
    low, high = compare_cindex.normal_interval(row.slope, row.slope_se)
    p = two_sided(row.slope / row.slope_se)
    return Estimate(n=n, events=None, value=row.slope, low=low, high=high, se=row.slope_se, p=p)


def _calibration(report: ReportedStudy, table: ScoreTable, horizon: float, hazard: float) -> Calibration:
    cells = score_tables.scored_cells(table)
    cells = replace(cells, score=score_slope(report.result, table.model) * cells.score)
    n, events = score_tables.size(table)
    codes = calibrate.quantile_groups(cells, GROUPS, max(CURVE_GROUP_PATIENTS.value, report.minimum))
    points = [_group(cells.where(codes == code), horizon, hazard) for code in range(int(codes.max(initial=-1)) + 1)]
    kept = [point for point in points if point is not None]
    reason = None if kept else f"nobody was followed to day {horizon:.0f}"
    return Calibration(
        model=table.model, set=table.set, horizon=round(horizon), groups=kept, slope=slope_estimate(cells, n, events), reason=reason
    )


def _group(cells: Cells, horizon: float, hazard: float) -> CalibrationPoint | None:
    """Mean predicted against Kaplan–Meier survival; None when nobody of the group was followed to the horizon."""
    km = kaplan_meier(cells)
    try:
        observed, (low, high) = km.at(horizon), km.interval_at(horizon)
    except Problem:
        return None
    mean = float(cells.count @ calibrate.predicted_survival(cells.score, hazard) / cells.count.sum())
    return CalibrationPoint(n=cells.n, events=cells.n_events, predicted=mean, observed=observed, low=low, high=high)


def slope_estimate(cells: Cells, n: int, events: int) -> Estimate:
    """The coefficient of the linear predictor in a Cox model of it alone."""
    try:
        fit = calibrate.calibration_slope(cells).as_dict()
    except Problem as problem:
        return Estimate(n=n, events=events, reason=str(problem))
    coef, se, interval = fit["coef"][0], fit["se"][0], fit["hr_ci"][0]
    if coef is None or not se or interval is None:
        return Estimate(n=n, events=events, reason="not estimable")
    return Estimate(n=n, events=events, value=coef, low=coef - 1.96 * se, high=coef + 1.96 * se, se=se, p=fit["p"][0])


def blocks(found: list[Calibration], report: ReportedStudy) -> Iterator[Block]:
    """A row of panels a horizon, a panel a set."""
    drawn = [one for one in found if one.groups]
    if drawn:
        panels = []
        for one in drawn:
            picture = draw(one, f"cal-{one.horizon}-{one.set}", simulated=report.simulated)
            panels.append(Panel(picture, patients=sum(group.n for group in one.groups), row=str(one.horizon)))
        fewest = max(CURVE_GROUP_PATIENTS.value, report.minimum)
        caption = (
            f"Groups of at least {fewest} patients by rising risk; bars: 95 % intervals of the observed survival. "
            "Training figures are apparent. Slope: Cox coefficient of the linear predictor in the set (1 is perfect; below 1, "
            "predictions too extreme)."
        )
        title = f"Calibration of {drawn[0].model}"
        yield Figure("calibration", "Figure 4 c", title, panels, [table(found)], caption)


def missing(found: list[Calibration], report: ReportedStudy) -> dict[str, str]:
    """Why there is no calibration, or none at some horizon."""
    plain = "No calibration: it needs a baseline hazard and follow-up to the horizon."
    words = [report.why("calibration", plain)] if not any(one.groups for one in found) else []
    fitted = found[0].model if found else next((m.name for m in MODELS.preferred(report.result.baseline)), None)
    lost = beyond(report.result, fitted, report.study.evaluation.horizons) if fitted else ""
    why = {"calibration": " ".join([*words, lost]).strip()} if words or lost else {}
    return with_closed(report, "calibration", why, "calibration", "baseline")


def table(rows: list[Calibration]) -> TableBlock:
    """Predicted against observed survival by group, and the slope."""
    body = []
    for row in rows:
        name = [SET_LABEL[row.set], f"{row.horizon} d"]
        for g in row.groups:
            body.append(
                [
                    *name,
                    str(g.n),
                    size_words(g.events),
                    number_text.number(g.predicted),
                    number_text.with_interval(g.observed, g.low, g.high),
                ]
            )
        if not row.groups:
            body.append([*name, number_text.MISSING, number_text.MISSING, number_text.MISSING, row.reason or number_text.MISSING])
    slopes = {SET_LABEL[row.set]: estimate_words(row.slope) for row in rows}
    note = f"Slopes: {'; '.join(f'{name} {words}' for name, words in slopes.items())}."
    return TableBlock(
        "Calibration by group", ["Set", "Horizon", "n", "Events", "Predicted", "Observed (95 % CI)"], body, align="llrrrr", note=note
    )


@figure_style.styled
def draw(one: Calibration, name: str, *, simulated: bool) -> Picture:
    """Predicted against observed survival by quantile group on one set."""
    figure, axes = figure_style.panel(300, 320)
    axes.plot([0, 1], [0, 1], color=figure_style.MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    colour = figure_style.SET_COLOUR[one.set]
    predicted = [group.predicted for group in one.groups]
    observed = [group.observed for group in one.groups]
    axes.vlines(predicted, [group.low for group in one.groups], [group.high for group in one.groups], color=colour, linewidth=1.4)
    axes.plot(predicted, observed, color=colour, marker="o", markersize=6, markeredgecolor="white", linewidth=1.2)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"Predicted survival at {one.horizon} days", ylabel="Observed (Kaplan–Meier)", aspect="equal")
    known = one.slope.value is not None
    slope = f"slope {number_text.with_interval(one.slope.value, one.slope.low, one.slope.high)}" if known else ""
    axes.set_title(f"{SET_LABEL[one.set]} · {one.horizon} days\n", loc="left")
    axes.text(0, 1.02, slope, transform=axes.transAxes, va="bottom", fontsize=9)
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    told = "; ".join(f"predicted {g.predicted:.2f}, observed {g.observed:.2f} (n {g.n})" for g in one.groups)
    alternative = f"Calibration of {one.model} at {one.horizon} days, {SET_LABEL[one.set]}: {told}. {slope}."
    return figure_style.finish(figure, name, alternative, simulated=simulated)


CALIBRATION = ReportPart(name="calibration", heading=FUSED, numbers=numbers, blocks=blocks, missing=missing, shape=list[Calibration])
