"""Anybody's table: a CSV file of survival data as columns of known meaning.

Accepts what spreadsheets and statistics programs write: comma, semicolon, tab or bar; Excel's first line `sep=;`;
byte-order marks; decimal commas; quoted fields; row names without a header; NA, NaN or blanks; events as 0/1, 1/2, true/false
or yes/no.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from site_config.problems import survival as problems
from site_config.problems.base import Problem

Floats = NDArray[np.float64]
MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", ".", "?", "<na>", "nat", "-nan", "#n/a"})
DELIMITERS = (",", ";", "\t", "|")
MOST_LEVELS = 20
EVENT_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "dead", "died", "deceased", "event"), True),
    **dict.fromkeys(("false", "f", "no", "n", "alive", "censored", "censor"), False),
}
LOGICAL = {"true": 1.0, "false": 0.0, "t": 1.0, "f": 0.0}
SEPARATOR_LINE = re.compile(r"sep=([,;\t|])[ \t;,|]*(\r\n|\r|\n)", re.IGNORECASE)
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """Header and rows of texts (missing values are None); `lines` are the rows' line numbers in the file."""

    header: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    lines: tuple[int, ...]
    delimiter: str

    def column(self, name: str) -> list[str | None]:
        """The values of a column by its name; letter case and spaces around do not matter where the name stays unique.

        Raises FH-823.
        """
        return [row[self._index(name)] for row in self.rows]

    def _index(self, name: str) -> int:
        for spelling in (str, lambda text: str(text).strip().casefold()):
            found = [index for index, title in enumerate(self.header) if spelling(title) == spelling(name)]
            if len(found) == 1:
                return found[0]
            if len(found) > 1:
                raise problems.NO_COLUMN.problem(f"the header holds {name!r} {len(found)} times")
        near = difflib.get_close_matches(name, self.header, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(self.header)}"
        raise problems.NO_COLUMN.problem(f"there is no column {name!r}", fix=f"Use a name of the header: {hint}")


def read_table(path: Path) -> Table:
    """Read a CSV file. Raises FH-821 (cannot be opened) and FH-822 (no table)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise problems.TABLE_UNREADABLE.problem(f"{path.name or 'the path'}: {error.strerror or 'cannot be read'}") from error
    text = _decode(data)
    named = SEPARATOR_LINE.match(text)  # Excel's own way to say it; the newline stays, so that line numbers do
    delimiter = named[1] if named else _delimiter(text)
    text = text[named.start(2) :] if named else text
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        numbered = [(reader.line_num, [field.strip() for field in fields]) for fields in reader]
    except csv.Error as error:
        raise problems.TABLE_MALFORMED.problem(f"line {reader.line_num}: {error}") from error
    filled = [(line, fields) for line, fields in numbered if any(fields)]
    if not filled:
        raise problems.TABLE_MALFORMED.problem(f"{path.name} is empty")
    if len(filled) == 1:
        raise problems.TABLE_MALFORMED.problem(f"{path.name} has a header and no rows below it")
    header = filled[0][1]
    while header and not header[-1] and len(header) > 1 and all(len(f) < len(header) or not f[len(header) - 1] for _, f in filled[1:]):
        header = header[:-1]
    body = filled[1:]
    if body and all(len(fields) == len(header) + 1 and fields[-1] for _, fields in body):
        header = ["", *header]
    rows = tuple(_row(line, fields, len(header)) for line, fields in body)
    return Table(tuple(header), rows, tuple(line for line, _ in body), delimiter)


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _delimiter(text: str) -> str:
    """The separator that stands most often in the first line outside quotes; comma where none does."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", first)
    return max(DELIMITERS, key=lambda mark: (bare.count(mark), -DELIMITERS.index(mark)))


def _row(line: int, fields: Sequence[str], width: int) -> tuple[str | None, ...]:
    if any(fields[width:]):
        raise problems.TABLE_MALFORMED.problem(f"line {line} has {len(fields)} fields, the header {width}")
    padded = [*fields[:width], *[""] * (width - len(fields))]
    return tuple(None if field.casefold() in MISSING else field for field in padded)


