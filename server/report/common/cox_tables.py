"""Fitted Cox models as the report shows them: coefficients in words, as a table and as a forest plot."""

from __future__ import annotations

import math
import re
from typing import Any

from pydantic import Field

from server.report import number_text
from server.report.common import figure_style
from server.report.common.estimate_kinds import Numbers, Test
from server.report.common.figure_style import Picture
from server.report.page_blocks import TableBlock
from server.report.parts.part import ReportedStudy
from site_config.problems import survival as problems
from site_config.study.prognostic_models import MODELS, ModelName

LARGEST_STEP = 9.0
"""A covariate one standard deviation higher multiplies the hazard by e^9: no such effect is estimated, it has run to infinity."""
AXIS_SD = 3
"""Half the declared axis of a score, in standard deviations (`server.phases.clinical_and_fusion`)."""

NARROW_LETTERS = 50
"""Of a row's words in a narrow figure, spaces between them not counted."""


class Coefficient(Numbers):
    """One row of a forest plot."""

    covariate: str
    label: str
    n: int
    events: int
    coef: float | None
    se: float | None
    hr: float | None
    low: float | None
    high: float | None
    p: float | None
    wald_chi2: float | None
    reason: str | None = None


class ShownCoxModel(Numbers):
    """A fitted Cox model: the clinical one (S3) or a fusion."""

    model: ModelName
    n: int
    events: int
    sites: int | None = None
    coefficients: list[Coefficient]
    concordance: float | None = None
    likelihood_ratio: Test | None = None
    warnings: list[str] = Field(default_factory=list)


def cox_model(model: ModelName, fit: dict[str, Any], report: ReportedStudy) -> ShownCoxModel:
    """One `CoxFit.as_dict()` with labels; a covariate without an estimate carries the model's finding about it as its reason."""
    labels = {part.name: part.label for part in MODELS} | {column.name: column.label for column in report.study.design}
    spreads = _spreads(report)
    rows = [_coefficient(fit, index, labels, spreads.get(name)) for index, name in enumerate(fit["covariates"])]
    return ShownCoxModel(
        model=model,
        n=fit["n"],
        events=fit["events"],
        sites=fit.get("sites"),
        coefficients=rows,
        concordance=fit.get("concordance"),
        likelihood_ratio=_test(fit.get("lr_test")),
        warnings=[f"{w.get('code', '')} {w.get('what', '')}".strip() for w in fit.get("warnings", [])],
    )


def _spreads(report: ReportedStudy) -> dict[str, float]:
    """Standard deviations of scores from their declared axes, of numbers from Table 1, and the largest a coded column can have."""
    scores = {name: (axis[1] - axis[0]) / (2 * AXIS_SD) for name, axis in report.result.score_ranges.items()}
    coded = {column.name: (column.span[1] - column.span[0]) / 2 for column in report.study.design if column.levels is not None}
    return scores | coded | _deviations(report)


def _deviations(report: ReportedStudy) -> dict[str, float]:
    """Standard deviations of continuous variables over the training patients, as Table 1 has them; bounds say nothing of them."""
    opened = [one for one in report.analyses.characteristics if one.set == "train"] if report.analyses else []
    if opened:
        return {one.variable: one.sd for one in opened[0].variables if one.sd is not None}
    train = next((one for one in report.result.characteristics if one.set == "train"), None)
    return {name: sd for name, sd in train.sd.items() if sd is not None} if train else {}


def is_estimated(coef: float | None, se: float | None, spread: float | None, *, separated: bool) -> bool:
    """Whether a coefficient is an estimate: finite, of an effect one can imagine a standard deviation to have, and not separated.

    The size of a coefficient alone says nothing: Xia et al. print 9.8834 for a score with a small spread.
    """
    if coef is None or se is None or not se > 0 or separated or not (math.isfinite(coef) and math.isfinite(se)):
        return False
    return spread is None or (abs(coef) * spread < LARGEST_STEP and se * spread < LARGEST_STEP)


