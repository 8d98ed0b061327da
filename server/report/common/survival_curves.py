"""Survival curves: Kaplan–Meier of a group as numbers, and as the table below a figure."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from server.report import number_text
from server.report.common.estimate_kinds import Numbers
from server.report.page_blocks import TableBlock
from shared_model.analyses.groups.means_and_medians_on_shares import least_known
from shared_model.survival.evaluation_table import Cells
from shared_model.survival.kaplan_meier import KaplanMeier, kaplan_meier, quantile_interval

MONTH = 365.25 / 12
HALF_YEAR = 365.25 / 2
AFTER = 1e-6


class RestrictedMean(Numbers):
    """Mean survival until a day, the area under the curve until then, with its standard error and 95 % interval, in months."""

    day: float
    months: float
    se: float
    low: float
    high: float


class SurvivalCurve(Numbers):
    """Kaplan–Meier of one group, drawn no further than where fewer than the minimum remain at risk.

    `at_risk` belongs to `ticks`, the days nearest to every half-year of the group's follow-up; a count below the minimum is
    None. `median` is None when the curve does not reach one half; `median_low` and `median_high` are its 95 % interval (where
    the log-log band crosses one half), None at an end that is not reached.
    """

    label: str
    n: int | None
    events: int | None
    day: list[float] = Field(default_factory=list)
    survival: list[float] = Field(default_factory=list)
    low: list[float] = Field(default_factory=list)
    high: list[float] = Field(default_factory=list)
    ticks: list[float] = Field(default_factory=list)
    at_risk: list[int | None] = Field(default_factory=list)
    hidden_below: int = 5
    median: float | None = None
    median_low: float | None = None
    median_high: float | None = None
    points: bool = Field(default=False, description="survival is known at the days alone, not between them")
    means: list[RestrictedMean] = Field(default_factory=list)


def curve(label: str, cells: Cells, edges: Sequence[float], minimum: int) -> SurvivalCurve:
    """Kaplan–Meier of one group, up to where fewer than `minimum` remain at risk.

    `at_risk` counts patients followed beyond a tick, exact at a cell's edge however coarse the cells; `edges` are the cells'.
    """
    km = kaplan_meier(cells)
    shown = [index for index, count in enumerate(km.at_risk) if count >= minimum]
    last = shown[-1] if shown else -1
    days = [0.0, *(float(day) for day in km.time[: last + 1])]
    bands = [km.interval_at(day) for day in days[1:]]
    ticks = half_years(edges, float(km.time[-1]) if len(km.time) else 0.0)
    at_risk = [count if count >= minimum or count == 0 else None for count in km.at_risk_at([tick + AFTER for tick in ticks])]
    median, low, high = median_of(km, cells.n, minimum)
    return SurvivalCurve(
        label=label,
        n=cells.n,
        events=cells.n_events,
        day=days,
        survival=[1.0, *(float(s) for s in km.survival[: last + 1])],
        low=[1.0, *(low for low, _ in bands)],
        high=[1.0, *(high for _, high in bands)],
        ticks=ticks,
        at_risk=at_risk,
        median=median,
        median_low=low,
        median_high=high,
        hidden_below=minimum,
    )


def median_of(km: KaplanMeier, n: int, minimum: int) -> tuple[float | None, float | None, float | None]:
    """The median of n patients with its interval; nothing of too few patients."""
    return (km.median, *quantile_interval(km, 0.5)) if n >= least_known(minimum) else (None, None, None)


def half_years(edges: Sequence[float], last: float) -> list[float]:
    """Every half-year up to the last follow-up, each moved to the nearest edge of a cell."""
    return [min(edges, key=lambda edge: abs(edge - k * HALF_YEAR)) for k in range(int(last / HALF_YEAR + 0.25) + 1)]


def at_month(one: SurvivalCurve, month: int) -> int | None:
    """Patients at risk at a month; None is a hidden count, and 0 stands beyond the group's follow-up."""
    by_month = {round(day / HALF_YEAR) * 6: count for day, count in zip(one.ticks, one.at_risk, strict=True)}
    return by_month.get(month, 0)


def drawable(curves: Sequence[SurvivalCurve]) -> bool:
    """Whether a curve has more than its start: else a panel would be empty."""
    return any(len(one.day) > 1 for one in curves)


def axis_months(curves: Sequence[SurvivalCurve]) -> list[int]:
    """The months every panel of a figure has under its axis: to the longest curve drawn, no more than eight of them."""
    last = max((one.day[-1] / MONTH for one in curves if one.day), default=0.0)
    step = next((size for size in (6, 12, 24, 36) if last / size <= 7), 60)
    return list(range(0, int(last / step + 0.999) * step + 1, step))


def median_months(one: SurvivalCurve) -> str:
    """`19.2 (14.0–NR)`: the median in months with its interval; NR where it is not reached, a dash for too few patients.

    A curve known at declared days alone has it in whole months: `19 (14–NR)`.
    """
    if one.n is None or one.n < least_known(one.hidden_below):
        return number_text.MISSING
    if one.median is None:
        return "NR"
    decimals = 0 if one.points else 1
    median, low, high = (_months(value, decimals) for value in (one.median, one.median_low, one.median_high))
    return f"{median} ({low}–{high})"


def _months(day: float | None, decimals: int) -> str:
    return "NR" if day is None else number_text.number(day / MONTH, decimals)


def curve_table(curves: Sequence[SurvivalCurve], caption: str) -> TableBlock:
    """Kaplan–Meier at its at-risk days, up to the first on which too few are at risk and the curve has ended."""
    body = []
    for one in curves:
        ended = next((i for i, k in enumerate(one.at_risk) if not k and at_day(one, one.ticks[i])[0] is None), len(one.ticks))
        for day, at_risk in list(zip(one.ticks, one.at_risk, strict=True))[: ended + 1]:
            value, low, high = at_day(one, day)
            body.append(
                [one.label, f"{day:.0f}", number_text.count(at_risk, one.hidden_below), number_text.with_interval(value, low, high)]
            )
    note = "; ".join(f"{c.label}: {number_text.size(c.n, c.events)}, {_median(c)}" for c in curves)
    return TableBlock(caption, ["Group", "Day", "At risk", "Survival (95 % CI)"], body, note=note + ". NR: not reached.")


def at_day(one: SurvivalCurve, day: float) -> tuple[float | None, float | None, float | None]:
    """Survival and interval of a step curve at a day; missing beyond the last day drawn."""
    at = sum(1 for d in one.day if d <= day) - 1
    if at < 0 or not one.day or day > one.day[-1]:
        return None, None, None
    return one.survival[at], one.low[at], one.high[at]


def curve_note(minimum: int, *, points: bool = False) -> str:
    """The caption every figure of curves ends with; `points`: survival was opened at declared days alone."""
    lines = "Lines join the days on which survival was opened. " if points else ""
    return lines + (
        f"Kaplan–Meier with 95 % bands (Greenwood, log-log); medians in months with 95 % intervals, NR: not reached. A curve ends where "
        f"fewer than {minimum} patients remain at risk; such counts read <{minimum}."
    )


def told(one: SurvivalCurve) -> str:
    """A curve in words, for a picture's text alternative."""
    return f"{one.label}, {number_text.size(one.n, one.events)}, {_median(one)}"


def _median(one: SurvivalCurve) -> str:
    words = median_months(one)
    return {"NR": "median not reached", number_text.MISSING: "median not told"}.get(words, f"median {words} months")