def number_of(text: str, delimiter: str = ";") -> float | None:
    """A number as written, with a decimal comma where commas do not separate; None when it is none."""
    if delimiter != "," and DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def numbers(table: Table, name: str, *, lowest: float | None = None) -> Floats:
    """A numeric column (n,), NaN where missing. Raises FH-825 for what is no finite number or below `lowest`."""
    found = np.full(len(table.rows), np.nan)
    for index, text in enumerate(table.column(name)):
        if text is None:
            continue
        value = number_of(text, table.delimiter)
        if value is None or not np.isfinite(value):
            raise _bad(table, name, index, "is not a finite number")
        if lowest is not None and value < lowest:
            raise _bad(table, name, index, f"is below {lowest:g}")
        found[index] = value
    return found


def _bad(table: Table, name: str, index: int, reason: str) -> Problem:
    return problems.BAD_VALUE.problem(f"column {name!r}, line {table.lines[index]}: the value {reason}")


def events(table: Table, name: str) -> Floats:
    """The event column as 0/1 (n,), NaN where missing, its coding found from its values as R's `Surv` does.

    Raises FH-824 when the codes are not 0/1, 1/2, true/false or words of the same meaning.
    """
    texts = table.column(name)
    values = {text for text in texts if text is not None}
    words = {text.casefold() for text in values}
    if words and words <= EVENT_WORDS.keys():
        return np.asarray([np.nan if text is None else float(EVENT_WORDS[text.casefold()]) for text in texts])
    codes = {number_of(text, table.delimiter) for text in values}
    if not codes <= {0.0, 1.0} and not codes <= {1.0, 2.0}:
        shown = ", ".join(sorted(values)[:6])
        raise problems.EVENT_CODING.problem(f"column {name!r} holds {shown}")
    shift = 1.0 if 2.0 in codes else 0.0
    return np.asarray([np.nan if text is None else float(number_of(text, table.delimiter) or 0.0) - shift for text in texts])


def labels(table: Table, name: str) -> list[str | None]:
    """A column of labels (sites, strata, groups): texts, None where missing; 1 and 1.0 are one label."""
    found: list[str | None] = []
    for text in table.column(name):
        value = None if text is None else number_of(text, table.delimiter)
        found.append(f"{int(value)}" if value is not None and np.isfinite(value) and value == int(value) else text)
    return found


def in_order(found: Sequence[str | None]) -> list[str]:
    """Distinct labels: by value when all are numbers, else as text."""
    distinct = {label for label in found if label is not None}
    values = {label: number_of(label) for label in distinct}
    if all(value is not None for value in values.values()):
        return sorted(distinct, key=lambda label: (values[label] or 0.0, label))
    return sorted(distinct, key=lambda label: (label.casefold(), label))


@dataclass(frozen=True)
class Covariates:
    """Design columns: `names` (p,), `x` (n, p) with NaN where missing; `expanded` tells which were texts."""

    names: tuple[str, ...]
    x: Floats
    expanded: tuple[str, ...] = ()


def covariates(table: Table, names: Sequence[str]) -> Covariates:
    """Numeric and true/false columns as they are; a text column as R codes a factor: one 0/1 column a level but the first.

    Raises FH-823 and FH-825.
    """
    columns: list[Floats] = []
    titles: list[str] = []
    expanded: list[str] = []
    for name in names:
        texts = table.column(name)
        values = {text.casefold() for text in texts if text is not None}
        numeric = [text for text in texts if text is not None and number_of(text, table.delimiter) is not None]
        if values and values <= LOGICAL.keys():
            columns.append(np.asarray([np.nan if text is None else LOGICAL[text.casefold()] for text in texts]))
            titles.append(name)
        elif numeric or not values:
            columns.append(numbers(table, name))
            titles.append(name)
        else:
            levels = in_order(texts)
            if len(levels) > MOST_LEVELS:
                raise problems.BAD_VALUE.problem(f"column {name!r} holds {len(levels)} different texts; at most {MOST_LEVELS} are levels")
            expanded.append(name)
            for level in levels[1:] or levels:
                columns.append(np.asarray([np.nan if text is None else float(text == level and len(levels) > 1) for text in texts]))
                titles.append(f"{name}{level}")
    x = np.stack(columns, axis=1) if columns else np.zeros((len(table.rows), 0))
    return Covariates(tuple(titles), x, tuple(expanded))


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
