"""What a page is made of: paragraphs, tables, figures, facts. The template knows how each looks, nobody else does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from server.report.common.figure_style import Picture

FEW_PATIENTS = 20
"""A panel of fewer patients is folded: its curve says little and draws the eye."""


@dataclass(frozen=True)
class Paragraph:
    """A sentence or several; `tone` is `plain`, `absent` (why something is not here) or `note` (small print)."""

    kind: ClassVar[str] = "paragraph"
    words: str
    tone: str = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    items: Sequence[str]


@dataclass(frozen=True)
class TableBlock:
    """A table with a caption; the first column heads its row, `align` has one letter (l, r, c) a column.

    `group_rows` head the rows below them; a `folded` table opens on demand.
    """

    kind: ClassVar[str] = "table"
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str = ""
    label: str = ""
    note: str = ""
    group_rows: frozenset[int] = frozenset()
    folded: bool = False

    def side(self, column: int) -> str:
        """`l`, `r` or `c` for a column; the first is left, others right, unless `align` says otherwise."""
        if column < len(self.align):
            return self.align[column]
        return "l" if column == 0 else "r"


@dataclass(frozen=True)
class Panel:
    """One picture, with a second drawing for narrow pages where it needs one. A panel of few patients opens on demand.

    Panels of one `row` stand beside each other.
    """

    wide: Picture
    narrow: Picture | None = None
    patients: int | None = None
    row: str = ""

    @property
    def folded(self) -> bool:
        """Whether too few patients stand behind it to be looked at first."""
        return self.patients is not None and self.patients < FEW_PATIENTS


@dataclass(frozen=True)
class Figure:
    """Panels under one caption, with their numbers as tables that open on demand."""

    kind: ClassVar[str] = "figure"
    name: str
    label: str
    title: str
    panels: Sequence[Panel]
    numbers: Sequence[TableBlock] = ()
    caption: str = ""

    @property
    def first(self) -> list[Panel]:
        """The panels that are seen at once; all of them where every one is of few patients."""
        return [panel for panel in self.panels if not panel.folded] or list(self.panels)

    @property
    def rows(self) -> list[list[Panel]]:
        """The panels that are seen at once, row by row."""
        found: dict[str, list[Panel]] = {}
        for panel in self.first:
            found.setdefault(panel.row, []).append(panel)
        return list(found.values())

    @property
    def folded(self) -> list[Panel]:
        """The panels that open on demand."""
        return [panel for panel in self.panels if panel not in self.first]


@dataclass(frozen=True)
class FlowStep:
    """One box of the patient flow."""

    title: str
    count: str
    detail: str = ""
    left_out: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Flow:
    """Figure 1: columns of boxes, one column a set."""

    kind: ClassVar[str] = "flow"
    name: str
    label: str
    title: str
    alternative: str
    columns: Sequence[Sequence[FlowStep]]
    numbers: Sequence[TableBlock] = ()
    caption: str = ""


@dataclass(frozen=True)
class Photo:
    """A PNG as data URI with its text alternative."""

    title: str
    png_base64: str
    alternative: str


@dataclass(frozen=True)
class Photos:
    """A row of pictures of phantoms."""

    kind: ClassVar[str] = "photos"
    name: str
    label: str
    title: str
    items: Sequence[Photo]
    caption: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and values, such as the reproducibility block."""

    kind: ClassVar[str] = "facts"
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Headline:
    """The large numbers at the top."""

    kind: ClassVar[str] = "headline"
    items: Sequence[tuple[str, str, str]]


Block = Paragraph | Bullets | TableBlock | Figure | Flow | Photos | Facts | Headline


@dataclass(frozen=True)
class Section:
    """A numbered part of the page."""

    name: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
