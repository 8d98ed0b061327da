"""What `check` says of a review: scans left out because of persons, open questions, and a scans.csv that is older."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from client.intake.survey.missing_visits import VISITS, supplied
from site_config.atomic_files import read_json
from site_config.problems import tables as kinds
from site_config.problems import which_scan
from site_config.problems.base import Problem
from site_config.tables.table_values import Patient, Scan

FIX = "Compare the images with the archive, then answer the question of `fedhcc-site data review`; add no row unseen."
DECIDED = "Nothing, if that answer stands; `fedhcc-site data choose` gives another, `fedhcc-site data review --accept --replace` takes it."


def review_of(state: Path) -> dict[str, Any]:
    """The review's content; {} without one. Raises what reading a damaged file raises."""
    path = state / "review" / "review.json"
    return dict(read_json(path, "state/review/review.json")) if path.exists() else {}


def older_than_review(content: Mapping[str, Any], patients: Sequence[Patient], scans: Sequence[Scan] | None) -> list[Problem]:
    """Findings (FH-373) where answers or a new scan were not accepted, or a question is open whose scan no row supplies.

    `scans` is None where scans.csv has faults; then nothing is said of questions.
    """
    found = []
    if content.get("accepted") is False:
        text = "scans.csv is older than the review: its suggested table was changed and not accepted since"
        fix = "`fedhcc-site data review --accept --replace`, which keeps the old table as scans.csv.1."
        found.append(which_scan.REVIEW_NEWER.problem(text, fix=fix, where="scans.csv"))
    return found if scans is None else found + _open_questions(content, patients, scans)


def _open_questions(content: Mapping[str, Any], patients: Sequence[Patient], scans: Sequence[Scan]) -> list[Problem]:
    rows = {patient.key: patient.row for patient in patients}
    listed: dict[str, list[dict[str, str]]] = {}
    for scan in scans:
        listed.setdefault(scan.patient, []).append({"visit": scan.visit, "region": scan.region})
    waiting = []
    for number, question in enumerate(content.get("questions", []), start=1):
        if question.get("answer"):
            continue
        key, visits = question["patient"], VISITS if question["visit"] is None else (question["visit"],)
        regions = [question["region"]] if question["region"] else content.get("regions") or ["abdomen"]
        if key is None or (key in rows and not all(supplied(listed.get(key, []), visit, region) for visit in visits for region in regions)):
            waiting.append(f"{number} ({f'row {rows[key]} of cohort.csv' if key is not None else 'scans of no patient'})")
    if not waiting:
        return []
    text = f"the review's question{'s' if len(waiting) > 1 else ''} {', '.join(waiting)} {'are' if len(waiting) > 1 else 'is'} open"
    return [which_scan.REVIEW_NEWER.problem(text, where="state/review")]


def persons_in_question(state: Path) -> dict[str, bool]:
    """Patients whose images name different persons, of whom no answer says that all are theirs; whether one was given. {}: no review."""
    questions = review_of(state).get("questions", [])
    asked = (one for one in questions if one.get("persons") and one.get("patient"))
    return {one["patient"]: bool(one.get("answer")) for one in asked if not any(text.endswith("same") for text in one.get("answer") or ())}


def said(findings: Iterable[Problem], patients: Sequence[Patient], left_out: Mapping[str, bool]) -> list[Problem]:
    """Findings where FH-230 of a patient left out at the review says so, and whether that was decided."""
    places = {f"cohort.csv:{patient.row}": left_out[patient.key] for patient in patients if patient.key in left_out}
    why = "left out at the review, its images name different persons"
    made = []
    for one in findings:
        if one.kind == kinds.NO_SCANS and one.where in places:
            decided = places[one.where]
            text = f"{one.what}: {why}{'; decided' if decided else ''}"
            one = Problem(one.kind, text, one.why, DECIDED if decided else FIX, one.where, one.others)
        made.append(one)
    return made
