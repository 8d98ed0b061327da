"""Table 3 and Figure S4: areas under time-dependent ROC curves of every model, set and horizon, and the curves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import Field

from server.report import number_text
from server.report.common import figure_style, from_shares, score_tables
from server.report.common.estimate_kinds import SETS, Estimate, Numbers, Where
from server.report.common.figure_style import SET_LABEL, Picture
from server.report.page_blocks import Block, Figure, Panel, TableBlock
from server.report.parts.discrimination.models_without_scores import DISCRIMINATION
from server.report.parts.part import ReportedStudy, ReportPart
from server.study.opened_analyses import OpenedAnalyses, OpenedAuc
from server.study.study_results import ScoreTable
from shared_model.disclosure.limits import SENSITIVITY_PATIENTS
from shared_model.survival import roc
from site_config.problems.base import Problem
from site_config.study.prognostic_models import MODELS, ModelName

OF_POINTS = (
    "On secret shares a curve has a point at every tenth of specificity: its sensitivity at the largest false positive rate up to there. "
    "Where cases or controls are too few for that, it has a point between every two groups of patients that calibration shows, by "
    "Kaplan–Meier in each. The areas are those of every score."
)

NO_POINTS = (
    f"On secret shares areas are opened; points of the curves need {SENSITIVITY_PATIENTS.value} cases and controls, or two groups of the "
    "minimum each, with 5 at risk at the horizon."
)


class RocCurve(Numbers):
    """Cumulative/dynamic ROC at a horizon, inverse-probability-of-censoring weighted (timeROC's convention)."""

    model: ModelName
    set: Where
    horizon: int
    auc: Estimate
    false_positive: list[float] = Field(default_factory=list)
    true_positive: list[float] = Field(default_factory=list)


def numbers(report: ReportedStudy) -> list[RocCurve]:
    """Every model, set and horizon; not estimated where cases or controls are fewer than the minimum."""
    if report.analyses is not None:
        return _from_shares(report.analyses, report)
    found = []
    for horizon in report.study.evaluation.horizons:
        for set_ in SETS:
            tables = [table for model in report.study.models if (table := score_tables.find(report.result, model, set_)) is not None]
            found += [_roc(table, horizon, report.minimum) for table in tables]
    return found


def _from_shares(analyses: OpenedAnalyses, report: ReportedStudy) -> list[RocCurve]:
    return [
        RocCurve(
            model=model, set=one.set, horizon=horizon, auc=from_shares.area(one.n, one.events, one.auc, one.se), **_points(analyses, one)
        )
        for horizon in report.study.evaluation.horizons
        for model in report.study.models
        for one in analyses.roc
        if (one.model, one.horizon) == (model, horizon) and one.set != "all"
    ]


def _points(analyses: OpenedAnalyses, area: OpenedAuc) -> dict[str, list[float]]:
    """Points of a curve on shares: at the declared specificities, else by the open groups of calibration."""
    if area.sensitivity:
        rising = sorted(zip((1 - s for s in area.specificity), area.sensitivity, strict=True))
        false_positive, true_positive = zip((0.0, 0.0), *rising, (1.0, 1.0), strict=True)
        # two neighbours may be rounded towards each other
        return {"false_positive": list(false_positive), "true_positive": np.maximum.accumulate(true_positive).tolist()}
    return _by_groups(analyses, area)


def _by_groups(analyses: OpenedAnalyses, area: OpenedAuc) -> dict[str, list[float]]:
    """Points between the groups by quarters of the training scores, where they are the whole set and two at least."""
    asked = (area.model, area.set, area.horizon)
    known = next((one.groups for one in analyses.calibration if (one.model, one.set, one.horizon) == asked), [])
    groups = sorted(known, key=lambda one: -one.predicted)
    patients, survival = np.array([one.n for one in groups], dtype=float), np.array([one.observed for one in groups])
    alive = float((patients * survival).sum())
    if len(groups) < 2 or patients.sum() != area.n or not 0 < alive < patients.sum():
        return {}
    false_positive, true_positive = roc.roc_of_groups(patients, survival)
    return {"false_positive": false_positive.tolist(), "true_positive": true_positive.tolist()}


def _roc(table: ScoreTable, horizon: int, minimum: int) -> RocCurve:
    n, events = score_tables.size(table)
    source = score_tables.evaluation_table(table)
    try:
        # An exact table's edges are the days on which something happened: the horizon is none of them, and need not be.
        one = roc.roc(source.cells() if table.exact else source, float(horizon))
    except Problem as problem:
        return RocCurve(model=table.model, set=table.set, horizon=horizon, auc=Estimate(n=n, events=events, reason=str(problem)))
    if min(one.cases, one.controls) < minimum:
        reason = f"not estimated: fewer than {minimum} patients had their event before day {horizon} or were followed beyond it"
        return RocCurve(model=table.model, set=table.set, horizon=horizon, auc=Estimate(n=n, events=events, reason=reason))
    low, high = one.ci
    auc = Estimate(n=n, events=events, value=one.auc, low=low, high=high, se=one.se)
    return RocCurve(
        model=table.model,
        set=table.set,
        horizon=horizon,
        auc=auc,
        false_positive=one.false_positive.tolist(),
        true_positive=one.true_positive.tolist(),
    )


def blocks(found: list[RocCurve], report: ReportedStudy) -> Iterator[Block]:
    """The table, then a row of panels a horizon, a panel a set."""
    if found:
        yield table_three(found)
    panels = []
    for horizon in report.study.evaluation.horizons:
        for set_ in SETS:
            rows = [row for row in found if row.set == set_ and row.horizon == horizon and row.false_positive]
            if rows:
                title = f"{SET_LABEL[set_]} · {in_years(horizon)}"
                picture = draw(rows, title, f"roc-{horizon}-{set_}", simulated=report.simulated)
                panels.append(Panel(picture, patients=max(row.auc.n or 0 for row in rows), row=str(horizon)))
    if panels:
        yield Figure(
            "s4",
            "Figure S4",
            "Time-dependent ROC curves",
            panels,
            [table_three(found)],
            "Cases had their event before the horizon, controls none up to it; patients lost before it are accounted for by "
            "inverse probability of censoring. A patient whose time is the horizon itself is neither."
            + (f" {OF_POINTS}" if report.analyses is not None else ""),
        )


def in_years(horizon: int) -> str:
    """`1 year`, `2 years`; days where they are no whole years."""
    years = horizon / 365
    return number_text.plural(round(years), "year") if abs(horizon - 365.25 * round(years)) < 2 and round(years) else f"{horizon} days"


def table_three(rows: Sequence[RocCurve]) -> TableBlock:
    """Areas under the curve: a row a model and horizon, a column a set."""
    sets = [s for s in from_shares.POPULATIONS if any(row.set == s for row in rows)]
    horizons = list(dict.fromkeys(row.horizon for row in rows))
    body: list[list[str]] = []
    heads: set[int] = set()
    reasons: list[str] = []
    for horizon in horizons:
        heads.add(len(body))
        body.append([f"At {in_years(horizon)}", *([""] * len(sets))])
        for model in dict.fromkeys(row.model for row in rows):
            mine = {row.set: row.auc for row in rows if (row.model, row.horizon) == (model, horizon)}
            body.append([model, *(_area(mine.get(s)) for s in sets)])
            reasons += [f"{in_years(horizon)}, {SET_LABEL[s]}: {mine[s].reason}." for s in sets if s in mine and mine[s].reason]
    header = ["Model", *(f"{SET_LABEL[s]}\n{_sizes([row.auc for row in rows if row.set == s])}" for s in sets)]
    note = "Area under the cumulative/dynamic ROC curve with its 95 % interval (inverse probability of censoring, timeROC's convention)."
    return TableBlock(
        "Areas under the time-dependent ROC curves",
        header,
        body,
        label="Table 3",
        note=" ".join([note, *dict.fromkeys(reasons)]),
        group_rows=frozenset(heads),
    )


def _sizes(areas: Sequence[Estimate]) -> str:
    most = max(areas, key=lambda a: (a.n or 0, a.events or 0), default=None)
    return "" if most is None else number_text.size(most.n, most.events)


def _area(one: Estimate | None) -> str:
    return number_text.MISSING if one is None or one.value is None else number_text.with_interval(one.value, one.low, one.high, 3)


@figure_style.styled
def draw(curves: Sequence[RocCurve], title: str, name: str, *, simulated: bool) -> Picture:
    """ROC curves of the models on one set at one horizon, with their areas."""
    figure, axes = figure_style.panel(300, 310 + 14 * len(curves))
    axes.plot([0, 1], [0, 1], color=figure_style.RULE, linewidth=1, zorder=1)
    for curve in curves:
        label = f"{curve.model}: AUC {number_text.with_interval(curve.auc.value, curve.auc.low, curve.auc.high)}"
        colour, dash = MODELS[curve.model].colour, MODELS[curve.model].dash
        axes.plot(curve.false_positive, curve.true_positive, color=colour, linestyle=dash, label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="1 − specificity", ylabel="Sensitivity", aspect="equal")
    axes.set_title(title, loc="left", pad=10 + 12.5 * len(curves))
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.1, 1.02), borderaxespad=0, borderpad=0.1, labelspacing=0.25, handletextpad=0.5, fontsize=8.5
    )
    told = "; ".join(f"{c.model} {number_text.with_interval(c.auc.value, c.auc.low, c.auc.high)}" for c in curves)
    return figure_style.finish(figure, name, f"Time-dependent ROC, {title}. Areas under the curve: {told}.", simulated=simulated)


def missing(found: list[RocCurve], report: ReportedStudy) -> dict[str, str]:
    """Why no curve is drawn."""
    if any(row.false_positive for row in found):
        return {}
    areas_alone = report.analyses is not None and any(row.auc.value is not None for row in found)
    plain = "No ROC curve could be estimated at the declared horizons."
    why = {"roc": NO_POINTS if areas_alone else report.why("roc", plain)}
    return from_shares.with_closed(report, "roc", why, "roc")


AREAS = ReportPart(name="roc", heading=DISCRIMINATION, numbers=numbers, blocks=blocks, missing=missing, shape=list[RocCurve])
