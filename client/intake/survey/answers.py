"""A person's answers to the survey's questions, as rows of the suggested scans.csv."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from client.intake.survey.found import Found, as_csv, row_of
from site_config.problems import configuration as kinds
from site_config.problems.base import Problem
from site_config.tables.cohort import Patient
from site_config.tables.moments import Declared

ANSWER = re.compile(
    r"(\d{1,4})(none|[a-z]{1,2})(?::(baseline|followup))?(?::(abdomen|chest|whole))?(?::(native|arterial|portal|delayed|other))?"
)


def answer(content: dict[str, Any], answers: Sequence[str], patients: Sequence[Patient]) -> bytes:
    """Note answers such as `1b` in a review's content, and give the table they make. Raises FH-129 for what is no answer."""
    declared = {patient.key: Declared.of(patient) for patient in patients}
    for text in answers:
        match = ANSWER.fullmatch(text.strip().lower())
        number = int(match.group(1)) if match else 0
        if match is None or not 1 <= number <= len(content["questions"]):
            raise _no_answer(f"there is no question {number}" if match else "an answer is a number and a letter, such as 1b")
        question = content["questions"][number - 1]
        if match.group(2) != "none":
            candidates = question["candidates"]
            place = _place(match.group(2))
            if place >= len(candidates):
                raise _no_answer(f"question {number} has {len(candidates)} candidates")
            said = (match.group(3), match.group(4), match.group(5))
            content["rows"] += _rows(Found(**candidates[place]), question, declared, content["moment"], said)
        question["answer"] = [*question.get("answer", []), text]
    return as_csv(tuple(content["rows"]), content["moment"])


def _place(letters: str) -> int:
    place = 0
    for one in letters:
        place = 26 * place + ord(one) - 96
    return place - 1


def _rows(
    found: Found, question: dict[str, Any], declared: dict[str, Declared], moment: str, said: tuple[str | None, ...]
) -> list[dict[str, str]]:
    visit, region, phase = said
    key = question["patient"] or found.patient
    stated = declared.get(key or "")
    if key is None or stated is None:
        raise _no_answer("this scan belongs to no row of cohort.csv: move it into a folder called like the patient's key")
    visit = visit or question["visit"] or found.visit
    if visit is None:
        fitting = [one for one in ("baseline", "followup") if found.day is not None and stated.may_be(one, found.day)]
        if len(fitting) != 1:
            raise _no_answer("this scan's visit cannot be told: answer with it, such as 1a:baseline")
        visit = fitting[0]
    region = region or question["region"] or found.region
    if region is None:
        raise _no_answer("this scan's region cannot be told: answer with visit and region, such as 1a:baseline:abdomen")
    if stated.dated:
        written = found.taken or ""
    else:
        day = found.day if found.day is not None else stated.moment(visit)
        written = "" if day is None or stated.zero is None else f"{day + stated.zero:g}"
    row = row_of(found, key, visit, region, moment, written)
    row |= {"phase": phase} if phase else {}
    return [row | {"same_person": "yes"} if question["persons"] else row]


def _no_answer(what: str) -> Problem:
    return kinds.UNKNOWN_ANSWER.problem(what, where="data choose")
