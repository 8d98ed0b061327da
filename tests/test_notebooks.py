"""The documentation's notebooks run from beginning to end, and print what their pages show."""

from __future__ import annotations

import importlib.util
import json
from typing import Any

import nbformat
import pytest

from tests.support import ROOT

FOLDER = ROOT / "docs" / "notebooks"
SPECIFICATION = importlib.util.spec_from_file_location("notebook_pages", FOLDER / "build.py")
assert SPECIFICATION is not None and SPECIFICATION.loader is not None
BUILD: Any = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(BUILD)


def test_no_notebook_is_forgotten_and_none_is_kept_with_results() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(BUILD.NAMES)
    listed = (ROOT / "mkdocs.yml").read_text()
    for name in BUILD.NAMES:
        cells = json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]
        assert all(not cell.get("outputs") and cell.get("execution_count") is None for cell in cells)
        assert f"notebooks/{name}.md" in listed


@pytest.mark.parametrize("name", BUILD.NAMES)
def test_a_notebook_runs_and_prints_what_its_page_shows(name: str) -> None:
    shown = (FOLDER / f"{name}.md").read_text()
    source = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    notebook = BUILD.executed(name)
    text, figures = BUILD.page(name, notebook)
    assert len(notebook.cells) == len(source.cells) and text.count("```python") == shown.count("```python")
    for cell in notebook.cells:
        assert cell.source in shown, "the page was made from another notebook: python docs/notebooks/build.py"
        if cell.cell_type == "code" and "varies" not in cell.metadata.get("tags", []):
            assert BUILD.printed(cell) in shown
    assert figures.keys() == {path.name for path in FOLDER.glob(f"{name}-*.svg")}
