"""The report as one Word document: sections, figures with captions, tables, and the numbers of figures as a supplement."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from server.report.export.exported_items import Drawn, tables
from server.report.export.figure_and_table_files import pictures
from server.report.page_blocks import Bullets, Facts, Figure, Flow, Headline, Paragraph, Photos, Section, TableBlock

if TYPE_CHECKING:
    from docx.document import Document as WordDocument

PAGE_CM = 16.0
DPI = 200
LETTER_CM, PADDING = 0.165, 2.5
"""Width of a letter at size 8, and of a cell's margins in letters."""


def document(heading: str, opening: Sequence[str], sections: Sequence[Section], closing: Sequence[TableBlock], *, simulated: bool) -> bytes:
    """The file's bytes. `opening` are paragraphs before the sections, `closing` tables after them."""
    from docx import Document
    from docx.shared import Cm, Pt

    word = Document()
    page = word.sections[0]
    page.page_width, page.page_height = Cm(21), Cm(29.7)
    page.left_margin = page.right_margin = Cm(2.5)
    word.styles["Normal"].font.size = Pt(10)
    word.add_heading(heading, 0)
    if simulated:
        word.add_paragraph("SIMULATED PATIENTS. No figure in this document is about people.", style="Intense Quote")
    for words in opening:
        word.add_paragraph(words)
    for section in sections:
        word.add_heading(section.title, 1)
        for block in section.blocks:
            _block(word, block, simulated)
    supplement = [one for one in tables(sections) if one.of]
    if supplement:
        word.add_heading("The numbers of the figures", 1)
        for one in supplement:
            _table(word, one.table, f"{one.of}: {one.table.caption}")
    for table in closing:
        word.add_heading(table.caption, 1)
        _table(word, table, "")
    buffer = io.BytesIO()
    word.save(buffer)
    return buffer.getvalue()


def _block(word: WordDocument, block: object, simulated: bool) -> None:
    if isinstance(block, Paragraph):
        word.add_paragraph(block.words)
    elif isinstance(block, Bullets):
        for item in block.items:
            word.add_paragraph(item, style="List Bullet")
    elif isinstance(block, Facts):
        _table(word, TableBlock("", ["", ""], [list(pair) for pair in block.items], align="ll"), "")
    elif isinstance(block, Headline):
        for value, name, under in block.items:
            word.add_paragraph(f"{name}: {value} ({under})", style="List Bullet")
    elif isinstance(block, TableBlock):
        _table(word, block, f"{block.label}. {block.caption}" if block.label else block.caption)
    elif isinstance(block, Figure | Flow | Photos):
        _figure(word, block, simulated)


def _figure(word: WordDocument, figure: Drawn, simulated: bool) -> None:
    """Panels two in a row where they are narrow, in a table without lines; then the caption."""
    from docx.shared import Cm

    images = [(picture.file("png", dpi=DPI), picture.width) for _, picture in pictures(figure, simulated=simulated)]
    if isinstance(figure, Photos):
        images = [(base64.b64decode(photo.png_base64), 1) for photo in figure.items]
    beside = 2 if len(images) > 1 and all(width < 400 for _, width in images) and not isinstance(figure, Photos) else 1
    grid = word.add_table(rows=-(-len(images) // beside), cols=beside)
    for place, (data, width) in enumerate(images):
        paragraph = grid.rows[place // beside].cells[place % beside].paragraphs[0]
        paragraph.paragraph_format.keep_with_next = True
        wide = PAGE_CM / beside - 0.5 if beside > 1 or isinstance(figure, Photos) else min(PAGE_CM, width / 40)
        paragraph.add_run().add_picture(io.BytesIO(data), width=Cm(wide))
    words = f"{figure.label}. {figure.title}. {figure.caption}" if figure.label else f"{figure.title}. {figure.caption}"
    word.add_paragraph(words.strip(), style="Caption")


def _table(word: WordDocument, table: TableBlock, caption: str) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Cm, Pt

    if caption:
        word.add_paragraph(caption, style="Caption").paragraph_format.keep_with_next = True
    grid = word.add_table(rows=0, cols=len(table.header))
    grid.style = "Light Shading"
    _without_bands(grid)
    grid.autofit = False
    widths = [Cm(width) for width in column_widths(table)]
    for held, wide in zip(grid.columns, widths, strict=True):
        held.width = wide
    for number, cells in enumerate([table.header, *table.rows]):
        row = grid.add_row().cells
        for column, words in enumerate(cells):
            row[column].width = widths[column]
            paragraph = row[column].paragraphs[0]
            paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(1)
            run = paragraph.add_run(words)
            run.font.size = Pt(8)
            run.bold = number == 0 or number - 1 in table.group_rows
            if table.side(column) == "r":
                paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
        if number - 1 in table.group_rows and not any(cells[1:]):
            merged = row[0].merge(row[-1])
            for empty in merged.paragraphs[1:]:
                empty._element.getparent().remove(empty._element)
    _head_on_every_page(grid.rows[0])
    note = word.add_paragraph()
    note.paragraph_format.space_before = Pt(4)
    note.add_run(table.note).font.size = Pt(8)


def _without_bands(grid: Any) -> None:
    """Rules above, below and under the head alone."""
    from docx.oxml.ns import qn

    look = grid._tbl.tblPr.find(qn("w:tblLook"))
    if look is not None:
        look.set(qn("w:noHBand"), "1")
        look.set(qn("w:firstColumn"), "0")
        look.set(qn("w:val"), "0620")


def _head_on_every_page(row: Any) -> None:
    """The head again where a table goes on to another page."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    mark = OxmlElement("w:tblHeader")
    mark.set(qn("w:val"), "true")
    row._tr.get_or_add_trPr().append(mark)


def column_widths(table: TableBlock) -> list[float]:
    """Widths in cm, together the page: as wide as its longest line wants; where that is too much, down to its longest word."""
    measured = [cells for number, cells in enumerate([table.header, *table.rows]) if number - 1 not in table.group_rows]
    columns = [[line for cells in measured for line in cells[index].split("\n")] for index in range(len(table.header))]
    wanted = [min(max(map(len, lines)), 40) + PADDING for lines in columns]
    least = [min(max(len(word) for line in lines for word in line.split(" ")), 24) + PADDING for lines in columns]
    room = PAGE_CM / LETTER_CM
    if sum(wanted) > room > sum(least):
        share = (room - sum(least)) / (sum(wanted) - sum(least))
        wanted = [low + share * (wish - low) for wish, low in zip(wanted, least, strict=True)]
    return [PAGE_CM * width / sum(wanted) for width in wanted]
