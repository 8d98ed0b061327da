"""What a table is too small to tell, in words: levels, groups and strata of one patient or without events, constant scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.cox.cox_result import CoxFit, FitFinding
from simulations.tabular.complete_rows import FitRows
from site_config.problems import survival as problems
from site_config.words_of_messages import plural

MOST_NAMED = 5
"""More groups of one patient than these are told together."""


def small_parts(rows: FitRows) -> tuple[FitFinding, ...]:
    """Findings of covariates' levels, groups and strata."""
    if not rows.event.any():
        return ()
    return (*_levels(rows), *_groups(rows), *_strata(rows))


def _one(what: str, n: int, dead: int, consequence: str) -> Iterator[FitFinding]:
    if n == 1:
        yield FitFinding.of(problems.SMALL_GROUP, f"{what} has one patient ({plural(dead, 'event')}): {consequence}")
    elif n and not dead:
        yield FitFinding.of(problems.SMALL_GROUP, f"{what} has {plural(n, 'patient')} and no event: its hazard ratio runs to 0 or infinity")


def _counts(labels: Sequence[str] | NDArray[np.str_], event: NDArray[np.bool_]) -> dict[str, tuple[int, int]]:
    held = np.asarray(labels, dtype=object)
    return {str(name): (int((held == name).sum()), int(event[held == name].sum())) for name in dict.fromkeys(held)}


def _levels(rows: FitRows) -> Iterable[FitFinding]:
    """Levels of text columns, and the two sides of columns that hold two numbers."""
    x, event = rows.x, rows.event
    place = 0
    for recipe in rows.design.recipes if rows.design else ():
        columns = x[:, place : place + len(recipe.titles)]
        place += len(recipe.titles)
        if recipe.kind == "levels":
            first = recipe.levels[0] if len(recipe.levels) > 1 else ""
            held = [next((level for level, one in zip(recipe.levels[1:], row, strict=False) if one), first) for row in columns]
            counts = {f"level {level}": count for level, count in _counts(held, event).items() if level}
        elif len(distinct := np.unique(columns)) == 2:
            counts = {f"value {value:g}": _counts(columns[:, 0] == value, event)["True"] for value in distinct}
        else:
            continue
        for level, (n, dead) in counts.items():
            yield from _one(f"{recipe.column}: {level}", n, dead, "its hazard ratio says nothing about others")


def _groups(rows: FitRows) -> Iterable[FitFinding]:
    if not rows.groups:
        return
    counts = _counts(rows.group, rows.event)
    alone = [name for name, (n, _) in counts.items() if n == 1]
    if len(alone) > MOST_NAMED:
        listed = ", ".join(alone[:MOST_NAMED])
        what = f"{len(alone)} groups of {len(counts)} have one patient each ({listed}, …): their curves are those patients' lives"
        yield FitFinding.of(problems.SMALL_GROUP, what)
        counts = {name: count for name, count in counts.items() if count[0] > 1}
    for name, (n, dead) in counts.items():
        yield from _one(f"group {name}", n, dead, "its curve, the log-rank test and the hazard ratio say nothing about others")


def _strata(rows: FitRows) -> Iterable[FitFinding]:
    if len(rows.strata) < 2:
        return
    idle = 0
    for code in range(len(rows.strata)):
        mine = rows.stratum == code
        first_event = np.min(rows.time[mine & rows.event], initial=np.inf)
        idle += int((rows.time[mine] >= first_event).sum()) < 2
    if idle:
        what = f"{idle} of {len(rows.strata)} strata compare nobody (one patient at risk, or no event) and add nothing to the fit"
        yield FitFinding.of(problems.NO_INFORMATION, what)


def rounded_away(rows: FitRows, fit: CoxFit) -> CoxFit:
    """The fit with other words for a column that was dropped as constant although its values differ."""
    differing = {name for name, values in zip(rows.names, rows.x.T, strict=True) if len(np.unique(values)) > 1}
    why = "differs by less than numbers of its size can be told apart, and was dropped: subtract a constant, or write it in another unit"
    said = {f"{name} has one value only and was dropped": f"{name} {why}" for name in differing}
    return replace(fit, findings=tuple(replace(one, what=said.get(one.what, one.what)) for one in fit.findings))


def constant_score(rows: FitRows) -> tuple[FitFinding, ...]:
    """A finding where the score of `metrics` is the same for all."""
    if len(rows.time) > 1 and len(np.unique(rows.x[:, 0])) == 1:
        return (FitFinding.of(problems.CONSTANT, f"{rows.names[0]} has one value only: it orders nobody, and C is 0.5 for any such score"),)
    return ()
