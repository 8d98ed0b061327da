"""Which of the program's documents a file is, so that a kit given for a lock is called by its name and not damaged."""

from __future__ import annotations

import json
import re
from typing import Final, Literal

from site_config.problems import identity as problems
from site_config.problems.base import Kind, Problem

Document = Literal["enrolment request", "kit", "signed lock"]

MARKS: Final[dict[Document, frozenset[str]]] = {
    "enrolment request": frozenset({"node_key", "node_signature"}),
    "kit": frozenset({"coordinator_key", "address", "ca"}),
    "signed lock": frozenset({"lock", "signature"}),
}
MADE_BY: Final[dict[Document, str]] = {
    "enrolment request": "Name NAME.request.json, which the hospital made with `fedhcc-site init` and sent.",
    "kit": "Name NAME.kit.json, which the office made with `fedhcc-coordinator enrol` and sent.",
    "signed lock": "Name the lock, for example study.lock.json, which the office made with `fedhcc-coordinator study lock study.yaml`.",
}
TEXTS: Final = (("study.yaml", re.compile(rb"^sites:", re.MULTILINE)), ("site.yaml", re.compile(rb"^site:", re.MULTILINE)))
NEITHER = "Nothing that the program signs reads from it: the file was cut short on its way, or is another one."


def kind_of(data: bytes) -> str | None:
    """What a file is, by its fields: a document that is sent around, a study or site in YAML, or None for anything else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return next((name for name, mark in TEXTS if mark.search(data)), None)
    return next((name for name, marks in MARKS.items() if isinstance(found, dict) and marks <= found.keys()), None)


def not_a(expected: Document, data: bytes, otherwise: Kind, where: str | None = None) -> Problem:
    """FH-414 for another of the program's documents than the one expected, else the kind of a file that is none or damaged."""
    found = kind_of(data)
    if found is None:
        return otherwise.problem(f"the file is not {_one(expected)}", why=NEITHER, fix=MADE_BY[expected], where=where)
    if found == expected:
        return otherwise.problem(f"the file is {_one(expected)} with a missing, unknown or impossible field", where=where)
    return problems.OTHER_DOCUMENT.problem(f"this is {_one(found)}, and {_one(expected)} is expected", fix=MADE_BY[expected], where=where)


def refuse_signed(data: bytes, expected: str) -> None:
    """Pass for what may be a YAML document; FH-414 for a request, kit or lock named in its place."""
    found = kind_of(data) if data.lstrip()[:1] == b"{" else None
    if found in MARKS:
        raise problems.OTHER_DOCUMENT.problem(f"this is {_one(found)}, and a {expected} is expected", fix=f"Name a {expected}.")


def _one(name: str) -> str:
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
