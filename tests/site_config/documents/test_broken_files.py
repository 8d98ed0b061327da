"""Sixty-odd broken files through the command lines a person uses: number, place, fix; quickly, and never a traceback."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from client.commands import check_and_identity
from server.commands import study_check_lock_publish
from site_config.problems.base import Exit
from tests.client.made_scans import write_body
from tests.site_config.broken import BROKEN, COHORT, SCANS, SITE, STUDY, Broken
from tests.support import ROOT, Ran, app_of, run_cli

COORDINATOR = app_of(study_check_lock_publish.register)
HOSPITAL = app_of(check_and_identity.register)
STATUSES = {Exit.CONFIGURATION, Exit.CONTENT, Exit.ACCESS}


def lay(folder: Path) -> Path:
    """A hospital's folder in which everything is right."""
    for name, content in (("study.yaml", STUDY), ("site.yaml", SITE), ("cohort.csv", COHORT), ("scans.csv", SCANS)):
        (folder / name).write_text(content, encoding="utf-8")
    images = folder / "images" / "a"
    images.mkdir(parents=True)
    write_body(images)
    (folder / "outside.nii.gz").write_bytes(b"x")
    (images / "outside.nii.gz").symlink_to(folder / "outside.nii.gz")
    return folder


def run_check(folder: Path, file: str, *more: str) -> Ran:
    if file == "study.yaml":
        return run_cli(COORDINATOR, "study", "check", folder / "study.yaml", *more)
    return run_cli(HOSPITAL, "check", "--home", folder, *more)


def test_the_right_files_pass(tmp_path: Path) -> None:
    lay(tmp_path)
    assert run_check(tmp_path, "study.yaml").status in (Exit.OK, Exit.FINDINGS)
    ran = run_check(tmp_path, "cohort.csv", "--json")
    assert ran.status == Exit.FINDINGS, ran.err
    assert ran.data["counts"]["patients"] == 2
    assert [finding["code"] for finding in ran.data["findings"]] == ["FH-230", "FH-230", "FH-322", "FH-322", "FH-322"]


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_a_broken_file_is_told_with_number_place_and_fix(tmp_path: Path, broken: Broken) -> None:
    lay(tmp_path)
    (tmp_path / broken.file).write_bytes(broken.data)
    started = time.process_time()
    ran = run_check(tmp_path, broken.file)
    seconds = time.process_time() - started
    line = next((line for line in ran.err.splitlines() if line.startswith(broken.code)), "")
    assert broken.place in line, ran.err
    assert broken.fix in ran.err
    assert "Traceback" not in ran.err + ran.out
    assert re.search(rf"fedhcc-\w+ problem .*{broken.code}", ran.err)
    assert ran.status in STATUSES
    assert seconds < 1, f"{seconds:.2f} s"


@pytest.mark.parametrize("broken", BROKEN[::9], ids=lambda broken: broken.name)
def test_json_tells_the_same(tmp_path: Path, broken: Broken) -> None:
    lay(tmp_path)
    (tmp_path / broken.file).write_bytes(broken.data)
    data = run_check(tmp_path, broken.file, "--json").data
    faults = data["faults"] if "faults" in data else [data["problem"], *data["problem"]["others"]]
    assert broken.code in [fault["code"] for fault in faults]


@pytest.mark.parametrize(
    ("change", "code", "exit_"),
    [
        (lambda folder: (folder / "cohort.csv").unlink(), "FH-910", Exit.ACCESS),
        (lambda folder: (folder / "site.yaml").unlink(), "FH-910", Exit.ACCESS),
        (lambda folder: ((folder / "cohort.csv").unlink(), (folder / "cohort.csv").mkdir()), "FH-915", Exit.ACCESS),
        (lambda folder: (folder / "images").rename(folder / "elsewhere"), "FH-910", Exit.ACCESS),
        (lambda folder: (folder / "scans.csv").write_bytes(b"x" * (17 * 2**20)), "FH-912", Exit.CONTENT),
    ],
)
def test_what_cannot_be_reached_is_access_and_not_content(tmp_path: Path, change: object, code: str, exit_: Exit) -> None:
    lay(tmp_path)
    change(tmp_path)  # type: ignore[operator]
    ran = run_check(tmp_path, "cohort.csv")
    assert code in ran.err
    assert ran.status == exit_


def test_a_file_without_permission_is_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path)
    opened = Path.open

    def refuse(path: Path, *arguments: object, **named: object) -> object:
        if path.name == "cohort.csv":
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    ran = run_check(tmp_path, "cohort.csv")
    assert "FH-911" in ran.err
    assert "not of the data" in ran.err
    assert ran.status == Exit.ACCESS


def test_a_scan_without_permission_is_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lay(tmp_path)
    monkeypatch.setattr("site_config.tables.scans_csv.os.access", lambda path, _: Path(path).suffix != ".gz")
    ran = run_check(tmp_path, "scans.csv")
    assert re.search(r"FH-221 rows? 2\b.*, column path", ran.err)
    assert "keep the row" in ran.err
    assert ran.status == Exit.ACCESS


def test_all_faults_of_a_table_at_once_and_no_cell_repeated(tmp_path: Path) -> None:
    lay(tmp_path)
    secret = "Erika-Mustermann-1950"
    rows = "\n".join(f"{secret}{i},{secret},{secret},03/04/2021,{secret},,,,{secret},9,9,9,9,9,9,9,{secret}" for i in range(200))
    (tmp_path / "cohort.csv").write_text(COHORT + rows, encoding="utf-8")
    ran = run_check(tmp_path, "cohort.csv", "--json")
    assert len(ran.data["faults"]) > 2000
    assert secret not in ran.out + ran.err
    assert "03/04/2021" not in ran.out.replace("as in 03/04/2021", "").replace("like 03/04/2021", "")


def test_the_installed_command_prints_no_traceback(tmp_path: Path) -> None:
    lay(tmp_path)
    (tmp_path / "study.yaml").write_text("title: [", encoding="utf-8")
    code = (
        "import typer; from server.commands import study_check_lock_publish as study; from site_config.console import run\n"
        "app = typer.Typer(); study.register(app)\n"
    )
    code += "app.callback()(lambda: None); run(app)"
    ran = subprocess.run(
        [sys.executable, "-c", code, "study", "check", str(tmp_path / "study.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == Exit.CONFIGURATION
    assert ran.stderr.startswith("FH-101 line 2: ")
    assert "Traceback" not in ran.stderr
