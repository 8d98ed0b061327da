"""Evidence: the wheel holds the product alone, and installed with one extra at a time its command and its tests run.

`python -m evidence.packaging.extras_alone [EXTRA ...]` writes docs/evidence/extras_alone.json. The wheel is built, its files are looked
at, and for every extra it is installed into an empty environment with the locked versions (uv, from its cache; without network or index the
command ends with uv's own words). There the extra's command answers, does its first real work, and the extra's tests run: those that import
nothing of another extra. With `simulation` the tiny study runs over loopback, real Flower processes, in a folder that holds a
stranger's `client.py` and `server.py`. Environments are removed one after another.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evidence.code_meaning import ROOT
from evidence.record import FOLDER, record
from site_config.atomic_files import read_json

COVERS = ["evidence/packaging/extras_alone.py", "client/cli.py", "server/cli.py", "simulations/cli.py"]
PRODUCT = ("client", "fedhcc", "server", "shared_model", "simulations", "site_config")
OTHERS = ("evidence", "tests", "tools", "docs")
TOOLS = ("pytest", "pytest-timeout", "hypothesis")
LIMIT_S = 1800.0
STRANGER = "raise SystemExit('a stranger of this name was imported')\n"
EXPORTED = "tests/client/prediction/test_predict_patient.py"
MISSING = re.compile(r"No module named '(\w+)")


@dataclass(frozen=True)
class Extra:
    """What is tried of an extra: its commands' words, in order, in a folder of their own; and pytest's words for its tests.

    Tests of the tree itself, as that of the paper's page, are not among them.
    """

    name: str
    commands: Sequence[Sequence[str]]
    tests: Sequence[str] = ()
    imports: Sequence[str] = ()
    beside: str = ""
    """The extra whose command it adds something to."""


EXTRAS = (
    Extra(
        "site",
        (
            ("fedhcc-site", "--version"),
            ("fedhcc-site", "--help"),
            ("fedhcc-site", "init", "--name", "bern", "--home", "bern"),
            ("fedhcc-site", "problem", "FH-715"),
            ("fedhcc-site", "identity", "--home", "bern"),
        ),
        ("tests/client", f"--deselect={EXPORTED}::test_export_writes_programs_that_agree"),
    ),
    Extra(
        "coordinator",
        (
            ("fedhcc-coordinator", "--version"),
            ("fedhcc-coordinator", "--help"),
            ("fedhcc-coordinator", "init", "--title", "Trial office", "--address", "127.0.0.1:9443", "--home", "office"),
            ("fedhcc-coordinator", "study", "new", "--preset", "cox", "--help"),
            ("fedhcc-coordinator", "problem", "FH-716"),
        ),
        ("tests/server", "--ignore=tests/server/tracking", "--ignore=tests/server/report/test_paper.py"),
    ),
    Extra(
        "simulation",
        (
            ("fedhcc-sim", "--version"),
            ("fedhcc-sim", "--help"),
            ("fedhcc-sim", "run", "--preset", "tiny", "--engine", "loopback", "--out", "run"),
        ),
        ("tests/simulations/compare", "tests/simulations/tabular", "tests/fedhcc", "--ignore=tests/fedhcc/test_examples.py"),
    ),
    Extra("export", (), ("tests/shared_model/bundle", EXPORTED), ("onnx", "onnxruntime", "onnxscript"), "site"),
    Extra("tracking", (), ("tests/server/tracking",), ("mlflow", "tensorboard"), "coordinator"),
)


@dataclass
class Environment:
    """An environment with the wheel, one extra, and what runs tests."""

    root: Path
    wheel: Path
    versions: Path
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.root / "bin" / "python"

    def install(self, extra: str) -> list[str]:
        """Make it; returns the distributions it holds."""
        uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
        _done([uv, "venv", "--quiet", "--python", sys.executable, str(self.root)])
        into = ["--quiet", "--python", str(self.python), "--link-mode", "hardlink", "--constraint", str(self.versions)]
        _done([uv, "pip", "install", *into, f"fedhcc[{extra}] @ {self.wheel.as_uri()}"])
        listed = _done([uv, "pip", "freeze", "--python", str(self.python)]).stdout
        _done([uv, "pip", "install", *into, *TOOLS])
        return [line.partition("==")[0].partition(" @")[0] for line in listed.splitlines()]

    def run(self, words: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
        """A command of this environment in a folder, without anything of ours around it."""
        path = f"{self.root / 'bin'}:/usr/local/bin:/usr/bin:/bin"
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "OMP_NUM_THREADS", "FEDHCC_TEST_DATA") if name in os.environ}
        line = [str(self.root / "bin" / words[0]), *words[1:]]
        return subprocess.run(  # noqa: S603
            line, cwd=folder, env={**kept, "PATH": path, "COLUMNS": "400"}, capture_output=True, text=True, check=False, timeout=LIMIT_S
        )


def _done(line: Sequence[str]) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(line, capture_output=True, text=True, check=False, timeout=LIMIT_S)  # noqa: S603
    if ended.returncode:
        raise RuntimeError(f"{' '.join(line[:4])} …: {ended.stderr.strip()[-2000:]}")
    return ended


def built(folder: Path) -> Path:
    """The wheel of this tree."""
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    _done([uv, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)])
    (found,) = folder.glob("*.whl")
    return found


def contents(wheel: Path) -> dict[str, int]:
    """Files of the wheel by top-level name."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name.split("/")[0] for name in archive.namelist()]
    return {name: names.count(name) for name in sorted(set(names)) if not name.endswith(".dist-info")}


