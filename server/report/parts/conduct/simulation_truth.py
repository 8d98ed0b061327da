"""What only a simulation knows: the true predictor's C-index, and the federated model beside one of pooled patients."""

from __future__ import annotations

from collections.abc import Iterator

from server.report import number_text
from server.report.page_blocks import Block, Bullets, Facts, Paragraph, TableBlock
from server.report.parts.part import Heading, ReportedStudy, ReportPart, nothing
from server.study.study_results import Simulation


def blocks(_found: None, report: ReportedStudy) -> Iterator[Block]:
    """Nothing for a study of people."""
    truth = report.result.simulation
    if truth is None:
        return
    yield Paragraph(
        "Simulated patients have a known truth, so the best possible C-index and a model trained on pooled patients can stand "
        "beside the federated one."
    )
    if truth.oracle:
        rows = [[name, number_text.number(c, 3), number_text.number(truth.oracle_images.get(name), 3)] for name, c in truth.oracle.items()]
        yield TableBlock("C-index of the true predictor (the ceiling)", ["Patients", "Everything", "Images alone"], rows)
    if truth.pooled:
        yield _pooled(truth)
    items = [*truth.settings.items(), *([("seed", str(truth.seed))] if truth.seed is not None else [])]
    if items:
        yield Paragraph("What made this demonstration learnable:")
        yield Facts(items)
    said = {f"{name}: {value}" for name, value in items}
    notes = [note for note in report.result.notes if note not in said]
    if notes:
        yield Bullets(notes)


def _pooled(truth: Simulation) -> TableBlock:
    rows = [
        [
            p.model,
            str(p.n),
            str(p.events),
            _c(p.c_federated, p.c_federated_ci),
            _c(p.c_pooled, p.c_pooled_ci),
            number_text.number(p.spearman, 4),
        ]
        for p in truth.pooled
    ]
    header = ["Model", "n", "Events", "C federated (95 % CI)", "C pooled (95 % CI)", "Spearman of the scores"]
    return TableBlock("Federated against pooled training, held-out patients", header, rows)


def _c(value: float | None, interval: tuple[float, float] | None) -> str:
    low, high = interval or (None, None)
    return number_text.with_interval(value, low, high, 3)


SIMULATION = ReportPart(name="simulation", heading=Heading("simulation", "What only a simulation knows"), numbers=nothing, blocks=blocks)
