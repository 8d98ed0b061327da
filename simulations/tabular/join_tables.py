"""Two tables of the same rows as one, by a key column: the second table's columns beside the first's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from simulations.tabular.read_table import TabularTable, lines_text
from site_config.problems import survival as problems


def joined(table: TabularTable, other: TabularTable, key: str) -> TabularTable:
    """The first table with the other's columns, row by row of the same key; cells are missing where the other has no such row.

    Raises FH-823 without the key column, and FH-822 for a key that stands twice in the other table or matches nothing at all.
    """
    mine, theirs = table.column(key), other.column(key)
    twice = sorted(value for value, count in Counter(theirs).items() if value is not None and count > 1)
    if twice:
        lines = [line for line, value in zip(other.lines, theirs, strict=True) if value == twice[0]]
        raise problems.TABLE_MALFORMED.problem(f"the key of {lines_text(lines)} of the second table stands more than once")
    rows = {value: row for value, row in zip(theirs, other.rows, strict=True) if value is not None}
    if not any(value in rows for value in mine):
        raise problems.TABLE_MALFORMED.problem(f"no value of {key!r} stands in both tables")
    at = next(index for index, title in enumerate(other.header) if other.column(title) == theirs)
    added = tuple(title for index, title in enumerate(other.header) if index != at)
    blank: tuple[str | None, ...] = (None,) * len(added)

    def beside(value: str | None) -> tuple[str | None, ...]:
        row = rows.get(value or "")
        return blank if row is None else tuple(cell for index, cell in enumerate(row) if index != at)

    both = tuple((*row, *beside(value)) for row, value in zip(table.rows, mine, strict=True))
    return replace(table, header=(*table.header, *added), rows=both)
