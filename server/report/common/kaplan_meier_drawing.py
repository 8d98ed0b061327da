"""The look of Kaplan–Meier panels: step curves with bands, a legend above them, months and numbers at risk below.

Nothing is written on the curves. All panels of a figure get the same months, so that one can be read against the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from server.report import number_text
from server.report.common import figure_style
from server.report.common.estimate_kinds import Estimate, Test
from server.report.common.figure_style import Picture
from server.report.common.survival_curves import SurvivalCurve, at_month, axis_months, drawable, median_months, told
from server.report.page_blocks import Panel

SOLID, DASHED = "solid", (0, (5, 2))


@dataclass(frozen=True)
class ComparedGroups:
    """Two groups of one panel: its title, the picture's name, of whom it is, and the tests; `patients` decides whether it is folded."""

    title: str
    name: str
    about: str
    curves: Sequence[SurvivalCurve]
    hazard_ratio: Estimate
    logrank: Test | None
    patients: int | None


def compared_panels(compared: Iterable[ComparedGroups], endpoint: str, *, simulated: bool) -> list[Panel]:
    """A panel for each comparison that can be drawn, all with the same months."""
    drawn = [one for one in compared if drawable(one.curves)]
    months = axis_months([curve for one in drawn for curve in one.curves])
    return [
        Panel(
            survival_panel(
                one.curves,
                one.title,
                one.name,
                months=months,
                endpoint=endpoint,
                about=one.about,
                hazard_ratio=one.hazard_ratio,
                logrank=one.logrank,
                simulated=simulated,
            ),
            patients=one.patients,
        )
        for one in drawn
    ]


@figure_style.styled
def survival_panel(
    curves: Sequence[SurvivalCurve],
    title: str,
    name: str,
    *,
    months: Sequence[int],
    endpoint: str,
    about: str,
    hazard_ratio: Estimate | None = None,
    logrank: Test | None = None,
    colours: Sequence[str] = (figure_style.LOW, figure_style.HIGH),
    dashes: Sequence[Any] = (SOLID, DASHED),
    simulated: bool,
    width: int = 300,
) -> Picture:
    """One panel: groups compared on one set. `months` are the ticks all panels of the figure share."""
    lines = []
    if hazard_ratio is not None and hazard_ratio.value is not None:
        lines.append(
            f"HR {number_text.ratio(hazard_ratio.value)} ({number_text.ratio(hazard_ratio.low)}–{number_text.ratio(hazard_ratio.high)})"
        )
    if logrank is not None:
        lines.append(f"log-rank {number_text.p_equals(logrank.p)}")
    rows = len(curves) + bool(lines)
    height = 190 + 16 * rows + 22 + 17 * len(curves) + 30 + (60 if width > 400 else 0)
    figure, (upper, lower) = figure_style.panel(width, height, nrows=2, sharex=True, height_ratios=[1, 0.085 * len(curves)])
    _steps(upper, curves, colours, dashes)
    upper.set_ylabel(endpoint)
    upper.set_xticks(list(months), [str(month) for month in months])
    upper.set_xlim(0, max(months[-1], 1))
    upper.tick_params(labelbottom=True)
    upper.set_xlabel("Months", labelpad=1)
    upper.set_title(title, loc="left", pad=10 + 12.5 * rows)
    _legend(upper, curves, ", ".join(lines))
    _at_risk(lower, curves, colours, months)
    words = "; ".join(told(one) for one in curves)
    return figure_style.finish(figure, name, f"Kaplan–Meier curves of {about}: {words}. {', '.join(lines)}.", simulated=simulated)


def _steps(axes: Any, curves: Sequence[SurvivalCurve], colours: Sequence[str], dashes: Sequence[Any]) -> None:
    for one, colour, dash in zip(curves, colours, dashes, strict=True):
        months = [day / figure_style.MONTH for day in one.day]
        label = f"{one.label}: {number_text.size(one.n, one.events)}, median {median_months(one)}"
        if one.points:
            axes.plot(months, one.survival, color=colour, linestyle=dash, label=label)
        else:
            axes.step(months, one.survival, where="post", color=colour, linestyle=dash, label=label)
        axes.fill_between(months, one.low, one.high, step=None if one.points else "post", color=colour, alpha=0.12, linewidth=0)
    axes.set_ylim(0, 1.02)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])


def _legend(axes: Any, curves: Sequence[SurvivalCurve], words: str) -> None:
    """Groups and tests above the picture, where no curve can run through them, from the figure's own edge: room for long names.

    The title's pad keeps the place, so that a long line does not take the curves' width.
    """
    from matplotlib.lines import Line2D
    from matplotlib.transforms import blended_transform_factory

    handles, labels = axes.get_legend_handles_labels()
    if words:
        handles, labels = [*handles, Line2D([], [], linestyle="none")], [*labels, words]
    place = blended_transform_factory(axes.figure.transFigure, axes.transAxes)
    legend = axes.legend(
        handles, labels, loc="lower left", bbox_to_anchor=(0.01, 1.02), bbox_transform=place, borderaxespad=0, borderpad=0.1,
        labelspacing=0.25, handlelength=1.8, handletextpad=0.5, fontsize=8.5,
    )  # fmt: skip
    legend.set_in_layout(False)


def _at_risk(axes: Any, curves: Sequence[SurvivalCurve], colours: Sequence[str], months: Sequence[int]) -> None:
    axes.grid(visible=False)
    for side in ("top", "left", "right", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_ylim(len(curves) - 0.4, -0.6)
    axes.set_yticks(list(range(len(curves))), [one.label.split(" (")[0] for one in curves])
    axes.tick_params(length=0, labelbottom=False)
    axes.tick_params(axis="y", pad=15)
    axes.set_title("Number at risk", loc="left", fontsize=9, fontweight="normal", pad=3)
    for row, (one, colour) in enumerate(zip(curves, colours, strict=True)):
        ink = figure_style.text_colour(colour)
        axes.get_yticklabels()[row].set_color(ink)
        for month in months:
            count = number_text.count(at_month(one, month), one.hidden_below)
            axes.text(month, row, count, ha="center", va="center", fontsize=8.5, color=ink)
