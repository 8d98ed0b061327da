"""The whole export as a folder: `figures/`, `tables/`, `report.docx`, `methods.txt`, `metrics.json` with its schema."""

from __future__ import annotations

import json
from pathlib import Path

from server.report.export.exported_items import figures, tables
from server.report.export.figure_and_table_files import csv_text, write_figure
from server.report.export.methods_paragraph import paragraph
from server.report.export.tripod_checklist import checklist
from server.report.export.word_document import document
from server.report.metrics_json import metrics_schema, metrics_text
from server.report.parts.conduct.participation_table import PARTICIPATION
from server.report.parts.conduct.what_left_hospitals import EGRESS
from server.report.parts.part import ReportedStudy
from server.report.report_page import sections
from server.study.study_results import StudyResult
from site_config.atomic_files import write_atomic

CHECKLIST = "tripod-ai"


def export(result: StudyResult, out: Path) -> list[Path]:
    """Write everything below `out` and return the paths, in the order of reading; files of the same names are replaced."""
    report = ReportedStudy(result)
    shown = sections(report)
    for folder in (out / "figures", out / "tables"):
        folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for stem, figure in figures(shown):
        written += write_figure(stem, figure, out / "figures", simulated=report.simulated)
    items = checklist(report)
    texts = {f"tables/{one.name}.csv": csv_text(one.table) for one in tables(shown)} | {f"tables/{CHECKLIST}.csv": csv_text(items)}
    words = paragraph(report)
    texts |= {
        "methods.txt": f"{words}\n",
        "metrics.json": metrics_text(report),
        "metrics.schema.json": json.dumps(metrics_schema(), indent=1) + "\n",
    }
    for name, content in texts.items():
        write_atomic(out / name, content.encode(), 0o644)
        written.append(out / name)
    conduct = {part.heading.name for part in (PARTICIPATION, EGRESS)}
    pasted = [section for section in shown if section.name not in conduct]
    word = document(result.title, ["Methods. " + words], pasted, [items], simulated=report.simulated)
    write_atomic(out / "report.docx", word, 0o644)
    return [*written, out / "report.docx"]
