"""The metrics of a score on anybody's table, from the summed evaluation tables of its sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from shared_model.survival.comparison import squared_site_sum
from shared_model.survival.concordance import Concordance, concordance, error_bound
from shared_model.survival.cox.result import ChiTest, FitFinding
from shared_model.survival.cutoff import counts_above, quantile_edges
from shared_model.survival.kaplan_meier import KaplanMeier, group_hazard_ratio, hazard_ratio_dict, kaplan_meier, logrank
from shared_model.survival.normal import Z95
from shared_model.survival.roc import Convention, Roc, roc
from shared_model.survival.table import Cells, EvaluationTable, coarse_time_edges, patient_cells, site_table
from simulations.tabular.as_study import Settings, default_settings
from simulations.tabular.rows import FitRows
from simulations.tabular.small import constant_score, small_parts
from site_config.problems import survival as problems
from site_config.problems.base import Problem

Floats = NDArray[np.float64]
MetricResolution = Literal["exact", "coarse"]


@dataclass(frozen=True)
class TabularMetrics:
    """Everything `fedhcc-sim metrics` prints."""

    n: int
    events: int
    sites: int
    resolution: MetricResolution
    c: Concordance | None
    clustered_se: float | None
    c_bound: tuple[float, float] | None
    auc: dict[str, Roc | None]
    overall: KaplanMeier
    groups: dict[str, KaplanMeier]
    logrank: ChiTest | None
    hazard_ratio: dict[str, Any] | None
    dropped_rows: int
    findings: tuple[FitFinding, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """The JSON of `fedhcc-sim metrics`."""
        c, se = self.c, self.clustered_se
        return {
            "n": self.n,
            "events": self.events,
            "c_index": c.c if c else None,
            "c_index_se": c.se if c else None,
            "c_index_ci": list(c.plain_ci) if c else None,
            "c_index_ci_logit": list(c.logit_ci) if c else None,
            "c_index_se_clustered": se,
            "c_index_ci_clustered": [max(0.0, c.c - Z95 * se), min(1.0, c.c + Z95 * se)] if c and se is not None else None,
            "c_index_bound": list(self.c_bound) if self.c_bound else None,
            "auc": {name: {"auc": found.auc, "se": found.se} if found else {"auc": None, "se": None} for name, found in self.auc.items()},
            "km": {"overall": self.overall.as_dict(), "groups": {name: curve.as_dict() for name, curve in self.groups.items()}},
            "logrank": self.logrank.as_dict() if self.logrank else None,
            "hr": self.hazard_ratio,
            "median_survival": self.overall.median,
            "median_survival_groups": {name: curve.median for name, curve in self.groups.items()},
            "sites": self.sites,
            "resolution": self.resolution,
            "dropped_rows": self.dropped_rows,
            "warnings": [finding.as_dict() for finding in self.findings],
        }


class _ScoreCounts:
    """Opens counts above thresholds over a table's sites."""

    def __init__(self, rows: FitRows) -> None:
        self.rows = rows

    def counts_above(self, thresholds: Floats) -> NDArray[np.int64]:
        return np.asarray(sum(counts_above(site.x[:, 0], thresholds) for site in self.rows.sites), dtype=np.int64)


def coarse_table(
    rows: FitRows, horizons: Sequence[float], settings: Settings, group: str | None = None, edges: Floats | None = None
) -> EvaluationTable:
    """The summed coarse table of the score (first covariate), in the bins and cells of a study with these settings."""
    asked = settings.evaluation
    days = asked.cell_days if len(rows.time) >= asked.small_set else max(asked.cell_days, asked.small_cell_days)
    score = rows.x[:, 0]
    if edges is None:
        spread = float(score.std())
        edges = quantile_edges(
            _ScoreCounts(rows), len(score), float(score.mean()), spread, bins=asked.score_bins, minimum=asked.bin_patients
        )
    times = coarse_time_edges(float(rows.time.max()), days, horizons)
    tables = []
    for site in rows.sites:
        mine = np.ones(len(site.time), dtype=bool) if group is None else np.asarray([label == group for label in site.group])
        tables.append(site_table(site.x[mine, 0], site.time[mine], site.event[mine], edges, times))
    first, *rest = tables
    for more in rest:
        first = first + more
    return first


