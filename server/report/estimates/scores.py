"""How well scores order survival: Table 2, Table 3 and ROC curves, all from opened tables and sums."""

from __future__ import annotations

import math
from itertools import combinations

from server.report import opened
from server.report.numbers import Comparison, ConcordanceRow, Estimate, RocCurve
from server.study.results import ScorePair, ScoreTable, SetName, StudyResult
from shared_model.survival import comparison, roc
from shared_model.survival import concordance as harrell
from shared_model.survival.kaplan_meier import single_cox
from shared_model.survival.normal import two_sided, upper_tail
from site_config.problems.base import Problem
from site_config.study.model import Study
from site_config.study.prognostic_models import MODELS, ModelName

SETS: tuple[SetName, ...] = ("train", "validation", "test")
HELD: tuple[SetName, ...] = ("validation", "test")


def concordance_rows(result: StudyResult, study: Study) -> list[ConcordanceRow]:
    """C of every model on every set whose table was opened, and of validation and test together."""
    rows = []
    for model in study.models:
        for set_ in SETS:
            table = opened.find(result, model, set_)
            if table is not None:
                rows.append(_concordance(result, table))
        both = [row for row in rows if row.model == model and row.set in HELD]
        if len(both) == len(HELD):
            rows += _combined(result, model, both)
    return rows


def _concordance(result: StudyResult, table: ScoreTable) -> ConcordanceRow:
    n, events = opened.size(table)
    source = opened.evaluation_table(table)
    found = harrell.concordance(source)
    apparent = table.set == "train"
    if found is None or not found.se > 0:
        none = Estimate(n=n, events=events, reason="not estimable: too few pairs of patients can be compared")
        return ConcordanceRow(model=table.model, set=table.set, apparent=apparent, c=none, logit=none, exact=table.exact)
    least, most = (found.c, found.c) if table.exact else harrell.error_bound(source)
    logit_low, logit_high = found.logit_ci
    return ConcordanceRow(
        model=table.model,
        set=table.set,
        apparent=apparent,
        exact=table.exact,
        error_bound=max(found.c - least, most - found.c),
        c=_estimate(n, events, found.c, found.se),
        logit=Estimate(n=n, events=events, value=found.c, low=logit_low, high=logit_high, se=found.se),
        clustered=_clustered(result, table, found.c),
        p_score=_score_test(table),
    )


def _estimate(n: int | None, events: int | None, value: float, se: float, p: float | None = None) -> Estimate:
    low, high = comparison.normal_interval(value, se)
    return Estimate(n=n, events=events, value=value, low=max(low, 0.0), high=min(high, 1.0), se=se, p=p)


def _clustered(result: StudyResult, table: ScoreTable, c: float) -> Estimate | None:
    """C with its standard error clustered by hospital, from any opened pair sums that hold this model."""
    for pair in result.pairs:
        if pair.set == table.set and pair.cluster is not None and table.model in (pair.first, pair.second):
            at = 0 if pair.first == table.model else 1
            return _estimate(*opened.size(table), c, math.sqrt(max(pair.cluster[at][at], 0.0)))
    return None


def _score_test(table: ScoreTable) -> float | None:
    """p of the score test of the score in a Cox model; bins take their mean score."""
    cells = opened.scored_cells(table)
    try:
        return single_cox(cells, cells.score, "score").score_test.p
    except Problem:
        return None


def _combined(result: StudyResult, model: ModelName, rows: list[ConcordanceRow]) -> list[ConcordanceRow]:
    """Inverse-variance fixed effect over validation and test, with both standard errors."""
    found = [(row.c.value, row.c.se) for row in rows if row.c.value is not None and row.c.se]
    if len(found) < len(rows):
        return []
    n, events = sum(row.c.n or 0 for row in rows), sum(row.c.events or 0 for row in rows)
    value, se = comparison.combine_fixed([c for c, _ in found], [se for _, se in found])
    low, high = harrell.logit_interval(value, se)
    strict = [comparison.noether(opened.evaluation_table(table)) for s in HELD if (table := opened.find(result, model, s))]
    noether = None
    if all(pair is not None and pair[1] > 0 for pair in strict):
        kept = [pair for pair in strict if pair is not None]
        noether = _estimate(n, events, *comparison.combine_fixed([c for c, _ in kept], [error for _, error in kept]))
    logit = Estimate(n=n, events=events, value=value, low=low, high=high, se=se)
    bounds = [row.error_bound for row in rows if row.error_bound is not None]
    return [
        ConcordanceRow(
            model=model,
            set="combined",
            apparent=False,
            c=_estimate(n, events, value, se),
            logit=logit,
            noether=noether,
            error_bound=max(bounds, default=None),
            exact=all(row.exact for row in rows),
        )
    ]


def comparisons(result: StudyResult) -> list[Comparison]:
    """Table 3: every two models with opened pair sums, the better-informed model first, on each held-out set and both."""
    rows: list[Comparison] = []
    for first, second in combinations((model.name for model in MODELS), 2):
        mine = [(pair, row) for pair in result.pairs if (row := _comparison(result, pair, first, second)) is not None]
        rows += [row for _, row in mine]
        rows += _combined_comparison(result, first, second, mine)
    return rows


