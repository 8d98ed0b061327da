"""At a glance: the large numbers and C of every model on the three sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from server.report import number_text
from server.report.common import figure_style
from server.report.common.estimate_kinds import SETS
from server.report.common.figure_style import SET_LABEL, Picture
from server.report.page_blocks import Block, Figure, Headline, Panel
from server.report.parts.discrimination.cindex_table import CONCORDANCE, ConcordanceRow
from server.report.parts.part import Heading, ReportedStudy, ReportPart, nothing
from server.report.parts.patients.set_sizes import SIZES
from server.report.parts.risk.risk_groups import RISK_GROUPS, RiskGroups
from site_config.study.prognostic_models import MODELS, ModelName


def blocks(_found: None, report: ReportedStudy) -> Iterator[Block]:
    """Headline and one panel a set."""
    concordance, groups = report.of(CONCORDANCE), report.of(RISK_GROUPS)
    yield Headline([*_cohort(report), *held_out(concordance, groups, report.primary.name)])
    panels = []
    for set_ in SETS:
        rows = [row for row in concordance if row.set == set_ and row.c.value is not None]
        if rows:
            picture = draw(rows, SET_LABEL[set_], f"glance-{set_}", simulated=report.simulated)
            panels.append(Panel(picture, patients=max(row.c.n or 0 for row in rows)))
    if panels:
        caption = (
            "Dots: C-index; lines: 95 % intervals; the vertical line is chance. Training figures are apparent. Table 2 has the numbers, "
            "with patients and events."
        )
        yield Figure("glance-figure", "", "C-index of the models by set", panels, caption=caption)


def _cohort(report: ReportedStudy) -> list[tuple[str, str, str]]:
    """Value, what it is, and what it rests on."""
    sizes, word = report.of(SIZES), report.study.endpoint.event_label
    items = [
        (
            f"{sum(size.n for size in sizes):,d}",
            "patients analysed",
            number_text.events(number_text.total(size.events for size in sizes), word),
        )
    ]
    test = next((size for size in sizes if size.set == "test"), None)
    if test is not None:
        under = f"{number_text.events(test.events, word)}, {number_text.plural(test.sites, 'hospital')} that never trained"
        items.append((str(test.n), "patients held out", under))
    return items


def held_out(concordance: Sequence[ConcordanceRow], groups: Sequence[RiskGroups], primary: ModelName) -> list[tuple[str, str, str]]:
    """C-index and hazard ratio on the test set, both of one model: the most preferred that has one, never the one that did best."""
    rows = {row.model: row.c for row in concordance if row.set == "test" and row.c.value is not None}
    ratios = {one.model: one.hazard_ratio for one in groups if one.set == "test" and one.hazard_ratio.value is not None}
    model = next((one.name for one in MODELS.preferred([*rows, *ratios])), None)
    if model is None:
        return []
    items = []
    stands_in = "" if model == primary else f"; {primary} was declared first and is not opened"
    if model in rows:
        c = rows[model]
        under = f"95 % CI {number_text.interval(c.low, c.high)}, {number_text.size(c.n, c.events)}{stands_in}"
        items.append((number_text.number(c.value), f"C-index of {model}, test", under))
    if model in ratios:
        hr = ratios[model]
        under = f"95 % CI {number_text.ratio(hr.low)}–{number_text.ratio(hr.high)}, {number_text.size(hr.n, hr.events)}"
        items.append((number_text.ratio(hr.value), f"hazard ratio, high against low risk by {model}, test", under))
    return items


@figure_style.styled
def draw(shown: Sequence[ConcordanceRow], title: str, name: str, *, simulated: bool) -> Picture:
    """C of every model on one set with its 95 % interval."""
    figure, axes = figure_style.panel(300, 60 + 30 * max(len(shown), 1))
    axes.axvline(0.5, color=figure_style.MUTED, linewidth=0.9)
    for index, row in enumerate(shown):
        colour = MODELS[row.model].colour
        if row.c.low is not None and row.c.high is not None:
            axes.plot([row.c.low, row.c.high], [index, index], color=colour, linewidth=2, solid_capstyle="butt")
        axes.plot([row.c.value], [index], marker="o", markersize=7, color=colour, markeredgecolor="white")
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_yticks(range(len(shown)), [row.model for row in shown])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0.4, 1.0)
    axes.set(title=title, xlabel="C-index (95 % interval)")
    told = "; ".join(f"{row.model} {number_text.with_interval(row.c.value, row.c.low, row.c.high)}" for row in shown)
    return figure_style.finish(figure, name, f"C-index, {title}: {told or 'nothing could be estimated'}.", simulated=simulated)


GLANCE = ReportPart(name="glance", heading=Heading("glance", "At a glance"), numbers=nothing, blocks=blocks)
