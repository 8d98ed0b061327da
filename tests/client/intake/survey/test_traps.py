"""Two hundred kinds of trap: right, a finding, or refused; none silent, and all commands say the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from client.cohort.check_scans import peek
from client.cohort.one_patient import prepare_patient
from client.commands.data_review import grouped, survey_data, to_decide
from client.intake.survey.survey_folder import survey
from client.intake.survey.survey_values import Survey, as_csv
from site_config.problems import scans as problems
from site_config.problems import tables as kinds
from site_config.problems import which_scan
from site_config.study.plan_and_lock import two_organs
from site_config.tables.patient_moments import Declared
from site_config.tables.scans_csv import ImagesFolder, check_together, parse_scans
from site_config.tables.table_values import Patient, Scan
from tests.client.intake.survey import (
    eighth_traps,
    fifth_traps,
    fourth_traps,
    more_traps,
    ninth_traps,
    seventh_traps,
    sixth_traps,
    third_traps,
)
from tests.client.intake.survey.traps import BASELINE, TRAPS, Trap, both, series
from tests.client.made_scans import a_study

LATER_ONLY = {"FH-331", "FH-332", "FH-330"}  # what is said once no organ was found
EARLIER_ONLY = {
    kinds.NO_SCANS.label,
    which_scan.VISIT_UNSUPPLIED.label,
    which_scan.PHASE_UNKNOWN.label,
    problems.NOT_VENOUS.label,
}  # `prepare` says it of organs
OF_ROWS = {kind.label for kind in (which_scan.DAY_CONTRADICTS, which_scan.PHASE_UNKNOWN, which_scan.VISIT_UNSUPPLIED, problems.NOT_VENOUS)}
OF_ROWS |= {problems.NOT_HOUNSFIELD.label, kinds.MOMENT_DIFFERS.label, which_scan.TOO_SHORT.label}
DAYS = {"baseline": "2024-03-01", "followup": "2024-05-03"}
ZERO = date(2024, 3, 4)


def patient(key: str) -> Patient:
    return Patient(key, 60.0, True, True, 300.0, {}, None, 60.0, -3.0, 2, ZERO, None, 0.0)


KEY = "Patient7"


@dataclass(frozen=True)
class Laid:
    """A trap's folder and what `scan` found in it."""

    root: Path
    found: Survey


def lay(trap: Trap, root: Path) -> Laid:
    """Make a trap's folder and look at it."""
    root.mkdir(parents=True)
    trap.make(root / KEY, KEY)
    return Laid(root, survey(root, (patient(KEY),)))


@pytest.fixture(scope="module")
def laid(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Trap], Laid]:
    """Every trap laid once for all tests of this module."""
    base = tmp_path_factory.mktemp("traps")
    return cache(lambda trap: lay(trap, base / trap.name))


def outcome(trap: Trap, found: Survey) -> tuple[str, str]:
    """The verdict (`right`, `finding`, `silent`) and what was said."""
    key = KEY
    chosen = {row["visit"]: row["path"].removeprefix(f"{key}/") for row in found.rows if row["region"] in ("abdomen", "whole")}
    said = " | ".join([*(question.reason for question in found.questions), *(one.problem.what for one in found.problems)])
    if trap.verdict == "right":
        right = (chosen.get("baseline"), chosen.get("followup")) == trap.words
        return ("right" if right else "silent" if not said else "finding"), f"{chosen} {said}"
    named = all(word in said for word in trap.words)
    return ("finding" if named else "silent"), f"{chosen} {said}"


def test_there_are_two_hundred() -> None:
    modules = (more_traps, third_traps, fourth_traps, fifth_traps, sixth_traps, seventh_traps, eighth_traps, ninth_traps)
    assert [sum(trap.make.__module__ == one.__name__ for trap in TRAPS) for one in modules] == [25, 23, 38, 19, 12, 41, 16, 35]
    assert len(TRAPS) >= 200 and len({trap.name for trap in TRAPS}) == len(TRAPS)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_nothing_is_chosen_in_silence(trap: Trap, laid: Callable[[Trap], Laid]) -> None:
    verdict, said = outcome(trap, laid(trap).found)
    assert verdict == trap.verdict, said


def listed(one: Laid) -> tuple[Scan, ...]:
    """The suggested table read back; where a visit has no row, one that names what a person in a hurry would: its only folder."""
    rows = [*one.found.rows]
    for visit, name in (("baseline", "b"), ("followup", "f")):
        if not any(row["visit"] == visit for row in rows) and (one.root / KEY / name).is_dir():
            day = DAYS[visit]
            rows.append({"patient": KEY, "visit": visit, "date": day, "region": "abdomen", "path": f"{KEY}/{name}"})
    if not rows:
        return ()
    return parse_scans(as_csv(tuple(rows)), ImagesFolder(one.root, one.root.resolve()), two_organs(), date(2026, 1, 1))


