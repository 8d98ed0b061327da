"""The metrics of scores on anybody's table from exact cells: ranks and days of all sites' patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.phases.evaluation_openings import SPECIFICITIES
from shared_model.survival.compare_cindex import Difference, paired_cells, squared_site_sum
from shared_model.survival.concordance import Concordance, concordance
from shared_model.survival.cox.cox_result import ChiTest, FitFinding
from shared_model.survival.evaluation_table import Cells, patient_cells
from shared_model.survival.kaplan_meier import group_hazard_ratio, hazard_ratio_dict, kaplan_meier, logrank, reversed_cells
from shared_model.survival.roc import Convention, Roc, roc
from simulations.tabular.complete_rows import FitRows
from simulations.tabular.printed_metrics import Area, ScoreFigures, TabularMetrics, day_key
from simulations.tabular.table_as_study import Settings, default_settings
from simulations.tabular.too_small import constant_score, small_parts
from site_config.problems import survival as problems
from site_config.problems.base import Problem

Floats = NDArray[np.float64]


def fit_metrics(
    rows: FitRows, horizons: Sequence[float] | None = None, convention: Convention = "timeroc", settings: Settings | None = None
) -> TabularMetrics:
    """Metrics of the scores in the covariates; a higher score means an earlier death. `horizons` are days; left out, a study's."""
    horizons = tuple(horizons or (settings or default_settings()).evaluation.horizons)
    findings = [*rows.findings, *constant_score(rows), *small_parts(rows)]
    cells = {name: patient_cells(rows.x[:, j], rows.time, rows.event) for j, name in enumerate(rows.names)}
    first = next(iter(cells.values()))
    scores = {name: _of_score(one, horizons, convention, findings) for name, one in cells.items()}
    findings += no_concordance(rows, next(iter(scores.values())).c)
    labelled = np.asarray(rows.group, dtype=object)
    parts = {name: first.where(labelled == name) for name in rows.groups}
    test, ratio = _group_tests(parts, findings)
    return TabularMetrics(
        n=len(rows.time),
        events=int(rows.event.sum()),
        sites=len(rows.sites),
        resolution="exact",
        scores=scores,
        differences=_differences(cells),
        clustered_se=_clustered(rows, next(iter(scores.values())).c),
        overall=kaplan_meier(first),
        groups={name: kaplan_meier(part) for name, part in parts.items()},
        logrank=test,
        hazard_ratio=ratio,
        dropped_rows=rows.dropped,
        follow_up=kaplan_meier(reversed_cells(first)).median,
        findings=tuple(dict.fromkeys(findings)),
    )


def no_concordance(rows: FitRows, found: Concordance | None) -> list[FitFinding]:
    """Why there is no C-index, where there is none."""
    if not rows.event.any():
        return [FitFinding.of(problems.NO_EVENTS, "no events: no C-index, AUC, median or hazard ratio can be estimated")]
    return [] if found else [FitFinding.of(problems.NOT_ESTIMABLE, "no C-index: no pair of patients is comparable")]


def _of_score(cells: Cells, horizons: Sequence[float], convention: Convention, findings: list[FitFinding]) -> ScoreFigures:
    return ScoreFigures(concordance(cells), {day_key(day): _auc(cells, float(day), convention, findings) for day in horizons})


def _auc(cells: Cells, horizon: float, convention: Convention, findings: list[FitFinding]) -> Area | None:
    try:
        found = roc(cells, horizon, convention)
    except Problem as problem:
        findings.append(FitFinding(problem.code, problem.what))
        return None
    return Area(found.auc, found.se, {percent: _sensitivity(found, percent) for percent in SPECIFICITIES})


def _sensitivity(found: Roc, percent: int) -> float:
    """The curve at its largest false positive rate up to 1 − specificity."""
    wrong = np.rint(found.false_positive * found.controls)
    return float(found.true_positive[wrong <= (100 - percent) * found.controls // 100].max())


def _differences(cells: Mapping[str, Cells]) -> dict[str, Difference]:
    """Paired differences of every two scores."""
    found = {f"{one}-{other}": paired_cells(cells[one], cells[other]) for one, other in combinations(cells, 2)}
    return {name: one for name, one in found.items() if one is not None}


def _clustered(rows: FitRows, found: Concordance | None) -> float | None:
    """√Σ_sites (Σ_i ∂C/∂w_i)²: patients of one site may be alike."""
    if found is None:
        return None
    ends = np.cumsum([len(site.time) for site in rows.sites])[:-1]
    return float(np.sqrt(sum(squared_site_sum(part) for part in np.split(found.influence, ends))))


def few_groups(names: Sequence[str]) -> list[FitFinding]:
    """Why groups are not compared by a hazard ratio, or not at all."""
    if len(names) == 1:
        return [FitFinding.of(problems.NOT_ESTIMABLE, "one group only: nothing to compare")]
    if len(names) > 2:
        return [FitFinding.of(problems.NOT_ESTIMABLE, f"{len(names)} groups: a hazard ratio compares two")]
    return []


def _group_tests(parts: Mapping[str, Cells], findings: list[FitFinding]) -> tuple[ChiTest | None, dict[str, Any] | None]:
    names = list(parts)
    findings += few_groups(names)
    test = logrank(list(parts.values())) if len(names) > 1 else None
    if len(names) != 2:
        return test, None
    fit = group_hazard_ratio(parts[names[0]], parts[names[1]])
    for finding in fit.findings:
        findings.append(FitFinding(finding.code, finding.what.replace("group", f"group {names[1]}", 1)))
    return test, hazard_ratio_dict(fit)
