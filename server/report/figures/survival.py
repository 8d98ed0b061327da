"""Pictures of survival: Kaplan–Meier panels with their at-risk table, ROC, calibration and score distributions.

One panel is one set or one model; small multiples are laid out by the page, so that a phone shows them one below another at
full size instead of one wide picture made small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.report import text
from server.report.figures import style
from server.report.figures.style import Picture
from server.report.numbers import Calibration, Distribution, Estimate, RiskGroups, RocCurve, SetSurvival, Subgroup, SurvivalCurve, Test
from site_config.study.prognostic_models import MODELS

MONTH = 365.25 / 12


@style.styled
def kaplan_meier(groups: RiskGroups, name: str, *, simulated: bool, endpoint: str) -> Picture:
    """Low against high risk on one set, with hazard ratio, log-rank p and numbers at risk."""
    about = f"{groups.model} risk groups, {style.SET_LABEL[groups.set]}"
    return _two_groups(groups.curves, groups.hazard_ratio, groups.logrank, style.SET_LABEL[groups.set], about, name, simulated, endpoint)


@style.styled
def subgroup(one: Subgroup, title: str, name: str, *, simulated: bool, endpoint: str) -> Picture:
    """Low against high risk within one subgroup."""
    return _two_groups(one.curves, one.hazard_ratio, one.logrank, title, f"{one.model} risk groups, {title}", name, simulated, endpoint)


def _two_groups(
    curves: Sequence[SurvivalCurve], hr: Estimate, logrank: Test | None, title: str, about: str, name: str, simulated: bool, endpoint: str
) -> Picture:
    lines = [f"HR {text.ratio(hr.value)} ({text.ratio(hr.low)}–{text.ratio(hr.high)})"] if hr.value is not None else []
    if logrank is not None:
        lines.append(f"log-rank {text.p_equals(logrank.p)}")
    figure = _curves(curves, [style.LOW, style.HIGH], ["solid", (0, (5, 2))], title, lines, endpoint)
    told = "; ".join(_told(curve) for curve in curves)
    return style.finish(figure, name, f"Kaplan–Meier curves of {about}: {told}. {', '.join(lines)}.", simulated=simulated)


@style.styled
def sets_compared(sets: SetSurvival, keys: Sequence[str], name: str, *, simulated: bool, endpoint: str, width: int = 560) -> Picture:
    """Survival of training, validation and test patients on one picture."""
    lines = [f"log-rank {text.p_equals(sets.logrank.p)}"] if sets.logrank else []
    colours = [style.SET_COLOUR[key] for key in keys]
    figure = _curves(
        sets.curves, colours, [style.SET_DASH[key] for key in keys], "All patients by set", lines, endpoint, width=width, height=360
    )
    told = "; ".join(_told(curve) for curve in sets.curves)
    return style.finish(figure, name, f"{endpoint} by set: {told}. {', '.join(lines)}.", simulated=simulated)


def _told(curve: SurvivalCurve) -> str:
    median = f"median {curve.median:.0f} days" if curve.median is not None else "median not reached"
    return f"{curve.label}, {text.plural(curve.n, 'patient')}, {text.plural(curve.events, 'event')}, {median}"


def _curves(
    curves: Sequence[SurvivalCurve],
    colours: Sequence[str],
    dashes: Sequence[Any],
    title: str,
    lines: Sequence[str],
    endpoint: str,
    width: int = 335,
    height: int = 320,
) -> Any:
    """Step curves with 95 % bands above, numbers at risk below, on one time axis in months."""
    figure, (upper, lower) = style.panel(width, height, nrows=2, sharex=True, height_ratios=[1, 0.055 * len(curves) + 0.02])
    for curve, colour, dash in zip(curves, colours, dashes, strict=True):
        months = [day / MONTH for day in curve.day]
        upper.step(
            months, curve.survival, where="post", color=colour, linestyle=dash, label=f"{curve.label} (n {curve.n}, {curve.events} ev.)"
        )
        upper.fill_between(months, curve.low, curve.high, step="post", color=colour, alpha=0.12, linewidth=0)
    upper.set(ylim=(0, 1.02), ylabel=endpoint, title=title)
    upper.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "25 %", "50 %", "75 %", "100 %"])
    upper.set_xlim(left=0)
    upper.legend(loc="upper right", borderaxespad=0.1, handlelength=1.8)
    if lines:
        upper.text(0.02, 0.03, "\n".join(lines), transform=upper.transAxes, fontsize=9, va="bottom", linespacing=1.35)
    _at_risk(lower, curves, colours)
    return figure


def _at_risk(axes: Any, curves: Sequence[SurvivalCurve], colours: Sequence[str]) -> None:
    axes.grid(visible=False)
    for side in ("top", "left", "right", "bottom"):
        axes.spines[side].set_visible(False)
    rows = range(len(curves))
    axes.set_ylim(len(curves) - 0.4, -0.6)
    axes.set_yticks(list(rows), [curve.label.split(" (")[0] for curve in curves])
    axes.tick_params(length=0)
    axes.tick_params(axis="y", pad=9)
    for row, (curve, colour) in enumerate(zip(curves, colours, strict=True)):
        axes.get_yticklabels()[row].set_color(colour)
        for day, count in zip(curve.ticks, curve.at_risk, strict=True):
            axes.text(day / MONTH, row, text.count(count, curve.hidden_below), ha="center", va="center", fontsize=8.5, color=colour)
    ticks = max((curve.ticks for curve in curves), key=len, default=[])
    axes.set_xticks([day / MONTH for day in ticks], [f"{day / MONTH:.0f}" for day in ticks])
    axes.set_xlabel("Months · patients at risk above", fontsize=9)


@style.styled
def roc(curves: Sequence[RocCurve], title: str, name: str, *, simulated: bool) -> Picture:
    """ROC curves of the models on one set at one horizon, with their areas."""
    figure, axes = style.panel(335, 335)
    axes.plot([0, 1], [0, 1], color=style.RULE, linewidth=1, zorder=1)
    for curve in curves:
        label = f"{curve.model}  {text.number(curve.auc.value)}"
        colour, dash = MODELS[curve.model].colour, MODELS[curve.model].dash
        axes.plot(curve.false_positive, curve.true_positive, color=colour, linestyle=dash, label=label)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="1 − specificity", ylabel="Sensitivity", title=title, aspect="equal")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.legend(loc="lower right", title="AUC", title_fontsize=9, alignment="left")
    told = "; ".join(f"{c.model} {text.with_interval(c.auc.value, c.auc.low, c.auc.high)}" for c in curves)
    return style.finish(figure, name, f"Time-dependent ROC, {title}. Areas under the curve: {told}.", simulated=simulated)


@style.styled
def calibration(one: Calibration, name: str, *, simulated: bool) -> Picture:
    """Predicted against observed survival by quantile group on one set."""
    figure, axes = style.panel(330, 330)
    axes.plot([0, 1], [0, 1], color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    colour = style.SET_COLOUR[one.set]
    predicted = [group.predicted for group in one.groups]
    observed = [group.observed for group in one.groups]
    axes.vlines(predicted, [group.low for group in one.groups], [group.high for group in one.groups], color=colour, linewidth=1.4)
    axes.plot(predicted, observed, color=colour, marker="o", markersize=6, markeredgecolor="white", linewidth=1.2)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=f"Predicted survival at {one.horizon} days", ylabel="Observed (Kaplan–Meier)", aspect="equal")
    axes.set_title(style.SET_LABEL[one.set])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    slope = one.slope
    axes.text(0.03, 0.97, f"slope {text.with_interval(slope.value, slope.low, slope.high)}", transform=axes.transAxes, va="top", fontsize=9)
    told = "; ".join(f"predicted {g.predicted:.2f}, observed {g.observed:.2f} (n {g.n})" for g in one.groups)
    return style.finish(figure, name, f"Calibration of {one.model}, {style.SET_LABEL[one.set]}: {told}.", simulated=simulated)


PARTS = {"radiology": "#0072B2", "clinical": "#E69F00"}


@style.styled
def distribution(one: Distribution, name: str, *, simulated: bool) -> Picture:
    """Patients by score bin above; below, what each part contributed to the score on average."""
    parts = list(one.contributions)
    rows = {"nrows": 2, "sharex": True, "height_ratios": [1, 1]} if parts else {}
    figure, axes = style.panel(335, 330 if parts else 230, **rows)
    upper = axes[0] if parts else axes
    left, right = _finite(one.low, one.high)
    width = [high - low for low, high in zip(left, right, strict=True)]
    middle = [low + w / 2 for low, w in zip(left, width, strict=True)]
    upper.bar(left, one.patients, width=width, align="edge", color="#c9d3e3", edgecolor="white", linewidth=1.2, label="patients")
    if one.bin_events:
        upper.bar(
            left, one.bin_events, width=width, align="edge", color="#7c8aa5", edgecolor="white", linewidth=1.2, label="of these, events"
        )
    upper.set(ylabel="Patients", title=f"{one.model} · {style.SET_LABEL[one.set]}")
    upper.set_ylim(0, 1.42 * max(one.patients))
    upper.legend(loc="upper left", borderaxespad=0.1)
    if parts:
        _contributions(axes[1], one, middle, max(width))
    (axes[1] if parts else axes).set_xlabel("Score (linear predictor)")
    told = (
        f"{text.plural(one.n, 'patient')}, {text.plural(one.events, 'event')} in {len(one.patients)} bins: "
        f"{', '.join(map(str, one.patients))}"
    )
    return style.finish(figure, name, f"Distribution of the {one.model} score, {style.SET_LABEL[one.set]}: {told}.", simulated=simulated)


def _contributions(axes: Any, one: Distribution, middle: Sequence[float], width: float) -> None:
    spare = ["#009E73", "#CC79A7"]
    axes.axhline(0, color=style.MUTED, linewidth=0.7)
    for index, (part, means) in enumerate(one.contributions.items()):
        kept = [(x, value) for x, value in zip(middle, means, strict=True) if value is not None]
        marker = "os^D"[index % 4]
        colour = PARTS.get(part, spare[index % 2])
        axes.plot([x for x, _ in kept], [v for _, v in kept], color=colour, marker=marker, markersize=4.5, linewidth=1.4, label=part)
    axes.set_ylabel("Mean contribution")
    axes.margins(y=0.3)
    axes.legend(loc="upper left", borderaxespad=0.1)


def _finite(low: Sequence[float | None], high: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """Open-ended outer bins are drawn as wide as the middling inner one."""
    inner = sorted(h - lo for lo, h in zip(low, high, strict=True) if lo is not None and h is not None)
    wide = inner[len(inner) // 2] if inner else 1.0
    left = [lo if lo is not None else (h - wide if h is not None else 0.0) for lo, h in zip(low, high, strict=True)]
    right = [h if h is not None else lo + wide for lo, h in zip(left, high, strict=True)]
    return left, right
