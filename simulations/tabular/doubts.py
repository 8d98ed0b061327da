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
from simulations.tabular.decimal_marks import code_of, label_of, looks_numeric
from simulations.tabular.read_table import TabularTable, composed, lines_text
from site_config.problems import survival as problems
from site_config.tables.cell_values import SUM_WORDS
from site_config.words_of_messages import plural

Floats = NDArray[np.float64]
NO_VALUE = frozenset({"na", "n/a", "nan", "null", "none", ".", "?", "<na>", "nat", "-nan", "#n/a"})
"""Words for no value: missing in a column of numbers; in one of labels a label as any other, unless declared."""
NOT_KNOWN = NO_VALUE | {"unknown", "unk", "missing", "unbekannt", "inconnu", "desconocido", "sconosciuto", "-", "--"}
"""Words of a column of events that is read as declared: what is not declared an event would be no event."""
CODES = (9, 99, 999, 9999, 99999, 88, 888, 8888, 777, 7777, 99.9, 999.9, -9, -99, -999, -9999, -8, -88, -888)
"""Numbers that statistics programs and questionnaires write for a missing value."""
SHORTEST_DAYS, FRACTIONS_DAYS, LONGEST_DAYS = 60.0, 500.0, 36525.0
"""The unit may not be days where nobody was followed longer than the first, or (times with decimals) the second; the third is no life."""
YEARS = (1900.0, 2100.0)
SERIAL_DAYS = (29221.0, 54789.0)
"""A spreadsheet's numbers of the days from 1980 to 2049."""
UNIT_BESIDE = re.compile(r"([<>≤≥~]?)\s*[+-]?\d[\d.,]*\s*([^\d\s.,+-][^\d]*)?")
"""A number, with a sign before or a unit behind: `10%`, `5 mg`, `<0.5`."""
DATED = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}.*|\d{1,2}[./-](\d{1,2}|[^\W\d]{3,})\.?[./-]\d{2,4}.*")
PATIENTS = re.compile(r"(?:patient|pat|subject|person|pt|case)?[ _.-]*(?:id|no|nr|number|key|code)?|pid|mrn|usubjid|subjid|record[ _]id")
"""Names of columns that tell patients apart."""
STARTS_OF_ROWS = re.compile(
    r"t?start|start[ _.-]?time|entry|entry[ _.-]?time|time[ _.-]?entry|t0|tstart|left|delayed[ _.-]?entry", re.IGNORECASE
)
LAST_ROWS = 5
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


def dates_as_numbers(name: str, values: Floats) -> Iterator[FitFinding]:
    """Whole numbers all of which are dates as a spreadsheet counts them (43831) or writes them (20200131); `values` (n,)."""
    known = np.unique(values[np.isfinite(values)])
    if len(known) < 3 or not (known == np.rint(known)).all():
        return
    month, day = known // 100 % 100, known % 100
    written = known[0] >= 19000101 and known[-1] <= 21001231 and ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all()
    if written or (SERIAL_DAYS[0] <= known[0] and known[-1] <= SERIAL_DAYS[1]):
        what = f"{name} lies between {known[0]:.0f} and {known[-1]:.0f} and is read as a number: are these dates? give days"
        yield FitFinding.of(problems.LEVELS_OF_NUMBERS, what, [name])


def numbers_as_levels(name: str, levels: Sequence[str]) -> Iterator[FitFinding]:
    """Levels that are numbers with a unit, or dates: a nominal reading of what has an order and a distance."""
    parts = [UNIT_BESIDE.fullmatch(level) for level in levels]
    dated = all(DATED.fullmatch(level) for level in levels)
    if dated or all(part is not None for part in parts):
        listed = ", ".join(levels[:4])
        say = "write days from one moment" if dated else "write the number alone, the unit in the column's name"
        what = f"{name}: {listed} are levels here, each with its own coefficient; where {'dates' if dated else 'numbers'} are meant, {say}"
        yield FitFinding.of(problems.LEVELS_OF_NUMBERS, what, [name])


def rows_of_patients(table: TabularTable, read: Iterable[str]) -> Iterator[FitFinding]:
    """A column of patients' keys with one key in several rows, and a column of entry times beside one of times: not read."""
    named = {composed(name).strip().casefold() for name in read}
    for place, title in enumerate(table.header):
        name = title.strip().casefold()
        if name in named or not name:
            continue
        held = [row[place] for row in table.rows if row[place] is not None]
        if PATIENTS.fullmatch(name) and 1 < len(set(held)) < len(held) and len(set(held)) > len(held) / 10:
            again = plural(len(held) - len(set(held)), "row")
            what = f"column {title!r} holds {len(set(held)):,d} values in {len(held):,d} rows: {again} of patients already counted"
            yield FitFinding.of(problems.REPEATED_ROWS, what)
        if STARTS_OF_ROWS.fullmatch(name) and any(code_of(text or "") not in (None, 0.0) for text in held):
            what = f"column {title!r} is not read: every patient counts as followed from 0 (no late entry, no covariates that change)"
            yield FitFinding.of(problems.LATE_ENTRY, what)


def second_header(table: TabularTable, time: str) -> None:
    """FH-822 where the first row holds a word under the times and all others hold numbers: units or labels below the names."""
    if not table.has(time) or len(table.rows) < 3 or table.of_frame:
        return
    first, *others = table.column(time)
    if any(text is not None and looks_numeric(text) for text in table.rows[0]):
        return  # a patient's line, whatever stands under the times
    if first is None or looks_numeric(first) or DATED.fullmatch(first) or first.casefold() in NOT_KNOWN or first[0].isdigit():
        return
    if all(text is None or text.casefold() in NO_VALUE or looks_numeric(text) for text in others):
        what = f"line {table.lines[0]} holds a word under {time!r} where all other rows hold numbers: units or labels below the names?"
        raise problems.TABLE_MALFORMED.problem(what, fix="Delete that line; a unit of time is given by --time-unit (in Python time_unit=).")


def foot_of_table(table: TabularTable, name: str) -> None:
    """FH-822 where one of the last rows has a word for a total as its hospital, which no other row has."""
    held = table.column(name)
    counts = Counter(held)
    last = range(max(len(held) - LAST_ROWS, 0), len(held))
    found = [row for row in last if (text := held[row]) and text.strip(" :=Σ∑").casefold() in SUM_WORDS and counts[text] == 1]
    if found and len(held) > LAST_ROWS:
        where = lines_text([table.lines[row] for row in found], table.counted)
        what = f"{where}: a total below the patients? Its {name} is {', '.join(str(held[row]) for row in found)}"
        raise problems.TABLE_MALFORMED.problem(what, fix="Delete such rows; where it is a hospital, give it another name.")


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
