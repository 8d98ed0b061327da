"""A piece of evidence is stale when what it covers means something else, and never because a file was tidied or moved."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from evidence import code_meaning, record
from site_config.atomic_files import write_json
from tests.support import ROOT

BEFORE = '''"""Says what it is."""
from server.report import old_place
import numpy as np

RATE = 0.5

def total(values):
    """The sum."""
    import math
    return old_place.add(values) * RATE

class Thing:
    """A thing."""
    where = "server/report/old_place.py"
'''


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one file and one piece of evidence that covers it."""
    for module in (code_meaning, record):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(record, "meaning", lambda path: code_meaning.definitions(path.read_text("utf-8"), tmp_path))
    monkeypatch.setattr(record, "everywhere", lambda _name="*.py": everything(tmp_path))
    put(tmp_path, "server/report/old_place.py", "def add(values): return sum(values)\n")
    put(tmp_path, "client/one.py", BEFORE)
    covers = {
        name: code_meaning.definitions((tmp_path / name).read_text("utf-8"), tmp_path)
        for name in ("client/one.py", "server/report/old_place.py")
    }
    write_json(tmp_path / "piece.json", {"covers": covers})
    return tmp_path


def put(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def everything(root: Path) -> frozenset[tuple[str, str]]:
    return frozenset(p for path in root.rglob("*.py") for p in code_meaning.definitions(path.read_text("utf-8"), root).items())


def test_nothing_changed(tree: Path) -> None:
    assert record.stale(tree / "piece.json") == []


def test_a_pure_rename_of_a_module_and_its_users_makes_nothing_stale(tree: Path) -> None:
    (tree / "server/report/old_place.py").rename(tree / "server/report/new_place.py")
    (tree / "client/one.py").unlink()
    put(tree, "client/sums/two.py", BEFORE.replace("old_place", "new_place"))
    assert record.stale(tree / "piece.json") == []


def test_imports_and_docstrings_mean_nothing(tree: Path) -> None:
    put(
        tree,
        "client/one.py",
        BEFORE.replace("import numpy as np\n", "import sys\n").replace("The sum.", "All together.").replace("    import math\n", ""),
    )
    assert record.stale(tree / "piece.json") == []


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("RATE = 0.5", "RATE = 0.6", "client/one.py: RATE"),
        ("* RATE", "+ RATE", "client/one.py: total"),
        ("add(values)", "count(values)", "client/one.py: total"),
        ("    where =", "    there =", "client/one.py: Thing"),
    ],
)
def test_what_changed_is_named(tree: Path, old: str, new: str, named: str) -> None:
    put(tree, "client/one.py", BEFORE.replace(old, new))
    assert record.stale(tree / "piece.json") == [named]


def test_a_definition_that_is_gone_is_named(tree: Path) -> None:
    (tree / "server/report/old_place.py").unlink()
    assert "server/report/old_place.py: add" in record.stale(tree / "piece.json")


def test_every_path_that_a_piece_names_is_there() -> None:
    """A piece that names a file that was renamed would fail at its end, after hours; names are written whole, never put together."""
    tops, wrong = ("client", "evidence", "server", "shared_model", "simulations", "site_config"), []
    for module in sorted((ROOT / "evidence").rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            whole = not isinstance(node, ast.JoinedStr)
            text = node if whole else node.values[0]  # type: ignore[attr-defined]
            if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
                continue
            top, slash, _ = text.value.partition("/")
            if top in tops and slash and " " not in text.value and not (whole and (ROOT / text.value).exists()):
                wrong.append(f"{module.name}:{node.lineno} {text.value}")  # type: ignore[attr-defined]
    assert wrong == []
