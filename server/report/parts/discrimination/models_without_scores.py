"""Which models of the study have no score here: read before the tables they are missing from."""

from __future__ import annotations

from server.report.parts.part import Heading, ReportedStudy, ReportPart, nothing
from site_config.study.prognostic_models import MODELS

DISCRIMINATION = Heading("discrimination", "Discrimination")


def missing(_found: None, report: ReportedStudy) -> dict[str, str]:
    """Every network and fused model that was not evaluated or of which a finding speaks."""
    found: dict[str, str] = {}
    evaluated = report.evaluated()
    for model in MODELS.fitted(report.study.models):
        if model.network and model.name not in evaluated:
            found[model.name] = report.why(model.name, f"{model.name} is not here")
        elif model.network and (told := report.told(model.name)):
            found[model.name] = f"About {model.name}: {told}"
    return found


FITTED = ReportPart(name="fitted", heading=DISCRIMINATION, numbers=nothing, blocks=lambda _found, _report: (), missing=missing)
