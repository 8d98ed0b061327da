"""`metrics.json`: the numbers of every part under its name, with the study's own facts, as data with a schema."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import Field, create_model

from server.report.common.estimate_kinds import Numbers
from server.report.list_of_parts import CONTENTS
from server.report.parts.part import ReportedStudy
from server.report.printed_digits import printed
from server.study.study_results import StudyResult
from site_config.study.prognostic_models import ModelName

SCHEMA_VERSION = 2


class MetricsHead(Numbers):
    """What stands above the parts. `schema_version` rises when a name goes or changes its meaning."""

    schema_version: Literal[2] = 2
    study_id: str
    title: str
    label: Literal["COMPLETE", "INCOMPLETE"]
    simulated: bool
    endpoint: str = Field(description="how the study calls what it predicts")
    event: str = Field(description="how the study calls one event")
    reads_scans: bool = Field(description="whether any model of the study reads scans")
    minimum_cell: int
    primary: ModelName = Field(description="the most preferred of the models that the study declared: wherever one stands for all, it does")
    horizons: list[int]
    absent: dict[str, str] = Field(description="part of the page → why it is not there")


def metrics_model() -> type[MetricsHead]:
    """The type of `metrics.json`: the head, and a field for every part that has numbers."""
    fields: dict[str, Any] = {part.name: (part.shape, ...) for part in CONTENTS if part.shape is not None}
    return create_model("Metrics", __base__=MetricsHead, **fields)


def metrics_schema() -> dict[str, Any]:
    """The JSON schema of `metrics.json`."""
    schema = metrics_model().model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "metrics.json of a fedhcc report"}


def metrics(report: ReportedStudy) -> Any:
    """All numbers of the page, a value of `metrics_model()`; small cells are already hidden."""
    result, study = report.result, report.study
    parts = {part.name: report.of(part) for part in CONTENTS if part.shape is not None}
    return metrics_model()(
        study_id=result.study_id,
        title=result.title,
        label=result.label,
        simulated=result.simulated,
        endpoint=study.endpoint.label,
        event=study.endpoint.event_label,
        reads_scans=study.reads_scans,
        minimum_cell=report.minimum,
        primary=report.primary.name,
        horizons=list(study.evaluation.horizons),
        absent=absent(report),
        **parts,
    )


def metrics_text(report: ReportedStudy) -> str:
    """The file: every number as a paper prints it."""
    return json.dumps(printed(metrics(report).model_dump(mode="json")), indent=1, ensure_ascii=False) + "\n"


def absent(report: ReportedStudy) -> dict[str, str]:
    """What is missing from the page → the sentence that stands in its place."""
    found: dict[str, str] = {}
    for part in CONTENTS:
        if part.belongs(report.study):
            found |= part.missing(report.of(part), report)
    return found


def compute(result: StudyResult) -> Any:
    """All numbers of a finished study's report."""
    return metrics(ReportedStudy(result))