def locked_versions(folder: Path) -> Path:
    """The lock without hashes, as constraints: an extra alone gets the versions that were tested."""
    lines = (ROOT / "requirements" / "dev.txt").read_text("utf-8").splitlines()
    pinned = [line.rstrip(" \\") for line in lines if re.match(r"[A-Za-z0-9]", line)]
    path = folder / "versions.txt"
    path.write_text("\n".join(pinned) + "\n", encoding="utf-8")
    return path


def commands(environment: Environment, extra: Extra, folder: Path) -> dict[str, Any]:
    """Each command's exit status and seconds, in a folder with a stranger's modules."""
    folder.mkdir()
    for name in ("client.py", "server.py"):
        (folder / name).write_text(STRANGER, encoding="utf-8")
    found: dict[str, Any] = {}
    for words in extra.commands:
        began = time.perf_counter()
        ended = environment.run(words, folder)
        said = {"said": ended.stderr.strip()[-600:]} if ended.returncode else {}
        found[" ".join(words)] = {"status": ended.returncode, "seconds": round(time.perf_counter() - began, 1), **said}
    for name in extra.imports:
        ended = environment.run(["python", "-P", "-c", f"import {name}"], folder)
        found[f"import {name}"] = {"status": ended.returncode}
    result = folder / "run" / "study" / "result.json"
    labels = [read_json(path).get("label") for path in folder.rglob("result.json")] if not result.exists() else [read_json(result)["label"]]
    return {"commands": found, **({"label": labels[0]} if labels else {})}


def tests(environment: Environment, extra: Extra, folder: Path) -> dict[str, Any]:
    """The extra's tests beside everything of the tree but the packages, which come from the wheel."""
    if not extra.tests:
        return {}
    folder.mkdir()
    for one in ROOT.iterdir():
        if one.name not in (*PRODUCT, "evidence", "build", ".git", ".venv", ".tools") and not one.name.startswith(".py"):
            (folder / one.name).symlink_to(one)
    (folder / "tests").unlink()
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    common = ["python", "-P", "-m", "pytest", "-q", "-rfE", "-p", "no:cacheprovider", "-m", "not evidence and not gpu"]
    collected = environment.run([*common, "--collect-only", *extra.tests], folder)
    foreign = sorted({line.split()[1] for line in collected.stdout.splitlines() if line.startswith("ERROR tests/")})
    missed = set(MISSING.findall(collected.stdout))
    ended = environment.run([*common, *(f"--ignore={name}" for name in foreign), *extra.tests], folder)
    last = next((line for line in reversed(ended.stdout.splitlines()) if " passed" in line or " failed" in line), "")
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|skipped|error)", last)}
    lines = [line for line in ended.stdout.splitlines() if line.startswith(("FAILED tests/", "ERROR tests/"))]
    failed = [line[:300] for line in lines if not MISSING.search(line)]
    missed |= {name for line in lines for name in MISSING.findall(line)}
    others = {"files": len(foreign), "tests": len(lines) - len(failed), "they import": sorted(missed)}
    return {"passed": counts.get("passed", 0), "skipped": counts.get("skipped", 0), "failed": failed, "of other extras": others}


def alone(extra: Extra, wheel: Path, folder: Path) -> dict[str, Any]:
    """One extra from an empty environment to its tests."""
    environment = Environment(folder / "env", wheel, locked_versions(folder))
    began = time.perf_counter()
    held = environment.install(f"{extra.beside},{extra.name}".strip(","))
    found = {"distributions": len(held), "seconds_to_install": round(time.perf_counter() - began, 1)}
    return {**found, **commands(environment, extra, folder / "work"), **tests(environment, extra, folder / "tree")}


def held(one: Mapping[str, Any]) -> bool:
    """Whether every command ended well and no test failed."""
    commands_well = all(done["status"] == 0 for done in one["commands"].values())
    return commands_well and not one.get("failed") and one.get("label", "COMPLETE") == "COMPLETE"


def main() -> None:
    """Measure and record; the figures of extras that are not named stay."""
    wanted = sys.argv[1:] or [extra.name for extra in EXTRAS]
    path = FOLDER / "extras_alone.json"
    figures: dict[str, Any] = dict(read_json(path)["figures"]["extras"]) if path.exists() else {}
    with TemporaryDirectory(prefix="fedhcc-wheel-") as built_in:
        wheel = built(Path(built_in))
        files = contents(wheel)
        for extra in (one for one in EXTRAS if one.name in wanted):
            with TemporaryDirectory(prefix="fedhcc-extra-") as folder:
                figures[extra.name] = alone(extra, wheel, Path(folder))
            print(extra.name, json.dumps(figures[extra.name]), flush=True)
        size = wheel.stat().st_size
    tiny = figures.get("simulation", {}).get("label") == "COMPLETE"
    bars = {
        "the wheel holds the product's packages and nothing else": set(files) == set(PRODUCT),
        "each extra alone: commands and tests": all(held(one) for one in figures.values()) and len(figures) == len(EXTRAS),
        "the tiny study over loopback beside a stranger's client.py and server.py": tiny,
    }
    record("extras_alone", covers=COVERS, figures={"wheel": {"bytes": size, "files": files}, "extras": figures, "bars": bars}, seeds=[])


if __name__ == "__main__":
    main()
