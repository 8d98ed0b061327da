"""Each extra works alone: with every package hidden that its lock does not hold, all its modules import and its command works.

Installing each extra into an environment of its own takes minutes and gigabytes; hiding what is not in the lock asks the same
question of the same code: does anything here need a package that a hospital or an office would not have?
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distributions, packages_distributions
from pathlib import Path

import pytest

from tests.import_graph import modules
from tests.site_config.broken import GOOD, HEAD, STUDY
from tests.support import ROOT

PACKAGES = {"site": ("client", "shared_model", "site_config"), "coordinator": ("server", "shared_model", "site_config")}
OURS = {"fedhcc", "client", "server", "simulations", "evidence", "shared_model", "site_config", "tests"}
ALONE = """
import importlib, importlib.util, json, sys
asked = json.load(sys.stdin)
hidden = set(asked["hidden"])

class Hides:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in hidden:
            raise ModuleNotFoundError(f"hidden: {name}", name=name)

sys.meta_path.insert(0, Hides())
looked_up = importlib.util.find_spec

def find_spec(name, package=None):  # asks whether a package is there, as torch does: an absent one has no specification
    return None if name in hidden else looked_up(name, package)

importlib.util.find_spec = find_spec
for name in asked["modules"]:
    importlib.import_module(name)
assert not hidden & {name.split(".")[0] for name in sys.modules}
sys.argv = ["command", *asked["words"]]
importlib.import_module(asked["command"]).main()
"""


def plain(name: str) -> str:
    """A distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(extra: str) -> dict[str, set[str]]:
    """Distributions in an extra's lock, each with its versions there."""
    found: dict[str, set[str]] = {}
    for line in (ROOT / "requirements" / f"{extra}.txt").read_text("utf-8").splitlines():
        if match := re.match(r"([A-Za-z0-9_.-]+)==([^\s;]+)", line):
            found.setdefault(plain(match.group(1)), set()).add(match.group(2))
    return found


def needed_here(known: dict[str, set[str]]) -> set[str]:
    """What a distribution of the lock asks for in the version installed here, where the lock has another version of it.

    pandas 2 imports pytz; pandas 3, which a hospital gets, does not.
    """
    other = [one for one in distributions() if plain(one.name) in known and one.version not in known[plain(one.name)]]
    asked = [line for one in other for line in one.requires or () if "extra ==" not in line]
    return {plain(match.group()) for line in asked if (match := re.match(r"[A-Za-z0-9_.-]+", line))}


def hidden(extra: str) -> list[str]:
    """Top-level modules of installed distributions of which none is in the extra's lock."""
    lock = locked(extra)
    known = lock.keys() | needed_here(lock)
    return sorted(
        top
        for top, found in packages_distributions().items()
        if top not in OURS | sys.stdlib_module_names and not any(plain(one) in known for one in found)
    )


def lay(extra: str, folder: Path) -> list[str]:
    """A folder for the extra's command, and the words that ask for it."""
    (folder / "study.yaml").write_text(STUDY, encoding="utf-8")
    (folder / "site.yaml").write_text("site: bern\npaths: {scans: null}\n", encoding="utf-8")
    (folder / "cohort.csv").write_text(f"{HEAD}\n{GOOD}\n", encoding="utf-8")
    return ["check", "--home", str(folder)] if extra == "site" else ["study", "check", str(folder / "study.yaml")]


@pytest.mark.parametrize("extra", PACKAGES)
def test_an_extra_works_alone(extra: str, tmp_path: Path) -> None:
    assert {"lifelines", "ray"} <= set(hidden(extra)), "the packages that only others need are hidden"
    mine = sorted(name for name in modules() if name.split(".")[0] in PACKAGES[extra] and not name.endswith("__main__"))
    asked = {"hidden": hidden(extra), "modules": mine, "command": f"{PACKAGES[extra][0]}.cli", "words": lay(extra, tmp_path)}
    command = [sys.executable, "-c", ALONE]
    ran = subprocess.run(command, cwd=ROOT, input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode in (0, 1), ran.stderr[-2000:]  # 1: findings to read
    assert "Traceback" not in ran.stderr, ran.stderr[-2000:]


def test_what_is_hidden_is_missed() -> None:
    asked = {"hidden": ["yaml"], "modules": ["site_config.documents.read_yaml_documents"], "command": "client.cli", "words": ["--help"]}
    ran = subprocess.run(
        [sys.executable, "-c", ALONE], cwd=ROOT, input=json.dumps(asked), capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode != 0 and "hidden: " in ran.stderr