class NoMasks:
    """A segmenter that finds no organ: what was said of the scan itself is all there is."""

    def organs(self, *_: Any) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_check_and_prepare_say_what_scan_said(trap: Trap, laid: Callable[[Trap], Laid]) -> None:
    """Of every row that is listed `check` says what `prepare` will say; both say what `scan` said of the rows it suggested."""
    one = laid(trap)
    scans = listed(one)
    faults, remarks = check_together((patient(KEY),), scans)
    checked = {problem.code for problem in (*faults, *remarks, *peek((patient(KEY),), scans, None, one.root))}
    made = prepare_patient(scans, a_study(), NoMasks(), Declared.of(patient(KEY)), one.root)  # type: ignore[arg-type]
    prepared = {problem.code for problem in made.findings} - LATER_ONLY
    assert checked - EARLIER_ONLY == prepared
    suggested = {row["visit"] for row in one.found.rows}
    said = {remark.problem.code for remark in one.found.problems if remark.visit in suggested}
    assert said & OF_ROWS <= checked


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        ("Abdomen arterial 5.0", {"phase": "portal"}, "the row states the phase portal, the series' own header arterial"),
        ("Thorax Lunge 5.0", {"region": "abdomen"}, "the row states the region abdomen, the series' own header chest"),
        ("Abdomen portal 5.0", {"phase": "portal"}, None),
        ("Abdomen 5.0", {"phase": "portal"}, None),
    ],
)
def test_a_row_wins_over_the_header_and_is_told(name: str, row: dict[str, str], said: str | None, tmp_path: Path) -> None:
    one = lay(Trap("", lambda folder, key: both(folder, key, name=name), "finding", ()), tmp_path / "images")
    rows = tuple(made | row for made in one.found.rows)
    scans = parse_scans(as_csv(rows), ImagesFolder(one.root, one.root.resolve()), two_organs(), date(2026, 1, 1))
    told = [problem.what for problem in peek((patient(KEY),), scans, None, one.root) if problem.code == "FH-372"]
    made = prepare_patient(scans, a_study(), NoMasks(), Declared.of(patient(KEY)), one.root)  # type: ignore[arg-type]
    assert len(told) == sum(problem.code == "FH-372" for problem in made.findings) == (2 if said else 0)
    assert said is None or all(said in text for text in told)


def test_review_lists_everything_scan_said(tmp_path: Path) -> None:
    """Each question with its candidates, each remark with its number."""
    one = lay(next(trap for trap in TRAPS if trap.name == "two_phases_by_time_only"), tmp_path / "images")
    content = survey_data(one.found)
    asked, known = to_decide(content), grouped(content)
    for question in one.found.questions:
        assert any(cell.startswith(question.reason) for row in asked for cell in row)
    for remark in one.found.problems:
        assert any(row[0] == f"{remark.problem.code} {remark.problem.what}" and KEY in row[1] for row in known)
    assert len(asked) == sum(len(question.candidates) for question in one.found.questions)


@pytest.mark.parametrize("trap", [trap for trap in TRAPS if trap.verdict == "right"], ids=lambda trap: trap.name)
def test_the_suggested_table_can_be_read_back(trap: Trap, laid: Callable[[Trap], Laid]) -> None:
    root, found = laid(trap).root, laid(trap).found
    scans = parse_scans(as_csv(found.rows), ImagesFolder(root, root.resolve()), two_organs(), date(2026, 1, 1))
    assert len(scans) == len(found.rows) and all(scan.path.exists() for scan in scans)


def test_scans_of_neither_visit_and_links_are_named(tmp_path: Path) -> None:
    laid = {
        one: lay(next(trap for trap in TRAPS if trap.name == one), tmp_path / one) for one in ("scan_after_the_first_dose", "a_dead_link")
    }
    said = {name: [remark.problem for remark in one.found.problems] for name, one in laid.items()}
    between = [one.what for one in said["scan_after_the_first_dose"] if one.code == "FH-378"]
    assert between == [f"1 scan belongs to neither visit of cohort.csv and is not used: {KEY}/x of 2024-03-20"]
    links = [one.what for one in said["a_dead_link"] if one.code == "FH-364"]
    assert len(links) == 1 and "leads nowhere (" in links[0] and " to " in links[0]


def test_one_examination_under_two_patients_is_found(tmp_path: Path) -> None:
    root = tmp_path / "images"
    for key in ("One", "Two"):
        TRAPS[0].make(root / key, "Same")
    found = survey(root, (patient("One"), patient("Two")))
    assert {one.patient for one in found.problems if one.problem.code == "FH-357"} == {"One", "Two"} and not found.rows


@pytest.mark.parametrize(("number", "told"), [(2, 2), (5, 1)])
def test_the_same_slices_under_several_patients_are_told_and_a_phantom_once(number: int, told: int, tmp_path: Path) -> None:
    keys = [f"P{k}" for k in range(number)]
    for key in keys:
        series(tmp_path / key / "b", key, BASELINE)
    said = [one for one in survey(tmp_path, tuple(patient(key) for key in keys)).problems if one.problem.code == "FH-328"]
    assert len(said) == told and all(("phantom" in one.problem.what) == (told == 1) for one in said)


def table() -> dict[str, Any]:
    """The table of traps, for the evidence."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return {trap.name: outcome(trap, lay(trap, Path(folder) / trap.name).found)[0] for trap in TRAPS}


if __name__ == "__main__":
    print(json.dumps(table(), indent=2))
