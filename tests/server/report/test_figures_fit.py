"""No words of a figure stand outside its picture: on paper, and in a file of its own, they would be cut off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from server.report.common import figure_style
from server.report.common.cox_tables import Coefficient, ShownCoxModel, forest
from server.report.common.figure_style import Picture
from server.report.page_blocks import Figure
from server.report.parts.part import ReportedStudy
from server.report.report_page import sections


def words_of(drawing: Any) -> Iterator[Text]:
    """Every text but the ticks': matplotlib keeps those of ticks that are not drawn."""
    yield from drawing.texts
    for axes in drawing.axes:
        yield from (*axes.texts, axes.title, axes.xaxis.label, axes.yaxis.label, axes._left_title, axes._right_title)
        if axes.get_legend() is not None:
            yield from axes.get_legend().get_texts()


def outside(picture: Picture, allowance: float = 1.5) -> list[str]:
    """The words that stand outside, by more than a rounding."""

    @figure_style.styled
    def measured() -> Picture:
        canvas = FigureCanvasAgg(picture.drawing)
        canvas.draw()
        width, height = picture.drawing.bbox.size
        for one in words_of(picture.drawing):
            box = one.get_window_extent(canvas.get_renderer())
            if one.get_visible() and one.get_text().strip():
                over = max(-box.x0, -box.y0, box.x1 - width, box.y1 - height)
                if over > allowance:
                    found.append(f"{one.get_text()!r} by {over:.0f}")
        return picture

    found: list[str] = []
    measured()
    return found


def test_no_words_of_any_figure_stand_outside_it(study_report: ReportedStudy) -> None:
    drawn = [
        (block.name, picture)
        for section in sections(study_report)
        for block in section.blocks
        if isinstance(block, Figure)
        for panel in block.panels
        for picture in (panel.wide, panel.narrow)
        if picture is not None
    ]
    assert len(drawn) > 20
    lost = {(name, picture.width): told for name, picture in drawn if (told := outside(picture))}
    assert lost == {}


@pytest.mark.parametrize("label", ["age", "race and descent: White, non-Hispanic or unknown to the hospital"])
@pytest.mark.parametrize("low", [0.8, 0.000953])
def test_a_forest_keeps_its_columns_beside_long_names_and_small_numbers(label: str, low: float) -> None:
    def row(name: str, p: float) -> Coefficient:
        numbers = {"coef": -0.3, "se": 1.0, "hr": 0.73, "low": low, "high": 5.529, "wald_chi2": 0.1}
        return Coefficient(covariate=name, label=name, n=800, events=64, p=p, **numbers)

    unknown = row("unknown", 0.5).model_copy(update={"hr": None, "low": None, "high": None, "reason": "no event"})
    model = ShownCoxModel(model="CLN", n=800, events=64, coefficients=[row(label, 0.00001), row("b", 0.765), unknown])
    assert outside(forest(model, "forest", simulated=True)) == []
    assert outside(forest(model, "forest-narrow", simulated=True, width=350)) == []
