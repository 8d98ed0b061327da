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
from tests.import_graph import PACKAGES, circles, modules
from tests.running.longest_files_first import ONE_WORKER, STUDIES
from tests.support import ROOT

LINES = 400
FILES_A_FOLDER = 15
HELP_SECONDS, BARE_SECONDS = 0.4, 0.16
LAZY = {
    "client.doctor.hospital_questions",
    "client.statistics.study_patients",
    "client.statistics.private_statistics_of_site",
    "client.statistics.cox_and_update_statistics",
    "client.release.release_preview",
}
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
    "shared_model/flower/",
    "client/program/flower_node.py",
    "client/app.py",
    "server/link/",
    "server/app.py",
    "simulations/engines/",
    "evidence/faults/",
    "evidence/capture/traffic.py",
)
CATCHERS = {
    "site_config/console.py",
    "client/program/message_agent.py",
    "client/app.py",
    "client/program/resident_worker.py",
    "client/program/site_runner.py",
    "client/program/flower_node.py",
}
ALLOWED = {
    "evidence": {"evidence", "fedhcc", "simulations", "client", "server", "shared_model", "site_config"},
    "fedhcc": {"fedhcc", "simulations", "client", "server", "shared_model", "site_config"},
    "simulations": {"simulations", "fedhcc", "client", "server", "shared_model", "site_config"},
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


def test_no_module_reaches_itself() -> None:
    """Imports inside functions and for types alone are counted: they hide a circle, they do not open it."""
    assert circles(modules()) == []


def test_a_hidden_circle_is_seen(tmp_path: Path) -> None:
    (tmp_path / "house").mkdir()
    (tmp_path / "house" / "one.py").write_text("def f():\n    from house.two import x\n")
    (tmp_path / "house" / "two.py").write_text("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house import one\nx = 1\n")
    (tmp_path / "house" / "three.py").write_text("import house.one\n")
    assert circles(modules(tmp_path, ("house",))) == [["house.one", "house.two"]]


def test_own_modules_are_imported_at_the_top() -> None:
    """Commands, command lines and Flower's apps alone import inside functions: `--help` must stay quick."""
    hidden = {
        name: [one.line for one in module.own if one.inside_function]
        for name, module in modules().items()
        if any(one.inside_function for one in module.own) and not ({"commands"} & set(name.split(".")) or name.endswith((".cli", ".app")))
    }
    assert hidden == {}


def test_modules_loaded_late_are_those_a_hospital_may_never_need() -> None:
    """`site_config.lazy_modules` is for torch in a hospital's agent, not a way around the test above."""
    users = {name for name, module in modules().items() if "site_config.lazy_modules" in (one.module for one in module.own)}
    assert users == LAZY
    for name in users:
        said = re.findall(r'lazy\("([a-z_.]+)"\)', modules()[name].path.read_text("utf-8"))
        assert said
        assert set(said) <= {one.module for one in modules()[name].own}


def test_a_folder_holds_no_more_than_fifteen_files() -> None:
    held = Counter(str(path.parent.relative_to(ROOT)) for path in sources(*PACKAGES, "tests"))
    assert {folder: n for folder, n in held.items() if n > FILES_A_FOLDER} == {}


def test_no_two_files_have_one_name() -> None:
    """So that a list of file names is read without the folders. `measure.py` of a folder of evidence measures all of that folder."""
    fixed = {"__init__.py", "__main__.py", "app.py", "cli.py", "measure.py"}
    named = [path for path in sources(*PACKAGES) if path.name not in fixed and not {"commands", "problems"} & set(path.parts)]
    homes: dict[str, list[str]] = {}
    for path in named:
        homes.setdefault(path.name, []).append(path.relative_to(ROOT).as_posix())
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_no_class_name_stands_twice() -> None:
    homes: dict[str, list[str]] = {}
    for name, module in modules().items():
        for node in ast.parse(module.path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(name)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


BARE = "import typer\nmain = typer.Typer(add_completion=False)\n@main.command()\ndef one() -> None:\n    pass\n"


def _help_seconds(prepared: str) -> float:
    """CPU seconds of a program that shows its help."""
    code = f"import sys, resource; sys.argv = ['x', '--help']\n{prepared}try:\n    main()\nfinally:\n"
    code += "    used = resource.getrusage(resource.RUSAGE_SELF); print(f'\\n{used.ru_utime + used.ru_stime:.3f}')"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    return float(ran.stdout.split()[-1])


@pytest.mark.parametrize("command", ["client", "server", "simulations"])
def test_help_takes_less_than_four_tenths_of_a_second(command: str) -> None:
    """Where a bare Typer program of one command takes 0.16 of them; a slower machine is given as many times that."""
    took, bare = [], []
    for _ in range(12):  # the least of some: a busy machine makes none quicker, and seldom leaves one alone
        took.append(_help_seconds(f"from {command}.cli import main\n"))
        if min(took) <= HELP_SECONDS:
            return
        bare.append(_help_seconds(BARE))
        if len(bare) > 2 and min(took) <= HELP_SECONDS / BARE_SECONDS * min(bare):
            return
    raise AssertionError(f"{min(took)} CPU seconds, a bare program {min(bare)}")


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


def test_whoever_looks_at_a_finished_study_goes_to_one_worker() -> None:
    """A file that is not listed would run the whole study again in another worker."""
    folder, asking = ROOT / "tests" / "end_to_end", set()
    for path in folder.rglob("test_*.py"):
        tree = ast.parse(path.read_text())
        functions = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef) and is_test_or_fixture(one)]
        if any(argument.arg in STUDIES for one in functions for argument in one.args.args):
            asking.add(path.relative_to(ROOT).as_posix())
    assert asking == set(ONE_WORKER)


def is_test_or_fixture(function: ast.FunctionDef) -> bool:
    """Whether pytest fills in its arguments."""
    return function.name.startswith("test_") or any("fixture" in ast.unparse(one) for one in function.decorator_list)
