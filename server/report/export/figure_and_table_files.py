"""Figures as SVG and PDF, tables as CSV."""

from __future__ import annotations

import base64
import csv
import io
from pathlib import Path

from server.report import number_text
from server.report.common import figure_style
from server.report.common.figure_style import Picture
from server.report.export.exported_items import Drawn, slug
from server.report.page_blocks import Figure, Flow, Photos, TableBlock
from site_config.atomic_files import write_atomic


@figure_style.styled
def flow_picture(flow: Flow, *, simulated: bool) -> Picture:
    """Figure 1 as a drawing: a column a set, from enrolled to analysed."""
    columns = flow.columns
    figure, axes = figure_style.panel(230 * max(len(columns), 1), 230)
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, max(len(columns), 1))
    axes.set_ylim(0, 1)
    box = {"boxstyle": "round,pad=0.5", "facecolor": "white", "edgecolor": figure_style.MUTED}
    for index, (head, first, last) in enumerate(columns):
        middle = index + 0.45
        axes.text(middle, 0.97, head.title, ha="center", va="top", fontweight="bold", fontsize=11)
        axes.annotate("", xy=(middle, 0.27), xytext=(middle, 0.72), arrowprops={"arrowstyle": "->", "color": figure_style.MUTED})
        axes.text(middle, 0.78, f"{first.count} {first.title.lower()}", ha="center", va="center", bbox=box)
        left_out = "\n".join(f"{count} {why}" for why, count in first.left_out)
        axes.text(middle + 0.04, 0.5, left_out, ha="left", va="center", fontsize=7.5, color=figure_style.MUTED)
        axes.text(middle, 0.15, f"{last.count} {last.title.lower()}\n{last.detail}", ha="center", va="center", bbox=box)
    return figure_style.finish(figure, "flow", flow.alternative, simulated=simulated)


def pictures(figure: Drawn, *, simulated: bool) -> list[tuple[str, Picture]]:
    """The drawings of a figure, each with the end of its file's name; photographs have none."""
    if isinstance(figure, Figure):
        several = len(figure.panels) > 1
        return [(f"-{number}" if several else "", panel.wide) for number, panel in enumerate(figure.panels, 1)]
    return [("", flow_picture(figure, simulated=simulated))] if isinstance(figure, Flow) else []


def write_figure(stem: str, figure: Drawn, folder: Path, *, simulated: bool) -> list[Path]:
    """Every panel as SVG and PDF; a photograph as PNG."""
    if isinstance(figure, Photos):
        written = []
        for number, photo in enumerate(figure.items, 1):
            path = folder / f"{stem}-{number}-{slug(photo.title)}.png"
            write_atomic(path, base64.b64decode(photo.png_base64), 0o644)
            written.append(path)
        return written
    found = []
    for end, picture in pictures(figure, simulated=simulated):
        for kind in ("svg", "pdf"):
            path = folder / f"{stem}{end}.{kind}"
            write_atomic(path, picture.file(kind), 0o644)
            found.append(path)
    return found


def csv_text(table: TableBlock) -> str:
    """A table as the page shows it: header, rows, and the note as a last line of one cell."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow([" ".join(cell.split()) for cell in table.header])
    writer.writerows([cell.replace(number_text.INDENT, "  ") for cell in row] for row in table.rows)
    if table.note:
        writer.writerow([table.note])
    return written.getvalue()
