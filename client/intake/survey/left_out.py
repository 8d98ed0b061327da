"""What a review left out because of persons, for `check`: nobody is told to add a stranger's scan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from site_config.files import read_json
from site_config.problems import tables as kinds
from site_config.problems.base import Problem
from site_config.tables.table_values import Patient

FIX = "Compare the images with the archive, then answer the question of `fedhcc-site data review`; add no row unseen."


def persons_in_question(state: Path) -> frozenset[str]:
    """Patients whose images name different persons, of whom no answer says that all are theirs; none without a review."""
    path = state / "review" / "review.json"
    if not path.exists():
        return frozenset()
    questions = dict(read_json(path, "state/review/review.json")).get("questions", [])
    asked = (one for one in questions if one.get("persons") and one.get("patient"))
    return frozenset(one["patient"] for one in asked if not any(text.endswith("same") for text in one.get("answer") or ()))


def said(findings: Iterable[Problem], patients: Sequence[Patient], left_out: frozenset[str]) -> list[Problem]:
    """Findings where FH-230 of a patient left out at the review says so."""
    places = {f"cohort.csv:{patient.row}" for patient in patients if patient.key in left_out}
    return [
        Problem(one.kind, f"{one.what}: left out at the review, its images name different persons", one.why, FIX, one.where, one.others)
        if one.kind == kinds.NO_SCANS and one.where in places
        else one
        for one in findings
    ]
