"""A file's bytes as text, and what separates its fields: the first lines tell."""

from __future__ import annotations

import re

from site_config.problems import survival as problems

DELIMITERS = (",", ";", "\t", "|", " ")
WORDS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of Excel's xlsx and xls (and of other zipped or compound documents)."""
SEPARATOR_LINE = re.compile(r"sep=([,;\t|])[ \t;,|]*(\r\n|\r|\n)", re.IGNORECASE)
QUOTED = re.compile(r'(?<![^,;\t| \r\n])"(?:[^"]|"")*"')
"""A quoted field, which may hold separators and line breaks; a quote within a field opens none."""
HEAD, LINES = 1 << 16, 20
"""So much of a text is looked at."""


def decoded(data: bytes, name: str) -> str:
    """The text of a file in UTF-8, UTF-16 or Windows' code page. Raises FH-822 for what is no text."""
    if data.startswith(WORKBOOKS):
        raise problems.TABLE_MALFORMED.problem(f"{name} is a workbook, not a text: its sheet has to be saved as CSV")
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
