"""Survival curves from opened tables: sets compared, risk groups, subgroups."""

from __future__ import annotations

from collections.abc import Sequence

from server.report import opened
from server.report.figures.style import SET_NAME
from server.report.numbers import Estimate, RiskGroups, SetSurvival, Subgroup, SurvivalCurve, Test
from server.study.results import ScoreTable, SetName, StudyResult
from shared_model.survival import concordance as harrell
from shared_model.survival.cox.result import ChiTest
from shared_model.survival.kaplan_meier import KaplanMeier, group_hazard_ratio, kaplan_meier, logrank, split_at
from shared_model.survival.table import Cells
from site_config.problems.base import Problem
from site_config.study.model import Study
from site_config.study.prognostic_models import MODELS, ModelName

SETS: tuple[SetName, ...] = ("train", "validation", "test")
HELD: tuple[SetName, ...] = ("validation", "test")
HALF_YEAR = 365.25 / 2
SUBGROUP_PATIENTS = 10
AFTER = 1e-6


def curve(label: str, cells: Cells, edges: Sequence[float], minimum: int) -> SurvivalCurve:
    """Kaplan–Meier of one group, up to where fewer than `minimum` remain at risk.

    `at_risk` counts patients followed beyond a tick, exact at a cell's edge however coarse the cells; `edges` are the cells'.
    """
    km = kaplan_meier(cells)
    shown = [index for index, count in enumerate(km.at_risk) if count >= minimum]
    last = shown[-1] if shown else -1
    days = [0.0, *(float(day) for day in km.time[: last + 1])]
    bands = [_band(km, day) for day in days[1:]]
    ticks = _ticks(edges, days[-1])
    at_risk = [count if count >= minimum or count == 0 else None for count in km.at_risk_at([tick + AFTER for tick in ticks])]
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
        median=km.median,
        hidden_below=minimum,
    )


def _band(km: KaplanMeier, day: float) -> tuple[float, float]:
    return km.interval_at(day)


def _ticks(edges: Sequence[float], last: float) -> list[float]:
    """Half-years, each moved to the nearest edge of a cell."""
    count = int(last / HALF_YEAR + 0.25)
    step = 1 if count <= 7 else 2
    return [min(edges, key=lambda edge: abs(edge - k * HALF_YEAR)) for k in range(0, count + 1, step)]


def chi_test(found: ChiTest) -> Test | None:
    """A χ² test, None without degrees of freedom."""
    return Test(chi2=found.chi2, df=found.df, p=found.p) if found.df > 0 else None


def set_survival(result: StudyResult, study: Study, minimum: int) -> SetSurvival:
    """Figure S2: every set once, from whichever model's table was opened for most of its patients."""
    curves, groups = [], []
    for set_ in SETS:
        tables = [table for model in study.models if (table := opened.find(result, model, set_)) is not None]
        if tables:
            table = max(tables, key=lambda one: opened.size(one)[0])
            cells = opened.evaluation_table(table).cells()
            groups.append(cells)
            curves.append(curve(SET_NAME[set_], cells, table.time_edges, minimum))
    return SetSurvival(curves=curves, logrank=chi_test(logrank(groups)) if len(groups) > 1 else None)


def risk_groups(result: StudyResult, minimum: int) -> list[RiskGroups]:
    """Low and high risk on every set, of the models whose groups are drawn; of whichever has a cut-off where none of them has."""
    found = []
    cutoffs = {cutoff.model: cutoff.value for cutoff in result.cutoffs}
    drawn = [model.name for model in MODELS.preferred(cutoffs) if model.risk_figure is not None] or list(cutoffs)
    for model in drawn:
        for set_ in SETS:
            table = opened.find(result, model, set_)
            if table is not None:
                found.append(_risk_groups(table, cutoffs[model], minimum))
    return found


def _risk_groups(table: ScoreTable, cutoff: float, minimum: int) -> RiskGroups:
    n, events = opened.size(table)
    split, note = _split(table, cutoff)
    none = Estimate(n=n, events=events, reason="not estimated")
    if split is None or min(part.n for part in split) < minimum:
        reason = f"one of the two risk groups of {table.model} has fewer than {minimum} patients, so they are not compared"
        return RiskGroups(model=table.model, set=table.set, cutoff=cutoff, hazard_ratio=none, reason=reason, note=note)
    labels = ("Low risk", "High risk")
    curves = [curve(label, part, table.time_edges, minimum) for label, part in zip(labels, split, strict=True)]
    return RiskGroups(
        model=table.model,
        set=table.set,
        cutoff=cutoff,
        curves=curves,
        hazard_ratio=hazard_ratio(*split),
        logrank=chi_test(logrank(split)),
        note=note,
    )


