"""Supplement: one model's risk groups within RECIST classes and scanner makers, with C in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydantic import Field

from server.report import number_text
from server.report.common import figure_style, from_shares, score_tables
from server.report.common.cox_tables import hazard_ratio_words, narrow_words, ratio_ticks
from server.report.common.estimate_kinds import HELD, Estimate, Numbers, Test, chi_test
from server.report.common.figure_style import Picture
from server.report.common.kaplan_meier_drawing import ComparedGroups, compared_panels
from server.report.common.survival_curves import SurvivalCurve, curve, curve_note, curve_table, drawable
from server.report.common.two_groups import estimate_words, hazard_ratio, ratio_words, size_words, split
from server.report.display_names import SUBGROUP_LABELS, VALUE_LABELS
from server.report.page_blocks import Block, Figure, Panel, TableBlock
from server.report.parts.part import Heading, ReportedStudy, ReportPart, reads_scans
from server.report.parts.risk.risk_groups import LABELS, group_sizes
from server.study.opened_analyses import OpenedAnalyses
from server.study.study_results import ScoreTable, StudyResult
from shared_model.disclosure.limits import GROUP_PATIENTS, SUBGROUP_PATIENTS
from shared_model.survival import concordance as harrell
from shared_model.survival.kaplan_meier import logrank
from site_config.study.prognostic_models import ModelName

SUBGROUPS_HEADING = Heading("subgroups", "Subgroups")
VARIABLES = ("response", "manufacturer")


class Subgroup(Numbers):
    """One model's risk groups within one subgroup of validation + test; `c` is the score's C-index there.

    A suppressed subgroup has neither n nor events, only the reason.
    """

    model: ModelName
    variable: str
    value: str
    n: int | None
    events: int | None
    curves: list[SurvivalCurve] = Field(default_factory=list)
    hazard_ratio: Estimate
    logrank: Test | None = None
    c: Estimate | None = None

    @property
    def named(self) -> str:
        """`RECIST: SD`."""
        return f"{SUBGROUP_LABELS.get(self.variable, self.variable)}: {VALUE_LABELS.get(self.value, self.value)}"


def numbers(report: ReportedStudy) -> list[Subgroup]:
    """RECIST and manufacturer subgroups of validation + test, and why the others are not shown."""
    if report.analyses is not None:
        return _from_shares(report.analyses, report)
    found: list[Subgroup] = []
    for variable in VARIABLES:
        tables = [table for table in report.result.tables if table.variable == variable and score_tables.size(table)[0]]
        keys = list(dict.fromkeys((table.model, table.value) for table in tables))
        for model, value in keys:
            found.append(_subgroup(model, variable, value, [t for t in tables if (t.model, t.value) == (model, value)], report))
        if tables:
            found += _hidden(report.result, variable, {value for _, value in keys}, tables[0].model)
    return found


def _subgroup(model: ModelName, variable: str, value: str, tables: list[ScoreTable], report: ReportedStudy) -> Subgroup:
    n, events = (sum(score_tables.size(table)[k] for table in tables) for k in (0, 1))
    if n < SUBGROUP_PATIENTS.value:
        none = Estimate(n=None, events=None, reason=f"fewer than {SUBGROUP_PATIENTS.value} patients")
        return Subgroup(model=model, variable=variable, value=value, n=None, events=None, hazard_ratio=none)
    cutoff = report.cutoffs.get(model)
    parts = [found for table in tables if cutoff is not None and (found := split(table, cutoff)[0]) is not None]
    c = pooled_c(tables, n, events)
    if not parts or min(sum(part[k].n for part in parts) for k in (0, 1)) < report.minimum:
        none = Estimate(n=n, events=events, reason=f"one of the risk groups has fewer than {report.minimum} patients")
        return Subgroup(model=model, variable=variable, value=value, n=n, events=events, hazard_ratio=none, c=c)
    low, high = (score_tables.joined(part[k] for part in parts) for k in (0, 1))
    return Subgroup(
        model=model,
        variable=variable,
        value=value,
        n=n,
        events=events,
        curves=[curve(label, cells, tables[0].time_edges, report.minimum) for label, cells in zip(LABELS, (low, high), strict=True)],
        hazard_ratio=hazard_ratio(low, high),
        logrank=chi_test(logrank([low, high])),
        c=c,
    )


def _from_shares(analyses: OpenedAnalyses, report: ReportedStudy) -> list[Subgroup]:
    """C and risk groups of the model declared first within every subgroup of validation + test that is open."""
    model = report.primary.name
    scored = {(one.variable, one.value): one for one in analyses.concordance if (one.model, one.set) == (model, "combined")}
    grouped = {
        (family.within_variable, family.within_value): family
        for variable in VARIABLES
        for family in from_shares.curves_of(analyses, "risk", model, "combined", variable)
    }
    found = []
    for key in dict.fromkeys(key for key in (*grouped, *scored) if key[0] in VARIABLES):
        c, family = scored.get(key), grouped.get(key)
        groups = family.groups if family else []
        n, events = (c.n, c.events) if c else from_shares.total(groups)
        found.append(
            Subgroup(
                model=model,
                variable=key[0],
                value=key[1],
                n=n,
                events=events,
                curves=[from_shares.survival_curve(one, label, report.minimum) for one, label in zip(groups, LABELS, strict=False)],
                hazard_ratio=from_shares.hazard_estimate(family.hazard_ratio if family else None, groups),
                logrank=from_shares.logrank_test(family.logrank) if family else None,
                c=from_shares.area(n, events, c.c, c.se) if c else None,
            )
        )
    return found


def pooled_c(tables: Sequence[ScoreTable], n: int, events: int) -> Estimate:
    """C over both sets, patients of one set compared with those of the other; of two bins alone it would be that of the groups."""
    if any(len(table.score_edges) <= 3 for table in tables):
        return Estimate(n=n, events=events, reason="only the two risk groups were opened here, not the score")
    found = harrell.concordance(score_tables.joined(score_tables.scored_cells(table) for table in tables))
    if found is None or not found.se > 0:
        return Estimate(n=n, events=events, reason="not estimable: too few pairs of patients can be compared")
    low, high = found.plain_ci
    return Estimate(n=n, events=events, value=found.c, low=low, high=high, se=found.se)


def _hidden(result: StudyResult, variable: str, shown: set[str], model: ModelName) -> list[Subgroup]:
    """Subgroups that have patients but no opened table: too small, or hidden so that a small one cannot be worked out."""
    present = {
        value
        for one in result.characteristics
        if one.set in HELD
        for value, count in one.counts.get(variable, {}).items()
        if count is None or count > 0
    }
    reason = f"not shown: fewer than {SUBGROUP_PATIENTS.value} patients, or it would let such a group be worked out"
    none = Estimate(n=None, events=None, reason=reason)
    return [Subgroup(model=model, variable=variable, value=v, n=None, events=None, hazard_ratio=none) for v in sorted(present - shown)]


def blocks(found: list[Subgroup], report: ReportedStudy) -> Iterator[Block]:
    """Hazard ratios, then curves."""
    estimated = [row for row in found if row.hazard_ratio.value is not None]
    if estimated:
        title = f"Risk groups of {estimated[0].model} within subgroups, validation + test"
        wide = draw(estimated, "sub", simulated=report.simulated)
        narrow = draw(estimated, "subn", simulated=report.simulated, width=350)
        fewest = (SUBGROUP_PATIENTS if report.analyses is None else GROUP_PATIENTS).value
        caption = (
            f"Hazard of high against low risk within each subgroup. Subgroups of fewer than {fewest} patients are not opened, nor one "
            "that would let such a group be worked out. Intervals of small subgroups are wide; differences between subgroups are not "
            "tested."
        )
        yield Figure("subgroup-ratios", "Figure S8", title, [Panel(wide, narrow)], [table(found)], caption)
    elif found:
        yield table(found)
    drawn = [row for row in found if drawable(row.curves)]
    if drawn:
        panels = compared_panels(
            (
                ComparedGroups(
                    row.named,
                    f"km-sub-{index}",
                    f"{row.model} risk groups, {row.named}",
                    row.curves,
                    row.hazard_ratio,
                    row.logrank,
                    row.n,
                )
                for index, row in enumerate(drawn)
            ),
            report.study.endpoint.label,
            simulated=report.simulated,
        )
        curves = [curve_table(row.curves, row.named) for row in drawn]
        title = "Survival by risk group within subgroups"
        note = curve_note(report.minimum, points=report.analyses is not None)
        yield Figure("subgroup-curves", "Figure S8, curves", title, panels, curves, note)


def table(rows: Sequence[Subgroup]) -> TableBlock:
    """Risk groups within subgroups; hidden ones say why."""
    body = []
    for row in rows:
        test = number_text.p_value(row.logrank.p) if row.logrank else number_text.MISSING
        c = number_text.MISSING if row.c is None else estimate_words(row.c)
        sizes = [size_words(row.n), size_words(row.events), *group_sizes(row.curves)]
        body.append([row.named, row.model, *sizes, ratio_words(row.hazard_ratio), test, c])
    header = [
        "Subgroup", "Model", "n", "Events", "Low: n / events", "High: n / events", "HR (95 % CI)", "p (log-rank)", "C-index (95 % CI)",
    ]  # fmt: skip
    return TableBlock("Risk groups within subgroups, validation + test", header, body, align="llrrrrrrr", label="Table S3")


@figure_style.styled
def draw(rows: Sequence[Subgroup], name: str, *, simulated: bool, width: int = 720) -> Picture:
    """Hazard ratio of high against low risk within every estimated subgroup."""
    wide = width > 500
    figure, axes = figure_style.panel(width, 70 + (28 if wide else 40) * len(rows))
    axes.axvline(1, color=figure_style.MUTED, linewidth=0.9)
    labels = [f"{VALUE_LABELS.get(row.value, row.value)} ({number_text.size(row.n, row.events)})" for row in rows]
    place = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 9}
    ratios = [hazard_ratio_words(row.hazard_ratio.value, row.hazard_ratio.low, row.hazard_ratio.high) for row in rows]
    second = figure_style.beyond_words(ratios)
    for index, (row, label, shown) in enumerate(zip(rows, labels, ratios, strict=True)):
        hr = row.hazard_ratio
        axes.plot([hr.low, hr.high], [index, index], color=figure_style.HIGH, linewidth=1.7, solid_capstyle="butt")
        axes.plot([hr.value], [index], marker="s", markersize=6, color=figure_style.HIGH, markeredgecolor="white")
        if wide:
            figure_style.beside(axes, index, shown)
            figure_style.beside(axes, index, number_text.p_equals(hr.p), second)
        else:
            axes.text(0.0, index - 0.36, narrow_words(label, shown), **place, bbox=figure_style.ON_WHITE)
        if index and rows[index - 1].variable != row.variable:
            axes.axhline(index - 0.5, color=figure_style.RULE, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(0.2, max(20.0, *(min(row.hazard_ratio.high or 1, 60.0) * 1.1 for row in rows)))
    ratio_ticks(axes, wide=wide)
    axes.set_ylim(len(rows) - 0.5, -0.6)
    axes.set_yticks(range(len(rows)), labels if wide else [""] * len(rows))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Hazard ratio, high against low risk (95 % interval)")
    told = "; ".join(f"{label}: {ratio_words(row.hazard_ratio)}" for row, label in zip(rows, labels, strict=True))
    return figure_style.finish(figure, name, f"Hazard ratio of high against low risk by subgroup: {told}.", simulated=simulated)


def missing(found: list[Subgroup], report: ReportedStudy) -> dict[str, str]:
    """Why there are no subgroups."""
    why = {} if found else {"subgroups": report.why("subgroups", "No subgroup was opened.")}
    return from_shares.with_closed(report, "subgroups", why, "concordance", "kaplan_meier", variable="manufacturer")


SUBGROUPS = ReportPart(
    name="subgroups",
    heading=SUBGROUPS_HEADING,
    numbers=numbers,
    blocks=blocks,
    missing=missing,
    shape=list[Subgroup],
    belongs=reads_scans,
)
