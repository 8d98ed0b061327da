"""`data review` and `data choose` beside a stranger's scan, a corrected answer, and a scans.csv that is there already."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from client.commands import data
from client.doctor.documents import examine
from site_config.problems.base import Exit
from tests.client.commands.test_data_command import home_of
from tests.client.made_scans import body, write_series
from tests.support import app_of, run_cli

APP = app_of(data.register)


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scanned home: P000's baseline is headed by a stranger; two baseline series of P001 fit equally."""
    home = home_of(tmp_path_factory.mktemp("home"), patients=2, scans=lambda *_: False)
    (home / "scans.csv").unlink()
    cohort = (home / "cohort.csv").read_text()
    for column in ("treatment", "baseline_ct", "followup_ct", "last_contact"):
        cohort = cohort.replace(f"{column}_day", f"{column}_date")
    for last in ("300,", "301,"):
        cohort = cohort.replace(f",0,-3,60,{last}", ",2024-03-04,2024-03-01,2024-05-03,2024-12-29,")
    (home / "cohort.csv").write_text(cohort)
    hu, _ = body((20, 48, 48))
    for name, day, who in (
        ("P000/b", "20240301", "SOMEBODY_ELSE"),
        ("P000/f", "20240503", "P000"),
        ("P001/one", "20240301", "P001"),
        ("P001/two", "20240301", "P001"),
        ("P001/f", "20240503", "P001"),
    ):
        tags = {"SeriesInstanceUID": f"1.{name[3]}.{ord(name[-1]) + 100}", "StudyInstanceUID": f"2.{name[3]}.{day}"}
        write_series(home / "images" / name, hu, AcquisitionDate=day, SeriesDescription="Abdomen portal", PatientID=who, **tags)
    assert run_cli(APP, "data", "scan", "--home", home).status == Exit.FINDINGS
    return home


@pytest.fixture
def home(scanned: Path, tmp_path: Path) -> Path:
    """A copy of the scanned home for one test."""
    return Path(shutil.copytree(scanned, tmp_path / "home"))


def choose(home: Path, *answers: str) -> dict[str, list[tuple[str, str, str]]]:
    """Answer, and give each patient's suggested rows: visit, path, same_person."""
    ran = run_cli(APP, "data", "choose", *answers, "--home", home)
    assert ran.status == 0, ran.err
    rows: dict[str, list[tuple[str, str, str]]] = {"P000": [], "P001": []}
    for row in csv.DictReader(io.StringIO((home / "state/review/scans.csv").read_text())):
        rows[row["patient"]].append((row["visit"], row["path"], row["same_person"]))
    return rows


def checked(home: Path) -> list[str]:
    """What `check` says of the tables, once the suggestion is accepted."""
    assert run_cli(APP, "data", "review", "--accept", "--yes", "--home", home).status in (0, Exit.FINDINGS)
    found = examine(home)
    return [str(problem) for problem in (*found.faults, *found.findings)]


def test_the_question_names_whom_each_scan_is_headed(home: Path) -> None:
    said = run_cli(APP, "data", "review", "--home", home, "--json").data["questions"][0]["candidates"]
    assert [(one["folder"], one["headed"], one["other_person"]) for one in said] == [
        ("P000/b", "somebody_else", True),
        ("P000/f", "P000", False),
    ]
    shown = run_cli(APP, "data", "review", "--home", home).out
    assert "somebody_else" in shown and "1same" in shown


STRANGER, OWN = ("baseline", "P000/b"), ("followup", "P000/f")


@pytest.mark.parametrize(
    ("answers", "rows", "remark"),
    [
        (["1a"], [(*STRANGER, "no")], True),
        (["1a", "1b"], [(*STRANGER, "no"), (*OWN, "")], True),
        (["1b"], [(*OWN, "")], False),
        (["1same"], [(*STRANGER, "yes"), (*OWN, "yes")], False),
        (["1a", "1same"], [(*STRANGER, "yes")], False),
        (["1none"], [], False),
    ],
)
def test_only_same_states_that_a_stranger_is_the_patient(
    home: Path, answers: list[str], rows: list[tuple[str, str, str]], remark: bool
) -> None:
    assert choose(home, *answers, "2a")["P000"] == rows
    said = checked(home)
    assert any("FH-356" in one for one in said) == remark
    shown = run_cli(APP, "data", "review", "--home", home, "--json")
    assert shown.data["questions"][0]["settled"] != remark
    told = [one for one in said if "FH-230" in one and "left out at the review, its images name different persons" in one]
    visits = {"baseline", "followup"} - {visit for visit, *_ in rows}
    assert len(told) == (0 if "1same" in answers else len(visits))


def test_the_last_answer_replaces_the_earlier_one(home: Path) -> None:
    first = choose(home, "2b:portal")["P001"]
    ran = run_cli(APP, "data", "choose", "2a:portal", "--home", home)
    assert "question 2 was 2b:portal, is now 2a:portal" in ran.out
    second = choose(home, "2a:portal")["P001"]
    assert len(first) == len(second) and {row for row in first if row not in second} == {("baseline", "P001/two", "")}
    assert [row for row in choose(home, "2none")["P001"] if row[0] == "baseline"] == []


def test_a_refused_answer_takes_nothing(home: Path) -> None:
    before = (home / "state/review/review.json").read_bytes()
    for wrong in ("2a:venous", "9a", "2q", "2same", "2none"):
        ran = run_cli(APP, "data", "choose", "1b", "2a", wrong, "--home", home)
        assert ran.status == Exit.CONFIGURATION and "FH-129" in ran.err
        text = " ".join(ran.err.split())
        assert wrong in text and "Nothing of this command was taken" in text and "native, arterial, portal, delayed" in text
    assert (home / "state/review/review.json").read_bytes() == before


def test_accept_names_open_questions_and_keeps_the_old_table(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accept = ("data", "review", "--accept", "--home", home)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    ran = run_cli(APP, *accept)
    assert "1 (P000), 2 (P001)" in ran.err and ran.status not in (0, Exit.FINDINGS) and not (home / "scans.csv").exists()
    assert run_cli(APP, *accept, "--yes").status == Exit.FINDINGS
    old = (home / "scans.csv").read_bytes()
    chosen = run_cli(APP, "data", "choose", "1b", "2a", "--home", home)
    assert "0 questions open" in chosen.out and "review --accept --replace" in " ".join(chosen.out.split())
    refused = run_cli(APP, *accept)
    assert refused.status == Exit.CONTENT and "FH-238" in refused.err and "--accept --replace" in " ".join(refused.err.split())
    assert (home / "scans.csv").read_bytes() == old
    assert "kept as scans.csv.1" in run_cli(APP, *accept, "--replace").err
    assert (home / "scans.csv.1").read_bytes() == old and (home / "scans.csv").read_bytes() != old