def _split(table: ScoreTable, cutoff: float) -> tuple[tuple[Cells, Cells] | None, str | None]:
    """Patients at or below the cut-off and above it; at the nearest edge, with a note, where the cut-off is none."""
    inner = [edge for edge in table.score_edges if edge is not None]
    if not inner:
        return None, None
    nearest = min(inner, key=lambda edge: abs(edge - cutoff))
    note = None if nearest == cutoff else f"{table.model}, {SET_NAME[table.set]}: split at {nearest:.3f}, the edge nearest to the cut-off."
    return split_at(opened.evaluation_table(table), nearest), note


def hazard_ratio(low: Cells, high: Cells) -> Estimate:
    """Hazard of the high-risk group over the low-risk group by Cox, Wald interval and p; a reason where there is none."""
    n, events = low.n + high.n, low.n_events + high.n_events
    try:
        fit = group_hazard_ratio(low, high).as_dict()
    except Problem as problem:
        return Estimate(n=n, events=events, reason=str(problem))
    hr, interval, findings = fit["hr"][0], fit["hr_ci"][0], [finding["what"] for finding in fit["warnings"]]
    if hr is None or interval is None or findings or None in interval:
        return Estimate(n=n, events=events, reason=findings[0] if findings else "not estimable: no event in one of the groups")
    return Estimate(n=n, events=events, value=hr, low=interval[0], high=interval[1], se=fit["se"][0], p=fit["p"][0])


def subgroups(result: StudyResult, minimum: int) -> list[Subgroup]:
    """Risk groups within RECIST and manufacturer subgroups of validation + test, and why the others are not shown."""
    found: list[Subgroup] = []
    for variable in ("response", "manufacturer"):
        tables = [table for table in result.tables if table.variable == variable and opened.size(table)[0]]
        keys = list(dict.fromkeys((table.model, table.value) for table in tables))
        for model, value in keys:
            found.append(_subgroup(model, variable, value, [t for t in tables if (t.model, t.value) == (model, value)], result, minimum))
        if tables:
            found += _hidden(result, variable, {value for _, value in keys}, tables[0].model)
    return found


def _subgroup(model: ModelName, variable: str, value: str, tables: list[ScoreTable], result: StudyResult, minimum: int) -> Subgroup:
    n, events = (sum(opened.size(table)[k] for table in tables) for k in (0, 1))
    cutoff = next((c.value for c in result.cutoffs if c.model == model), None)
    shared: dict[str, object] = {"model": model, "variable": variable, "value": value}
    if n < SUBGROUP_PATIENTS:
        reason = f"fewer than {SUBGROUP_PATIENTS} patients"
        return Subgroup.model_validate({**shared, "n": None, "events": None, "hazard_ratio": {"n": None, "events": None, "reason": reason}})
    parts = [split for table in tables if cutoff is not None and (split := _split(table, cutoff)[0]) is not None]
    c = _pooled_c(tables, n, events)
    if not parts or min(sum(split[k].n for split in parts) for k in (0, 1)) < minimum:
        reason = f"one of the risk groups has fewer than {minimum} patients"
        none = Estimate(n=n, events=events, reason=reason)
        return Subgroup(model=model, variable=variable, value=value, n=n, events=events, hazard_ratio=none, c=c)
    low, high = (opened.joined(split[k] for split in parts) for k in (0, 1))
    edges = tables[0].time_edges
    curves = [curve(label, cells, edges, minimum) for label, cells in (("Low risk", low), ("High risk", high))]
    return Subgroup(
        model=model,
        variable=variable,
        value=value,
        n=n,
        events=events,
        curves=curves,
        hazard_ratio=hazard_ratio(low, high),
        logrank=chi_test(logrank([low, high])),
        c=c,
    )


def _pooled_c(tables: list[ScoreTable], n: int, events: int) -> Estimate | None:
    """C over both sets where the tables have more bins than the two risk groups."""
    if any(len(table.score_edges) <= 3 for table in tables):
        return None
    found = harrell.concordance(opened.joined(opened.scored_cells(table) for table in tables))
    if found is None or not found.se > 0:
        return Estimate(n=n, events=events, reason="not estimable")
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
    reason = f"not shown: fewer than {SUBGROUP_PATIENTS} patients, or it would let such a group be worked out"
    none = Estimate(n=None, events=None, reason=reason)
    return [Subgroup(model=model, variable=variable, value=v, n=None, events=None, hazard_ratio=none) for v in sorted(present - shown)]
