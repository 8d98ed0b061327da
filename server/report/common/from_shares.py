"""Documents of what was opened on secret shares, turned into the report's kinds of numbers, and why the rest stays closed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from server.report import number_text
from server.report.common.estimate_kinds import Estimate, Test, Where, share_estimate
from server.report.common.figure_style import SET_NAME
from server.report.common.survival_curves import MONTH, RestrictedMean, SurvivalCurve
from server.report.display_names import SUBGROUP_LABELS, VALUE_LABELS
from server.report.parts.part import ReportedStudy
from server.study.opened_analyses import (
    Analysis,
    ClosedResult,
    Grouping,
    OpenedAnalyses,
    OpenedCurve,
    OpenedGroupCurves,
    OpenedHazardRatio,
    OpenedLogRank,
    OpenedMean,
    Population,
)
from shared_model.survival.normal_tails import Z95
from site_config.study.prognostic_models import ModelName

POPULATIONS: tuple[Where, ...] = ("train", "validation", "test", "combined")
NAMES: dict[str, str] = {**SET_NAME, "all": "All patients"}


def survival_curve(opened: OpenedCurve, label: str, minimum: int) -> SurvivalCurve:
    """A curve known at declared days; its median is in whole months."""
    month = opened.median
    median, low, high = (None if value is None else value * MONTH for value in (month.months, month.low, month.high))
    return SurvivalCurve(
        label=label,
        n=opened.n,
        events=opened.events,
        day=[0.0, *map(float, opened.day)],
        survival=[1.0, *opened.survival],
        low=[1.0, *opened.low],
        high=[1.0, *opened.high],
        ticks=[float(day) for day in opened.ticks],
        at_risk=list(opened.at_risk),
        hidden_below=minimum,
        median=median,
        median_low=low,
        median_high=high,
        points=True,
        means=[restricted_mean(one) for one in opened.means],
    )


def restricted_mean(opened: OpenedMean) -> RestrictedMean:
    """With its interval, within nothing and the whole time."""
    half, whole = Z95 * opened.se, opened.day / MONTH
    low, high = max(opened.months - half, 0.0), min(opened.months + half, whole)
    return RestrictedMean(day=opened.day, months=opened.months, se=opened.se, low=low, high=high)


def hazard_estimate(opened: OpenedHazardRatio | None, groups: Sequence[OpenedCurve], why: str = "not opened") -> Estimate:
    """The hazard ratio of two groups with the patients of both."""
    n, events = total(groups)
    if opened is None:
        return Estimate(n=n, events=events, reason=why)
    return Estimate(n=n, events=events, value=opened.hr, low=opened.low, high=opened.high, se=opened.se, p=opened.p)


def total(groups: Iterable[OpenedCurve]) -> tuple[int | None, int | None]:
    """Patients and events of groups together; None where one of them is closed, or none is there."""
    known = list(groups)
    if not known:
        return None, None
    return number_text.total(group.n for group in known), number_text.total(group.events for group in known)


def logrank_test(opened: OpenedLogRank | None) -> Test | None:
    """A log-rank test; None without degrees of freedom."""
    return Test(chi2=opened.chi2, df=opened.df, p=opened.p) if opened is not None and opened.df > 0 else None


def area(n: int | None, events: int | None, value: float, se: float) -> Estimate:
    """A C-index or an area with its interval; the reason where its error means nothing."""
    if not se > 0:
        return Estimate(n=n, events=events, reason=f"{number_text.number(value)} without an error: every pair is in the same order")
    return share_estimate(n, events, value, se)


def curves_of(
    analyses: OpenedAnalyses, grouping: Grouping, model: ModelName | None = None, set_: Population | None = None, within: str = "all"
) -> list[OpenedGroupCurves]:
    """The families of curves of a grouping, of one model and one set where they are named."""
    return [
        family
        for family in analyses.kaplan_meier
        if family.grouping == grouping and family.within_variable == within and model in (None, family.model) and set_ in (None, family.set)
    ]


def closed(report: ReportedStudy, *kinds: Analysis, variable: str | None = None) -> str:
    """Everything of these analyses that stays closed, reason by reason; empty on other roads and where all is open."""
    if report.analyses is None:
        return ""
    found = [one for one in report.analyses.closed if one.analysis in kinds and variable in (None, one.variable)]
    words = []
    for reason, same in groupby(sorted(found, key=lambda one: one.text), key=lambda one: one.text):
        about = list(dict.fromkeys(_about(one) for one in same if _about(one)))
        words.append(f"{number_text.listed(about)} ({reason})" if about else reason)
    return f"Not opened: {'; '.join(words)}." if words else ""


def _about(one: ClosedResult) -> str:
    parts = [one.model, NAMES.get(one.set or ""), _group(one.variable, one.value)]
    return " · ".join(part for part in parts if part)


def _group(variable: str, value: str) -> str:
    if variable == "all":
        return ""
    return f"{SUBGROUP_LABELS.get(variable, variable)} {VALUE_LABELS.get(value, value)}"


def with_closed(report: ReportedStudy, name: str, why: dict[str, str], *kinds: Analysis, variable: str | None = None) -> dict[str, str]:
    """The reasons of a part, and behind them what of its analyses stays closed."""
    words = closed(report, *kinds, variable=variable)
    return why if not words else {**why, name: " ".join(one for one in (why.get(name, ""), words) if one)}