def _names(name: str, what: str) -> bool:
    """Whether a sentence names a covariate: the whole name, not one that begins with it (`x1` is not in `x10 was left out`)."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", what) is not None


def _coefficient(fit: dict[str, Any], index: int, labels: dict[str, str], spread: float | None) -> Coefficient:
    name = fit["covariates"][index]
    label = labels.get(name, name)
    coef, se, interval = fit["coef"][index], fit["se"][index], fit["hr_ci"][index]
    about = [w for w in fit.get("warnings", []) if any(_names(one, w.get("what", "")) for one in (name, label))]
    separated = any(w.get("code") == problems.MONOTONE.label for w in about)
    estimated = is_estimated(coef, se, spread, separated=separated)
    low, high = interval if interval is not None else (None, None)
    told = next((f"{w.get('code', '')} {w.get('what', '')}".strip() for w in about), "no finite estimate")
    return Coefficient(
        covariate=name,
        label=label,
        n=fit["n"],
        events=fit["events"],
        coef=coef,
        se=se,
        hr=fit["hr"][index] if estimated else None,
        low=low,
        high=high,
        p=fit["p"][index] if estimated else None,
        wald_chi2=(coef / se) ** 2 if estimated else None,
        reason=None if estimated else told,
    )


def _test(found: dict[str, Any] | None) -> Test | None:
    if not found or found.get("chi2") is None or found.get("p") is None:
        return None
    return Test(chi2=found["chi2"], df=found["df"], p=found["p"])


def cox_table(model: ShownCoxModel) -> TableBlock:
    """Coefficients of one Cox model."""
    rows = [
        [
            c.label, number_text.number(c.coef, 3), number_text.number(c.se, 3), hazard_ratio_words(c.hr, c.low, c.high),
            number_text.number(c.wald_chi2, 1), number_text.p_value(c.p),
        ]
        if c.reason is None
        else [c.label, number_text.MISSING, number_text.MISSING, c.reason, number_text.MISSING, number_text.MISSING]
        for c in model.coefficients
    ]  # fmt: skip
    note = f"n {model.n}, {model.events} events"
    if model.likelihood_ratio:
        test = model.likelihood_ratio
        note += f"; likelihood ratio χ² {number_text.number(test.chi2, 1)} on {test.df} df, {number_text.p_equals(test.p)}"
    header = ["", "Coefficient", "SE", "Hazard ratio (95 % CI)", "Wald χ²", "p"]
    return TableBlock(f"Cox model {model.model}", header, rows, note=note + ".")


def hazard_ratio_words(hr: float | None, low: float | None, high: float | None) -> str:
    """`1.52 (1.10–2.11)`."""
    return number_text.MISSING if hr is None else f"{number_text.ratio(hr)} ({number_text.ratio(low)}–{number_text.ratio(high)})"


@figure_style.styled
def forest(model: ShownCoxModel, name: str, *, simulated: bool, width: int = 720) -> Picture:
    """Hazard ratios with 95 % intervals on a logarithmic axis; a covariate that could not be estimated says so."""
    rows = model.coefficients
    figure, axes = figure_style.panel(width, 64 + (26 if width > 500 else 38) * len(rows))
    axes.axvline(1, color=figure_style.MUTED, linewidth=0.9)
    second = figure_style.beyond_words([_shown(row) for row in rows if row.hr is not None])
    for index, row in enumerate(rows):
        _hazard_ratio(axes, index, row, width, second)
    finite = [value for row in rows for value in (row.low, row.high) if row.hr is not None and value is not None and 1e-3 < value < 1e3]
    low, high = min([0.5, *finite]) / 1.15, max([2.0, *finite]) * 1.15
    axes.set_xscale("log")
    axes.set_xlim(max(low, 0.05), min(high, 50))
    ratio_ticks(axes, wide=width > 500)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_yticks(range(len(rows)), [row.label for row in rows] if width > 500 else [""] * len(rows))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Hazard ratio (95 % interval), lower hazard to the left")
    words = "; ".join(f"{row.label} {_shown(row)}" for row in rows)
    alternative = f"Forest plot of {model.model}, {model.n} patients, {model.events} events: {words}."
    return figure_style.finish(figure, name, alternative, simulated=simulated)


def narrow_words(label: str, shown: str) -> str:
    """A row's name and numbers on one line of a narrow figure; a long name ends early, and stands whole in the figure's numbers."""
    room = max(NARROW_LETTERS - len(shown), 12)
    return f"{label if len(label) <= room else label[: room - 1].rstrip() + '…'}   {shown}"


def ratio_ticks(axes: Any, *, wide: bool) -> None:
    """Ticks of a logarithmic axis of hazard ratios."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    ticks = [0.1, 0.25, 0.5, 1, 2, 4, 8, 16] if wide else [0.1, 0.25, 0.5, 1, 2, 5, 10]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _hazard_ratio(axes: Any, index: int, row: Coefficient, width: int, second: float) -> None:
    if width <= 500:
        words = narrow_words(row.label, _shown(row))
        axes.text(0.0, index - 0.36, words, transform=axes.get_yaxis_transform(), fontsize=9, va="center", bbox=figure_style.ON_WHITE)
    if row.hr is None or row.low is None or row.high is None:
        if width > 500:
            figure_style.beside(axes, index, "no finite estimate", color=figure_style.MUTED)
        return
    axes.plot([row.low, row.high], [index, index], color=figure_style.LOW, linewidth=1.6, solid_capstyle="butt")
    axes.plot([row.hr], [index], marker="s", markersize=6, color=figure_style.LOW, markeredgecolor="white")
    if width > 500:
        figure_style.beside(axes, index, _shown(row))
        figure_style.beside(axes, index, number_text.p_equals(row.p), second)


def _shown(row: Coefficient) -> str:
    return row.reason or "not estimable" if row.hr is None else hazard_ratio_words(row.hr, row.low, row.high)
