"""A person's answers to the survey's questions, as rows of the suggested scans.csv."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from client.intake.survey.survey_values import Found, as_csv, row_of
from site_config.problems import configuration as kinds
from site_config.problems.base import Problem
from site_config.tables.cohort_csv import Patient
from site_config.tables.columns_of_tables import PHASES
from site_config.tables.patient_moments import Declared

FORMS = (
    "a number and a letter, such as 1b, or 1none (no scan), 1same (all scans asked about are this patient's); after a colon"
    f" a visit (baseline, followup), a region (abdomen, chest, whole), a phase ({', '.join(PHASES)}), such as 1b:portal"
)
ANSWER = re.compile(rf"(\d{{1,4}})(none|same|[a-z]{{1,2}})(?::(baseline|followup))?(?::(abdomen|chest|whole))?(?::({'|'.join(PHASES)}))?")


Said = tuple[str | None, str | None, str | None]


def answer(content: dict[str, Any], answers: Sequence[str], patients: Sequence[Patient]) -> tuple[bytes, list[str]]:
    """Note answers such as `1b` in a review's content; give the table they make, and which earlier answers they replace.

    The answers of one call to a question are one answer: it replaces an earlier one, with the rows that one made. Raises
    FH-129 for what is no answer; nothing is noted then.
    """
    declared = {patient.key: Declared.of(patient) for patient in patients}
    given: dict[int, list[str]] = {}
    for text in (text.strip().lower() for text in answers):
        match = ANSWER.fullmatch(text)
        if match is None:
            raise _no_answer(text, f"an answer is {FORMS}")
        number = int(match.group(1))
        if not 1 <= number <= len(content["questions"]):
            raise _no_answer(text, f"there is no question {number}")
        given.setdefault(number, []).append(text)
    made = {number: _answered(content["questions"][number - 1], texts, declared, content["moment"]) for number, texts in given.items()}
    changed = []
    for number, rows in made.items():
        question, texts = content["questions"][number - 1], given[number]
        for row in question.get("rows", []):
            if row in content["rows"]:
                content["rows"].remove(row)
        content["rows"] += rows
        before = question.get("answer")
        if before and before != texts:
            changed.append(f"question {number} was {' '.join(before)}, is now {' '.join(texts)}")
        question |= {"answer": texts, "rows": rows, "settled": _settled(question, texts)}
    return as_csv(tuple(content["rows"]), content["moment"]), changed


def _answered(question: dict[str, Any], texts: list[str], declared: dict[str, Declared], moment: str) -> list[dict[str, str]]:
    """The rows that the answers to one question make. Only `same` states that scans which name different persons are one's."""
    if question.get("answer") and "rows" not in question:
        raise _no_answer(texts[0], "the question was answered with an earlier version: run `fedhcc-site data scan` again")
    named = [(text, match) for text in texts if (match := ANSWER.fullmatch(text)) is not None]
    words = [match.group(2) for _, match in named]
    candidates = question["candidates"]
    if "none" in words and len(words) > 1:
        raise _no_answer(" ".join(texts), "none says that no scan is taken, the rest names one")
    if "same" in words and not question["persons"]:
        raise _no_answer(texts[words.index("same")], "this question does not ask whose scans these are")
    chosen: list[tuple[str, dict[str, Any], Said]] = []
    for text, match in named:
        if match.group(2) not in ("none", "same"):
            place = place_of(match.group(2))
            if place >= len(candidates):
                raise _no_answer(text, f"the question has {len(candidates)} candidates")
            chosen.append((text, candidates[place], (match.group(3), match.group(4), match.group(5))))
    if "same" in words and not chosen:
        chosen = [(texts[words.index("same")], one, (None, None, None)) for one in candidates]
    if "same" not in words and question["persons"]:
        _refuse_strangers(chosen)
    rows = []
    for text, one, said in chosen:
        row = _row(text, Found(**one), question, declared, moment, said)
        if "same" in words:
            row |= {"same_person": "yes"}
        rows += [row] if row not in rows else []
    return rows


def _refuse_strangers(chosen: list[tuple[str, dict[str, Any], Said]]) -> None:
    """Another person's scan is taken only with the word that it is the patient's. Raises FH-129."""
    for text, one, _ in chosen:
        if one.get("other_person"):
            number = re.match(r"\d+", text).group()  # type: ignore[union-attr]
            raise _no_answer(
                text,
                f"this scan is headed {one.get('headed') or 'another person'}, not the patient; `{text} {number}same` takes it and states"
                f" in your name that it is this patient's, {number}none takes no scan",
            )


def _settled(question: dict[str, Any], texts: list[str]) -> bool:
    """Whether nothing is left to say about persons: left out, stated to be one, or only scans of the patient's own header."""
    places = [place_of(match.group(2)) for text in texts if (match := ANSWER.fullmatch(text)) and match.group(2) not in ("none", "same")]
    if any(text.endswith(("none", "same")) for text in texts):
        return True
    chosen = [question["candidates"][place] for place in places]
    heads = {one.get("headed") for one in chosen}
    asked = {one.get("headed") for one in question["candidates"]}
    return len(heads) == 1 < len(asked) and not any(one.get("other_person") for one in chosen)


def place_of(letters: str) -> int:
    """The place of a candidate's letters: a is 0, z 25, aa 26."""
    place = 0
    for one in letters:
        place = 26 * place + ord(one) - 96
    return place - 1


def _row(text: str, found: Found, question: dict[str, Any], declared: dict[str, Declared], moment: str, said: Said) -> dict[str, str]:
    visit, region, phase = said
    key = question["patient"] or found.patient
    stated = declared.get(key or "")
    if key is None or stated is None:
        raise _no_answer(text, "this scan belongs to no row of cohort.csv: move it into a folder called like the patient's key")
    visit = visit or question["visit"] or found.visit
    if visit is None:
        fitting = [one for one in ("baseline", "followup") if found.day is not None and stated.may_be(one, found.day)]
        if len(fitting) != 1:
            raise _no_answer(text, "this scan's visit cannot be told: answer with the letter and it, such as 1a:baseline")
        visit = fitting[0]
    region = region or question["region"] or found.region
    if region is None:
        raise _no_answer(text, "this scan's region cannot be told: answer with visit and region, such as 1a:baseline:abdomen")
    if stated.dated:
        written = found.taken or ""
    else:
        day = found.day if found.day is not None else stated.moment(visit)
        written = "" if day is None or stated.zero is None else f"{day + stated.zero:g}"
    row = row_of(found, key, visit, region, moment, written)
    return row | ({"phase": phase} if phase else {})


def _no_answer(text: str, what: str) -> Problem:
    return kinds.UNKNOWN_ANSWER.problem(f"`{text}` was refused: {what}. Nothing of this command was taken", where="data choose")
