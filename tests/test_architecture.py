"""What the house promises about itself: small files, Flower at the edges, light command lines, one number a problem."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from site_config.problems import GROUPS, all_kinds
from site_config.problems.base import Kind
from site_config.study import prognostic_models
from site_config.study.prognostic_models import MODELS, PrognosticModel
from tests.support import ROOT

PACKAGES = ("site_config", "shared_model", "client", "server", "simulations", "evidence")
LINES = 400
HEAVY = (
    "torch",
    "flwr",
    "monai",
    "nnunetv2",
    "matplotlib",
    "pandas",
    "SimpleITK",
    "scipy",
    "lifelines",
    "pydicom",
    "nibabel",
    "opacus",
    "grpc",
)
FLOWER_HOMES = (
    "client/program/node.py",
    "client/app.py",
    "server/link/grid.py",
    "server/link/superlink.py",
    "server/app.py",
    "simulations/engines/",
    "evidence/faults/",
    "evidence/capture/traffic.py",
)
CATCHERS = {
    "site_config/console.py",
    "client/program/agent.py",
    "client/app.py",
    "client/program/worker.py",
    "client/program/runner.py",
    "client/program/node.py",
}
ALLOWED = {
    "evidence": {"evidence", "simulations", "client", "server", "shared_model", "site_config"},
    "simulations": {"simulations", "client", "server", "shared_model", "site_config"},
    "client": {"client", "shared_model", "site_config"},
    "server": {"server", "shared_model", "site_config"},
    "shared_model": {"shared_model", "site_config"},
    "site_config": {"site_config"},
}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """First parts of the names of every module a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module.split(".")[0])
    return found


def test_no_file_is_over_400_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): n for path in sources(*PACKAGES, "tests") if (n := len(path.read_text("utf-8").splitlines())) > LINES
    }
    assert long == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_layers_hold_also_for_imports_inside_functions(package: str) -> None:
    broken = {
        str(path.relative_to(ROOT)): sorted(others)
        for path in sources(package)
        if (others := (imported(path) & set(PACKAGES)) - ALLOWED[package])
    }
    assert broken == {}


def test_flower_is_imported_only_at_the_edges() -> None:
    users = [str(path.relative_to(ROOT)) for path in sources(*PACKAGES) if "flwr" in imported(path)]
    assert [path for path in users if not path.startswith(FLOWER_HOMES)] == []


@pytest.mark.parametrize("module", ["client.cli", "server.cli", "simulations.cli"])
def test_a_command_line_imports_nothing_heavy(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == []


def test_every_problem_has_a_number_and_a_name_of_its_own() -> None:
    kinds = all_kinds()
    assert [count for count in Counter(kind.code for kind in kinds).items() if count[1] > 1] == []
    assert [count for count in Counter(kind.name for kind in kinds).items() if count[1] > 1] == []


def test_every_problem_can_be_met() -> None:
    """A page for a fault that nothing raises would only mislead."""
    raised = {
        name
        for path in sources(*PACKAGES)
        if path.parent.name != "problems"
        for name in re.findall(r"\b[A-Z][A-Z_0-9]+\b", path.read_text("utf-8"))
    }
    groups = [import_module(f"site_config.problems.{group}") for group in GROUPS]
    assert [name for group in groups for name, value in vars(group).items() if isinstance(value, Kind) and name not in raised] == []


def test_no_broad_except_but_where_everything_becomes_a_code() -> None:
    """A handler that cleans up and raises again is no such one."""
    broad = []
    for path in sources(*PACKAGES):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ExceptHandler) and not (isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None):
                names = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)} if node.type else {"Exception"}
                if names & {"Exception", "BaseException"}:
                    broad.append(str(path.relative_to(ROOT)))
    assert set(broad) <= CATCHERS


def test_model_names_stand_in_one_module() -> None:
    """What a model is, and which is preferred, is asked of its value: a name written elsewhere would be a second opinion."""
    home = "site_config/study/prognostic_models.py"
    names = {model.name for model in MODELS}
    values = {name for name, value in vars(prognostic_models).items() if isinstance(value, PrognosticModel)}
    found = []
    for path in sources(*PACKAGES):
        where = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))) if where != home else ():
            written = isinstance(node, ast.Constant) and node.value in names and not where.startswith("evidence/")
            compared = isinstance(node, ast.Compare) and any(
                (isinstance(part, ast.Constant) and part.value in names) or (isinstance(part, ast.Name) and part.id in values)
                for side in (node.left, *node.comparators)
                for part in ast.walk(side)
            )
            guessed = isinstance(node, ast.Call) and ast.unparse(node).endswith(("startswith('Rad')", "startswith('RadCLN')"))
            if written or compared or guessed:
                found.append(f"{where}:{node.lineno}")
    assert found == []


def test_public_names_are_told() -> None:
    """Every module and every public function or class of ours has a docstring."""
    silent = []
    for path in sources(*PACKAGES):
        tree = ast.parse(path.read_text("utf-8"))
        if not ast.get_docstring(tree) and tree.body:
            silent.append(str(path.relative_to(ROOT)))
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                silent.append(f"{path.relative_to(ROOT)}:{node.name}")
    assert silent == []
