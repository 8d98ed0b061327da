"""Two groups of patients compared: who is above a cut-off, and the hazard of one group against another."""

from __future__ import annotations

from server.report import number_text
from server.report.common import score_tables
from server.report.common.estimate_kinds import Estimate, Numbers
from server.report.common.figure_style import SET_NAME
from server.study.study_results import ScoreTable
from shared_model.survival.evaluation_table import Cells
from shared_model.survival.kaplan_meier import group_hazard_ratio, logrank, split_at
from site_config.problems.base import Problem


class GroupsCompared(Numbers):
    """Hazard of one group against another on the same patients, with the log-rank test."""

    name: str
    against: str
    hazard_ratio: Estimate
    logrank_p: float | None = None


def split(table: ScoreTable, cutoff: float) -> tuple[tuple[Cells, Cells] | None, str | None]:
    """Patients at or below the cut-off and above it; at the nearest edge, with a note, where the cut-off is none."""
    inner = [edge for edge in table.score_edges if edge is not None]
    if not inner:
        return None, None
    nearest = min(inner, key=lambda edge: abs(edge - cutoff))
    note = None if nearest == cutoff else f"{table.model}, {SET_NAME[table.set]}: split at {nearest:.3f}, the edge nearest to the cut-off."
    return split_at(score_tables.evaluation_table(table), nearest), note


def hazard_ratio(low: Cells, high: Cells) -> Estimate:
    """Hazard of the second group over the first by Cox, Wald interval and p; a reason where there is none."""
    n, events = low.n + high.n, low.n_events + high.n_events
    try:
        fit = group_hazard_ratio(low, high).as_dict()
    except Problem as problem:
        return Estimate(n=n, events=events, reason=str(problem))
    hr, interval, findings = fit["hr"][0], fit["hr_ci"][0], [finding["what"] for finding in fit["warnings"]]
    if hr is None or interval is None or findings or None in interval:
        return Estimate(n=n, events=events, reason=findings[0] if findings else "not estimable: no event in one of the groups")
    return Estimate(n=n, events=events, value=hr, low=interval[0], high=interval[1], se=fit["se"][0], p=fit["p"][0])


def compared(name: str, against: str, low: Cells, high: Cells) -> GroupsCompared:
    """`name` (`high`) against `against` (`low`)."""
    test = logrank([low, high])
    return GroupsCompared(name=name, against=against, hazard_ratio=hazard_ratio(low, high), logrank_p=test.p if test.df else None)


def ratio_words(hr: Estimate) -> str:
    """`1.52 (1.10–2.11)`, or why there is none."""
    if hr.value is None:
        return hr.reason or number_text.MISSING
    return f"{number_text.ratio(hr.value)} ({number_text.ratio(hr.low)}–{number_text.ratio(hr.high)})"


def estimate_words(one: Estimate, decimals: int = 2) -> str:
    """`0.73 (0.65–0.81)`, or why there is none."""
    return one.reason or number_text.MISSING if one.value is None else number_text.with_interval(one.value, one.low, one.high, decimals)


def size_words(count: int | None) -> str:
    """A number of patients, an em dash where it is not opened."""
    return number_text.MISSING if count is None else str(count)
