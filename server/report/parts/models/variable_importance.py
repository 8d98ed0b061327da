"""Figure 4 b: how much every covariate of a fitted model contributes, by Wald's χ²."""

from __future__ import annotations

from collections.abc import Iterator

from server.report.common import figure_style
from server.report.common.cox_tables import ShownCoxModel, cox_model, cox_table
from server.report.common.figure_style import Picture
from server.report.page_blocks import Block, Figure, Panel
from server.report.parts.models.clinical_cox_model import CLINICAL
from server.report.parts.part import Heading, ReportedStudy, ReportPart, fuses
from site_config.study.prognostic_models import MODELS

FUSED = Heading("prediction", "Prediction")


def numbers(report: ReportedStudy) -> list[ShownCoxModel]:
    """The fused models, and single scores calibrated to survival, in the study's order."""
    return [cox_model(model, report.result.fusion[model], report) for model in report.study.models if model in report.result.fusion]


def blocks(found: list[ShownCoxModel], report: ReportedStudy) -> Iterator[Block]:
    """One panel a model of more than one covariate."""
    models = [model for model in (report.of(CLINICAL), *found) if model is not None and len(model.coefficients) > 1]
    drawn = [model for model in models if any(c.wald_chi2 is not None for c in model.coefficients)]
    if drawn:
        panels = [Panel(draw(model, f"wald-{model.model}", simulated=report.simulated)) for model in drawn]
        caption = "Wald χ² minus its degrees of freedom, on the training patients (apparent)."
        yield Figure("wald", "Figure 4 b", "Importance of the parts", panels, [cox_table(model) for model in drawn], caption)


def missing(found: list[ShownCoxModel], report: ReportedStudy) -> dict[str, str]:
    """Why there is no fused model, and what has no finite estimate in one."""
    if not any(MODELS[model.model].is_fused for model in found):
        return {"fusion": report.why("fusion", "No fused model was fitted.")}
    lost = [f"{model.model}: {c.label} has {c.reason}" for model in found for c in model.coefficients if c.reason is not None]
    return {"importance": f"Not in Figure 4 b. {'; '.join(lost)}."} if lost else {}


@figure_style.styled
def draw(model: ShownCoxModel, name: str, *, simulated: bool) -> Picture:
    """Wald χ² − degrees of freedom of each covariate, largest on top."""
    rows = sorted((row for row in model.coefficients if row.wald_chi2 is not None), key=lambda row: -(row.wald_chi2 or 0))
    figure, axes = figure_style.panel(300, 70 + 26 * len(rows))
    axes.axvline(0, color=figure_style.MUTED, linewidth=0.9)
    values = [(row.wald_chi2 or 0) - 1 for row in rows]
    axes.hlines(range(len(rows)), 0, values, color=figure_style.RULE, linewidth=2)
    axes.plot(values, range(len(rows)), linestyle="none", marker="o", markersize=7, color=figure_style.LOW)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set(xlabel="Wald χ² − degrees of freedom", title=model.model)
    told = "; ".join(f"{row.label} {value:.1f}" for row, value in zip(rows, values, strict=True))
    return figure_style.finish(figure, name, f"Importance of covariates in {model.model} by Wald χ² minus 1: {told}.", simulated=simulated)


IMPORTANCE = ReportPart(
    name="fusion", heading=FUSED, numbers=numbers, blocks=blocks, missing=missing, shape=list[ShownCoxModel], belongs=fuses
)
