"""`fedhcc-sim run FOLDER`: the folder is only read, Ctrl-C is one line at any moment, real patients' minima clash early."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulations.cli import app
from simulations.study.site_folders import Homes, adopt
from site_config.documents.read_yaml_documents import load_site
from tests.support import ROOT, run_cli


def lay(folder: Path, sites: tuple[str, str] = ("5", "3"), patients: tuple[str, str] = ("110", "40")) -> Path:
    ran = run_cli(app, "cohort", folder, "--preset", "clinical-only", "--sites", *sites, "--patients", *patients, "--seed", "11")
    assert ran.status == 0, ran.err
    return folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return lay(tmp_path_factory.mktemp("own") / "own")


def test_an_own_folder_runs_twice_and_is_never_written_to(own: Path, tmp_path: Path) -> None:
    before = content(own)
    for name in ("first", "second"):
        ran = run_cli(app, "run", own, "--out", tmp_path / name, "--no-pooled", "--json")
        assert ran.status == 0, ran.err
        assert ran.data["label"] == "COMPLETE"
    assert content(own) == before
    assert (tmp_path / "first" / "cohort" / "sites" / "hospital-01" / "state" / "identity").is_dir()


def test_a_hospitals_paths_point_where_they_did(own: Path, tmp_path: Path) -> None:
    homes = Homes(tmp_path / "out")
    adopt(own, homes)
    here, there = load_site(own / "sites" / "hospital-01" / "site.yaml"), homes.config("hospital-01")
    assert there.path(there.paths.cohort) == here.path(here.paths.cohort)
    assert there.paths.scans is None and there.policy == here.policy
    assert there.state == homes.site("hospital-01") / "state"


def test_the_page_for_real_patients_is_walked_to_the_letter(tmp_path: Path) -> None:
    """docs/tutorials/researcher.md, section 5."""
    own = lay(tmp_path / "own", ("10", "5"), ("200", "100"))  # the page's sizes: of 110 a validation set may stay below the minimum of 20
    study = own / "study.yaml"
    real = study.read_text().replace("simulated: true", "simulated: false")
    study.write_text(real + "privacy: {minimum_cox_patients: 60}\n")
    for site in own.glob("sites/*/site.yaml"):
        site.write_text(site.read_text().partition("policy:")[0])
    clash = run_cli(app, "run", own, "--out", tmp_path / "out")
    assert clash.status == 14 and clash.err.count("FH-528 ") == 1, clash.err
    study.write_text(real)
    ran = run_cli(app, "run", own, "--out", tmp_path / "out", "--json")
    assert ran.status == 0, ran.err
    assert (ran.data["label"], ran.data["simulated"]) == ("COMPLETE", False)


@pytest.fixture
def started(own: Path, tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    made: list[subprocess.Popen[str]] = []
    yield made
    for process in made:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize("after", [0.2, 0.8, 1.5, 2.2])  # a whole run takes three to four seconds on a quiet machine; either way is right
def test_ctrl_c_ends_a_run_in_one_line(own: Path, tmp_path: Path, started: list[subprocess.Popen[str]], after: float) -> None:
    command = [sys.executable, "-m", "simulations.cli", "run", str(own), "--out", str(tmp_path / "out")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    started.append(process)
    time.sleep(after)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)  # 2 s on a quiet machine
    assert "Traceback" not in err
    if process.returncode == 0 and (tmp_path / "out" / "report.html").exists():
        return  # a fast machine was through
    assert process.returncode == 130, err
    assert err.splitlines()[-1].startswith("stopped; nothing was left half-written")


def test_ctrl_c_reaches_no_process_of_a_pool(tmp_path: Path) -> None:
    code = (
        "import sys, time; from concurrent.futures import ProcessPoolExecutor; from multiprocessing import get_context;"
        "from simulations.interrupts import before_processes, one_line; one_line(); before_processes();"
        "pool = ProcessPoolExecutor(2, mp_context=get_context('spawn')); waiting = [pool.submit(time.sleep, 60) for _ in range(4)];"
        "print('running', flush=True); waiting[0].result()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "running\n"
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, len(err.splitlines())) == (130, 1)
    with pytest.raises(ProcessLookupError):
        for _ in range(50):
            os.killpg(process.pid, 0)
            time.sleep(0.1)


def test_ctrl_c_is_heard_while_the_program_ends(tmp_path: Path) -> None:
    code = (
        "import atexit, sys, time; from simulations.interrupts import keeping_status, one_line; one_line();"
        "atexit.register(lambda: (print('ending', flush=True), time.sleep(60)))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "ending\n"
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, len(err.splitlines())) == (130, 1)


@pytest.mark.parametrize(("ending", "status"), [("sys.exit(3)", 3), ("sys.exit()", 0), ("None", 0), ("sys.exit('why')", 1), ("1 / 0", 1)])
def test_a_program_ends_with_the_status_of_its_command(ending: str, status: int) -> None:
    code = f"import sys\nfrom simulations.interrupts import keeping_status, one_line\none_line()\nwith keeping_status():\n    {ending}\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == status and ("ZeroDivisionError" in done.stderr) == (ending == "1 / 0")
