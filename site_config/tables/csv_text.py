"""CSV text to rows of named cells, through the habits of spreadsheets in seven countries.

Separator `;`, `,` or tab; UTF-8 with or without byte-order mark, or UTF-16 with one; `sep=` lines; trailing empty rows.
Row numbers are the spreadsheet's: the header is row 1.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

from site_config.documents.yaml_text import decode
from site_config.problems import configuration as documents
from site_config.problems import tables as kinds
from site_config.problems.base import Kind, Problem, together
from site_config.words_of_messages import nearest

BYTES = 16 * 2**20
ROWS = 20_000
CELL = 2_000
SEPARATORS = ",;\t"
OTHER_FORMATS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1", b"\x1f\x8b", b"\xfd7zXZ", b"$FL", b"<", b"{\\rtf", b"%PDF", b"SQLite format")
"""First bytes of workbooks (xlsx, xls), parquet, R's rds, SPSS, HTML and XML, RTF, PDF and SQLite."""


APART = "Separate the header and all rows in one way: export the table again as CSV."


@dataclass(frozen=True)
class Row:
    """A row's cells by column name, stripped; a column the table lacks is not in `cells`."""

    number: int
    cells: dict[str, str]


@dataclass(frozen=True)
class CsvTable:
    """The columns in their order and every row that is not empty; `faults` are those of the header and of rows' shape.

    `unread` are columns the study does not ask for: they are not read, and not in `columns`.
    """

    role: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    faults: tuple[Problem, ...] = ()
    unread: tuple[str, ...] = ()

    def has(self, column: str) -> bool:
        """Whether the header names the column."""
        return column in self.columns


class CsvFaults:
    """Faults of a table as they are found, so that all are reported at once."""

    def __init__(self, role: str, known: Iterable[Problem] = ()) -> None:
        self.role = role
        self.problems: list[Problem] = list(known)

    def add(self, kind: Kind, row: int | None, column: str | None, what: str, fix: str | None = None) -> None:
        """Note a fault of a row and column; `what` never repeats the cell."""
        place = f"row {row}" if row else ""
        if column:
            place = f"{place}, column {column}" if place else f"column {column}"
        where = f"{self.role}:{row}" if row else self.role
        self.problems.append(kind.problem(f"{place}: {what}" if place else what, fix=fix, where=where))

    def raise_any(self) -> None:
        """Raise all faults as one problem, in the order of their rows."""
        if self.problems:
            raise together(self.problems)


def text_of(data: bytes, role: str) -> str:
    """The table's text; UTF-16 only with its byte-order mark. FH-201 for a workbook and other programs' own formats."""
    if data.lstrip(codecs.BOM_UTF8).lstrip().startswith(OTHER_FORMATS):
        fix = "Open it in the program that wrote it and save the sheet as CSV (UTF-8), then check again."
        raise kinds.NOT_A_TABLE.problem("the file is no CSV but another format (workbook, HTML, R, SPSS, PDF)", fix=fix, where=role)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            data = data.decode("utf-16").encode()
        except (UnicodeDecodeError, UnicodeEncodeError):
            raise documents.ENCODING.problem("the file begins as UTF-16 but is not", where=role) from None
    return decode(data, role)


def read_table(
    data: bytes, role: str, known: Iterable[str], needed: Iterable[str], prefix: str | None = None, elsewhere: Iterable[str] | None = None
) -> CsvTable:
    """Rows of a table whose columns are to be in `known` (or begin with `prefix`) and to include `needed`.

    With `elsewhere` (names other studies ask for) a column that is not known and resembles none that is missing is passed
    over; without it such a column is a fault.

    Faults of the header and of rows' shape are kept in the table, so that they do not hide those of cells. Raises one problem
    where there is no table to read cells of.
    """
    text = text_of(data, role)
    names = tuple(known)
    text, skipped = _without_sep_line(text)
    lines = _records(text, _separator(text, names), role, skipped)
    if not lines:
        raise kinds.NOT_A_TABLE.problem("the file is empty", where=role)
    header_row, header = lines[0]
    columns = tuple(_strip(cell).lower() for cell in header)
    while columns and not columns[-1]:
        columns = columns[:-1]
    others = None if elsewhere is None else frozenset(elsewhere) - set(names)
    faults, unread = _check_header(columns, _Asked(names, tuple(needed), prefix, others), role, header_row)
    rows = []
    for number, record in lines[1:]:
        cells = [_strip(cell) for cell in record]
        if not any(cells):
            continue
        if any(cells[len(columns) :]):
            faults.add(kinds.RAGGED_ROW, number, None, f"{len(cells)} cells under {len(columns)} columns")
            continue
        if _apart(cells, len(columns)):
            faults.add(kinds.RAGGED_ROW, number, None, "is not separated as the header is", APART)
            continue
        named = zip(columns, cells + [""] * (len(columns) - len(cells)), strict=False)
        rows.append(Row(number, {column: cell for column, cell in named if column not in unread}))
    if not rows and not faults.problems:
        raise kinds.NOT_A_TABLE.problem("no row follows the header", where=role)
    return CsvTable(role, tuple(column for column in columns if column not in unread), tuple(rows), tuple(faults.problems), unread)