def _comparison(result: StudyResult, pair: ScorePair, first: ModelName, second: ModelName) -> Comparison | None:
    if {pair.first, pair.second} != {first, second} or pair.set not in HELD:
        return None
    tables = [opened.find(result, model, pair.set) for model in (first, second)]
    found = [harrell.concordance(opened.evaluation_table(table)) for table in tables if table is not None]
    one, two = [*found, None, None][:2]
    if one is None or two is None or tables[0] is None:
        return None
    gap = comparison.paired_difference(one, two, pair.covariance[0][1])
    meta = comparison.correlated_t(one.c, one.se, two.c, two.se, spearman([pair]), pair.patients)
    _, events = opened.size(tables[0])
    low, high = comparison.normal_interval(gap.difference, gap.se)
    paired = Estimate(n=pair.patients, events=events, value=gap.difference, low=low, high=high, se=gap.se, p=gap.p_two_sided)
    return Comparison(
        first=first,
        second=second,
        set=pair.set,
        paired=paired,
        p_one_sided=gap.p_one_sided,
        meta_t=meta.statistic,
        meta_p_one_sided=meta.p_one_sided,
        meta_p_two_sided=meta.p_two_sided,
    )


def spearman(pairs: list[ScorePair]) -> float:
    """Rank correlation of two scores from opened products of centred ranks, pooled over sets; 0 where none were opened."""
    products = [pair.rank_products for pair in pairs if pair.rank_products is not None]
    own, cross, other = (sum(p[k] for p in products) for k in range(3))
    return cross / math.sqrt(own * other) if own > 0 and other > 0 else 0.0


def _combined_comparison(
    result: StudyResult, first: ModelName, second: ModelName, mine: list[tuple[ScorePair, Comparison]]
) -> list[Comparison]:
    """Fixed effect of the two sets' paired differences, and the paper's t of the two combined C-indices."""
    rows = [row for _, row in mine]
    if len(rows) < len(HELD) or any(not row.paired.se or row.paired.value is None for row in rows):
        return []
    n, events = sum(row.paired.n or 0 for row in rows), sum(row.paired.events or 0 for row in rows)
    value, se = comparison.combine_fixed([row.paired.value or 0.0 for row in rows], [row.paired.se or 1.0 for row in rows])
    low, high = comparison.normal_interval(value, se)
    one_sided = upper_tail(value / se)
    meta = _combined_meta(result, first, second, spearman([pair for pair, _ in mine]), n)
    paired = Estimate(n=n, events=events, value=value, low=low, high=high, se=se, p=two_sided(value / se))
    return [
        Comparison(
            first=first,
            second=second,
            set="combined",
            paired=paired,
            p_one_sided=one_sided,
            meta_t=meta.statistic if meta else None,
            meta_p_one_sided=meta.p_one_sided if meta else None,
            meta_p_two_sided=meta.p_two_sided if meta else None,
        )
    ]


def _combined_meta(result: StudyResult, first: ModelName, second: ModelName, correlation: float, n: int) -> comparison.Difference | None:
    """The paper's t of two combined C-indices; None where one is without an error: every pair of a tiny set in the same order."""
    c = []
    for model in (first, second):
        tables = [opened.find(result, model, set_) for set_ in HELD]
        parts = [found for table in tables if table is not None and (found := harrell.concordance(opened.evaluation_table(table)))]
        if not parts or any(part.se <= 0 for part in parts):
            return None
        c.append(comparison.combine_fixed([part.c for part in parts], [part.se for part in parts]))
    return comparison.correlated_t(*c[0], *c[1], correlation, n)


def roc_curves(result: StudyResult, study: Study, minimum: int) -> list[RocCurve]:
    """ROC of every model, set and horizon; not drawn where cases or controls are fewer than the minimum."""
    found = []
    for horizon in study.evaluation.horizons:
        for set_ in SETS:
            tables = [table for model in study.models if (table := opened.find(result, model, set_)) is not None]
            found += [_roc(table, horizon, minimum) for table in tables]
    return found


def _roc(table: ScoreTable, horizon: int, minimum: int) -> RocCurve:
    n, events = opened.size(table)
    try:
        one = roc.roc(opened.evaluation_table(table), float(horizon))
    except Problem as problem:
        return RocCurve(model=table.model, set=table.set, horizon=horizon, auc=Estimate(n=n, events=events, reason=str(problem)))
    if min(one.cases, one.controls) < minimum:
        reason = f"not estimated: fewer than {minimum} patients had their event before day {horizon} or were followed beyond it"
        return RocCurve(model=table.model, set=table.set, horizon=horizon, auc=Estimate(n=n, events=events, reason=reason))
    low, high = one.ci
    auc = Estimate(n=n, events=events, value=one.auc, low=low, high=high, se=one.se)
    return RocCurve(
        model=table.model,
        set=table.set,
        horizon=horizon,
        auc=auc,
        false_positive=one.false_positive.tolist(),
        true_positive=one.true_positive.tolist(),
    )
