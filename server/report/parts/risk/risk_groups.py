"""Figure 3, right, S5 and S6: low and high risk by the frozen cut-off on every set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import Field

from server.report import number_text
from server.report.common import from_shares, score_tables
from server.report.common.estimate_kinds import SETS, Estimate, Numbers, Test, Where, chi_test
from server.report.common.figure_style import SET_LABEL, SET_NAME
from server.report.common.kaplan_meier_drawing import ComparedGroups, compared_panels
from server.report.common.restricted_means import restricted_table
from server.report.common.survival_curves import SurvivalCurve, curve, curve_note, curve_table, drawable
from server.report.common.two_groups import hazard_ratio, ratio_words, size_words, split
from server.report.page_blocks import Block, Figure, TableBlock
from server.report.parts.part import ReportedStudy, ReportPart, reasons
from server.report.parts.risk.score_distribution import RISK
from server.study.opened_analyses import OpenedGroupCurves
from server.study.study_results import ScoreTable
from shared_model.survival.kaplan_meier import logrank
from site_config.study.prognostic_models import MODELS, ModelName

LABELS = ("Low risk", "High risk")


class RiskGroups(Numbers):
    """Low and high risk of one model on one set; `reason` where they are not compared."""

    model: ModelName
    set: Where
    cutoff: float
    curves: list[SurvivalCurve] = Field(default_factory=list)
    hazard_ratio: Estimate
    logrank: Test | None = None
    reason: str | None = None
    note: str | None = None


def numbers(report: ReportedStudy) -> list[RiskGroups]:
    """Every set, of the models whose groups are drawn; of whichever has a cut-off where none of them has."""
    cutoffs = report.cutoffs
    drawn = [model.name for model in MODELS.preferred(cutoffs) if model.risk_figure is not None] or list(cutoffs)
    if report.analyses is not None:
        families = [one for model in drawn for one in from_shares.curves_of(report.analyses, "risk", model)]
        return [_from_shares(one, one.set, cutoffs, report.minimum) for one in families if one.set != "all"]
    return [
        _groups(table, cutoffs[model], report.minimum)
        for model in drawn
        for set_ in SETS
        if (table := score_tables.find(report.result, model, set_)) is not None
    ]


def _from_shares(family: OpenedGroupCurves, set_: Where, cutoffs: Mapping[ModelName, float], minimum: int) -> RiskGroups:
    model = family.model or ""
    return RiskGroups(
        model=model,
        set=set_,
        cutoff=cutoffs[model] if family.cutoff is None else family.cutoff,
        curves=[from_shares.survival_curve(one, label, minimum) for one, label in zip(family.groups, LABELS, strict=True)],
        hazard_ratio=from_shares.hazard_estimate(family.hazard_ratio, family.groups),
        logrank=from_shares.logrank_test(family.logrank),
    )


def _groups(table: ScoreTable, cutoff: float, minimum: int) -> RiskGroups:
    n, events = score_tables.size(table)
    parts, note = split(table, cutoff)
    if parts is None or min(part.n for part in parts) < minimum:
        reason = f"one of the two risk groups of {table.model} has fewer than {minimum} patients, so they are not compared"
        none = Estimate(n=n, events=events, reason="not estimated")
        return RiskGroups(model=table.model, set=table.set, cutoff=cutoff, hazard_ratio=none, reason=reason, note=note)
    return RiskGroups(
        model=table.model,
        set=table.set,
        cutoff=cutoff,
        curves=[curve(label, part, table.time_edges, minimum) for label, part in zip(LABELS, parts, strict=True)],
        hazard_ratio=hazard_ratio(*parts),
        logrank=chi_test(logrank(parts)),
        note=note,
    )


def blocks(found: list[RiskGroups], report: ReportedStudy) -> Iterator[Block]:
    """A figure a model, a panel a set."""
    for model in dict.fromkeys(group.model for group in found):
        groups = [group for group in found if group.model == model]
        drawn = [group for group in groups if drawable(group.curves)]
        panels = compared_panels(
            (
                ComparedGroups(
                    SET_LABEL[group.set],
                    f"km-{model}-{group.set}",
                    f"{model} risk groups, {SET_LABEL[group.set]}",
                    group.curves,
                    group.hazard_ratio,
                    group.logrank,
                    number_text.total(one.n for one in group.curves) or 0,
                )
                for group in drawn
            ),
            report.study.endpoint.label,
            simulated=report.simulated,
        )
        if panels:
            caption = (
                f"High risk is a score above {number_text.number(groups[0].cutoff)} (linear predictor), the training median, frozen before "
                f"a held-out hospital was opened. {curve_note(report.minimum, points=report.analyses is not None)}"
            )
            means = restricted_table(f"Restricted mean survival by risk group of {model}", by_set(groups), compared=True)
            curves = [curve_table(g.curves, f"{model}, {SET_LABEL[g.set]}") for g in drawn]
            tables = [table(groups), *([means] if means else []), *curves]
            label = MODELS[model].risk_figure or ""
            yield Figure(f"km-{model}", label, f"Survival by risk group of {model}", panels, tables, caption)
        elif any(group.curves for group in groups):
            yield table(groups)
        why = [f"{SET_NAME[g.set]}: {g.reason}." for g in groups if g.reason] + [g.note for g in groups if g.note]
        yield from reasons(why)


def by_set(groups: Sequence[RiskGroups]) -> list[tuple[str, list[SurvivalCurve]]]:
    """The curves of every set."""
    return [(SET_LABEL[group.set], group.curves) for group in groups]


def table(rows: Sequence[RiskGroups]) -> TableBlock:
    """Hazard ratios and log-rank tests of high against low risk."""
    body = []
    for row in rows:
        test = f"{number_text.number(row.logrank.chi2, 1)}, {number_text.p_equals(row.logrank.p)}" if row.logrank else number_text.MISSING
        hr = row.hazard_ratio
        body.append([row.model, SET_LABEL[row.set], *group_sizes(row.curves), ratio_words(hr), number_text.p_value(hr.p), test])
    header = ["Model", "Set", "Low: n / events", "High: n / events", "HR high against low (95 % CI)", "p (Wald)", "Log-rank χ², p"]
    return TableBlock("Risk groups by the frozen cut-off", header, body, align="llrrrrr")


def group_sizes(curves: Sequence[SurvivalCurve]) -> list[str]:
    """`n / events` of low and of high risk."""
    by = {one.label: one for one in curves}
    return [f"{size_words(by[label].n)} / {size_words(by[label].events)}" if label in by else number_text.MISSING for label in LABELS]


def missing(found: list[RiskGroups], report: ReportedStudy) -> dict[str, str]:
    """Why there are no groups."""
    why = {} if found else {"risk_groups": report.why("risk_groups", "No risk groups: no cut-off was frozen.")}
    return from_shares.with_closed(report, "risk_groups", why, "kaplan_meier", "cutoff", variable="risk")


RISK_GROUPS = ReportPart(name="risk_groups", heading=RISK, numbers=numbers, blocks=blocks, missing=missing, shape=list[RiskGroups])
