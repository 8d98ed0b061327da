"""`prepare` ended by SIGKILL at stated moments, then run to its end: every file as if nothing had happened.

The moments are counted in steps of the work (a file about to take its place, or just in place), never in seconds, so that
neither a slow nor a fast machine misses them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from site_config.site_yaml import SiteConfig
from tests.client.made_scans import a_study, write_site

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import os, pathlib, signal, sys
from client.cohort.prepared_cohort import prepare
from site_config.site_yaml import SiteConfig
from site_config.study.plan_and_lock import Study
home, moment, side = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
site = SiteConfig.model_validate_json((home / "site.json").read_text()).model_copy(update={"home": home})
study = Study.model_validate_json((home / "study.json").read_text())
real, seen = pathlib.Path.replace, 0
def replace(self, target):
    global seen
    seen += 1
    if seen == moment and side == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, target)
    if seen == moment:
        os.kill(os.getpid(), signal.SIGKILL)
if moment:
    pathlib.Path.replace = replace
prepare(site, study)
"""


def contents(site: SiteConfig) -> dict[str, bytes]:
    """Every file of the prepared cohort but the lock."""
    return {path.name: path.read_bytes() for path in (site.state / "prepared").iterdir() if path.name != ".lock"}


def run(home: Path, moment: int = 0, side: str = "after") -> int:
    """Run `prepare` in a process of its own; it ends itself by SIGKILL beside its `moment`-th file. Gives the exit status."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, "-c", PROGRAM, str(home), str(moment), side], env=environment, check=False).returncode


def two_sites(tmp_path: Path, patients: int) -> tuple[SiteConfig, SiteConfig]:
    """Two sites with the same patients, the same scans and the same secret."""
    calm, wild = write_site(tmp_path / "calm", patients), write_site(tmp_path / "wild", patients=1)
    for name in ("cohort.csv", "scans.csv"):
        shutil.copy(calm.home / name, wild.home / name)
    shutil.rmtree(wild.home / "images")
    (wild.home / "images").symlink_to(calm.home / "images")
    for site in (calm, wild):
        site.state.mkdir()
        (site.state / "secret").write_bytes(bytes(range(32)))
        (site.home / "site.json").write_text(site.model_dump_json())
        (site.home / "study.json").write_text(a_study().model_dump_json())
    return calm, wild


def killed_and_resumed(tmp_path: Path, patients: int, moments: tuple[tuple[int, str], ...]) -> None:
    calm, wild = two_sites(tmp_path, patients)
    assert run(calm.home) == 0
    for moment, side in moments:
        assert run(wild.home, moment, side) == -signal.SIGKILL
    assert run(wild.home) == 0
    assert contents(wild) == contents(calm)
    assert len(json.loads((wild.state / "prepared" / "index.json").read_text())["usable"]) == patients


def test_fifty_patients_killed_at_eight_moments(tmp_path: Path) -> None:
    # A patient is three files: pictures, tensor, record; every run goes on where the record of the last whole patient stands.
    moments = ((1, "before"), (1, "after"), (2, "after"), (3, "before"), (21, "after"), (47, "before"), (62, "after"))
    killed_and_resumed(tmp_path, 50, (*moments, (3 * 8 + 1, "before")))


def test_killed_beside_the_index(tmp_path: Path) -> None:
    killed_and_resumed(tmp_path, 1, ((4, "before"), (1, "after")))
