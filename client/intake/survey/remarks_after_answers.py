"""What is to know of a review once questions were answered: remarks that the answers made or settled are told as they are now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from client.intake.survey.missing_visits import VISITS, gaps, partly, whole
from site_config.problems import scans as problems
from site_config.problems import which_scan
from site_config.problems.base import Problem

ABDOMEN = ("abdomen", "whole")


def remarks_now(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The scan's remarks; for patients of whom a question was answered, those about missing and chosen scans made anew."""
    answered = {whose for question in content["questions"] if question.get("answer") for whose in _patients(question)}
    known = content.get("visits", {})
    answered &= set(known)
    unsupplied = which_scan.VISIT_UNSUPPLIED.label
    kept = [one for one in content["problems"] if one["code"] != unsupplied or one["patient"] not in answered]
    before = [one for one in content["problems"] if one["code"] == unsupplied and one["patient"] in answered]
    for key in (key for key in known if key in answered):
        kept += _lacking(key, content, [one for one in before if one["patient"] == key])
        kept += [_remark(key, visit, problem) for visit, problem in _phases(key, content)]
    return kept


def _patients(question: Mapping[str, Any]) -> set[str]:
    return {row["patient"] for row in question.get("rows", [])} | ({question["patient"]} if question["patient"] else set())


def _lacking(key: str, content: Mapping[str, Any], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    asked: dict[str, set[str | None]] = {visit: set() for visit in VISITS}
    for question in content["questions"]:
        if question["patient"] == key and not question.get("answer"):
            for visit in VISITS if question["visit"] is None else (question["visit"],):
                asked[visit].add(question["region"])
    rows = [row for row in content["rows"] if row["patient"] == key]
    regions = content["regions"]
    found = gaps(content["visits"][key], regions, rows, asked)
    told = []
    for visit, missing in found.items():
        if whole(missing, regions):
            known = [one for one in before if one["what"].startswith(f"{visit}: ")]
            text = f"{visit}: no {'usable' if len(missing) == len(regions) else missing[0]} scan of this visit was taken at the review"
            told += known or [_remark(key, visit, which_scan.VISIT_UNSUPPLIED.problem(text))]
    told += [_remark(key, visit, which_scan.VISIT_UNSUPPLIED.problem(text)) for visit, text in partly(found, regions)]
    return told


def _phases(key: str, content: Mapping[str, Any]) -> Iterable[tuple[str, Problem]]:
    """A remark for each abdomen scan an answer took that is not known to be venous."""
    for question in content["questions"]:
        for row in question.get("rows", []):
            if row["patient"] != key or row["region"] not in ABDOMEN or row["phase"] == "portal":
                continue
            place = f"the {row['visit']} {row['region']} scan that was chosen"
            if row["phase"]:
                yield row["visit"], problems.NOT_VENOUS.problem(f"{place} is {row['phase']}")
            else:
                yield row["visit"], which_scan.PHASE_UNKNOWN.problem(f"{place} states no phase")


def _remark(key: str, visit: str, problem: Problem) -> dict[str, Any]:
    return {"folder": key, "patient": key, "visit": visit, **problem.as_dict()}
