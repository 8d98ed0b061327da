"""Figure S3: the clinical Cox model as forest plot and table."""

from __future__ import annotations

from collections.abc import Iterator

from server.report.common.cox_tables import ShownCoxModel, cox_model, cox_table, forest
from server.report.common.from_shares import with_closed
from server.report.page_blocks import Block, Figure, Panel
from server.report.parts.part import Heading, ReportedStudy, ReportPart
from site_config.study.plan_and_lock import Study
from site_config.study.prognostic_models import CLN, MODELS

Fitted = ShownCoxModel | None


def numbers(report: ReportedStudy) -> Fitted:
    """The fitted model with labels; None where none was fitted."""
    return cox_model(CLN.name, report.result.clinical, report) if report.result.clinical else None


def blocks(found: Fitted, report: ReportedStudy) -> Iterator[Block]:
    """One picture with its table."""
    if found is not None:
        if all(one.hr is None for one in found.coefficients):
            yield cox_table(found)
            return
        wide = forest(found, "s3", simulated=report.simulated)
        narrow = forest(found, "s3n", simulated=report.simulated, width=350)
        caption = f"Multivariable Cox model on the training patients, n {found.n}, {found.events} events."
        yield Figure("s3", "Figure S3", f"Clinical model ({CLN.name})", [Panel(wide, narrow)], [cox_table(found)], caption)


def missing(found: Fitted, report: ReportedStudy) -> dict[str, str]:
    """Why there is no clinical model, or what a finding says about the one there is."""
    if found is None and report.study.kind == "validate":
        return {CLN.name: "This study evaluates a frozen bundle; no clinical model was fitted."}
    if found is None:
        return {CLN.name: report.why(CLN.name, f"{CLN.name} is not here")}
    told = report.told(CLN.name)
    return with_closed(report, CLN.name, {CLN.name: f"About {CLN.name}: {told}"} if told else {}, "cox")


def belongs(study: Study) -> bool:
    """Whether any model of the study reads clinical variables."""
    return any(model.variables for model in MODELS.preferred(study.models))


CLINICAL = ReportPart(
    name="clinical",
    heading=Heading("clinical", "Clinical model"),
    numbers=numbers,
    blocks=blocks,
    missing=missing,
    shape=Fitted,
    belongs=belongs,
)
