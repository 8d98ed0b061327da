"""The look of the figures: one palette, one type, and matplotlib figures as inline SVG.

A model's colour and dash are not here: they are part of the model's value, in `site_config.study.prognostic_models`.

Colours are Okabe and Ito's, told apart by every common form of colour blindness; wherever colour separates two things, line
style or marker does so too. Text stays text in the SVG, so it can be selected, searched and read at any zoom.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ParamSpec

MONTH = 365.25 / 12
INK = "#1f2430"
MUTED = "#667085"
RULE = "#d9dde5"
FAINT = "#eef0f4"
LOW = "#0072B2"
HIGH = "#D55E00"
MARK = "#b3261e"
MARKED = "simulated"
SET_COLOUR = {"train": "#6b7280", "validation": "#009E73", "test": "#CC79A7", "combined": "#0072B2"}
SET_DASH: dict[str, Any] = {"train": (0, (1, 1.4)), "validation": (0, (5, 2)), "test": "solid"}
SET_NAME = {"train": "Training", "validation": "Validation", "test": "Test", "combined": "Validation + test"}
SET_LABEL = {"train": "Training (apparent)", "validation": "Validation", "test": "Test", "combined": "Validation + test"}
ON_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
"""Behind words that a line would run through."""
WIDTH_OF_DIGIT = 5.6
"""CSS pixels of a digit at size 9."""
LEAST_CONTRAST = 4.6
"""Of text on white; the rules of accessibility (WCAG 2, AA) ask for 4.5."""
FONTS = ["Inter", "Helvetica Neue", "Helvetica", "Arial", "Liberation Sans", "DejaVu Sans"]


@dataclass(frozen=True)
class Picture:
    """One finished figure panel: inline SVG, the sentence that stands in for it, and the drawing for other formats."""

    svg: str
    alternative: str
    width: int
    drawing: Any = field(repr=False, compare=False)

    def file(self, kind: str, **how: Any) -> bytes:
        """The picture as a file of its own (`svg`, `pdf`, `png`), as matplotlib's `savefig` takes `how`; the same bytes every time."""
        import matplotlib as mpl

        dates: dict[str, dict[str, Any]] = {"svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None, "Creator": None}}
        buffer = io.BytesIO()
        with mpl.rc_context(settings() | {"pdf.fonttype": 42}):
            self.drawing.savefig(buffer, format=kind, metadata=dates.get(kind), **how)
        return buffer.getvalue()


def text_colour(colour: str) -> str:
    """A colour of a line, darkened until text in it can be read on white."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    while 1.05 / (_luminance(parts) + 0.05) < LEAST_CONTRAST:
        parts = [0.97 * part for part in parts]
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def _luminance(parts: list[float]) -> float:
    """Relative luminance of red, green and blue between 0 and 1 (WCAG 2)."""
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _installed() -> list[str]:
    """The wanted families this machine has: matplotlib measures with them, the reader's browser draws with its own."""
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    return [name for name in FONTS if name in known] or ["DejaVu Sans"]


def settings() -> dict[str, Any]:
    """Matplotlib's settings for every figure of the report; sizes are in points at 72 points an inch of SVG."""
    return {
        "font.family": _installed(),
        "font.size": 9.5,
        "text.parse_math": False,  # a study's own words are words, dollars or not
        "svg.fonttype": "none",
        "svg.hashsalt": "fedhcc",
        "axes.unicode_minus": True,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.7,
        "axes.labelsize": 9.5,
        "axes.titlesize": 10.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 8.0,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": FAINT,
        "grid.linewidth": 0.8,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": 9.0,
        "ytick.labelsize": 9.0,
        "xtick.major.size": 3.0,
        "ytick.major.size": 3.0,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "legend.frameon": False,
        "legend.fontsize": 9.0,
        "legend.handlelength": 2.2,
        "lines.linewidth": 1.7,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
    }


Arguments = ParamSpec("Arguments")


def styled(draw: Callable[Arguments, Picture]) -> Callable[Arguments, Picture]:
    """Draw under the report's settings and leave matplotlib's global ones as they were."""

    @functools.wraps(draw)
    def inside(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Picture:
        import matplotlib as mpl

        with mpl.rc_context(settings()):
            return draw(*args, **kwargs)

    return inside


def panel(width: float = 360, height: float = 280, **layout: Any) -> tuple[Any, Any]:
    """A figure with its axes; width and height in CSS pixels. Used inside a `styled` function only."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width / 72, height / 72), layout="constrained")
    return figure, figure.subplots(**layout)


def beside(axes: Any, row: float, words: str, start: float = 9.0, **style: Any) -> None:
    """Words right of a panel, `start` CSS pixels from its edge: room is made for them, whatever the panel's width becomes."""
    place = {"xycoords": axes.get_yaxis_transform(), "xytext": (start, 0), "textcoords": "offset points"}
    axes.annotate(words, (1, row), **place, va="center", fontsize=9, annotation_clip=False, **style)


def beyond_words(words: Sequence[str], start: float = 9.0) -> float:
    """Where a column after such words begins, in CSS pixels from the panel's edge."""
    return start + WIDTH_OF_DIGIT * max(map(len, words), default=0) + 12


def finish(figure: Any, name: str, alternative: str, *, simulated: bool) -> Picture:
    """Turn a figure into inline SVG whose ids begin with `name`, marked when its patients are made up.

    The mark is part of the picture so that a figure cut out of the page still says what it is; on the page, where the figure's
    title carries it, the style sheet hides it.
    """
    if simulated:
        figure.text(0.995, 0.995, "SIMULATED", ha="right", va="top", fontsize=7.5, color=MARK, fontweight="bold", gid=MARKED)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    width = round(figure.get_size_inches()[0] * 72)
    return Picture(svg=_inline(buffer.getvalue(), name, alternative), alternative=alternative, width=width, drawing=figure)


def _inline(svg: str, name: str, alternative: str) -> str:
    """Drop the XML header and metadata, make ids unique on the page, add role and label."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    body = body.replace(f'<g id="{MARKED}">', f'<g class="{MARKED}">')
    body = re.sub(r'<g id="[^"]+">', "<g>", body)
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    head = f'<svg role="img" aria-label="{_escape(alternative)}" '
    return re.sub(r"\s*\n\s*", "\n", body.replace("<svg ", head, 1)).strip()


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
