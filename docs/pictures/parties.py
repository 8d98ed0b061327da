"""Draw `parties.svg`, what each party sees and what an attacker makes of it: `python docs/pictures/parties.py` from the checkout.

Every number is read from `docs/evidence`: bytes and planted strings of `capture.json`, patients found of `attacks.json`, whether a
patient died of `outcome.json`. Other ways to federate stand in the same frame: they are the positive controls of the same attacks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from fedhcc.figures import COLOURS, GREY

ROOT = Path(__file__).resolve().parents[2]
PATIENTS = 207
CONTROLS = (
    ("a", "sums by day, as other federated Cox models open them"),
    ("e", "a one-patient hospital's update, as plain FedAvg shows it"),
)

UPDATES, SHARES = "e", "lmnpghot"
"""Attacks by letter on what is opened by default: of updates, and of results on shares (the first letter says whether they were run)."""


class Found(NamedTuple):
    """One attack: patients found on average of 20 cohorts, and by the same claims on control cohorts."""

    name: str
    found: float
    chance: float
    ours: bool


def figures(name: str) -> dict[str, Any]:
    """The figures of a piece of evidence."""
    found: dict[str, Any] = json.loads((ROOT / "docs" / "evidence" / f"{name}.json").read_text("utf-8"))["figures"]
    return found


def attacks() -> list[Found]:
    """Other roads first, then every attack on this software's defaults at 207 patients that had something to claim from."""
    rows = [one for one in figures("attacks")["results"] if one["n"] == PATIENTS and "unique_hit" in one["figures"]]
    shown = []
    for letter, words in CONTROLS:
        one = next((row["figures"] for row in rows if row["attack"] == letter and row["setting"] == "positive control"), None)
        shown += [Found(words, one["unique_hit"], one["control_unique_hit"], False)] if one else []
    current = UPDATES + (SHARES if any(row["attack"] == SHARES[0] for row in rows) else "")
    for row in rows:
        if row["setting"] == "default" and row["attack"] in current:
            one, few = row["figures"], row["figures"]["unique_patients"]
            name = f"{row['attack']}: {row['title']}" + (f" (of {few:.0f})" if few < unique() / 2 else "")
            shown.append(Found(name, one["unique_hit"], one["control_unique_hit"], True))
    return shown


def unique() -> float:
    """How many of a cohort's patients have covariates like nobody else's, on average."""
    rows = [one["figures"] for one in figures("attacks")["results"] if one["n"] == PATIENTS]
    return float(next(one["unique_patients"] for one in rows if "unique_patients" in one))


def seen() -> tuple[tuple[str, str, str], ...]:
    """Who sees what: party, what it sees, what was looked for in it."""
    wire = figures("capture")["whole study of tables"]
    planted = f"{len(wire['found_on_the_wire'])} of {wire['planted_ids_and_pseudonyms']} planted names found"
    return (
        ("ROW: the hospital alone", "such as: day 412, died, NASH, PVTT;\nslices of two CT visits", "never sent in the clear"),
        (
            "WIRE: coordinator, network, holders",
            f"masked vectors, sealed shares:\n{wire['bytes_sent_by_sites'] / 1e6:.1f} MB from {wire['sites']} hospitals",
            planted,
        ),
        ("OPENED: coordinator, later everybody", "coefficients, C-indices, curves;\na block's summed model update", "attacked below"),
    )


def outcomes() -> list[tuple[str, float]]:
    """How well who holds a patient's images ranks who died, from noised updates: setting, AUC."""
    by = figures("outcome")["auc_by_epsilon"]
    return [(name if name == "no noise" else f"ε = {name}", by[name]["images"]["auc"]) for name in by]


def draw(path: Path) -> None:
    """Write the picture; the same versions of the libraries give the same bytes."""
    style = {"svg.hashsalt": "fedhcc", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    mpl.rcParams.update(style)
    found, auc = attacks(), outcomes()
    figure = pyplot.figure(figsize=(11, 3.0 + 0.26 * len(found)), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.3, 0.9 + 0.26 * len(found)))
    for box, (party, what, looked) in zip(top.subplots(1, 3), seen(), strict=True):
        box.set(xticks=[], yticks=[], xlim=(0, 1), ylim=(0, 1))
        box.spines[["top", "right"]].set_visible(True)
        box.set_title(party, fontsize=9, loc="left", weight="bold")
        box.text(0.04, 0.62, what, va="center")
        box.text(0.04, 0.17, looked, va="center", color=COLOURS[1])
    bars, ranks = bottom.subplots(1, 2, width_ratios=(2.4, 1))
    _bars(bars, found)
    _ranks(ranks, auc)
    figure.savefig(path, metadata={"Date": None, "Creator": "docs/pictures/parties.py"})


def _bars(ax: Any, found: list[Found]) -> None:
    place = range(len(found) - 1, -1, -1)
    ax.barh(place, [one.found for one in found], color=[COLOURS[0] if one.ours else GREY for one in found], height=0.6)
    ax.plot([one.chance for one in found], place, "|", color="black", markersize=10, label="chance: the same claims on control cohorts")
    for y, one in zip(place, found, strict=True):
        ax.text(max(one.found, one.chance) + 0.4, y, f"{one.found:.2f}", va="center", fontsize=8)
    ax.set(
        yticks=list(place),
        yticklabels=[one.name for one in found],
        xlabel=f"Patients found, of {unique():.0f} with covariates like nobody else's",
    )
    ax.tick_params(axis="y", labelsize=8)
    ax.set_title("Grey: other ways to federate. Blue: what this software opens", fontsize=9, loc="left")
    ax.legend(frameon=False, fontsize=8, loc="lower right")


def _ranks(ax: Any, auc: list[tuple[str, float]]) -> None:
    place = range(len(auc) - 1, -1, -1)
    ax.plot([value for _, value in auc], place, "s", color=COLOURS[1])
    ax.axvline(0.5, color="black", linewidth=0.8, linestyle=":")
    for y, (_, value) in zip(place, auc, strict=True):
        ax.text(value + 0.02, y, f"{value:.2f}", va="center", fontsize=8)
    ax.set(yticks=list(place), yticklabels=[name for name, _ in auc], xlim=(0.4, 1.0), xlabel="AUC (dotted: chance)")
    ax.set_title("Did a patient die? Updates,\nread by who has the images", fontsize=9, loc="left")


if __name__ == "__main__":
    draw(Path(__file__).with_name("parties.svg"))
