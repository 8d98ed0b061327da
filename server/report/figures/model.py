"""Pictures of the models: forest plots, importance, nomogram, concordance at a glance, training curves.

Pictures wider than a phone are drawn twice, for a wide and a narrow page; the page shows the one that fits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.report import text
from server.report.figures import style
from server.report.figures.style import Picture
from server.report.numbers import Coefficient, ConcordanceRow, DrawnNomogram, ShownCoxModel, Subgroup
from server.study.results import RoundPoint
from site_config.study.prognostic_models import MODELS


@style.styled
def forest(model: ShownCoxModel, name: str, *, simulated: bool, width: int = 720) -> Picture:
    """Hazard ratios with 95 % intervals on a logarithmic axis; a covariate that could not be estimated says so."""
    rows = model.coefficients
    height = 64 + (26 if width > 500 else 38) * len(rows)
    figure, axes = style.panel(width, height)
    axes.axvline(1, color=style.MUTED, linewidth=0.9)
    for index, row in enumerate(rows):
        _hazard_ratio(axes, index, row, width)
    finite = [value for row in rows for value in (row.low, row.high) if value is not None and 1e-3 < value < 1e3]
    low, high = min([0.5, *finite]) / 1.15, max([2.0, *finite]) * 1.15
    axes.set_xscale("log")
    axes.set_xlim(max(low, 0.05), min(high, 50))
    _ratio_ticks(axes, wide=width > 500)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_yticks(range(len(rows)), [row.label for row in rows] if width > 500 else [""] * len(rows))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Hazard ratio (95 % interval), longer life to the left")
    told = "; ".join(f"{row.label} {_shown(row)}" for row in rows)
    alternative = f"Forest plot of {model.model}, {model.n} patients, {model.events} events: {told}."
    return style.finish(figure, name, alternative, simulated=simulated)


def _ratio_ticks(axes: Any, *, wide: bool) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    ticks = [0.1, 0.25, 0.5, 1, 2, 4, 8, 16] if wide else [0.1, 0.25, 0.5, 1, 2, 5, 10]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _hazard_ratio(axes: Any, index: int, row: Coefficient, width: int) -> None:
    if width <= 500:
        axes.text(0.0, index - 0.36, f"{row.label}   {_shown(row)}", transform=axes.get_yaxis_transform(), fontsize=9, va="center")
    if row.hr is None or row.low is None or row.high is None:
        if width > 500:
            axes.text(1.03, index, "no finite estimate", transform=axes.get_yaxis_transform(), va="center", fontsize=9, color=style.MUTED)
        return
    axes.plot([row.low, row.high], [index, index], color=style.LOW, linewidth=1.6, solid_capstyle="butt")
    axes.plot([row.hr], [index], marker="s", markersize=6, color=style.LOW, markeredgecolor="white")
    if width > 500:
        for at, words in ((1.03, _shown(row)), (1.27, text.p_equals(row.p))):
            axes.text(at, index, words, transform=axes.get_yaxis_transform(), va="center", fontsize=9)


def _shown(row: Coefficient) -> str:
    if row.hr is None:
        return row.reason or "not estimable"
    return f"{text.ratio(row.hr)} ({text.ratio(row.low)}–{text.ratio(row.high)})"


@style.styled
def concordance(rows: Sequence[ConcordanceRow], title: str, name: str, *, simulated: bool) -> Picture:
    """C of every model on one set with its 95 % interval."""
    shown = [row for row in rows if row.c.value is not None]
    figure, axes = style.panel(330, 60 + 30 * max(len(shown), 1))
    axes.axvline(0.5, color=style.MUTED, linewidth=0.9)
    for index, row in enumerate(shown):
        colour = MODELS[row.model].colour
        if row.c.low is not None and row.c.high is not None:
            axes.plot([row.c.low, row.c.high], [index, index], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot([row.c.value], [index], marker="o", markersize=7, color=colour, markeredgecolor="white")
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), [row.model for row in shown])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0.4, 1.0)
    axes.set(title=title, xlabel="C-index (95 % interval)")
    told = "; ".join(f"{row.model} {text.with_interval(row.c.value, row.c.low, row.c.high)}" for row in shown)
    return style.finish(figure, name, f"C-index, {title}: {told or 'nothing could be estimated'}.", simulated=simulated)


@style.styled
def importance(model: ShownCoxModel, name: str, *, simulated: bool) -> Picture:
    """Wald χ² − degrees of freedom of each covariate, largest on top."""
    rows = sorted((row for row in model.coefficients if row.wald_chi2 is not None), key=lambda row: -(row.wald_chi2 or 0))
    figure, axes = style.panel(335, 70 + 26 * len(rows))
    axes.axvline(0, color=style.MUTED, linewidth=0.9)
    values = [(row.wald_chi2 or 0) - 1 for row in rows]
    axes.hlines(range(len(rows)), 0, values, color=style.RULE, linewidth=2)
    axes.plot(values, range(len(rows)), linestyle="none", marker="o", markersize=7, color=style.LOW)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="Wald χ² − degrees of freedom", title=model.model)
    told = "; ".join(f"{row.label} {value:.1f}" for row, value in zip(rows, values, strict=True))
    return style.finish(figure, name, f"Importance of covariates in {model.model} by Wald χ² minus 1: {told}.", simulated=simulated)


@style.styled
def nomogram(one: DrawnNomogram, name: str, *, simulated: bool, width: int = 760) -> Picture:
    """Points for every axis, their total, and survival at the horizons for a total."""
    survival = list(one.survival.items())
    rows = 1 + len(one.axes) + 1 + len(survival)
    figure, axes = style.panel(width, 30 + 44 * rows)
    axes.set_axis_off()
    axes.set_xlim(-3, 103)
    axes.set_ylim(rows - 0.5, -0.75)
    points = [(str(value), float(value)) for value in range(0, 101, 10 if width > 500 else 20)]
    _rule(axes, 0, "Points", points)
    for row, axis in enumerate(one.axes, start=1):
        _rule(axes, row, axis.label, _spaced(axis.ticks, 100, width))
    low, high = one.total_range
    most = 18 if width > 500 else 8
    step = next((size for size in (10, 20, 50, 100, 200, 500, 1000) if (high - low) / size <= most), 5000)
    total = [(f"{value:.0f}", 100 * (value - low) / (high - low)) for value in range(round(low), int(high) + 1, step)]
    _rule(axes, 1 + len(one.axes), "Total points", total)
    for row, (horizon, ticks) in enumerate(survival, start=2 + len(one.axes)):
        scaled = [(f"{chance:.0%}".replace("%", " %"), 100 * (points_ - low) / (high - low)) for chance, points_ in ticks]
        _rule(axes, row, f"Survival at {horizon} days", _spaced([tick for tick in scaled if 0 <= tick[1] <= 100], 100, width), last=True)
    told = "; ".join(
        f"{axis.label} {axis.ticks[0][0]} = {axis.ticks[0][1]:.0f} to {axis.ticks[-1][0]} = {axis.ticks[-1][1]:.0f}" for axis in one.axes
    )
    return style.finish(figure, name, f"Nomogram of {one.model}. Points: {told}. The table below it has every tick.", simulated=simulated)


def _spaced(ticks: Sequence[tuple[str, float]], span: float, width: int) -> list[tuple[str, float]]:
    """Ticks whose labels do not run into one another; the ends stay."""
    room, kept = 5.2 * span / width, list[tuple[str, float]]()
    for label, at in sorted(ticks, key=lambda tick: tick[1]):
        if not kept or at - kept[-1][1] >= room * (len(label) + len(kept[-1][0])) / 2 + 0.8 * room:
            kept.append((label, at))
        elif label == ticks[-1][0]:
            kept[-1] = (label, at)
    return kept


def _rule(axes: Any, row: int, label: str, ticks: Sequence[tuple[str, float]], *, last: bool = False) -> None:
    """One ruler: its name above on the left, ticks and their labels below the line."""
    axes.text(-3, row - 0.34, label, fontsize=9.5, fontweight="bold", va="center", color=style.LOW if last else style.INK)
    if not ticks:
        return
    places = [at for _, at in ticks]
    axes.plot([min(places), max(places)], [row, row], color=style.MUTED, linewidth=1)
    axes.vlines(places, row, row + 0.1, color=style.MUTED, linewidth=1)
    for text_, at in ticks:
        axes.text(at, row + 0.15, text_, ha="center", va="top", fontsize=8.5)


@style.styled
def subgroups(rows: Sequence[Subgroup], words: Mapping[str, str], name: str, *, simulated: bool, width: int = 720) -> Picture:
    """Hazard ratio of high against low risk within every estimated subgroup."""
    wide = width > 500
    figure, axes = style.panel(width, 70 + (28 if wide else 40) * len(rows))
    axes.axvline(1, color=style.MUTED, linewidth=0.9)
    labels = [f"{words.get(row.value, row.value)} (n {row.n}, {row.events} events)" for row in rows]
    for index, (row, label) in enumerate(zip(rows, labels, strict=True)):
        hr = row.hazard_ratio
        shown = f"{text.ratio(hr.value)} ({text.ratio(hr.low)}–{text.ratio(hr.high)})"
        axes.plot([hr.low, hr.high], [index, index], color=style.HIGH, linewidth=1.7, solid_capstyle="butt")
        axes.plot([hr.value], [index], marker="s", markersize=6, color=style.HIGH, markeredgecolor="white")
        place = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 9}
        if wide:
            axes.text(1.03, index, shown, **place)
            axes.text(1.27, index, text.p_equals(hr.p), **place)
        else:
            axes.text(0.0, index - 0.36, f"{label}   {shown}", **place)
        if index and rows[index - 1].variable != row.variable:
            axes.axhline(index - 0.5, color=style.RULE, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(0.2, max(20.0, *(min(row.hazard_ratio.high or 1, 60.0) * 1.1 for row in rows)))
    _ratio_ticks(axes, wide=wide)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_yticks(range(len(rows)), labels if wide else [""] * len(rows))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Hazard ratio, high against low risk (95 % interval)")
    told = "; ".join(
        f"{label}: {text.ratio(row.hazard_ratio.value)} ({text.ratio(row.hazard_ratio.low)}–{text.ratio(row.hazard_ratio.high)})"
        for row, label in zip(rows, labels, strict=True)
    )
    return style.finish(figure, name, f"Hazard ratio of high against low risk by subgroup: {told}.", simulated=simulated)


@style.styled
def training(model: str, rounds: Sequence[RoundPoint], name: str, *, simulated: bool) -> Picture:
    """Loss of the training patients by round, validation loss where it was opened, rejected rounds marked."""
    figure, axes = style.panel(335, 240)
    taken = [point for point in rounds if point.loss is not None]
    colour = MODELS[model].colour
    axes.plot([p.round for p in taken], [p.loss for p in taken], color=colour, linewidth=1.2, alpha=0.9, label="training (apparent)")
    checked = [point for point in rounds if point.validation_loss is not None]
    if checked:
        axes.plot(
            [p.round for p in checked],
            [p.validation_loss for p in checked],
            color=style.INK,
            marker="o",
            markersize=4,
            linewidth=1.2,
            linestyle=(0, (4, 2)),
            label="validation",
        )
    rejected = [point for point in taken if not point.accepted]
    if rejected:
        axes.plot(
            [p.round for p in rejected], [p.loss for p in rejected], linestyle="none", marker="x", color=style.MARK, label="taken back"
        )
    axes.set(title=model, xlabel="Round", ylabel="Loss a patient")
    axes.legend(loc="upper right", borderaxespad=0.1)
    ends = f"from {text.number(taken[0].loss, 3)} to {text.number(taken[-1].loss, 3)}" if taken else "no loss was opened"
    told = f"{text.plural(len(rounds), 'round')}, training loss {ends}, {len(rejected)} taken back"
    return style.finish(figure, name, f"Training of {model}: {told}.", simulated=simulated)
