"""Anybody's table: a CSV file as texts under names.

Accepts what spreadsheets and statistics programs write: comma, semicolon, tab, bar or blank; Excel's first line `sep=;`;
byte-order marks; quoted fields; row names without a header. What a column means is `simulations.tabular.design_columns`'.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from simulations.tabular.decimal_marks import DecimalMark, code_of
from site_config.problems import survival as problems
from site_config.problems.base import Kind, Problem, together
from site_config.words_of_messages import plural

DELIMITERS = (",", ";", "\t", "|", " ")
WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of Excel's xlsx and xls (and of other zipped or compound documents)."""
OTHER_TEXTS = (b"<", b"{", b"[{", b'["', b"[[", b"%PDF", b"\xef\xbb\xbf<", b"\xef\xbb\xbf{", b"\xef\xbb\xbf[{")
"""First bytes of HTML (which hospital systems call xls), XML, JSON, RTF and PDF."""
SEPARATOR_LINE = re.compile(r"sep=([,;\t|])[ \t;,|]*(\r\n|\r|\n)", re.IGNORECASE)
QUOTED = re.compile(r'(?<![^,;\t| \r\n])"(?:[^"]|"")*"')
"""A quoted field, which may hold separators and line breaks; a quote within a field opens none."""
HEAD, LINES = 1 << 16, 20
"""So much of a text is looked at."""
LINES_SHOWN = 5
BREAK = re.compile(r"\r\n|\r|\n")
NO_WIDTH = "\ufeff\u200b\u2060"
"""Signs without a width, which nobody sees: a second mark of byte order, a zero-width blank and joiner."""
BELOW_NAMES = (
    "The first line has to hold a name a column: delete what stands above it; where decimals have a comma, separate fields by semicolons."
)
STRAY_QUOTE = "Delete the quote where it is none (a sign for inches, for example); where the cell is meant, write it without line breaks."


@dataclass(frozen=True)
class Reading:
    """What the person who brings a table declares: further words for missing, and the mark of decimals."""

    missing: tuple[str, ...] = ()
    decimal: DecimalMark | None = None

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(word.casefold() for word in self.missing)

    @cached_property
    def _codes(self) -> frozenset[float]:
        return frozenset(code for code in map(code_of, self.missing) if code is not None)

    def is_missing(self, text: str) -> bool:
        """Whether a cell is blank or one of the declared words, upper and lower case alike; a declared 999 is 999.0 too."""
        return not text or text.casefold() in self._words or (bool(self._codes) and code_of(text) in self._codes)

    def by_column(self, header: Sequence[str], cells: Container[str]) -> list[Reading]:
        """The reading of each column: a word given as `COLUMN=WORD` counts in that column alone.

        `cells` are the texts of the table: a word that stands there as it was given is a word. FH-823 for a column that is not there.
        """
        own: dict[int, list[str]] = {}
        everywhere = []
        for word in self.missing:
            column, mark, value = word.rpartition("=")
            if not mark or word in cells:
                everywhere.append(word)
                continue
            places = places_of(column, header)
            if not places:
                fix = "A word that counts in one column is given as COLUMN=WORD, with a name of the header."
                raise problems.NO_COLUMN.problem(f"there is no column {column!r}, for which {value!r} is declared missing", fix=fix)
            for place in places:
                own.setdefault(place, []).append(value)
        return [replace(self, missing=(*everywhere, *own.get(place, ()))) for place in range(len(header))]


