"""What a person who brings a table may not have seen in it: codes for missing, labels that differ in case, rows twice, odd times.

None of these stops anything; each becomes a finding, because a wrong guess would change the numbers and silence would hide it.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.cox.cox_result import FitFinding
from simulations.tabular.decimal_marks import label_of
from simulations.tabular.read_table import TabularTable, lines_text
from site_config.problems import survival as problems
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
CODES = (9, 99, 999, 9999, 99999, 88, 888, 8888, 777, 7777, 99.9, 999.9, -9, -99, -999, -9999, -8, -88, -888)
"""Numbers that statistics programs and questionnaires write for a missing value."""
SHORTEST_DAYS, FRACTIONS_DAYS, LONGEST_DAYS = 60.0, 500.0, 36525.0
"""The unit may not be days where nobody was followed longer than the first, or (times with decimals) the second; the third is no life."""
YEARS = (1900.0, 2100.0)
NAMED_UNIT = re.compile(r"year|month|week|(?<![a-z])(?:yr|mo|mth|wk)s?(?![a-z])", re.IGNORECASE)
UNITS = {"y": "years", "m": "months", "w": "weeks"}


def codes_for_missing(name: str, values: Floats) -> Iterator[FitFinding]:
    """A number of `CODES` that lies further from all others than they lie from each other; `values` (n,), NaN where missing."""
    known = values[np.isfinite(values)]
    for code in CODES:
        others = known[known != code]
        rows = len(known) - len(others)
        if not rows or len(np.unique(others)) < 2:
            continue
        low, high = float(others.min()), float(others.max())
        if code > high + (high - low) or code < low - (high - low):
            what = f"{name}: {code:g} stands in {plural(rows, 'row')}, all others lie between {low:.4g} and {high:.4g}"
            say = f"--missing {code:g} (in Python missing=[{code:g}])"
            yield FitFinding.of(problems.CODE_FOR_MISSING, f"{what}; where it means a missing value say {say}", [name])


def alike_labels(name: str, found: Sequence[str | None]) -> Iterator[FitFinding]:
    """Labels that are one but for capital letters or blanks."""
    same: dict[str, list[str]] = {}
    for label in dict.fromkeys(label for label in found if label is not None):
        same.setdefault(" ".join(unicodedata.normalize("NFKC", label).casefold().split()), []).append(label)
    for labels in same.values():
        if len(labels) > 1:
            listed = ", ".join(map(repr, labels))
            yield FitFinding.of(problems.ALIKE_LABELS, f"{name}: {listed} count as {len(labels)} different labels", [name])


def alike_numbers(name: str, texts: Sequence[str | None]) -> Iterator[FitFinding]:
    """Numbers as labels in more than one writing (`01` and `1`, `1e2` and `100`); that of a decimal (`1.0`) is none of its own."""
    same: dict[str, list[str]] = {}
    for text in dict.fromkeys(re.sub(r"\.0*$", "", text) for text in texts if text is not None):
        same.setdefault(label_of(text), []).append(text)
    for label, written in same.items():
        if len(written) > 1:
            listed = ", ".join(map(repr, written))
            what = f"{name}: {listed} are one number and count as one label, {label}; where they differ, begin each with a letter"
            yield FitFinding.of(problems.ALIKE_LABELS, what, [name])


def repeated_rows(table: TabularTable) -> Iterator[FitFinding]:
    """Rows that stand in the table more than once, equal in every column that was read: of a file all, of a frame the named ones."""
    counts = Counter(table.rows)
    again, seen = list[int](), set[tuple[str | None, ...]]()
    for row, line in zip(table.rows, table.lines, strict=True):
        if counts[row] > 1 and row in seen:
            again.append(line)
        seen.add(row)
    if again:
        verb = "is" if len(again) == 1 else "are"
        where = f"{lines_text(again, table.counted)} of the frame" if table.of_frame else lines_text(again)
        columns = "every column named here (no other is read)" if table.of_frame else "every column"
        yield FitFinding.of(problems.REPEATED_ROWS, f"{where} {verb} equal to an earlier row in {columns}, and counted again")


def odd_times(name: str, times: Floats, *, declared: bool) -> Iterable[FitFinding]:
    """Times (n,) in days that may be in another unit, or no times at all; `declared`: the unit was given."""
    longest, least = float(times.max()), float(times.min())
    years = len(times) > 2 and YEARS[0] <= least and longest <= YEARS[1] and bool((times == np.rint(times)).all())
    if longest > LONGEST_DAYS:
        shown = f"{longest:.4g}" if longest > 1e9 else f"{longest:,.0f}"
        what = f"the longest time is {shown} days, more than a life: dates that a spreadsheet wrote as numbers?"
    elif years and not declared:
        what = f"{name} lies between {least:.0f} and {longest:.0f}: calendar years are no times, which count from 0"
    elif not declared and longest < SHORTEST_DAYS:
        what = f"the longest time is {longest:.4g}, read as days; {_say(name)}"
    elif not declared and longest < FRACTIONS_DAYS and not (times == np.rint(times)).all():
        what = f"times have decimals and end at {longest:.4g}, read as days; {_say(name)}"
    elif not declared and NAMED_UNIT.search(name):
        what = f"{name} is read as days; {_say(name)}"
    else:
        return ()
    return (FitFinding.of(problems.UNIT_OF_TIME, what),)


def _say(name: str) -> str:
    """How another unit is declared: the one that the column's name holds, else all."""
    named = NAMED_UNIT.search(name)
    if named is None:
        return "for another unit say --time-unit years, months or weeks (in Python time_unit='months')"
    unit = UNITS[named[0][0].casefold()]
    return f"for {unit} say --time-unit {unit} (in Python time_unit='{unit}')"
