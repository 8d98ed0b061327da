"""What somebody who decides must know of the shares, in plain words: who holds them, who would have to collude, what is opened."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from shared_model.analyses.plan import BUILDERS, plan_of
from shared_model.shares.declaration import Result
from site_config.names import plural
from site_config.study.model import Phase, StudyLock

PHASES: tuple[Phase, ...] = ("admission", "clinical", "training", "fusion", "evaluation")


def trust_lines(holders: Sequence[str]) -> list[str]:
    """The sentence a data-protection officer signs, for 3 or 5 holders."""
    few = (len(holders) - 1) // 2
    alone = "Any one of them" if few == 1 else f"Any {few} of them"
    return [
        f"{', '.join(holders)} hold secret shares of every patient's row.",
        f"{alone} and the coordinator together learn nothing but the results below.",
        f"{few + 1} of them who pool what they hold rebuild the rows, without names; with the coordinator's help also by hospital.",
    ]


def opened_results(lock: StudyLock) -> dict[Phase, tuple[Result, ...]]:
    """Phase → the results that may be opened there, where they follow from the lock alone."""
    found: dict[Phase, tuple[Result, ...]] = {}
    for phase in PHASES:
        if lock.study.resolution == "shares" and phase in BUILDERS and (phase != "admission" or lock.compares):
            found[phase] = tuple(plan_of(lock, phase, {}).declaration.results.values())
    return found


def opened_lines(lock: StudyLock) -> list[str]:
    """One line an analysis and guard: which results, how many numbers, how fine, and what stands before them."""
    lines = []
    for phase, results in opened_results(lock).items():
        groups: dict[tuple[str, str], list[Result]] = {}
        for result in results:
            groups.setdefault((result.name.split(".")[0], result.guard), []).append(result)
        for (name, guard), members in groups.items():
            kinds = dict.fromkeys(result.name.split(".")[1] for result in members)
            numbers = sum(prod(result.shape) for result in members)
            fine = max(result.bits for result in members)
            what = f"{', '.join(kinds)}: at most {plural(numbers, 'number')} on grids no finer than 2^-{fine}"
            lines.append(f"{phase}, {name}: {what}; before it: {guard}")
    return lines


def trust_text(lock: StudyLock) -> str:
    """Everything above for a terminal; empty where a study shares nothing."""
    if not lock.holders:
        return ""
    return "\n".join(["", *trust_lines(lock.holders), "What the holders may open:", *(f"  {line}" for line in opened_lines(lock))])
