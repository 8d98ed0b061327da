"""Figure S2: survival of training, validation and test patients, compared two by two, with their follow-up."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from pydantic import Field

from server.report import number_text
from server.report.common import from_shares, score_tables
from server.report.common.estimate_kinds import SETS, Numbers, Test, chi_test
from server.report.common.figure_style import SET_COLOUR, SET_DASH, SET_NAME
from server.report.common.kaplan_meier_drawing import survival_panel
from server.report.common.restricted_means import restricted_table
from server.report.common.survival_curves import (
    MONTH,
    SurvivalCurve,
    axis_months,
    curve,
    curve_note,
    curve_table,
    drawable,
    median_months,
    median_of,
)
from server.report.common.two_groups import GroupsCompared, compared, ratio_words, size_words
from server.report.page_blocks import Block, Figure, Panel, TableBlock
from server.report.parts.part import ReportedStudy, ReportPart
from server.report.parts.patients.set_sizes import PATIENTS
from server.study.opened_analyses import OpenedAnalyses, OpenedGroupCurves
from server.study.study_results import SetName
from shared_model.survival.evaluation_table import Cells
from shared_model.survival.kaplan_meier import kaplan_meier, logrank, reversed_cells


class FollowUp(Numbers):
    """Median follow-up of a set in days by reverse Kaplan–Meier, with its interval; None where it is not reached."""

    label: str
    median: float | None
    low: float | None
    high: float | None


class SetSurvival(Numbers):
    """The sets one by one, all together by log-rank, and two by two."""

    curves: list[SurvivalCurve]
    logrank: Test | None = None
    pairs: list[GroupsCompared] = Field(default_factory=list)
    follow_up: list[FollowUp] = Field(default_factory=list)


def numbers(report: ReportedStudy) -> SetSurvival:
    """Every set once, from whichever model's table was opened for most of its patients."""
    if report.analyses is not None:
        return _from_shares(report.analyses, report)
    curves, groups = [], dict[str, Cells]()
    for set_ in SETS:
        tables = [table for model in report.study.models if (table := score_tables.find(report.result, model, set_)) is not None]
        if tables:
            table = max(tables, key=lambda one: score_tables.size(one)[0])
            groups[SET_NAME[set_]] = score_tables.evaluation_table(table).cells()
            curves.append(curve(SET_NAME[set_], groups[SET_NAME[set_]], table.time_edges, report.minimum))
    return SetSurvival(
        curves=curves,
        logrank=chi_test(logrank(list(groups.values()))) if len(groups) > 1 else None,
        pairs=[compared(second, first, groups[first], groups[second]) for first, second in combinations(groups, 2)],
        follow_up=[_follow_up(label, cells, report.minimum) for label, cells in groups.items()],
    )


def _from_shares(analyses: OpenedAnalyses, report: ReportedStudy) -> SetSurvival:
    families = from_shares.curves_of(analyses, "set")
    whole = max(families, key=lambda family: len(family.groups), default=None)
    groups = whole.groups if whole else []
    return SetSurvival(
        curves=[from_shares.survival_curve(one, from_shares.NAMES[one.value], report.minimum) for one in groups],
        logrank=from_shares.logrank_test(whole.logrank) if whole else None,
        pairs=[_pair(family) for family in families if len(family.groups) == 2 and family.hazard_ratio is not None],
        follow_up=[
            FollowUp(
                label=from_shares.NAMES[one.set],
                **{
                    name: None if value is None else value * MONTH
                    for name, value in (("median", one.median.months), ("low", one.median.low), ("high", one.median.high))
                },
            )
            for one in analyses.follow_up
        ],
    )


def _pair(family: OpenedGroupCurves) -> GroupsCompared:
    first, second = family.groups
    return GroupsCompared(
        name=from_shares.NAMES[second.value],
        against=from_shares.NAMES[first.value],
        hazard_ratio=from_shares.hazard_estimate(family.hazard_ratio, family.groups),
        logrank_p=family.logrank.p if family.logrank else None,
    )


def _follow_up(label: str, cells: Cells, minimum: int) -> FollowUp:
    median, low, high = median_of(kaplan_meier(reversed_cells(cells)), cells.n, minimum)
    return FollowUp(label=label, median=median, low=low, high=high)


