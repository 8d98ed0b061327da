"""Columns of a table as what an analysis needs: numbers, events, labels and design columns, with how each was read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.cox.cox_result import FitFinding
from simulations.tabular.decimal_marks import decimal_mark, label_of, looks_numeric, number_of
from simulations.tabular.doubts import (
    NO_VALUE,
    NOT_KNOWN,
    alike_labels,
    alike_numbers,
    codes_for_missing,
    dates_as_numbers,
    numbers_as_levels,
)
from simulations.tabular.read_table import Faults, TabularTable
from site_config.problems import survival as problems
from site_config.problems.base import Problem
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
Kind = Literal["number", "logical", "levels"]
MOST_LEVELS = 20
SPLIT_WORDS = {
    **dict.fromkeys(("train", "training", "development", "derivation", "fit"), False),
    **dict.fromkeys(("test", "testing", "evaluation", "held-out", "held out", "external"), True),
}
LOGICAL = {"true": 1.0, "false": 0.0, "t": 1.0, "f": 0.0}
DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[./-](\d{1,2}|[^\W\d]{3,})\.?[./-]\d{2,4}([T ].*)?")
DAYS_OF_DATES = "Write the time between the start and the last contact, for example the days; a date alone does not tell it."
BESIDE = re.compile(r"[<>≤≥~]?\s*[+-]?\d[\d.,]*\s*[^\d\s.,][^\d]*|[<>≤≥~]\s*[+-]?\d[\d.,]*")
"""A number and a unit, or one below or above a limit."""
ALONE = (
    "Write the number alone: a unit belongs in the column's name (times: in `--time-unit`, in Python `time_unit=`), and `<5` is no number."
)
UNKNOWN = "Name a word that means not known with `--missing WORD` (in Python `missing=`), or leave the field empty; correct any other."
TICKS = "Write `no` (or 0) where it does not apply: a blank cell is not known, and its row would be left out; or leave the column out."
MIXED = "Where they are levels, write a letter before each (`s0`, `sA`); where they are numbers, correct the words or leave them empty."
NO_THOUSANDS = "Write numbers with digits and one mark for decimals, or leave the field empty if it is unknown."


def _numbers_given(texts: Sequence[str | None]) -> list[str]:
    return [text for text in texts if text is not None and text.casefold() not in NO_VALUE]


def numbers(table: TabularTable, name: str, *, lowest: float | None = None) -> Floats:
    """A numeric column (n,), NaN where missing. Raises FH-825 for what is no finite number or below `lowest`, and FH-828."""
    texts = table.column(name)
    everywhere = (text for row in table.rows for text in row if text is not None)
    mark = decimal_mark(name, _numbers_given(texts), table.delimiter, table.reading.decimal, everywhere)
    found = np.full(len(texts), np.nan)
    faults = table.faults()
    for index, text in enumerate(texts):
        if text is None or text.casefold() in NO_VALUE:
            continue
        value = number_of(text, mark)
        if value is None or not np.isfinite(value):
            if DATE.fullmatch(text):
                faults.add(problems.BAD_VALUE, name, index, "is a date, not a number", DAYS_OF_DATES)
                continue
            if BESIDE.fullmatch(text) and not looks_numeric(text):
                faults.add(problems.BAD_VALUE, name, index, "is a number with something beside it", ALONE)
                continue
            faults.add(problems.BAD_VALUE, name, index, "is not a finite number", NO_THOUSANDS if looks_numeric(text) else UNKNOWN)
        elif lowest is not None and value < lowest:
            faults.add(problems.BAD_VALUE, name, index, f"is below {lowest:g}")
        else:
            found[index] = value
    faults.raise_any()
    return found


@dataclass(frozen=True)
class Labels:
    """A column of labels (n,), None where missing, with what a reader must know of it."""

    values: list[str | None]
    findings: tuple[FitFinding, ...] = ()


def labels(table: TabularTable, name: str) -> Labels:
    """A column of labels (sites, strata, groups): texts, None where blank or declared missing; 1 and 1.0 are one label."""
    texts = table.column(name)
    found = [None if text is None else label_of(text) for text in texts]
    return Labels(found, (*words_kept(name, found), *alike_labels(name, found), *alike_numbers(name, texts)))


def held_out(table: TabularTable, name: str) -> list[bool | None]:
    """A column of training and test rows as whether a row is held out, None where blank. Raises FH-827 for other words."""
    texts = table.column(name)
    found = [None if text is None else SPLIT_WORDS.get(text.casefold()) for text in texts]
    unknown = sorted({text for text, held in zip(texts, found, strict=True) if text is not None and held is None})
    if unknown or True not in found or False not in found:
        words = f"holds {', '.join(unknown[:6])}" if unknown else "does not hold both training and test rows"
        raise problems.SPLIT_CODING.problem(f"column {name!r} {words}")
    return found


def words_kept(name: str, found: Sequence[str | None]) -> tuple[FitFinding, ...]:
    """A finding where labels are words that often mean a missing value."""
    kept = sorted({text for text in found if text is not None and text.casefold() in NOT_KNOWN})
    if not kept:
        return ()
    count = sum(text in kept for text in found)
    flags = " ".join(f"--missing {word}" for word in kept)
    what = f"{name}: {', '.join(kept)} is a label of {plural(count, 'row')}; where it means a missing value say {flags}"
    return (FitFinding.of(problems.WORD_KEPT, what),)


def doubts_of(table: TabularTable, name: str) -> tuple[FitFinding, ...]:
    """What a reader may doubt of a covariate: words or numbers that often mean a missing value, labels that differ in case."""
    kind = recipe_of(table, name).kind
    if kind == "levels":
        held = table.column(name)
        given = () if table.declared_levels(name) else tuple(numbers_as_levels(name, in_order(held)))
        return (*words_kept(name, held), *alike_labels(name, held), *given)
    values = numbers(table, name) if kind == "number" else np.zeros(0)
    return (*codes_for_missing(name, values), *dates_as_numbers(name, values))


def in_order(found: Sequence[str | None]) -> list[str]:
    """Distinct labels: by value when all are numbers, else as text."""
    distinct = {label for label in found if label is not None}
    values = {label: number_of(label) for label in distinct}
    if all(value is not None for value in values.values()):
        return sorted(distinct, key=lambda label: (values[label] or 0.0, label))
    return sorted(distinct, key=lambda label: (label.casefold(), label))


@dataclass(frozen=True)
class Recipe:
    """How one column becomes design columns: a number, a truth value, or a 0/1 column a level but the first."""

    column: str
    kind: Kind
    levels: tuple[str, ...] = ()

    @property
    def titles(self) -> tuple[str, ...]:
        """Names of the design columns; R's, the level behind the name."""
        if self.kind != "levels":
            return (self.column,)
        return tuple(f"{self.column}{level}" for level in (self.levels[1:] or self.levels))

    def columns(self, table: TabularTable) -> list[Floats]:
        """The design columns (n,) of a table, NaN where missing. Raises FH-823, FH-825 and FH-828."""
        if self.kind == "number":
            return [numbers(table, self.column)]
        texts = table.column(self.column)
        known = LOGICAL.keys() if self.kind == "logical" else self.levels
        values = [text.casefold() if text is not None and self.kind == "logical" else text for text in texts]
        if self.kind == "logical":
            values = [None if value in NO_VALUE else value for value in values]
        faults = table.faults()
        for index, value in enumerate(values):
            if value is not None and value not in known:
                faults.add(problems.BAD_VALUE, self.column, index, "is not one of the levels the model was fitted on")
        faults.raise_any()
        if self.kind == "logical":
            return [np.asarray([np.nan if value is None else LOGICAL[value] for value in values])]
        chosen = self.levels[1:] or self.levels
        several = len(self.levels) > 1
        return [np.asarray([np.nan if value is None else float(value == level and several) for value in values]) for level in chosen]


