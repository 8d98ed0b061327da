"""`data review` and `data choose` beside a stranger's scan, a corrected answer, and a scans.csv that is there already."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from client.commands import check_and_identity, data
from client.commands.data_review import grouped
from client.doctor.document_checks import examine
from client.intake.survey.question_words import reason
from site_config.problems.base import Exit
from tests.client.commands.test_data_command import home_of
from tests.client.made_scans import body, write_series
from tests.support import app_of, run_cli

APP = app_of(data.register)
CHECK = app_of(check_and_identity.register)


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
    assert len(told) == (0 if "1same" in answers else len(visits)) and all("; decided" in one for one in told)


def test_the_suggestion_of_a_scan_that_did_not_end_is_not_taken(home: Path) -> None:
    (home / "state/review/unfinished").touch()
    for words in (("review",), ("review", "--accept", "--yes"), ("choose", "1b")):
        ran = run_cli(APP, "data", *words, "--home", home)
        assert "FH-350" in ran.err and "the last `data scan` did not end" in " ".join(ran.err.split())
    assert not (home / "scans.csv").exists() or ran.status
    run_cli(APP, "data", "scan", "--home", home)
    assert run_cli(APP, "data", "review", "--home", home).status == Exit.FINDINGS


@pytest.mark.parametrize("answers", [["1a"], ["1a", "1b"], ["1a:baseline:abdomen:portal"]])
def test_a_strangers_scan_is_refused_without_the_word_that_it_is_the_patients(home: Path, answers: list[str]) -> None:
    before = (home / "state/review/review.json").read_bytes()
    ran = run_cli(APP, "data", "choose", *answers, "--home", home)
    text = " ".join(ran.err.split())
    assert ran.status == Exit.CONFIGURATION and f"headed somebody_else, not the patient; `{answers[0]} 1same`" in text
    assert (home / "state/review/review.json").read_bytes() == before


def test_choose_says_what_was_taken_and_check_who_vouched(home: Path) -> None:
    ran = run_cli(APP, "data", "choose", "1a", "1same", "2b:portal", "--home", home, "--json")
    assert ran.data["taken"] == [
        "1a 1same: P000, baseline abdomen, 2024-03-01, portal, Abdomen portal, headed somebody_else,"
        " stated in your name to be this patient's",
        "2b:portal: P001, baseline abdomen, 2024-03-01, portal, Abdomen portal",
    ]
    checked(home)
    shown = run_cli(CHECK, "check", "--home", home)
    told = run_cli(CHECK, "check", "--home", home, "--json").data
    assert told["counts"]["with both visits in cohort.csv"] == 2 and told["counts"]["with scans of both visits"] == 1
    assert told["taking_part"]["left_out"]["P001"] == "no baseline chest, no followup chest scan" and "P001" in shown.out
    row = 1 + next(place for place, line in enumerate((home / "scans.csv").read_text().splitlines()) if line.endswith(",yes"))
    assert f"(same_person: yes): scans.csv rows {row}" in shown.out and "No fault" in shown.out


def test_a_row_that_says_it_is_a_strangers_is_a_fault_and_its_patient_takes_no_part(home: Path) -> None:
    choose(home, "1same", "2a")
    checked(home)
    table = (home / "scans.csv").read_text().splitlines()
    place = next(place for place, line in enumerate(table) if "P000/b" in line)
    table[place] = table[place].removesuffix("yes") + "no"
    (home / "scans.csv").write_text("\n".join(table) + "\n")
    ran = run_cli(CHECK, "check", "--home", home, "--json")
    assert ran.status == Exit.CONTENT
    assert [(fault["code"], fault["where"]) for fault in ran.data["faults"]] == [("FH-356", f"scans.csv:{place + 1}")]
    assert "another person's (FH-356)" in ran.data["taking_part"]["left_out"]["P000"]
    assert "No fault" not in run_cli(CHECK, "check", "--home", home).out


def test_a_new_scan_keeps_the_answers_and_check_names_a_table_that_is_older(home: Path) -> None:
    rows = choose(home, "1b", "2b:portal")
    assert not any("FH-373" in one for one in checked(home))
    again = run_cli(APP, "data", "scan", "--home", home)
    assert "answers kept: 1b, 2b:portal" in again.out
    with (home / "state/review/scans.csv").open() as file:
        assert sorted(row["path"] for row in csv.DictReader(file)) == sorted(path for mine in rows.values() for _, path, _ in mine)
    found = examine(home)
    assert not any("FH-373" in str(one) for one in found.findings)
    hu, _ = body((20, 48, 48))
    tags = {"SeriesInstanceUID": "1.1.300", "StudyInstanceUID": "2.1.20240301"}
    write_series(home / "images/P001/three", hu, AcquisitionDate="20240301", SeriesDescription="Abdomen portal", PatientID="P001", **tags)
    more = run_cli(APP, "data", "scan", "--home", home, "--json").data
    assert more["answers"] == {
        "kept": ["1b"],
        "dropped": [
            "2b:portal of the earlier scan (P001 baseline abdomen) is dropped: 1 of its scans are new or changed; it is question 2 now"
        ],
    }
    said = [str(one) for one in examine(home).findings if "FH-373" in str(one)]
    assert len(said) == 1 and "older than the review" in said[0]
    table = (home / "scans.csv").read_text()
    (home / "scans.csv").write_text(table.replace("P001/two", "P001/gone"))
    assert sum("FH-373" in str(one) for one in examine(home).findings) == 1
    (home / "scans.csv").write_text(table)
    checked_again = run_cli(APP, "data", "review", "--accept", "--replace", "--yes", "--home", home)
    assert checked_again.status == Exit.FINDINGS
    said = [str(one) for one in examine(home).findings if "FH-373" in str(one)]
    assert len(said) == 1 and "question 2 (row 3 of cohort.csv) is open" in said[0]


def test_remarks_are_those_that_stand_after_the_answers(home: Path) -> None:
    def about(key: str) -> list[str]:
        shown = run_cli(APP, "data", "review", "--home", home, "--json").data
        return [what for what, whose, _ in grouped(shown) if key in whose and "FH-362" in what]

    assert about("P000") == []
    choose(home, "1b")
    assert "FH-362 baseline: no usable scan of this visit was taken at the review" in about("P000")
    assert not any("stand in" in one for one in about("P000"))
    choose(home, "1same")
    assert not any("baseline: " in one for one in about("P000"))


def test_a_question_says_what_its_answers_mean() -> None:
    scan = {"phase": None, "low_dose": True}
    why = "only a low-dose or cone-beam scan is left"
    asked = {"persons": False, "reason": why, "visit": "baseline", "region": "chest", "candidates": [scan]}
    assert reason(2, asked) == (
        f"{why}; 2a takes the low-dose or cone-beam scan's slices as they are, as those of any other scan;"
        " where no follow-up chest scan is found, its slices stand in for the follow-up too;"
        " 2none takes no scan: without it the patient takes no part in the imaging models"
    )
    asked |= {"region": "abdomen", "candidates": [scan | {"low_dose": False}] * 2}
    assert "such as 3b:portal" in reason(3, asked)


def test_the_page_shows_rows_decided_without_a_question_and_answers_that_stand(home: Path) -> None:
    hu, _ = body((20, 48, 48))
    tags = {"SeriesInstanceUID": "1.1.301", "StudyInstanceUID": "2.1.20240503"}
    write_series(home / "images/P001/late", hu, AcquisitionDate="20240503", SeriesDescription="Abdomen arterial", PatientID="P001", **tags)
    choose(home, "1b")
    assert run_cli(APP, "data", "scan", "--home", home).status == Exit.FINDINGS
    page = (home / "state/review/index.html").read_text()
    folded = page[page.index("<details>") : page.index("</details>")]
    assert "Rows decided without a question (1)" in folded and "by its phase" in folded
    assert "Abdomen portal · 2024-05-03 · portal" in folded
    assert folded.count('<img class="row" alt="middle slice of the followup abdomen scan of P001" src="data:image/png;base64,') == 1
    assert "Abdomen arterial · 2024-05-03 · arterial" in folded and "<b>another phase, or none known</b>" in folded
    assert "Answered: <code>1b</code>" in page and "Answered: <code>2" not in page


def test_a_suggestion_that_is_older_than_images_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Came, went and changed: at review, at an answer, and before the suggestion is accepted; a new scan ends it."""

    def told() -> dict[str, str]:
        problems = run_cli(APP, "data", "review", "--home", home, "--json").data["problems"]
        return {one["folder"]: one["what"].split()[1] for one in problems if one["code"] == "FH-379"}

    assert told() == {}
    images = home / "images"
    shutil.copytree(images / "P001/one", images / "P002/one")
    file = next(iter(sorted((images / "P001/two").iterdir())))
    file.write_bytes(file.read_bytes() + b"\0\0")
    shutil.rmtree(images / "P000")
    assert told() == {"P000": "went", "P001": "changed", "P002": "came"}
    chosen = run_cli(APP, "data", "choose", "2a", "--home", home)
    assert "FH-379" in chosen.out and all(key in chosen.out for key in ("P000", "P001", "P002"))
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    ran = run_cli(APP, "data", "review", "--accept", "--home", home)
    assert "FH-379" in ran.err and ran.status not in (0, Exit.FINDINGS) and not (home / "scans.csv").exists()
    assert run_cli(APP, "data", "scan", "--home", home).status == Exit.FINDINGS and told() == {}


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
