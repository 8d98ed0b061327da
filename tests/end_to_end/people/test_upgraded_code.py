"""A study that goes on under other code, with real files: the packages are copied, a line is added to one of them, programs run there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from client.app import forget_agents
from server.asking.clocks_and_waiting import Effects
from server.study.run_study import run_study
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes
from site_config.problems.base import Problem
from site_config.study.code_digest import OFFICE_CODE, SHARED_CODE, code_digest, office_digest
from site_config.study.plan_and_lock import StudyLock
from tests.support import ROOT

Make = Callable[..., tuple[Homes, StudyLock]]
PACKAGES = (*SHARED_CODE, *OFFICE_CODE, "simulations")
GO_ON = """
import sys
from pathlib import Path
from server.study.deliverables import write_outcome
from server.study.resume_state import StudyFolder
from server.study.run_study import run_study
from server.watch.study_status import folder_of
from simulations.engines.local_engine import local_transport
from simulations.study.site_folders import Homes
from site_config.problems.base import Problem

homes, study = Homes(Path(sys.argv[1])), sys.argv[2]
try:
    result = run_study(homes.coordinator, study, local_transport(homes.sites()))
except Problem as problem:
    raise SystemExit(problem.code) from None
folder = folder_of(homes.coordinator, study)
print(result.label, write_outcome(result, StudyFolder(folder), folder))
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code as another release of it lies on another machine."""
    root = tmp_path_factory.mktemp("release")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
    return root


def say(release: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run this release's Python."""
    environment = {**os.environ, "PYTHONPATH": str(release), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-P", *map(str, words)]
    return subprocess.run(command, cwd=release, env=environment, capture_output=True, text=True, check=False)


def digests(release: Path) -> list[str]:
    """Both digests of this release's files."""
    told = say(release, "-c", "from site_config.study.code_digest import *; print(code_digest(), office_digest())")
    assert told.returncode == 0, told.stderr
    return told.stdout.split()


def changed(path: Path) -> bytes:
    """One more line at a file's end; what it was."""
    was = path.read_bytes()
    path.write_bytes(was + b"# another release\n")
    return was


def test_every_package_of_a_side_is_in_its_digest_and_no_other(release: Path) -> None:
    here = [code_digest(), office_digest()]
    assert digests(release) == here, "the same files elsewhere are the same code"
    for package, moved in (*((one, [True, False]) for one in SHARED_CODE), *((one, [False, True]) for one in OFFICE_CODE)):
        deepest = max((release / package).rglob("*.py"), key=lambda path: len(path.parts))
        was = changed(deepest)
        assert [now != before for now, before in zip(digests(release), here, strict=True)] == moved, deepest
        deepest.write_bytes(was)


def test_the_office_upgrades_and_the_report_shows_it(tables: Make, release: Path) -> None:
    homes, lock = tables(sites=(4, 2), patients=(40, 20))
    assert lock.code_digest == code_digest() and lock.office_digest == office_digest()
    asked = iter(range(1000))
    with pytest.raises(Problem, match="FH-720"):
        run_study(
            homes.coordinator,
            lock.study_id,
            local_transport(homes.sites()),
            effects=Effects(lambda: 0.0, lambda _seconds: None, lambda: next(asked) > 9),
        )
    forget_agents()
    office, shared = release / "server" / "study" / "run_study.py", release / "shared_model" / "survival" / "cox" / "__init__.py"
    names = (homes.root, lock.study_id)
    upgrade = ("-m", "server.cli", "upgrade", lock.study_id, "--home", homes.coordinator)

    was = changed(shared)
    refused = say(release, *upgrade)
    assert refused.returncode != 0 and "FH-415" in refused.stderr, "what the hospitals run too needs a new lock"
    shared.write_bytes(was)

    was = changed(office)
    assert say(release, "-c", GO_ON, *names).stderr.strip() == "FH-420", "nobody said that the office may change"
    done = say(release, *upgrade)
    assert done.returncode == 0 and f"from {office_digest()[:12]} to {digests(release)[1][:12]}" in done.stdout
    assert "under way with this very code" in say(release, *upgrade).stdout
    ended = say(release, "-c", GO_ON, *names)
    label, _, page = ended.stdout.strip().partition(" ")
    assert label == "COMPLETE", ended.stderr
    text = Path(page).read_text("utf-8")
    assert "Changed by hand (1)" in text and digests(release)[1][:12] in text and office_digest() in text
    office.write_bytes(was)
    with pytest.raises(Problem, match="FH-420"):
        run_study(homes.coordinator, lock.study_id, local_transport(homes.sites()))
    forget_agents()
