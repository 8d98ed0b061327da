"""What may be opened of shares, in words for a data-protection officer: a line for each group of results, with how many numbers.

The list result by result, with grids and the test before each, is what `fedhcc-site approve` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from shared_model.analyses.count_minimum import MINIMUM_TEST
from shared_model.analyses.trust_in_words import results_by_kind
from site_config.study.plan_and_lock import StudyLock

WORDS: Mapping[str, str] = {
    "change": "Whether enough patients joined or left since an earlier study",
    "cln": "Clinical model: coefficients with errors, also while they are fitted",
    "columns": "Which clinical columns have enough patients",
    "cln-baseline": "Survival that goes with the clinical model",
    "fit": "Combined models: coefficients with errors, also while they are fitted",
    "fit-baseline": "Survival that goes with the combined models",
    "cutoff": "Cut-offs and quarters of the scores, found by yes-or-no questions",
    "survival": "Survival curves, numbers at risk, medians, means, tests between groups",
    "ratio": "Hazard ratios between groups",
    "table": "Table 1: how many have which finding, means, spreads",
    "concordance": "How well scores order patients (C-index, AUC, sensitivities), with errors and tests",
    "calibration": "Predicted against observed survival in groups",
}
"""A group of results in words. `GROUP_OF` says which analyses belong to it."""
GROUP_OF: Mapping[str, str] = {
    "clipped-fit": "fit", "clipped-fit-baseline": "fit-baseline", "range": "cutoff", "spread": "cutoff", "quantile": "cutoff",
    "follow-up": "survival", "response": "survival", "risk": "survival", "set-ratio": "ratio", "response-ratio": "ratio",
    "roc": "concordance", "manufacturer-concordance": "concordance", "held": "columns", "groups": "columns",
}  # fmt: skip
MINIMA = "Which groups reach their minimum"


@dataclass(frozen=True)
class OpenedGroup:
    """A group of results that may be opened, and how many numbers of it at most; `bits` of them are a yes or a no."""

    what: str
    numbers: int
    bits: int


def opened_groups(lock: StudyLock) -> list[OpenedGroup]:
    """In the order in which a study opens them; tests of minima last, in one line."""
    numbers: dict[str, int] = {}
    bits: dict[str, int] = {}
    for _phase, kind, members in results_by_kind(lock):
        shown = [result for result in members if result.guard != MINIMUM_TEST]
        tests = sum(prod(result.shape) for result in members if result.guard == MINIMUM_TEST)
        if tests:
            bits[MINIMA] = bits.get(MINIMA, 0) + tests
        if shown:
            what = group_words(kind)
            numbers[what] = numbers.get(what, 0) + sum(prod(result.shape) for result in shown)
            bits[what] = bits.get(what, 0) + sum(prod(result.shape) for result in shown if result.bit)
    tests = bits.pop(MINIMA, 0)
    found = [OpenedGroup(what, count, bits[what]) for what, count in numbers.items()]
    return [*found, OpenedGroup(MINIMA, tests, tests)] if tests else found


def group_words(kind: str) -> str:
    """The words of the group an analysis belongs to; an analysis without a group speaks for itself."""
    group = GROUP_OF.get(kind, kind)
    return WORDS.get(group, group.replace("-", " "))
