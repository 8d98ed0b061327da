"""What a trialist pastes: files of every figure and table, a Word file, a methods paragraph, a checklist, numbers with a schema."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from server.report.export.export_folder import export
from server.report.export.exported_items import figures, tables
from server.report.export.tripod_checklist import AUTHORS, ITEMS
from server.report.export.word_document import PAGE_CM, column_widths
from server.report.metrics_json import metrics_model, metrics_schema
from server.report.page_blocks import Figure, TableBlock
from server.report.parts.part import ReportedStudy
from server.report.report_page import sections
from server.study.study_results import StudyResult


@pytest.fixture(scope="module")
def folder(study_result: StudyResult, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export")
    written = export(study_result, out)
    assert sorted(written) == sorted(path for path in out.rglob("*") if path.is_file())
    return out


def test_every_figure_of_the_page_is_svg_and_pdf(folder: Path, study_report: ReportedStudy) -> None:
    stems = [stem for stem, _ in figures(sections(study_report))]
    assert len(stems) == len(set(stems))
    for stem in stems:
        mine = [path for path in (folder / "figures").iterdir() if re.fullmatch(rf"{re.escape(stem)}(-\d+)?(-phantom.*)?", path.stem)]
        kinds = {path.suffix for path in mine}
        assert kinds in ({".svg", ".pdf"}, {".png"}), stem
    for path in (folder / "figures").glob("*.pdf"):
        assert path.read_bytes().startswith(b"%PDF")
    for path in (folder / "figures").glob("*.svg"):
        assert "SIMULATED" in path.read_text()


def test_columns_of_the_word_file_hold_their_longest_word_and_fill_the_page() -> None:
    header = ["", "Overall\nn 1,151, 96 events", "Training\nn 800, 64 events\n7 hospitals", "Difference\ntest", "p (Wald)"]
    rows = [["Karnofsky performance status, mean ± SD", "91.3 ± 7.7", "91.5 ± 7.7", "0.08", "<0.001"]]
    for table in (TableBlock("", header, rows), TableBlock("", header[:2], [["a", "1"]]), TableBlock("", ["", ""], [["key", "f" * 64]])):
        widths = column_widths(table)
        assert sum(widths) == pytest.approx(PAGE_CM)
        for column, width in enumerate(widths):
            words = [word for cells in (table.header, *table.rows) for word in cells[column].split()]
            assert all(width >= 0.165 * min(len(word), 24) for word in words), words


def test_every_table_is_csv_with_the_pages_cells(folder: Path, study_report: ReportedStudy) -> None:
    found = list(tables(sections(study_report)))
    assert len({one.name for one in found}) == len(found) > 20
    for one in found:
        rows = list(csv.reader(io.StringIO((folder / "tables" / f"{one.name}.csv").read_text())))
        assert len(rows) == 1 + len(one.table.rows) + bool(one.table.note)
        assert [cell.strip() for cell in rows[1]] == [cell.strip() for cell in one.table.rows[0]]


def test_the_word_file_holds_figures_tables_methods_and_checklist(folder: Path) -> None:
    from docx import Document

    word = Document(str(folder / "report.docx"))
    words = "\n".join(paragraph.text for paragraph in word.paragraphs)
    for label in ("Figure 1.", "Figure S2.", "Table 1.", "Table 3.", "Figure 6.", "Methods. This federated", "TRIPOD+AI checklist"):
        assert label in words, label
    assert "SIMULATED PATIENTS" in words
    with zipfile.ZipFile(folder / "report.docx") as archive:
        assert sum(name.startswith("word/media/") for name in archive.namelist()) > 25
    assert len(word.tables) > 25


def test_methods_say_what_the_lock_says(folder: Path, study_result: StudyResult) -> None:
    words = (folder / "methods.txt").read_text()
    for part in (
        "37 hospitals took part in development and 15 hospitals in evaluation alone",
        "365 and 730 days",
        "EfficientNet-b0",
        "random",
    ):
        assert part in words, part
    assert study_result.study_id[:12] in words
    assert "hospital-" not in words


def test_the_checklist_has_every_item_and_leaves_to_people_what_is_theirs(folder: Path) -> None:
    rows = list(csv.reader(io.StringIO((folder / "tables" / "tripod-ai.csv").read_text())))[1:-1]
    assert len(rows) == len(ITEMS) == 52
    by_number = {row[0]: row[3] for row in rows}
    assert by_number["17"] == by_number["18a"] == AUTHORS
    assert "Figure 1" in by_number["20a"]
    assert "37 development, 15 evaluation" in by_number["6a"]


def test_metrics_are_valid_against_their_schema(folder: Path) -> None:
    data = json.loads((folder / "metrics.json").read_text())
    schema = json.loads((folder / "metrics.schema.json").read_text())
    assert schema == metrics_schema()
    assert data["schema_version"] == schema["properties"]["schema_version"]["const"] == 2
    assert set(data) == set(schema["properties"]) == set(schema["required"]) | {"schema_version"}
    metrics_model().model_validate(data)
    check(data, schema, schema)


def check(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """As much of JSON schema as pydantic writes, checked by hand: the package that checks it is not installed."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        assert any(fits(value, one, root) for one in schema["anyOf"]), value
        return
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
    assert isinstance(value, kinds[schema["type"]]), (value, schema)
    if "enum" in schema:
        assert value in schema["enum"]
    if schema["type"] == "object":
        assert set(schema.get("required", ())) <= set(value)
        for key, part in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            assert inner, key
            check(part, inner, root)
    for place, part in enumerate(value if schema["type"] == "array" else ()):
        prefix = schema.get("prefixItems", [])
        check(part, prefix[place] if place < len(prefix) else schema["items"], root)


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    try:
        check(value, schema, root)
    except AssertionError:
        return False
    return True


def test_a_picture_is_the_same_file_every_time(folder: Path, study_report: ReportedStudy) -> None:
    stem, figure = next((stem, one) for stem, one in figures(sections(study_report)) if isinstance(one, Figure))
    for kind in ("svg", "pdf"):
        assert figure.panels[0].wide.file(kind) == (folder / "figures" / f"{stem}-1.{kind}").read_bytes()