@dataclass(frozen=True)
class TabularTable:
    """Header and rows of texts (missing values are None); `lines` are the rows' line numbers in the file, or `of_frame`, the
    rows' places in the frame, of which the first is 1 and whose columns that no analysis named are not read.

    `levels` are the levels of a column in the order its maker declared, the reference first; a CSV file declares none.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str | None, ...], ...]
    lines: tuple[int, ...]
    delimiter: str
    reading: Reading = field(default=Reading())
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    of_frame: bool = False

    @property
    def counted(self) -> str:
        """What a row's number counts: lines of a file, the header among them, or rows of a frame."""
        return "row" if self.of_frame else "line"

    def column(self, name: str) -> list[str | None]:
        """The values of a column by its name; letter case and spaces around do not matter where the name stays unique.

        Raises FH-823.
        """
        index = self._index(name)
        return [row[index] for row in self.rows]

    def declared_levels(self, name: str) -> tuple[str, ...]:
        """The levels declared for a column that stand in it; none where nothing was declared."""
        texts = set(self.column(name))
        return tuple(level for level in self.levels.get(self.header[self._index(name)], ()) if level in texts)

    def place(self, name: str) -> int | None:
        """The column's place in the header; None where no column or several have the name."""
        found = self._places(name)
        return found[0] if len(found) == 1 else None

    def has(self, name: str) -> bool:
        """Whether exactly one column has the name."""
        return len(self._places(name)) == 1

    def _places(self, name: str) -> list[int]:
        return places_of(name, self.header)

    def _index(self, name: str) -> int:
        found = self._places(name)
        if len(found) == 1:
            return found[0]
        if found:
            fix = "Rename all but one of them in the header: which is meant cannot be told."
            raise problems.NO_COLUMN.problem(f"the header holds {name!r} {len(found)} times", fix=fix)
        deeper = [line for row, line in zip(self.rows[:LINES], self.lines, strict=False) if places_of(name, [text or "" for text in row])]
        if deeper and not self.of_frame:
            fix = "One line has to hold the columns' names, the first: delete the lines above the names, and lines of units below them."
            raise problems.NO_COLUMN.problem(f"there is no column {name!r} in the first line; line {deeper[0]} holds that name", fix=fix)
        near = difflib.get_close_matches(name, self.header, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(map(repr, self.header))}"
        raise problems.NO_COLUMN.problem(f"there is no column {name!r}", fix=f"Use a name of the header: {hint}")

    def faults(self) -> Faults:
        """A collector of faults of this table's cells."""
        return Faults(self.lines, self.counted)


