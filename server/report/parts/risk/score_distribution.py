"""Figure 3, left: patients by score, and what images and clinical variables contribute to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import Field

from server.report import number_text
from server.report.common import figure_style, score_tables
from server.report.common.estimate_kinds import Numbers, Where
from server.report.common.figure_style import SET_LABEL, Picture
from server.report.common.from_shares import with_closed
from server.report.common.two_groups import size_words
from server.report.page_blocks import Block, Figure, Panel, TableBlock
from server.report.parts.part import Heading, ReportedStudy, ReportPart
from server.study.opened_analyses import OpenedAnalyses
from server.study.study_results import ScoreTable
from site_config.study.prognostic_models import ModelName

RISK = Heading("risk", "Risk groups")
PARTS = {"radiology": "#0072B2", "clinical": "#E69F00"}


class Distribution(Numbers):
    """Patients by score bin with the mean contribution of each part; bins below the minimum are joined.

    Bins reach from `low` to `high`; None is an open end. `bin_events` is empty where events were not opened by these bins; a
    hidden count is None.
    """

    model: ModelName
    set: Where
    n: int
    events: int | None
    low: list[float | None]
    high: list[float | None]
    patients: list[int | None]
    bin_events: list[int] = Field(default_factory=list)
    contributions: dict[str, list[float | None]] = Field(default_factory=dict)


def numbers(report: ReportedStudy) -> list[Distribution]:
    """Every model and set, small bins joined with their neighbour."""
    if report.analyses is not None:
        return _from_shares(report.analyses)
    whole = [table for table in report.result.tables if table.variable == "all"]
    return [one for table in whole if (one := _distribution(table, report.minimum)) is not None]


def _from_shares(analyses: OpenedAnalyses) -> list[Distribution]:
    """As opened; a hidden bin has no bar."""
    sizes = {one.set: one for one in analyses.sets}
    return [
        Distribution(
            model=one.model,
            set=one.set,
            n=(sizes[one.set].n if one.set in sizes else None) or sum(bin_.n or 0 for bin_ in one.counts),
            events=sizes[one.set].events if one.set in sizes else None,
            low=list(one.edges[:-1]),
            high=list(one.edges[1:]),
            patients=[bin_.n for bin_ in one.counts],
        )
        for one in analyses.distributions
        if one.set != "all"
    ]


def _distribution(table: ScoreTable, minimum: int) -> Distribution | None:
    edges = table.bin_edges or table.score_edges
    own = edges == table.score_edges
    events = [sum(row) for row in table.events] if own else []
    patients = [sum(a) + sum(b) for a, b in zip(table.events, table.censored, strict=True)] if own else list(table.bin_patients or [])
    if not patients or sum(patients) < minimum:
        return None
    groups = _joined(patients, minimum)
    parts = {name: [_mean(means, patients, group) for group in groups] for name, means in (table.contributions or {}).items()}
    kept = {name: means for name, means in parts.items() if any(mean for mean in means)}
    n, n_events = score_tables.size(table)
    return Distribution(
        model=table.model,
        set=table.set,
        n=n,
        events=n_events,
        low=[edges[g[0]] for g in groups],
        high=[edges[g[-1] + 1] for g in groups],
        patients=[sum(patients[b] for b in g) for g in groups],
        bin_events=[sum(events[b] for b in g) for g in groups] if own else [],
        contributions=kept,
    )


def _joined(patients: Sequence[int], minimum: int) -> list[list[int]]:
    """Runs of neighbouring bins with at least `minimum` patients each; what is left over joins the last run."""
    groups: list[list[int]] = []
    current: list[int] = []
    for index in range(len(patients)):
        current.append(index)
        if sum(patients[b] for b in current) >= minimum:
            groups.append(current)
            current = []
    if current:
        groups[-1].extend(current)
    return groups


def _mean(means: Sequence[float | None], patients: Sequence[int], group: Sequence[int]) -> float | None:
    kept = [(means[b], patients[b]) for b in group if means[b] is not None and patients[b]]
    total = sum(n for _, n in kept)
    return sum((mean or 0.0) * n for mean, n in kept) / total if total else None


def blocks(found: list[Distribution], report: ReportedStudy) -> Iterator[Block]:
    """A panel a set, of the model declared first; of whichever there is where it has none."""
    shown = [one for one in found if one.model == report.primary.name] or found[:3]
    if shown:
        panels = [Panel(draw(one, f"dist-{one.set}", simulated=report.simulated), patients=one.n) for one in shown]
        bins = "Quarters of the score" if report.analyses else f"Bins of at least {report.minimum} patients"
        parts = "images and from clinical variables" if report.study.reads_scans else "clinical variables"
        lower = f" Lower panels: mean part of the score from {parts}." if any(one.contributions for one in shown) else ""
        caption = f"{bins}.{lower}"
        yield Figure("f3l", "Figure 3, left", "Who has which score, and what it is made of", panels, [table(shown)], caption)


def table(rows: Sequence[Distribution]) -> TableBlock:
    """Bins of the score with what the parts contributed."""
    parts = list(dict.fromkeys(part for row in rows for part in row.contributions))
    body = []
    for row in rows:
        for index, patients in enumerate(row.patients):
            means = [number_text.number(_at(row.contributions, part, index), 2) for part in parts]
            events = str(row.bin_events[index]) if row.bin_events else number_text.MISSING
            name = f"{row.model}, {SET_LABEL[row.set]}"
            body.append([name, _edge(row.low[index], row.high[index]), size_words(patients), events, *means])
    return TableBlock("Patients by score bin", ["Model and set", "Score", "n", "Events", *(f"mean {p} part" for p in parts)], body)


def _at(parts: Mapping[str, Sequence[float | None]], part: str, index: int) -> float | None:
    return parts[part][index] if part in parts else None


def _edge(low: float | None, high: float | None) -> str:
    if low is None:
        return f"≤ {number_text.number(high)}"
    return f"> {number_text.number(low)}" if high is None else f"{number_text.number(low)} to {number_text.number(high)}"


@figure_style.styled
def draw(one: Distribution, name: str, *, simulated: bool) -> Picture:
    """Patients by score bin above; below, what each part contributed to the score on average."""
    parts = list(one.contributions)
    rows = {"nrows": 2, "sharex": True, "height_ratios": [1, 1]} if parts else {}
    figure, axes = figure_style.panel(300, 330 if parts else 230, **rows)
    upper = axes[0] if parts else axes
    left, right = _finite(one.low, one.high)
    width = [high - low for low, high in zip(left, right, strict=True)]
    middle = [low + w / 2 for low, w in zip(left, width, strict=True)]
    bars: dict[str, Any] = {"width": width, "align": "edge", "edgecolor": "white", "linewidth": 1.2}
    upper.bar(left, [count or 0 for count in one.patients], color="#c9d3e3", label="patients", **bars)
    if one.bin_events:
        upper.bar(left, one.bin_events, color="#7c8aa5", label="of these, events", **bars)
    upper.set(ylabel="Patients", title=f"{one.model} · {SET_LABEL[one.set]}")
    upper.set_ylim(0, 1.42 * max(count or 0 for count in one.patients))
    upper.legend(loc="upper left", borderaxespad=0.1)
    if parts:
        _contributions(axes[1], one, middle)
    lowest = axes[1] if parts else axes
    lowest.set_xlabel("Score (linear predictor)")
    lowest.locator_params(axis="x", nbins=5)
    told = (
        f"{number_text.plural(one.n, 'patient')}, {number_text.events(one.events)} in {len(one.patients)} bins: "
        f"{', '.join(map(size_words, one.patients))}"
    )
    return figure_style.finish(figure, name, f"Distribution of the {one.model} score, {SET_LABEL[one.set]}: {told}.", simulated=simulated)


def _contributions(axes: Any, one: Distribution, middle: Sequence[float]) -> None:
    spare = ["#009E73", "#CC79A7"]
    axes.axhline(0, color=figure_style.MUTED, linewidth=0.7)
    for index, (part, means) in enumerate(one.contributions.items()):
        kept = [(x, value) for x, value in zip(middle, means, strict=True) if value is not None]
        marker = "os^D"[index % 4]
        colour = PARTS.get(part, spare[index % 2])
        axes.plot([x for x, _ in kept], [v for _, v in kept], color=colour, marker=marker, markersize=4.5, linewidth=1.4, label=part)
    axes.set_ylabel("Mean contribution")
    axes.margins(y=0.3)
    axes.legend(loc="upper left", borderaxespad=0.1)


def _finite(low: Sequence[float | None], high: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """Open-ended outer bins are drawn as wide as the middling inner one."""
    inner = sorted(h - lo for lo, h in zip(low, high, strict=True) if lo is not None and h is not None)
    wide = inner[len(inner) // 2] if inner else 1.0
    left = [lo if lo is not None else (h - wide if h is not None else 0.0) for lo, h in zip(low, high, strict=True)]
    right = [h if h is not None else lo + wide for lo, h in zip(left, high, strict=True)]
    return left, right


def missing(found: list[Distribution], report: ReportedStudy) -> dict[str, str]:
    """Why there is no distribution."""
    plain = "No score distribution: no table with bins of enough patients was opened."
    why = {} if found else {"distribution": report.why("distribution", plain)}
    return with_closed(report, "distribution", why, "distribution")


DISTRIBUTION = ReportPart(name="distributions", heading=RISK, numbers=numbers, blocks=blocks, missing=missing, shape=list[Distribution])