def fit_metrics(
    rows: FitRows,
    horizons: Sequence[float] | None = None,
    convention: Convention = "timeroc",
    resolution: MetricResolution = "exact",
    settings: Settings | None = None,
) -> TabularMetrics:
    """Metrics of the score in the first covariate; a higher score means an earlier death.

    `horizons` are days; left out, a study's. `coarse` opens what a study with these settings opens.
    """
    chosen = settings or default_settings()
    horizons = tuple(horizons or chosen.evaluation.horizons)
    findings = [*rows.findings, *constant_score(rows), *small_parts(rows)]
    exact = patient_cells(rows.x[:, 0], rows.time, rows.event)
    source: Cells | EvaluationTable = exact
    parts: dict[str, Cells | EvaluationTable]
    labelled = np.asarray(rows.group, dtype=object)
    if resolution == "exact":
        parts = {name: exact.where(labelled == name) for name in rows.groups}
    else:
        table = coarse_table(rows, horizons, chosen)
        source = table
        parts = {name: coarse_table(rows, horizons, chosen, name, table.score_edges) for name in rows.groups}
    found = concordance(source)
    if not rows.event.any():
        findings.append(FitFinding.of(problems.NO_EVENTS, "no events: no C-index, AUC, median or hazard ratio can be estimated"))
    elif found is None:
        findings.append(FitFinding.of(problems.NOT_ESTIMABLE, "no C-index: no pair of patients is comparable"))
    aucs = {_key(horizon): _auc(source, float(horizon), convention, findings) for horizon in horizons}
    test, ratio = _group_tests(parts, findings)
    return TabularMetrics(
        n=len(rows.time),
        events=int(rows.event.sum()),
        sites=len(rows.sites),
        resolution=resolution,
        c=found,
        clustered_se=_clustered(rows, found) if resolution == "exact" else None,
        c_bound=error_bound(source) if isinstance(source, EvaluationTable) else None,
        auc=aucs,
        overall=kaplan_meier(source),
        groups={name: kaplan_meier(part) for name, part in parts.items()},
        logrank=test,
        hazard_ratio=ratio,
        dropped_rows=rows.dropped,
        findings=tuple(findings),
    )


def _key(horizon: float) -> str:
    """365 and 365.0 are "365"."""
    return str(int(horizon)) if horizon == int(horizon) else str(horizon)


def _auc(source: Cells | EvaluationTable, horizon: float, convention: Convention, findings: list[FitFinding]) -> Roc | None:
    try:
        return roc(source, horizon, convention)
    except Problem as problem:
        findings.append(FitFinding(problem.code, problem.what))
        return None


def _clustered(rows: FitRows, found: Concordance | None) -> float | None:
    """√Σ_sites (Σ_i ∂C/∂w_i)²: patients of one site may be alike."""
    if found is None:
        return None
    ends = np.cumsum([len(site.time) for site in rows.sites])[:-1]
    return float(np.sqrt(sum(squared_site_sum(part) for part in np.split(found.influence, ends))))


def _group_tests(parts: dict[str, Cells | EvaluationTable], findings: list[FitFinding]) -> tuple[ChiTest | None, dict[str, Any] | None]:
    if not parts:
        return None, None
    names = list(parts)
    if len(names) < 2:
        findings.append(FitFinding.of(problems.NOT_ESTIMABLE, "one group only: nothing to compare"))
        return None, None
    test = logrank(list(parts.values()))
    if len(names) > 2:
        findings.append(FitFinding.of(problems.NOT_ESTIMABLE, f"{len(names)} groups: a hazard ratio compares two"))
        return test, None
    fit = group_hazard_ratio(parts[names[0]], parts[names[1]])
    for finding in fit.findings:
        findings.append(FitFinding(finding.code, finding.what.replace("group", f"group {names[1]}", 1)))
    return test, hazard_ratio_dict(fit)
