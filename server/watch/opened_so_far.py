"""What a running study has opened so far, for the live page: numbers a person knows by name, and curves to look at.

After each phase the growing result is kept in `so_far.json` of the run folder. It is for looking at: the study is computed from nothing
of it, and the report from the finished result alone.
"""

from __future__ import annotations

from math import exp
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from server.study.study_results import StudyResult
from site_config.atomic_files import read_limited, write_atomic
from site_config.problems.base import Problem
from site_config.study.prognostic_models import CLN

NAME = "so_far.json"
LIMIT = 64 << 20
MOST_ROWS = 80
MOST_CURVES = 6
Z = 1.96


def keep(folder: Path, result: StudyResult) -> None:
    """Keep the result as it stands after a phase."""
    write_atomic(folder / NAME, result.model_dump_json().encode())


def so_far(folder: Path) -> dict[str, Any]:
    """`values`: rows of what, of whom, and the number in words; `curves`: Kaplan–Meier curves. Nothing before a first phase ended."""
    try:
        result = StudyResult.model_validate_json(read_limited(folder / NAME, LIMIT))
    except (Problem, ValidationError):
        return {"values": [], "curves": []}
    return {"values": values(result)[:MOST_ROWS], "curves": curves(result)[:MOST_CURVES]}


def values(result: StudyResult) -> list[dict[str, str]]:
    """The rows, in the order of the phases."""
    found = [_row("patients", key.partition(".")[0], str(n)) for key, n in result.flow.items() if key.endswith(".analysed")]
    fits = {**({CLN.name: result.clinical} if result.clinical else {}), **result.fusion}
    for model, fit in fits.items():
        for name, beta, se in zip(fit.get("covariates", ()), fit.get("coef", ()), fit.get("se", ()), strict=False):
            if beta is not None and se is not None and abs(beta) < 50:
                interval = f"{exp(beta - Z * se):.2f} to {exp(beta + Z * se):.2f}"
                found.append(_row("hazard ratio", f"{model} {name}", f"{exp(beta):.2f} ({interval})"))
    found += [_row("cut-off", one.model, f"{one.value:.3g}") for one in result.cutoffs]
    opened = result.analyses
    if opened is not None:
        main = [one for one in opened.concordance if one.variable == "all"]
        found += [_row("C-index", f"{one.model} {one.set}", f"{one.c:.3f} ± {Z * one.se:.3f}") for one in main]
        found += [_row("AUC", f"{one.model} {one.set} day {one.horizon}", f"{one.auc:.3f} ± {Z * one.se:.3f}") for one in opened.roc]
    return found


def curves(result: StudyResult) -> list[dict[str, Any]]:
    """Survival of sets and of risk groups: title, and by group its name, days and survival."""
    if result.analyses is None:
        return []
    shown = [one for one in result.analyses.kaplan_meier if one.grouping in ("set", "risk") and one.within_variable == "all"]
    return [
        {
            "title": "Survival by set" if one.grouping == "set" else f"{one.model}: risk groups, {one.set}",
            "groups": [{"name": group.value, "day": [0, *group.day], "survival": [1.0, *group.survival]} for group in one.groups],
        }
        for one in shown
    ]


def _row(what: str, of: str, value: str) -> dict[str, str]:
    return {"what": what, "of": of, "value": value}