def _apart(cells: list[str], width: int) -> bool:
    """Whether a row under `width` columns holds its cells in one, separated by another mark."""
    filled = [cell for cell in cells if cell]
    return (
        width > 2 and len(filled) * 2 <= width and any(sum(cell.count(mark) for cell in filled) >= width - 1 for mark in SEPARATORS + "|")
    )


def raw_rows(data: bytes, role: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The names of a table's columns and the cells of every row that is not empty, whatever the columns are."""
    text, skipped = _without_sep_line(text_of(data, role))
    lines = _records(text, _separator(text, ()), role, skipped)
    if not lines:
        raise kinds.NOT_A_TABLE.problem("the file is empty", where=role)
    header = tuple(_strip(cell).lower() for cell in lines[0][1])
    rows = [tuple(_strip(cell) for cell in record) for _, record in lines[1:]]
    return header, [row for row in rows if any(row)]


def _strip(cell: str) -> str:
    return cell.strip().strip("\u00a0\u200b\ufeff").strip()


def _without_sep_line(text: str) -> tuple[str, int]:
    match = re.match(r'"?sep=.?"?\r?\n', text, re.IGNORECASE)
    return (text[match.end() :], 1) if match else (text, 0)


def _separator(text: str, known: tuple[str, ...]) -> str:
    """The separator under which most of the first line's names are known."""
    first = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0].lower()
    found = {mark: sum(cell.strip(' "') in known for cell in first.split(mark)) for mark in SEPARATORS}
    return max(SEPARATORS, key=lambda mark: (found[mark], first.count(mark)))


def _records(text: str, separator: str, role: str, skipped: int) -> list[tuple[int, list[str]]]:
    records: list[tuple[int, list[str]]] = []
    csv.field_size_limit(BYTES)
    number = skipped
    try:
        for number, record in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), 1 + skipped):
            if number > ROWS or any(len(cell) > CELL for cell in record):
                if len(records) > 0 and any("\n" in cell for cell in record):
                    raise kinds.QUOTES.problem(f"row {number}: a quote is not closed", where=f"{role}:{number}")
                raise kinds.TOO_LARGE.problem(
                    f"row {number}: more than {ROWS:,} rows or a cell of more than {CELL:,} characters", where=f"{role}:{number}"
                )
            if records or any(cell.strip() for cell in record):
                records.append((number, record))
    except csv.Error:
        raise kinds.QUOTES.problem(
            f"row {number + 1}: a quote is not closed or stands inside a cell", where=f"{role}:{number + 1}"
        ) from None
    return records


@dataclass(frozen=True)
class _Asked:
    """Which columns a table may and must have; `elsewhere` is None where every other one is a fault."""

    known: tuple[str, ...]
    needed: tuple[str, ...]
    prefix: str | None
    elsewhere: frozenset[str] | None


def _check_header(columns: tuple[str, ...], asked: _Asked, role: str, row: int) -> tuple[CsvFaults, tuple[str, ...]]:
    """Faults of the header, and the columns that are passed over."""
    known, prefix = asked.known, asked.prefix
    if not any(column in known for column in columns):
        raise kinds.NOT_A_TABLE.problem(f"row {row}: no column name is known; is the header row missing?", where=f"{role}:{row}")
    faults = CsvFaults(role)
    missing = [name for name in asked.needed if name not in columns]
    unread: list[str] = []
    for index, column in enumerate(columns):
        called = column if re.fullmatch(r"[a-z][a-z0-9_ -]{0,39}", column) else ""
        place = f"`{called}`" if called else f"number {index + 1}"
        if column in columns[:index]:
            faults.add(kinds.DUPLICATE_COLUMN, row, None, f"column {place} stands twice")
        elif column in (asked.elsewhere or ()):
            unread.append(column)
        elif column not in known:
            near = nearest(column.replace(" ", "_"), [*missing, *(name for name in known if name not in columns)])
            if near in missing:
                missing.remove(near)
            elif near is None and asked.elsewhere is not None:
                unread.append(column)
                continue
            fits = prefix and re.fullmatch(re.escape(prefix) + r"[a-z][a-z0-9_]{0,39}", column)
            if not (fits and (near is None or not _close(column, near))):
                fix = f"Rename it to `{near}`." if near else f"Remove it; known are: {', '.join(known)}."
                faults.add(kinds.UNKNOWN_COLUMN, row, None, f"column {place} is not known", fix)
    for name in missing:
        faults.add(kinds.MISSING_COLUMN, row, None, f"column `{name}` is missing", f"Add a column `{name}`.")
    return faults, tuple(unread)


def _close(column: str, near: str) -> bool:
    """Whether a mask column is a known one misspelt, rather than that of a further organ."""
    return abs(len(column) - len(near)) <= 1 and sum(a != b for a, b in zip(column, near, strict=False)) <= 2
