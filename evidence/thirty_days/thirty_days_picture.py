"""The thirty days of one seed in a picture: whose machine was on, what was opened when, who left, and what a person typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evidence.thirty_days.calendar import DAY_S, HALF_S, World
from evidence.thirty_days.thirty_days_office import UPDATE
from evidence.thirty_days.thirty_days_play import Story

PHASES = {"admission": "#7a7f87", "clinical": "#1f4e8c", "training": "#1c6b2a", "fusion": "#a35200", "evaluation": "#6a2c91"}


def draw(world: World, story: Story, path: Path) -> None:
    """Write the picture as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.3))
    end = story.days
    _machines(above, world, end)
    _work(below, story)
    typed: dict[float, list[str]] = {}
    for day, words in story.commands:
        typed.setdefault(day, []).append(words.split()[0])
    for day, names in typed.items():
        place = {"xycoords": ("data", "axes fraction"), "fontsize": 8, "rotation": 90, "color": "#a40000", "ha": "right", "va": "bottom"}
        above.annotate(", ".join(names), (day, 0.01), **place)
        for axis in (above, below):
            axis.axvline(day, color="#a40000", linewidth=1.2, linestyle="--")
    for axis in (above, below):
        axis.axvline(world.disk_lost / DAY_S, color="black", linewidth=1.2)
    below.set_xlabel("day (day 0 is a Monday); dashed: a command typed by a person; black: the office's disk is lost")
    below.set_xlim(0, end)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", metadata={"Software": None})


def _machines(axis: Any, world: World, end: float) -> None:
    order = sorted(world.zones, key=lambda site: (world.zones[site], site))
    for row, site in enumerate(order):
        halves = [k for k in range(int(end * DAY_S / HALF_S)) if world.is_on(site, k * HALF_S)]
        axis.broken_barh(_runs(halves), (row - 0.4, 0.8), facecolor="#8fb7e3", edgecolor="none", rasterized=True)
        if site in world.gone:
            axis.plot(world.gone[site] / DAY_S, row, "x", color="#a40000", markersize=8, markeredgewidth=2)
        if site in world.withdrawals:
            axis.plot(world.withdrawals[site] / DAY_S, row, "v", color="#a35200", markersize=7)
    zones = [world.zones[site] for site in order]
    named = list(dict.fromkeys(zones))
    axis.set_yticks([zones.index(zone) + (zones.count(zone) - 1) / 2 for zone in named], named, fontsize=8)
    axis.set_ylim(-1, len(order))
    axis.set_title("Machines that are on (blue), hospitals that close (×), patients who withdraw (▼)", fontsize=10, loc="left")


def _runs(halves: list[int]) -> list[tuple[float, float]]:
    found: list[list[int]] = []
    for k in halves:
        if found and found[-1][1] == k:
            found[-1][1] = k + 1
        else:
            found.append([k, k + 1])
    return [(a * HALF_S / DAY_S, (b - a) * HALF_S / DAY_S) for a, b in found]


def _work(axis: Any, story: Story) -> None:
    done = 0
    for phase, colour in PHASES.items():
        days = [day for day, entry in story.ledger if entry.phase == phase and entry.outcome == "opened"]
        axis.plot(days, [list(PHASES).index(phase)] * len(days), "|", color=colour, markersize=11)
    for day, entry in story.ledger:
        if entry.outcome in ("missed", "refused"):
            axis.plot(day, list(PHASES).index(entry.phase), "x", color="#a40000", markersize=5)
        done += entry.statistic == UPDATE and entry.outcome == "opened"
    axis.set_yticks(range(len(PHASES)), list(PHASES), fontsize=8)
    axis.set_title(f"What was opened ({done} rounds of training), and what was missed (×)", fontsize=10, loc="left")
