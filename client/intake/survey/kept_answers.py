"""A person's answers over a new scan of the images folder: kept where the same volumes are asked about, else named as dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from client.intake.survey.question_words import letter
from client.intake.survey.rows_from_answers import ANSWER, answer, place_of
from site_config.problems.base import Problem
from site_config.tables.cohort_csv import Patient


@dataclass
class KeptAnswers:
    """Answers that stand again, as the new questions number them, and a sentence for each that does not."""

    kept: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def keep_answers(old: Mapping[str, Any], new: dict[str, Any], patients: Sequence[Patient]) -> KeptAnswers:
    """Note the answers of an earlier review in the content of a new one.

    An answer stands where the question names the same patient, visit and region and the same volumes, by their series (a file
    without one by its name), volume number, size and heading. Where a volume came or went, somebody has to look again.
    """
    result = KeptAnswers()
    for number, question in enumerate(old.get("questions", []), start=1):
        if not question.get("answer"):
            continue
        said = f"{' '.join(question['answer'])} of the earlier scan ({_about(question)})"
        place = next((place for place, one in enumerate(new["questions"], start=1) if _same_question(question, one)), None)
        if place is None:
            result.dropped.append(f"{said} is dropped: its question is no longer asked")
            continue
        changed = _changed(question, new["questions"][place - 1])
        if changed:
            result.dropped.append(f"{said} is dropped: {changed}; it is question {place} now")
            continue
        texts = [_moved(text, question, new["questions"][place - 1], place) for text in question["answer"]]
        try:
            answer(new, texts, patients)
        except Problem as problem:
            result.dropped.append(f"{said} is dropped: {problem.what}")
            continue
        renamed = "" if number == place and texts == question["answer"] else f" (was {' '.join(question['answer'])})"
        result.kept.append(f"{' '.join(texts)}{renamed}")
    return result


def _about(question: Mapping[str, Any]) -> str:
    return " ".join(word for word in (question["patient"], question["visit"], question["region"]) if word) or "scans of no patient"


def _same_question(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    keys = ("patient", "visit", "region", "persons")
    return all((one.get(key) or None) == (other.get(key) or None) for key in keys)


def _volumes(question: Mapping[str, Any], *, folders: bool) -> list[tuple[Any, ...]]:
    return [
        (
            one["series_uid"] or one["folder"],
            one["acquisition"],
            one["slices"],
            one["spacing_mm"],
            one["taken"],
            one["phase"],
            one.get("headed") or "",
            *([one["folder"]] if folders else []),
        )
        for one in question["candidates"]
    ]


def _pair(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Both questions' volumes; folders count only where a series lies in two of them."""
    found = _volumes(old, folders=False), _volumes(new, folders=False)
    if all(len(set(one)) == len(one) for one in found):
        return found
    return _volumes(old, folders=True), _volumes(new, folders=True)


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    """What is different between the volumes of two questions, in words; "" where nothing is."""
    before, after = _pair(old, new)
    came, went = len(set(after) - set(before)), len(set(before) - set(after))
    parts = [f"{number} of its scans {what}" for number, what in ((came, "are new or changed"), (went, "are no longer there as they were"))]
    return " and ".join(part for part, number in zip(parts, (came, went), strict=True) if number)


def _moved(text: str, old: Mapping[str, Any], new: Mapping[str, Any], number: int) -> str:
    """An answer with the new question's number and the volume's new letter."""
    match = ANSWER.fullmatch(text)
    if match is None:
        return text
    word = match.group(2)
    if word not in ("none", "same"):
        before, after = _pair(old, new)
        word = letter(after.index(before[place_of(word)]))
    return f"{number}{word}{text[match.end(2) :]}"
