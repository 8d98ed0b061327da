"""A question in words: why it is asked, what an answer looks like, and what each answer means for the patient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from client.intake.survey.missing_visits import consequence


def letter(place: int) -> str:
    """a, b, … z, aa, ab for a candidate's place."""
    first, second = divmod(place, 26)
    return (chr(96 + first) if first else "") + chr(97 + second)


def reason(number: int, question: Mapping[str, Any]) -> str:
    """Why a question is asked; whom each scan is headed where that is in question; and what the answers mean."""
    if question["persons"]:
        return _whose(number, question)
    candidates = question["candidates"]
    parts = [str(question["reason"])]
    if question["region"] != "chest" and any(one["phase"] is None for one in candidates):
        parts.append(f"answer with the phase you see, such as {number}{letter(len(candidates) - 1)}:portal")
    low = [f"{number}{letter(place)}" for place, one in enumerate(candidates) if one["low_dose"]]
    if low:
        parts.append(f"{' or '.join(low)} takes the low-dose or cone-beam scan's slices as they are, as those of any other scan")
    if (question["visit"], question["region"]) == ("baseline", "chest"):
        parts.append("where no follow-up chest scan is found, its slices stand in for the follow-up too")
    meant = consequence(question["visit"], question["region"])
    if meant:
        parts.append(f"{number}none takes no scan: {meant}")
    return "; ".join(parts)


def _whose(number: int, question: Mapping[str, Any]) -> str:
    heads = [one.get("headed") or "unknown" for one in question["candidates"]]
    named = ", ".join(f"{number}{letter(place)} {'is headed ' if place == 0 else ''}{head}" for place, head in enumerate(heads))
    every = {1: "it is", 2: "both are"}.get(len(heads), "all are")
    own = [f"{number}{letter(place)}" for place, one in enumerate(question["candidates"]) if not one.get("other_person")]
    alone = f"{own[-1]} keeps that scan alone; " if own else ""
    return (
        f"{question['reason']}: {named}. {alone}{number}same states in your name"
        f" that {every} this patient's; {number}none leaves {every.split()[0]} out"
    )


def taken(content: Mapping[str, Any], numbers: list[int]) -> list[str]:
    """What the answers to these questions took: patient, visit, region, day, phase, and whom the headers name."""
    lines = []
    for number in sorted(set(numbers)):
        question = content["questions"][number - 1]
        said = " ".join(question["answer"])
        for row in question["rows"]:
            lines.append(f"{said}: {_row(row, question, content['moment'])}")
        if not question["rows"]:
            lines.append(f"{said}: no scan of {question['patient'] or 'no patient'} is taken")
    return lines


def _row(row: Mapping[str, str], question: Mapping[str, Any], moment: str) -> str:
    keys = ("series_uid", "acquisition")
    mine: Mapping[str, Any] = next(
        (
            one
            for one in question["candidates"]
            if (one["series_uid"], str(one["acquisition"] or "")) == tuple(row[key] for key in keys) and one["folder"] == row["path"]
        ),
        {},
    )
    words = [
        row["patient"],
        f"{row['visit']} {row['region']}",
        row[moment] if moment == "date" else f"day {row[moment]}",
        mine.get("beside") or "",
        row["phase"] or "phase unknown",
        mine.get("description") or row["path"],
        f"headed {mine['headed']}" if mine.get("headed") else "",
        "stated in your name to be this patient's" if row.get("same_person") == "yes" else "",
    ]
    return ", ".join(word for word in words if word)
