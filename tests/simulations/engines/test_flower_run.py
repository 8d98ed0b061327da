"""Flower's way in: `flwr run` carries a study, shows progress, lists the run, and opens what the local engine opens."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from flwr.app import Context, RecordDict

from client.app import home_of
from server.watch.study_status import result_of
from simulations.cohort.cohort_presets import PRESETS
from simulations.cohort.write_cohort import make_cohort
from simulations.commands import flower
from simulations.engines.loopback_engine import free_ports
from simulations.study.simulated_study import Options, federate
from simulations.study.site_folders import Homes
from site_config.problems.base import Problem
from tests.support import ROOT, app_of, run_cli

APP = app_of(flower.register)
LIMIT_S = 500.0
TRIES, RAY_LATE = 3, "The current node timed out during startup"
"""Ray gives its own processes 30 s to start, which a loaded machine may not keep; the same command again is what a reader would type."""
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
PROGRAMS = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))  # as in an activated environment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """An app of three hospitals with tables, made by the command, and what the command said."""
    root = tmp_path_factory.mktemp("flwr")
    base = PRESETS["clinical-only"]
    survival = replace(base.survival, sites=(3, 2), patients=(36, 12))
    study = {**base.study, "resolution": "exact", "privacy": {"demonstration": True}}
    make_cohort(replace(base, survival=survival, study=study), root / "own", seed=3)
    ran = run_cli(APP, "flower-app", root / "app", "--own", root / "own", "--json")
    assert ran.status == 0, ran.err
    return root / "app", ran.data


def flwr(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Flower's command line with a configuration of its own."""
    environment = {**os.environ, **QUIET, "FLWR_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": PROGRAMS, "NO_COLOR": "1"}
    command = [sys.executable, "-P", "-m", "flwr.cli.app", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, env=environment, cwd=home, check=False)


def test_flwr_run_carries_a_study_and_opens_what_the_local_engine_opens(folder: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    app, said = folder
    homes, copy = Homes(app / "study"), Homes(tmp_path / "local")
    shutil.copytree(homes.root, copy.root)
    (port,) = free_ports(1)
    home = tmp_path / "flwr-home"
    home.mkdir()
    (home / "config.toml").write_text(f'[superlink]\ndefault = "here"\n\n[superlink.here]\naddress = "127.0.0.1:{port}"\ninsecure = true\n')
    command = [str(Path(sys.executable).with_name("flower-superlink")), "--insecure", "--simulation", "--isolation", "subprocess"]
    environment = {**os.environ, **QUIET, "FLWR_HOME": str(home), "PYTHONPATH": str(ROOT), "PATH": PROGRAMS}
    with (tmp_path / "superlink.log").open("w") as log:
        link = subprocess.Popen([*command, "--port", str(port)], stdout=log, stderr=log, env=environment, cwd=home)
    try:
        end = time.monotonic() + 120
        while time.monotonic() < end and not _answers(port):
            assert link.poll() is None, (tmp_path / "superlink.log").read_text()[-2000:]
            time.sleep(0.3)
        words = said["command"].split('"')[1]
        for _ in range(TRIES):
            ran = flwr(home, "run", str(app), "--stream", "--federation-config", words)
            told = ran.stdout + ran.stderr
            if RAY_LATE not in told:
                break
        assert "COMPLETE: " in told, told[-3000:]
        assert "admission 5/5 hospitals answered" in told and "clinical 1/1" in told and "evaluation 3/3" in told
        listed = flwr(home, "list", "--format", "json").stdout
        assert "finished:completed" in listed and "fedhcc-study" in listed, listed
    finally:
        link.terminate()
        link.wait(30)
    result = result_of(homes.coordinator, said["study"])
    local = federate(Options(copy.root), copy, _lock(copy, said["study"]), lambda _event: None, lambda: False)
    assert result.label == "COMPLETE" and result.clinical == local.clinical and result.tables == local.tables
    assert (homes.coordinator / "studies" / said["study"] / "run" / "report.html").exists()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", timeout=2.0).is_success
    except httpx.HTTPError:
        return False


def _lock(homes: Homes, study: str) -> Any:
    from server.study.resume_state import StudyFolder

    return StudyFolder(homes.coordinator / "studies" / study).signed_lock().lock


def test_the_bundle_holds_no_table_no_key_and_no_code(folder: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    from flwr.cli.build import build_fab_from_disk

    app, said = folder
    (tmp_path / "app.fab").write_bytes(build_fab_from_disk(app))
    with zipfile.ZipFile(tmp_path / "app.fab") as bundle:
        assert set(bundle.namelist()) == {"pyproject.toml", "README.md", ".info/CONTENT"}
    assert said["command"] in (app / "README.md").read_text() and json.dumps(said["study"])[1:13] in said["study"]


def test_only_a_simulated_node_lets_a_run_say_where_its_home_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FEDHCC_SITE_HOME", raising=False)
    run_config = {"sites": os.pathsep.join(["/a", "/b", ""])}
    assert home_of(Context(1, 1, {"partition-id": 1, "num-partitions": 2}, RecordDict(), run_config)) == Path("/b")
    with pytest.raises(Problem):
        home_of(Context(1, 1, {}, RecordDict(), run_config))
    assert home_of(Context(1, 1, {"home": "/own"}, RecordDict(), run_config)) == Path("/own")
