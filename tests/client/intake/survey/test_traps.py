"""Seventy kinds of trap: right, a finding, or refused; nothing silent."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from client.intake.survey.found import as_csv
from client.intake.survey.run import survey
from site_config.study.model import two_organs
from site_config.tables.scans import ImagesFolder, parse_scans
from site_config.tables.types import Patient
from tests.client.intake.survey import more_traps
from tests.client.intake.survey.traps import TRAPS, Trap

ZERO = date(2024, 3, 4)


def patient(key: str) -> Patient:
    return Patient(key, 60.0, True, True, 300.0, {}, None, 60.0, -3.0, 2, ZERO, None, 0.0)


def outcome(trap: Trap, root: Path) -> tuple[str, str]:
    """The verdict (`right`, `finding`, `silent`) and what was said."""
    key = "Patient7"
    root.mkdir(parents=True)
    trap.make(root / key, key)
    found = survey(root, (patient(key),))
    chosen = {row["visit"]: row["path"].removeprefix(f"{key}/") for row in found.rows if row["region"] in ("abdomen", "whole")}
    said = " | ".join([*(question.reason for question in found.questions), *(one.problem.what for one in found.problems)])
    if trap.verdict == "right":
        right = (chosen.get("baseline"), chosen.get("followup")) == trap.words
        return ("right" if right else "silent" if not said else "finding"), f"{chosen} {said}"
    named = all(word in said for word in trap.words)
    return ("finding" if named else "silent"), f"{chosen} {said}"


def test_there_are_seventy() -> None:
    assert sum(trap.make.__module__ == more_traps.__name__ for trap in TRAPS) == 25
    assert len(TRAPS) >= 70 and len({trap.name for trap in TRAPS}) == len(TRAPS)


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.name)
def test_nothing_is_chosen_in_silence(trap: Trap, tmp_path: Path) -> None:
    verdict, said = outcome(trap, tmp_path / "images")
    assert verdict == trap.verdict, said


@pytest.mark.parametrize("trap", [trap for trap in TRAPS if trap.verdict == "right"], ids=lambda trap: trap.name)
def test_the_suggested_table_can_be_read_back(trap: Trap, tmp_path: Path) -> None:
    root = tmp_path / "images"
    root.mkdir()
    trap.make(root / "Patient7", "Patient7")
    found = survey(root, (patient("Patient7"),))
    scans = parse_scans(as_csv(found.rows), ImagesFolder(root, root.resolve()), two_organs(), date(2026, 1, 1))
    assert len(scans) == len(found.rows) and all(scan.path.exists() for scan in scans)


def test_one_examination_under_two_patients_is_found(tmp_path: Path) -> None:
    root = tmp_path / "images"
    for key in ("One", "Two"):
        TRAPS[0].make(root / key, "Same")
    found = survey(root, (patient("One"), patient("Two")))
    assert {one.patient for one in found.problems if one.problem.code == "FH-357"} == {"One", "Two"} and not found.rows


def table() -> dict[str, Any]:
    """The table of traps, for the evidence."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return {trap.name: outcome(trap, Path(folder) / trap.name)[0] for trap in TRAPS}


if __name__ == "__main__":
    print(json.dumps(table(), indent=2))
