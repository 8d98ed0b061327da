"""Opened curves, tests and hazard ratios as documents, and which of their groups stay closed."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from server.study.opened_analyses import (
    Analysis,
    ClosedResult,
    Grouping,
    OpenedCurve,
    OpenedGroupCurves,
    OpenedHazardRatio,
    OpenedLogRank,
    OpenedMean,
    OpenedMedian,
    Population,
)
from shared_model.analyses.cox_on_shares import CoxEstimate
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierEstimate, KaplanMeierModel
from shared_model.analyses.groups.survival_medians import Median
from shared_model.analyses.phases.evaluation_circuit import GroupedEstimate
from shared_model.survival.cox.cox_result import ChiTest
from shared_model.survival.normal_tails import Z95, two_sided

TOO_SMALL = "fewer than {} patients in it or in the rest of its set"


def count(value: float) -> int | None:
    """An opened count; None where it is closed."""
    return int(value) if np.isfinite(value) else None


def median_of(found: Sequence[Median | None]) -> OpenedMedian:
    """A median with its interval; the lower limit's curve falls first."""
    middle, low, high = (None if one is None else one.months for one in found)
    return OpenedMedian(months=middle, low=low, high=high)


def curve(value: str, found: KaplanMeierEstimate, group: int, model: KaplanMeierModel) -> OpenedCurve:
    """One group's curve at the points that are shown, with numbers at risk until nobody is left."""
    shown = np.flatnonzero(np.isfinite(found.survival[group]))
    at_risk = [count(one) for one in found.at_risk[group]]
    ticks = at_risk.index(0) + 1 if 0 in at_risk else len(at_risk)
    n = count(found.patients[group])
    return OpenedCurve(
        value=value,
        n=n,
        events=count(found.deaths[group]),
        day=[model.days[p] for p in shown],
        survival=[float(found.survival[group, p]) for p in shown],
        low=[float(found.low[group, p]) for p in shown],
        high=[float(found.high[group, p]) for p in shown],
        ticks=[0, *model.ticks[:ticks]],
        at_risk=[n, *at_risk[:ticks]],
        median=median_of(found.median[group]),
        means=_means(found, group, model),
    )


def _means(found: KaplanMeierEstimate, group: int, model: KaplanMeierModel) -> list[OpenedMean]:
    """Restricted means that are open."""
    if found.means is None:
        return []
    of_group = zip(model.means, found.means.mean[group], found.means.se[group], strict=True)
    return [OpenedMean(day=day, months=float(mean), se=float(se)) for day, mean, se in of_group if np.isfinite(mean)]


def logrank_of(test: ChiTest | None) -> OpenedLogRank | None:
    """A log-rank test."""
    return None if test is None else OpenedLogRank(chi2=test.chi2, df=test.df, p=test.p)


def ratio_of(fit: CoxEstimate | None) -> OpenedHazardRatio | None:
    """A hazard ratio with Wald's interval and p."""
    if fit is None or fit.coefficient is None or fit.se is None:
        return None
    coef, se = float(fit.coefficient[0]), float(fit.se[0])
    low, high = math.exp(coef - Z95 * se), math.exp(coef + Z95 * se)
    return OpenedHazardRatio(hr=math.exp(coef), low=low, high=high, p=two_sided(coef / se), coef=coef, se=se)


def families(
    found: GroupedEstimate,
    model: KaplanMeierModel,
    sets: Sequence[Population],
    values: Sequence[str],
    grouping: Grouping,
    about: str | None = None,
    cutoff: float | None = None,
) -> tuple[list[OpenedGroupCurves], list[ClosedResult]]:
    """Every family of a grouping, one a set, whose groups are all shown or nobody; and the groups of the others as closed."""
    opened, closed = [], []
    for number, (set_, groups) in enumerate(zip(sets, model.partition.of_family, strict=True)):
        shown = [value for value, group in zip(values, groups, strict=True) if np.isfinite(found.curves.patients[group])]
        if len(shown) < len(values):
            text = TOO_SMALL.format(model.partition.minimum)
            rest = [value for value in values if value not in shown]
            closed += [closed_group("kaplan_meier", text, about, set_, grouping, value) for value in rest]
            continue
        fit = found.ratios[number]
        if fit is not None and fit.coefficient is None:
            why = "; ".join(finding.what for finding in fit.findings)
            closed.append(ClosedResult(analysis="kaplan_meier", reason="few_events", text=why, model=about, set=set_, variable=grouping))
        opened.append(
            OpenedGroupCurves(
                grouping=grouping,
                set=set_,
                model=about,
                cutoff=cutoff,
                groups=[curve(value, found.curves, group, model) for value, group in zip(values, groups, strict=True)],
                logrank=logrank_of(found.curves.logrank[number]),
                hazard_ratio=ratio_of(fit),
            )
        )
    return opened, closed


def closed_group(analysis: Analysis, text: str, model: str | None, set_: Population, variable: str, value: str) -> ClosedResult:
    """A group that is too small."""
    return ClosedResult(analysis=analysis, reason="small_group", text=text, model=model, set=set_, variable=variable, value=value)