class Faults:
    """Faults as they are found: alike ones become one line, and those of one column do not hide those of another."""

    def __init__(self, lines: Sequence[int] = (), counted: str = "line") -> None:
        self._lines, self._counted = lines, counted
        self._cells: dict[tuple[Kind, str, str, str | None], list[int]] = {}
        self._others: list[Problem] = []

    def add(self, kind: Kind, column: str, row: int, reason: str, fix: str | None = None) -> None:
        """Note a fault of a cell, `row` counted from 0; `reason` never repeats the cell."""
        self._cells.setdefault((kind, column, reason, fix), []).append(self._lines[row])

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Whatever problem the block raises is kept, with those it carries, and the next block is tried."""
        try:
            yield
        except Problem as problem:
            self._others += [problem, *problem.others]
            problem.others = ()

    def raise_any(self) -> None:
        """Raise all faults as one problem that carries the others."""
        found = list(self._others)
        for (kind, column, reason, fix), lines in self._cells.items():
            found.append(kind.problem(f"column {column!r}, {lines_text(lines, self._counted)}: the value {reason}", fix=fix))
        if found:
            raise together(found)


def composed(text: object) -> str:
    """The text with every letter and its accent as one sign: `é` has two codings, which nobody can tell apart on a screen."""
    return unicodedata.normalize("NFC", str(text))


def places_of(name: str, header: Sequence[str]) -> list[int]:
    """The places in a header that have a name; letter case and blanks do not matter where no name is equal to the letter."""
    for spelling in (composed, lambda text: " ".join(composed(text).casefold().split())):
        if found := [index for index, title in enumerate(header) if spelling(title) == spelling(name)]:
            return found
    return []


def shown(text: str) -> str:
    """The text without blanks and signs of no width around it."""
    return text.strip().strip(NO_WIDTH).strip()


def lines_text(lines: Sequence[int], counted: str = "line") -> str:
    """`line 4`, `lines 4, 9 and 12`, or the first five and how many more; `counted`: what is numbered."""
    shown = [str(line) for line in lines[:LINES_SHOWN]]
    if len(lines) == 1:
        return f"{counted} {shown[0]}"
    more = len(lines) - len(shown)
    return f"{counted}s {', '.join(shown)} and {more:,d} more" if more else f"{counted}s {', '.join(shown[:-1])} and {shown[-1]}"


def read_table(path: Path, reading: Reading = Reading()) -> TabularTable:
    """Read a CSV file. Raises FH-821 (cannot be opened) and FH-822 (no table)."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise problems.TABLE_UNREADABLE.problem(f"{path.name or 'the path'}: {error.strerror or 'cannot be read'}") from error
    text, delimiter = separated(composed(decoded(data, path.name)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
    try:
        numbered = [(reader.line_num, [shown(field) for field in fields]) for fields in reader]
    except csv.Error as error:
        raise problems.TABLE_MALFORMED.problem(f"line {reader.line_num}: {error}") from error
    return _table(path.name, [(line, fields) for line, fields in numbered if any(fields)], delimiter, reading)


def _table(name: str, filled: list[tuple[int, list[str]]], delimiter: str, reading: Reading) -> TabularTable:
    if not filled:
        raise problems.TABLE_MALFORMED.problem(f"{name} is empty")
    if len(filled) == 1:
        raise problems.TABLE_MALFORMED.problem(f"{name} has a header and no rows below it")
    header = filled[0][1]
    while header and not header[-1] and len(header) > 1 and all(len(f) < len(header) or not f[len(header) - 1] for _, f in filled[1:]):
        header = header[:-1]
    if len(header) > 1 and sum(map(bool, header)) == 1 and not header[-1]:
        raise problems.TABLE_MALFORMED.problem(
            f"line {filled[0][0]} names one of {len(header)} columns: a title above the header?",
            fix="Delete the lines above the columns' names.",
        )
    body = filled[1:]
    _check_quotes(body, len(header), delimiter)
    named_rows = len({fields[0] for _, fields in body}) == len(body)  # by R: no name of a row stands twice
    if named_rows and all(len(fields) == len(header) + 1 and fields[-1] for _, fields in body):
        header = ["", *header]
    _check_widths(body, len(header))
    _check_lines(body, header, delimiter)
    readings = reading.by_column(header, {cell for _, fields in body for cell in fields} if reading.missing else ())
    rows = tuple(tuple(_cells(fields, readings)) for _, fields in body)
    return TabularTable(tuple(header), rows, tuple(line for line, _ in body), delimiter, reading)


def _check_quotes(body: list[tuple[int, list[str]]], width: int, delimiter: str) -> None:
    """FH-822 for a quote that opens by mistake and takes the rows below into its cell."""
    for line, fields in body:
        for cell in fields:
            below = BREAK.split(cell)[1:] if "\n" in cell or "\r" in cell else ()
            if any(one.count(delimiter) >= max(width - 1, 1) for one in below):
                what = (
                    f"line {line - len(below)}: a quote opens and closes only on line {line}, or nowhere, and lines like rows stand between"
                )
                raise problems.TABLE_MALFORMED.problem(what, fix=STRAY_QUOTE)


def _check_widths(body: list[tuple[int, list[str]]], width: int) -> None:
    wide = [(line, len(fields)) for line, fields in body if any(fields[width:])]
    if not wide:
        return
    found = []
    for count in sorted({count for _, count in wide}, key=Counter(count for _, count in wide).__getitem__, reverse=True):
        where = lines_text([line for line, fields in wide if fields == count])
        verb = "has" if where.startswith("line ") else "have"
        fix = BELOW_NAMES if len(wide) == len(body) else None
        found.append(problems.TABLE_MALFORMED.problem(f"{where} {verb} {plural(count, 'field')}, the header {width}", fix=fix))
    raise together(found)


def _check_lines(body: list[tuple[int, list[str]]], header: Sequence[str], delimiter: str) -> None:
    """FH-822 for lines that are no rows: the header again, or fields under another separator."""
    names = [title.casefold() for title in header]
    again = [line for line, fields in body if [cell.casefold() for cell in fields] == names]
    if again and any(names):
        verb = "holds" if len(again) == 1 else "hold"
        fix = "Delete such lines; of two tables in one file make two files, or one with one header."
        raise problems.TABLE_MALFORMED.problem(f"{lines_text(again)} {verb} the columns' names again", fix=fix)
    others = [mark for mark in WORDS if mark != delimiter]
    needed = max((len(header) - 1) // 2, 1)
    for mark in others:
        apart = [line for line, fields in body if len(fields) <= needed and sum(cell.count(mark) for cell in fields) >= len(header) - 1]
        if apart and len(header) > 1:
            verb = "has" if len(apart) == 1 else "have"
            what = f"{lines_text(apart)} {verb} fields separated by {WORDS[mark]}, the first line by {WORDS.get(delimiter, 'blanks')}"
            raise problems.TABLE_MALFORMED.problem(what, fix="Separate all lines in one way: export the sheet again, or replace the marks.")


def _cells(fields: Sequence[str], readings: Sequence[Reading]) -> Iterator[str | None]:
    for cell, reading in zip([*fields, *[""] * (len(readings) - len(fields))], readings, strict=False):
        yield None if reading.is_missing(cell) else cell


def decoded(data: bytes, name: str) -> str:
    """The text of a file in UTF-8, UTF-16 or Windows' code page. Raises FH-822 for what is no text."""
    if data.startswith(WORKBOOKS):
        raise problems.TABLE_MALFORMED.problem(f"{name} is a workbook, not a text: its sheet has to be saved as CSV")
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return data.decode("utf-32", errors="replace")
    if data[:HEAD].lstrip().startswith(OTHER_TEXTS):
        raise problems.TABLE_MALFORMED.problem(f"{name} is no CSV, but a text of another kind (HTML, XML, JSON, PDF or RTF)")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:2]:  # ASCII in UTF-16 without its mark: every second byte is 0
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le", errors="replace")
    if b"\0" in data[:HEAD] or data.startswith(b"\x1f\x8b"):
        raise problems.TABLE_MALFORMED.problem(f"{name} is no text, but another program's own format or packed")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def separated(text: str) -> tuple[str, str]:
    """The text from its header on, and its separator. Raises FH-822 where the first line is a title.

    Line breaks before the header stay, so that line numbers do.
    """
    named = SEPARATOR_LINE.match(text)  # Excel's own way to say it
    if named:
        return text[named.start(2) :], named[1]
    lines = [line for line in QUOTED.sub("quoted", text[:HEAD].strip(" ")).splitlines() if line.strip()][:LINES]
    first, below = (lines[0], lines[1:]) if lines else ("", [])
    found = max(DELIMITERS[:-1], key=lambda mark: (_keeps(mark, first, below), first.count(mark), -DELIMITERS.index(mark)))
    if found in first:
        return text, found
    blank = " " if " " in first else found
    other = max(DELIMITERS[:-1], key=lambda mark: min((line.count(mark) for line in below), default=0))
    width = len(first.split())
    blanks = all(len(line.split()) in (width, width + 1) for line in below)
    if below and not blanks and all(other in line for line in below[-2:]):
        raise problems.TABLE_MALFORMED.problem(
            f"line 1 holds no name a column, and lines below have fields separated by {WORDS[other]}: a title above the header?",
            fix="Delete the lines above the columns' names.",
        )
    return text, blank


def _keeps(mark: str, first: str, below: list[str]) -> bool:
    """Whether the lines below have as many of a separator as the first line, or one more each (names of rows)."""
    counts = {line.count(mark) for line in below}
    return mark in first and len(counts) == 1 and counts <= {first.count(mark), first.count(mark) + 1}