def recipe_of(table: TabularTable, name: str) -> Recipe:
    """What a column holds, found from its values. Raises FH-823, and FH-825 for a text of too many levels."""
    texts = table.column(name)
    declared = table.declared_levels(name)
    if declared:
        return Recipe(name, "levels", declared)
    given = _numbers_given(texts)
    written = [text for text in texts if text is not None]
    if len(set(written)) == 1 and 1 < len(written) < len(texts):
        what = f"column {name!r} holds {written[0]} in {plural(len(written), 'row')} and nothing in {len(texts) - len(written)}"
        raise problems.BAD_VALUE.problem(f"{what}: does a blank cell mean no?", fix=TICKS)
    if given and all(text.casefold() in LOGICAL for text in given):
        return Recipe(name, "logical")
    words = {text for text in given if not looks_numeric(text)}
    if given and 1 < len(words) < len(set(given)) <= MOST_LEVELS and sum(text in words for text in given) >= len(given) / 10:
        listed = ", ".join(in_order(given)[:6])
        raise problems.BAD_VALUE.problem(f"column {name!r} holds numbers and words ({listed}): are they levels?", fix=MIXED)
    if not given or len(words) < len(set(given)):
        return Recipe(name, "number")
    levels = in_order(texts)
    if len(levels) > MOST_LEVELS:
        fix = ALONE if all(map(BESIDE.fullmatch, levels)) else "Group them into fewer levels, or give the column as numbers."
        raise problems.BAD_VALUE.problem(f"column {name!r} holds {len(levels)} different texts; at most {MOST_LEVELS} are levels", fix=fix)
    return Recipe(name, "levels", tuple(levels))


