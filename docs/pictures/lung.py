"""Draw `lung.svg`, the picture on the first screen of the README: `python docs/pictures/lung.py` from the checkout.

NCCTG lung cancer, eighteen real institutions (lifelines): who can fit the seven-variable Cox model alone, and what all of them fit
together beside the pooled rows. The numbers are those of `fedhcc-sim compare lung`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

mpl.use("svg")
from matplotlib import pyplot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from fedhcc.figures import COLOURS, GREY
from simulations.compare.lung_comparison import Lung, compare_lung

LABELS = ("age", "sex", "ECOG (physician)", "Karnofsky (physician)", "Karnofsky (patient)", "calories at meals", "weight loss")


def counted(found: Lung) -> str:
    """The sentence over the left half."""
    lost = sum(not one.estimable for one in found.alone)
    return f"Alone: {lost} of {len(found.alone)} institutions cannot fit the model"


def alone(ax: Any, found: Lung) -> None:
    """One bar an institution, by its patients; hollow where its own model has no finite estimate."""
    order = sorted(found.alone, key=lambda one: (one.n, one.events))
    for place, one in enumerate(order):
        colour = COLOURS[0] if one.estimable else "white"
        ax.bar(place, one.n, color=colour, edgecolor=COLOURS[0] if one.estimable else GREY, linewidth=1.2)
    ax.set(xticks=[], ylabel="Complete patients", xlabel="Institutions (hollow: coefficients run to infinity)")
    ax.set_title(counted(found), fontsize=10, loc="left")


def together(ax: Any, found: Lung) -> None:
    """Coefficients of all institutions together beside lifelines on pooled rows, in standard errors of one."""
    place = np.arange(len(LABELS))[::-1]
    scale = 1 / found.pooled_se
    for shift, coef, colour, marker, name in (
        (0.15, found.pooled_coef, GREY, "o", "pooled rows (lifelines)"),
        (-0.15, found.exact.coef, COLOURS[1], "s", "together, no row moved"),
    ):
        ax.errorbar(coef * scale, place + shift, xerr=1.96, fmt=marker, color=colour, capsize=2, markersize=4, label=name)
    ax.axvline(0, color=GREY, linewidth=0.8)
    ax.set(yticks=place, yticklabels=LABELS, xlabel="Coefficient ÷ its standard error (95 % interval)")
    ax.set_title(f"Together: the pooled fit, to {found.largest_difference:.0e}", fontsize=10, loc="left")
    ax.set_ylim(-1.9, len(LABELS) - 0.4)
    ax.legend(frameon=False, fontsize=8, loc="lower left", ncols=2)


def draw(path: Path) -> None:
    """Write the picture; the same versions of the libraries give the same bytes."""
    mpl.rcParams.update(
        {"svg.hashsalt": "fedhcc", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    )
    found = compare_lung()
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9, 3.3), layout="constrained")
    alone(left, found)
    together(right, found)
    figure.savefig(path, metadata={"Date": None, "Creator": "docs/pictures/lung.py"})


if __name__ == "__main__":
    draw(Path(__file__).with_name("lung.svg"))
