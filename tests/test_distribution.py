"""What is handed over: a wheel and a source archive that are the same whenever they are built, and that indexes accept."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
from pathlib import Path

import pytest

import fedhcc
from tests.support import ROOT

BUILD = "from setuptools.build_meta import build_sdist, build_wheel; build_wheel({out!r}); build_sdist({out!r})"


def built(folder: Path, umask: int) -> dict[str, str]:
    """The SHA-256 of both archives, built from a copy of what is under version control (or about to be)."""
    tree, out = folder / "tree", folder / "out"
    out.mkdir(parents=True)
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        if (ROOT / line).is_file() and not line.startswith(("docs/", "requirements/", "tests/")):
            (tree / line).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / line, tree / line)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1764000000"}
    command = [sys.executable, "-P", "-c", BUILD.format(out=str(out))]
    subprocess.run(command, cwd=tree, capture_output=True, check=True, timeout=300, env=environment, umask=umask)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(out.iterdir())}


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], dict[str, str]]:
    root = tmp_path_factory.mktemp("built")
    return root, built(root / "one", 0o022), built(root / "two", 0o022)


def test_building_twice_gives_the_same_wheel(twice: tuple[Path, dict[str, str], dict[str, str]]) -> None:
    _, first, second = twice
    wheels = [name for name in first if name.endswith(".whl")]
    assert len(first) == 2 and len(wheels) == 1
    assert first[wheels[0]] == second[wheels[0]]


def test_building_twice_gives_the_same_files_in_the_source_archive(twice: tuple[Path, dict[str, str], dict[str, str]]) -> None:
    """Setuptools writes the time of building into the archive's headers; names and contents are the same."""
    root, _, _ = twice
    contents = []
    for folder in ("one", "two"):
        with tarfile.open(next((root / folder / "out").glob("*.tar.gz"))) as archive:
            files = [member for member in archive.getmembers() if member.isfile()]
            contents.append({m.name: hashlib.sha256(archive.extractfile(m).read()).hexdigest() for m in files})  # type: ignore[union-attr]
    assert contents[0] == contents[1] and len(contents[0]) > 500


def test_indexes_accept_both(twice: tuple[Path, dict[str, str], dict[str, str]]) -> None:
    archives = [str(path) for path in (twice[0] / "one" / "out").iterdir()]
    command = [sys.executable, "-m", "twine", "check", "--strict", *archives]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0 and ran.stdout.count("PASSED") == 2, ran.stdout + ran.stderr


def test_pip_installs_the_wheel_and_every_command_names_its_release(
    twice: tuple[Path, dict[str, str], dict[str, str]], tmp_path: Path
) -> None:
    """By pip itself, in an environment that is empty but for a look at the packages installed here, started in a stranger's folder."""
    (wheel,) = (twice[0] / "one" / "out").glob("*.whl")
    home = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(home)], capture_output=True, check=True, timeout=300)
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}

    def said(*words: str | Path) -> str:
        ran = subprocess.run(
            [home / "bin" / words[0], *words[1:]], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300, env=environment
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    said("pip", "install", "--no-deps", wheel)
    needed = tmp_path / "needed"  # what it needs, without this checkout and the laboratory beside it
    needed.mkdir()
    for one in Path(sysconfig.get_path("purelib")).iterdir():
        if not re.match(r"fedhcc|_*editable", one.name):
            (needed / one.name).symlink_to(one)
    (home / "lib" / f"python3.{sys.version_info.minor}" / "site-packages" / "here.pth").write_text(f"{needed}\n")
    for command in ("fedhcc-site", "fedhcc-coordinator", "fedhcc-sim"):
        assert re.fullmatch(rf"fedhcc {re.escape(fedhcc.__version__)}  code [0-9a-f]{{64}}\n", said(command, "--version"))
    where = said("python", "-c", "import fedhcc; print(fedhcc.__file__)").strip()
    assert Path(where).is_relative_to(home), "the wheel answers, not the checkout"


def test_the_upper_bound_of_python_is_the_one_make_holds() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    low, high = re.findall(r"3\.(\d+)", project["requires-python"])
    assert f"(3, {low}) <= sys.version_info < (3, {high})" in (ROOT / "Makefile").read_text("utf-8")
    assert sys.version_info < (3, int(high))
    assert fedhcc.__version__ == project["version"]
