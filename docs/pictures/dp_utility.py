"""Draw `dp_utility.svg`, C-index against ε, from `docs/evidence/dp_utility.json`: `python docs/pictures/dp_utility.py`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from fedhcc.figures import COLOURS, GREY

HERE = Path(__file__).resolve()
STYLE = {
    "distributed": (COLOURS[0], "o-", "noise in shares (`distributed`)"),
    "local": (COLOURS[1], "s--", "each hospital's own (`local`)"),
}


def main() -> None:
    """One line a placement, with standard errors over cohorts."""
    found = json.loads((HERE.parents[1] / "evidence" / "dp_utility.json").read_text("utf-8"))["figures"]["c_by_epsilon"]
    mpl.rcParams.update({"svg.hashsalt": "dp_utility", "font.size": 9, "svg.fonttype": "none"})
    figure, axes = pyplot.subplots(figsize=(6.0, 3.4), layout="constrained")
    bare = found["no noise"]["c"]
    axes.axhline(bare, color=GREY, linewidth=0.9, linestyle=":")
    axes.annotate(f"no noise {bare:.3f}", (1, bare), xytext=(0, 4), textcoords="offset points", color=GREY)
    axes.axhspan(bare - 0.02, bare, color=GREY, alpha=0.12, linewidth=0)
    for placement, (colour, line, label) in STYLE.items():
        rows = [(float(key.rpartition(" ")[2]), row) for key, row in found.items() if key.startswith(placement)]
        x, c, se = [e for e, _ in rows], [row["c"] for _, row in rows], [row["se"] for _, row in rows]
        axes.errorbar(x, c, yerr=se, fmt=line, color=colour, label=label, capsize=3, markersize=5)
    axes.set(xscale="log", xlabel="ε (δ = 1e-5)", ylabel="C-index, 2,070 others")
    axes.set_xticks([1, 2, 4, 8], ["1", "2", "4", "8"])
    axes.set_ylim(top=bare + 0.012)
    axes.minorticks_off()
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(HERE.with_suffix(".svg"), metadata={"Date": None})


if __name__ == "__main__":
    main()
