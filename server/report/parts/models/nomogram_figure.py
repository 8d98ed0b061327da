"""Figure 4 a: the nomogram of the fused model, over its two scores as published, and over every clinical variable.

A study without a fused model has that of its clinical model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import Field

from server.report import number_text
from server.report.common import figure_style
from server.report.common.baseline_survival import baseline_at, beyond
from server.report.common.estimate_kinds import Numbers
from server.report.common.figure_style import Picture
from server.report.page_blocks import Block, Figure, Panel, TableBlock
from server.report.parts.models.variable_importance import FUSED
from server.report.parts.part import ReportedStudy, ReportPart, fuses
from shared_model.survival.nomogram import Nomogram as PointScale
from shared_model.survival.nomogram import log_ticks
from shared_model.survival.nomogram import nomogram as scale_points
from site_config.study.clinical_variables import DesignColumn
from site_config.study.prognostic_models import CLN, MODELS, PrognosticModel

CHANCES = (0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
TICKS = 9
"""About as many ticks of an axis of numbers."""
TIERS = 5
LINE = 0.19
"""Height of a line of labels, in distances between two rulers."""


class NomogramAxis(Numbers):
    """One axis of the nomogram: ticks with their points."""

    label: str
    ticks: list[tuple[str, float]]


class DrawnNomogram(Numbers):
    """Axes in points (0–100 for the widest), the total and what a total means for survival at each horizon."""

    model: str
    axes: list[NomogramAxis]
    total_range: tuple[float, float]
    survival: dict[int, list[tuple[float, float]]] = Field(default_factory=dict, description="horizon → (survival, total points)")


class Nomograms(Numbers):
    """Both forms: two scores as axes, as published (None without a fused model); and the clinical score spread out over its variables."""

    scores: DrawnNomogram | None
    variables: DrawnNomogram


def numbers(report: ReportedStudy) -> Nomograms | None:
    """Of the preferred fused model that has both parts and a baseline, or of the clinical model; None where there is none."""
    if not fuses(report.study):
        return _of_variables(report)
    for model in MODELS.preferred(report.result.fusion):
        hazards = {float(h): value for h in report.study.evaluation.horizons if (value := baseline_at(report.result, model.name, h))}
        if model.is_fused and hazards and report.result.clinical is not None:
            return _of_model(report, model, hazards)
    return None


def _clinical(report: ReportedStudy) -> tuple[list[DesignColumn], dict[str, float]]:
    """The clinical columns that have a coefficient, and these."""
    fitted = report.result.clinical or {"covariates": [], "coef": []}
    coef = {name: value for name, value in zip(fitted["covariates"], fitted["coef"], strict=True) if value is not None}
    return [column for column in report.study.design if column.name in coef], coef


def _axes(columns: Sequence[DesignColumn], scale: PointScale, first: int) -> list[NomogramAxis]:
    """An axis a clinical column, from the `first` of the scale on."""
    axes = []
    for index, column in enumerate(columns, start=first):
        ticks = [(column.shown(t), p) for t, p in _pairs(scale, index)]
        label = column.variable.titled if column.place is None else column.label
        axes.append(NomogramAxis(label=label, ticks=sorted(ticks, key=lambda tick: tick[1])))
    return axes


def _marks(columns: Sequence[DesignColumn]) -> dict[str, Sequence[float]]:
    """The ticks of axes that need their own: every level of a coded column, round numbers of one that enters as its logarithm."""
    logs = {column.name: log_ticks(*column.span, count=TICKS) for column in columns if column.variable.log}
    return {**logs, **{column.name: column.levels for column in columns if column.levels is not None}}


def _of_variables(report: ReportedStudy) -> Nomograms | None:
    """Of the clinical model alone."""
    hazards = {float(h): value for h in report.study.evaluation.horizons if (value := baseline_at(report.result, CLN.name, h))}
    columns, coef = _clinical(report)
    if not hazards or not columns:
        return None
    slopes, spans = [coef[column.name] for column in columns], [column.span for column in columns]
    try:
        scale = scale_points([column.name for column in columns], slopes, spans, hazards, TICKS, _marks(columns))
    except ValueError:
        return None
    return Nomograms(scores=None, variables=_drawn(CLN.name, _axes(columns, scale, 0), scale, hazards))


def _of_model(report: ReportedStudy, model: PrognosticModel, hazards: dict[float, float]) -> Nomograms | None:
    fit = report.result.fusion[model.name]
    by_name = dict(zip(fit["covariates"], fit["coef"], strict=True))
    image, clinical = (by_name.get(name) for name in model.needs)
    columns, coef = _clinical(report)
    low, high = report.result.score_ranges.get(model.needs[0], [0.0, 0.0])[:2]
    if image is None or clinical is None or not high > low:
        return None
    ends = [sorted(coef[column.name] * value for value in column.span) for column in columns]
    own = report.result.score_ranges.get(model.needs[1])
    span = (own[0], own[1]) if own else (sum(end[0] for end in ends), sum(end[1] for end in ends))
    radiology, rows = (f"{kind} score ({name})" for kind, name in zip(("Radiological", "Clinical"), model.needs, strict=True))
    try:
        scores = scale_points(list(model.needs), [image, clinical], [(low, high), span], hazards)
        slopes = [image, *(clinical * coef[column.name] for column in columns)]
        names, spans = [model.needs[0], *(c.name for c in columns)], [(low, high), *(c.span for c in columns)]
        spread = scale_points(names, slopes, spans, hazards, TICKS, _marks(columns))
    except ValueError:
        return None
    first = NomogramAxis(label=radiology, ticks=_ticks(scores, 0))
    axes = [NomogramAxis(label=radiology, ticks=_ticks(spread, 0)), *_axes(columns, spread, 1)]
    return Nomograms(
        scores=_drawn(model.name, [first, NomogramAxis(label=rows, ticks=_ticks(scores, 1))], scores, hazards),
        variables=_drawn(model.name, axes, spread, hazards),
    )


def _drawn(model: str, axes: list[NomogramAxis], scale: PointScale, hazards: dict[float, float]) -> DrawnNomogram:
    survival = {
        round(h): [(s, scale.total_for(s, h)) for s in CHANCES if 0 <= scale.total_for(s, h) <= scale.largest_total] for h in hazards
    }
    return DrawnNomogram(model=model, axes=axes, total_range=(0.0, scale.largest_total), survival=survival)


def _pairs(scale: PointScale, axis: int) -> list[tuple[float, float]]:
    return list(zip(scale.axes[axis].ticks, scale.axes[axis].points, strict=True))


def _ticks(scale: PointScale, axis: int) -> list[tuple[str, float]]:
    return [(number_text.number(tick, 1), points) for tick, points in _pairs(scale, axis)]


def blocks(found: Nomograms | None, report: ReportedStudy) -> Iterator[Block]:
    """The published form, then the one over variables."""
    if found is None:
        return
    caption = (
        "Add the points of each axis and read the survival under the total. The axes span a declared range, not the smallest and "
        "largest patient."
    )
    titled = f"Nomogram of {found.variables.model}"
    published = ((found.scores, "nomogram", "Figure 4 a", titled),) if found.scores else ()
    by_variable = ("Figure 4 a, by variable", f"{titled}, the clinical score by its variables") if found.scores else ("Figure 4 a", titled)
    for one, name, label, title in (*published, (found.variables, "nomogram-variables", *by_variable)):
        wide = draw(one, name, simulated=report.simulated)
        narrow = draw(one, f"{name}-narrow", simulated=report.simulated, width=350)
        yield Figure(name, label, title, [Panel(wide, narrow)], [table(one)], caption)


def missing(found: Nomograms | None, report: ReportedStudy) -> dict[str, str]:
    """Why there is no nomogram, or no survival at some horizon."""
    if found is None:
        lost = "" if fuses(report.study) else beyond(report.result, CLN.name, report.study.evaluation.horizons)
        if lost:
            return {"nomogram": f"No nomogram. {lost}"}
        needs = "a fused model with both parts" if fuses(report.study) else "a clinical model"
        return {"nomogram": report.why("nomogram", f"No nomogram: it needs {needs} and a baseline hazard.")}
    lost = beyond(report.result, found.variables.model, report.study.evaluation.horizons)
    return {"nomogram": lost} if lost else {}


def table(one: DrawnNomogram) -> TableBlock:
    """Every tick of every axis."""
    body = [[axis.label, value, number_text.number(points, 1)] for axis in one.axes for value, points in axis.ticks]
    for horizon, ticks in one.survival.items():
        body += [[f"Survival at {horizon} days", number_text.share(chance), number_text.number(points, 1)] for chance, points in ticks]
    return TableBlock(f"Nomogram of {one.model}", ["Axis", "Value", "Points"], body)


@figure_style.styled
def draw(one: DrawnNomogram, name: str, *, simulated: bool, width: int = 760) -> Picture:
    """Points for every axis, their total, and survival at the horizons for a total."""
    low, high = one.total_range
    most = 18 if width > 500 else 8
    step = next((size for size in (10, 20, 50, 100, 200, 500, 1000) if (high - low) / size <= most), 5000)
    rulers = [("Points", [(str(value), float(value)) for value in range(0, 101, 10 if width > 500 else 20)])]
    rulers += [(axis.label, axis.ticks) for axis in one.axes]
    rulers.append(("Total points", [(f"{v:.0f}", 100 * (v - low) / (high - low)) for v in range(round(low), int(high) + 1, step)]))
    for horizon, ticks in one.survival.items():
        scaled = [(number_text.share(chance), 100 * (points - low) / (high - low)) for chance, points in ticks]
        rulers.append((f"Survival at {horizon} days", [tick for tick in scaled if 0 <= tick[1] <= 100]))
    places = [0.0]
    for _, marks in rulers[:-1]:
        places.append(places[-1] + 1 + LINE * max((line for *_, line in tiers(marks, width)), default=0))
    figure, axes = figure_style.panel(width, 80 + 50 * places[-1])
    axes.set_axis_off()
    axes.set_xlim(-3, 103)
    axes.set_ylim(places[-1] + 0.65, -0.75)
    for number, (place, (label, marks)) in enumerate(zip(places, rulers, strict=True)):
        _rule(axes, place, label, marks, width, last=number >= len(rulers) - len(one.survival))
    ends = [
        (axis.label, *(f"{at} = {number_text.number(points, 0)}" for at, points in (axis.ticks[0], axis.ticks[-1]))) for axis in one.axes
    ]
    told = "; ".join(f"{label} {first} to {last}" for label, first, last in ends)
    return figure_style.finish(
        figure, name, f"Nomogram of {one.model}. Points: {told}. The table below it has every tick.", simulated=simulated
    )


def tiers(ticks: Sequence[tuple[str, float]], width: int) -> list[tuple[str, float, int]]:
    """Label, place and line (0 next to the axis) of every tick: a label that would run into its neighbour goes one line lower.

    What fits on none of the lines is left out; the table below the figure has it.
    """
    room = 520 / width
    free = [-1e9] * TIERS
    found: list[tuple[str, float, int]] = []
    for label, at in sorted(ticks, key=lambda tick: tick[1]):
        half = room * (len(label) + 1) / 2
        line = next((index for index in range(TIERS) if at - half >= free[index]), None)
        if line is not None:
            free[line] = at + half
            found.append((label, at, line))
    return found


def _rule(axes: Any, row: float, label: str, ticks: Sequence[tuple[str, float]], width: int, *, last: bool = False) -> None:
    """One ruler: its name above on the left, ticks and their labels below the line."""
    axes.text(-3, row - 0.3, label, fontsize=9.5, fontweight="bold", va="center", color=figure_style.LOW if last else figure_style.INK)
    if not ticks:
        return
    places = [at for _, at in ticks]
    axes.plot([min(places), max(places)], [row, row], color=figure_style.MUTED, linewidth=1)
    axes.vlines(places, row, row + 0.1, color=figure_style.MUTED, linewidth=1)
    for words, at, line in tiers(ticks, width):
        if line:
            axes.vlines([at], row, row + 0.08 + LINE * line, color=figure_style.RULE, linewidth=0.8)
        axes.text(at, row + 0.12 + LINE * line, words, ha="center", va="top", fontsize=8.5)


NOMOGRAM = ReportPart(
    name="nomogram",
    heading=FUSED,
    numbers=numbers,
    blocks=blocks,
    missing=missing,
    shape=Nomograms | None,
    belongs=lambda study: fuses(study) or MODELS.read_variables(study.models),
)