@dataclass(frozen=True)
class Design:
    """Design columns: `names` (p,), `x` (n, p) with NaN where missing, and the recipes that make them of another table."""

    recipes: tuple[Recipe, ...]
    x: Floats
    findings: tuple[FitFinding, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Titles of the design columns."""
        return tuple(title for recipe in self.recipes for title in recipe.titles)


def design_of(table: TabularTable, names: Sequence[str], recipes: Sequence[Recipe] | None = None) -> Design:
    """Numeric and true/false columns as they are; a text column as R codes a factor: one 0/1 column a level but the first.

    `recipes` apply what was found in another table. Raises FH-823, FH-825 and FH-828 of all columns at once.
    """
    faults = Faults()
    made: list[Recipe] = []
    columns: list[Floats] = []
    findings: list[FitFinding] = []
    for index, name in enumerate(names):
        with faults.keeping():
            recipe = recipes[index] if recipes is not None else recipe_of(table, name)
            columns += recipe.columns(table)
            made.append(recipe)
            if recipe.kind == "levels" and recipes is None:
                findings.append(
                    FitFinding.of(problems.TEXT_COVARIATE, f"{name} is text: its first level, {recipe.levels[0]}, is the reference")
                )
            findings += doubts_of(table, name) if recipes is None else ()
    faults.raise_any()
    x = np.stack(columns, axis=1) if columns else np.zeros((len(table.rows), 0))
    return Design(tuple(made), x, tuple(findings))


def covariate_names(table: TabularTable, given: Sequence[str]) -> tuple[str, ...]:
    """Column names as a person gave them: each a name of the header, or several separated by commas. Raises FH-823."""
    found: list[str] = []
    for text in given:
        if table.has(text):
            found.append(text)
        else:
            found += [part.strip() for part in text.split(",") if part.strip()]
    try:
        for name in found:
            table.column(name)
    except Problem as problem:
        with_comma = [title for title in table.header if "," in title]
        if with_comma:
            problem.fix = f'{problem.fix}. A name with a comma is given by itself: --covariates "{with_comma[0]}", or in a JSON list.'
        raise
    return tuple(found)


def merge_near_times(times: Floats) -> Floats:
    """Times (n,) with values that differ by rounding only made equal, as R's `aeqSurv` does before it looks for ties.

    Distinct times whose difference, itself or relative to their mean, is at most √ε = 1.5e-8 become the earliest of them.
    """
    if not len(times):
        return times
    distinct = np.unique(times)
    gap = np.diff(distinct)
    tolerance = float(np.finfo(np.float64).eps) ** 0.5
    scale = float(np.mean(np.abs(distinct))) or 1.0
    starts = distinct[np.concatenate([[True], ~((gap <= tolerance) | (gap / scale <= tolerance))])]
    return np.asarray(starts[np.searchsorted(starts, times, side="right") - 1], dtype=np.float64)
