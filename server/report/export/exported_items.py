"""What is exported of a page: its figures and tables with file names, in the order of reading."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from server.report.page_blocks import Figure, Flow, Photos, Section, TableBlock

Drawn = Figure | Flow | Photos


@dataclass(frozen=True)
class ExportedTable:
    """A table with the name of its file; `of` is the figure whose numbers it has, empty for a table of its own."""

    name: str
    table: TableBlock
    of: str = ""


def slug(words: str) -> str:
    """Words as a part of a file name: `Figure 3, right` becomes `figure-3-right`.

    >>> slug("Figure 3, right")
    'figure-3-right'
    """
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60].strip("-")


def figures(sections: Sequence[Section]) -> Iterator[tuple[str, Drawn]]:
    """Every figure with the first part of its files' names."""
    for section in sections:
        for block in section.blocks:
            if isinstance(block, Drawn):
                yield slug(f"{block.label} {block.name}" if block.label else block.name), block


def tables(sections: Sequence[Section]) -> Iterator[ExportedTable]:
    """Every table: those of the page, and the numbers of every figure; names that would be equal get a number."""
    taken: dict[str, int] = {}

    def named(words: str) -> str:
        base = slug(words)
        taken[base] = taken.get(base, 0) + 1
        return base if taken[base] == 1 else f"{base}-{taken[base]}"

    for section in sections:
        for block in section.blocks:
            if isinstance(block, TableBlock):
                yield ExportedTable(named(f"{block.label} {block.caption}"), block)
            elif isinstance(block, Figure | Flow):
                for table in block.numbers:
                    yield ExportedTable(named(f"{block.label or block.name} {table.caption}"), table, block.label or block.title)