def blocks(found: SetSurvival, report: ReportedStudy) -> Iterator[Block]:
    """One picture, and below it medians, follow-up and the sets two by two."""
    if drawable(found.curves):
        yield figure(found, report)
    if found.curves:
        yield medians(found)
        means = restricted_table("Restricted mean survival by set", [("all", found.curves)], compared=False)
        if means:
            yield means
    if found.pairs:
        yield pairs(found)


def figure(found: SetSurvival, report: ReportedStudy) -> Figure:
    """The curves of the sets in one panel, wide and narrow."""
    endpoint = report.study.endpoint.label
    keys: list[SetName] = [s for s in SETS if SET_NAME[s] in {one.label for one in found.curves}]
    wide, narrow = (
        survival_panel(
            found.curves,
            "All patients by set",
            name,
            months=axis_months(found.curves),
            endpoint=endpoint,
            about=f"{endpoint} by set",
            logrank=found.logrank,
            colours=[SET_COLOUR[key] for key in keys],
            dashes=[SET_DASH[key] for key in keys],
            simulated=report.simulated,
            width=width,
        )
        for name, width in (("s2", 560), ("s2n", 335))
    )
    return Figure(
        "s2",
        "Figure S2",
        f"{endpoint} by set",
        [Panel(wide, narrow)],
        [curve_table(found.curves, f"{endpoint} by set")],
        curve_note(report.minimum, points=report.analyses is not None),
    )


def medians(found: SetSurvival) -> TableBlock:
    """Median survival and median follow-up of every set."""
    follow_up = {one.label: one for one in found.follow_up}
    rows = [
        [one.label, size_words(one.n), size_words(one.events), median_months(one), _months(follow_up.get(one.label), median_months(one))]
        for one in found.curves
    ]
    header = ["Set", "n", "Events", "Median survival (95 % CI), months", "Median follow-up (95 % CI), months"]
    note = "Follow-up by reverse Kaplan–Meier: patients who died count as followed that long at least. NR: not reached."
    return TableBlock("Survival and follow-up by set", header, rows, label="Table S1", note=note)


def _months(one: FollowUp | None, survival: str) -> str:
    if survival == number_text.MISSING:  # too few patients for a median of any kind
        return survival
    if one is None or one.median is None:
        return "NR"
    low, high = ("NR" if value is None else number_text.number(value / MONTH, 1).removesuffix(".0") for value in (one.low, one.high))
    return f"{number_text.number(one.median / MONTH, 1).removesuffix('.0')} ({low}–{high})"


def pairs(found: SetSurvival) -> TableBlock:
    """Every two sets: hazard ratio with interval and p, and the log-rank test."""
    rows = [
        [
            f"{one.name} against {one.against}",
            ratio_words(one.hazard_ratio),
            number_text.p_value(one.hazard_ratio.p),
            number_text.p_value(one.logrank_p),
        ]
        for one in found.pairs
    ]
    header = ["Sets", "Hazard ratio (95 % CI)", "p (Wald)", "p (log-rank)"]
    test = found.logrank
    note = (
        f"All sets together: log-rank χ² {number_text.number(test.chi2, 1)} on {test.df} df, {number_text.p_equals(test.p)}. "
        if test
        else ""
    )
    return TableBlock("Sets compared two by two", header, rows, note=note + "No correction for multiple comparisons.")


def missing(found: SetSurvival, report: ReportedStudy) -> dict[str, str]:
    """Why there are no curves."""
    plain = "No evaluation table was opened, so survival cannot be drawn."
    why = {} if found.curves else {"set_survival": report.why("set_survival", plain)}
    if report.analyses is not None and len(found.curves) > 1 and not found.pairs:
        why["set_survival"] = "On secret shares the sets are compared by one log-rank test; hazard ratios of two sets are not opened."
    return from_shares.with_closed(report, "set_survival", why, "kaplan_meier", "follow_up", variable="set")


SET_SURVIVAL = ReportPart(name="set_survival", heading=PATIENTS, numbers=numbers, blocks=blocks, missing=missing, shape=SetSurvival)
