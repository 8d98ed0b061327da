"""What is installed: every extra declares what its command imports and nothing else, and the wheel holds what they need.

The declarations are held against the imports; `test_extras` runs each extra without what its lock does not hold.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.import_graph import PACKAGES, modules, reach
from tests.support import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PACKAGES_OF = {"site": ("client",), "coordinator": ("server",), "simulation": ("simulations", "fedhcc", "client", "server")}
ASKED_FOR = ("tracking",)
"""Extras whose libraries an option asks for by name; the command without them says which is missing."""
SHARED_NAMES = {"google": ["protobuf"]}
"""Of names that several distributions put modules below, the one we import from."""
PLUGINS = {"pylibjpeg": "decodes JPEG for pydicom, which finds it by itself", "pylibjpeg-openjpeg": "decodes JPEG 2000 for pydicom"}


def name(requirement: str) -> str:
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower().replace("_", "-")


def declared(extra: str) -> set[str]:
    """Distributions of an extra: the base, its own, and those of the extras it names."""
    found = {name(one) for one in PROJECT["dependencies"]}
    for one in PROJECT["optional-dependencies"][extra]:
        if name(one) == "fedhcc":
            inner = one.partition("[")[2].partition("]")[0]
            found |= set().union(*(declared(part) for part in inner.split(",")))
        else:
            found.add(name(one))
    return found


def imported(packages: tuple[str, ...]) -> dict[str, set[str]]:
    """Distribution → modules of ours that import it, wherever in the file, of everything the packages' own modules reach."""
    known, graph = packages_distributions(), modules()
    found: dict[str, set[str]] = {}
    for module in reach(graph, {one for one in graph if one.split(".")[0] in packages}):
        for other in graph[module].others - sys.stdlib_module_names - {"__future__"}:
            for distribution in SHARED_NAMES.get(other, known.get(other, [f"not installed: {other}"])):
                found.setdefault(distribution.lower().replace("_", "-"), set()).add(module)
    return found


@pytest.mark.parametrize("extra", PACKAGES_OF)
def test_an_extra_declares_what_its_command_imports(extra: str) -> None:
    used = imported(PACKAGES_OF[extra])
    known = declared(extra).union(*(declared(one) for one in ASKED_FOR))
    assert {one: sorted(where) for one, where in used.items() if one not in known} == {}


@pytest.mark.parametrize("extra", PACKAGES_OF)
def test_an_extra_installs_nothing_that_its_command_does_not_import(extra: str) -> None:
    assert declared(extra) - set(imported(PACKAGES_OF[extra])) - set(PLUGINS) == set()


def files_of_the_tree(*folders: str) -> list[str]:
    command = ["git", "ls-files", "-co", "--exclude-standard", *folders]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked: built by the project's own backend from what is under version control or about to be."""
    tree, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for line in files_of_the_tree():
        if (ROOT / line).is_file() and not line.startswith(("docs/", "requirements/")):
            (tree / line).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / line, tree / line)
    code = f"from setuptools.build_meta import build_wheel; build_wheel({str(out)!r})"
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tree, capture_output=True, check=True, timeout=300)
    with zipfile.ZipFile(next(out.glob("*.whl"))) as archive:
        archive.extractall(out / "site")
    return out / "site"


def test_the_wheel_holds_every_file_of_the_packages_and_no_evidence(wheel: Path) -> None:
    tops = {path.name for path in wheel.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == set(PACKAGES) - {"evidence"}
    for package in tops:
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", package], cwd=ROOT, capture_output=True, text=True, check=True
        )
        wanted = {line for line in listed.stdout.splitlines() if (ROOT / line).is_file()}
        held = {str(path.relative_to(wheel)) for path in (wheel / package).rglob("*") if path.is_file()}
        assert held == wanted


@pytest.mark.parametrize("package", ["client", "server", "simulations"])
def test_an_installed_command_answers_in_a_flower_users_folder(package: str, wheel: Path, tmp_path: Path) -> None:
    """Without a checkout, where client.py and server.py lie: help, and the page of a problem."""
    for one in ("client", "server"):
        (tmp_path / f"{one}.py").write_text("raise SystemExit('imported from the folder it was started in')\n")
    for words in (["--help"], ["problem", "FH-715"]):
        command = [
            sys.executable,
            "-P",
            "-c",
            f"import sys; sys.path.insert(0, {str(wheel)!r}); from {package}.cli import main; main()",
            *words,
        ]
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, env=environment)
        assert ran.returncode == 0, ran.stderr
        assert ("problem" if words == ["--help"] else "The coordinator cannot be reached") in ran.stdout
