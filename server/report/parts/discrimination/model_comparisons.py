"""Table S2: every two models compared by C-index, by the paired jackknife test and by the paper's own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import combinations

from server.report import number_text
from server.report.common import score_tables
from server.report.common.estimate_kinds import HELD, Estimate, Numbers, Where
from server.report.common.figure_style import SET_LABEL
from server.report.common.two_groups import estimate_words
from server.report.page_blocks import Block, TableBlock
from server.report.parts.discrimination.cindex_table import CONCORDANCE, enters
from server.report.parts.discrimination.models_without_scores import DISCRIMINATION
from server.report.parts.part import ReportedStudy, ReportPart
from server.study.opened_analyses import OpenedAnalyses
from server.study.study_results import ScorePair, StudyResult
from shared_model.survival import compare_cindex
from shared_model.survival import concordance as harrell
from shared_model.survival.normal_tails import two_sided, upper_tail
from site_config.study.prognostic_models import MODELS, ModelName


class Comparison(Numbers):
    """C(first) − C(second) on one set.

    `paired` is the paired jackknife difference with its two-sided p, None where no joint table of the two scores was opened;
    `p_one_sided` is half of it on the side of the first model. `spearman` is the scores' rank correlation on the set. `meta_*`
    repeat the paper's own test (survcomp's `cindex.comp` on a set, `cindex.comp.meta` over both, whose correlation is made set by
    set), one-sided as its code computes it and two-sided as its text says.
    """

    first: ModelName
    second: ModelName
    set: Where
    paired: Estimate
    p_one_sided: float | None = None
    spearman: float | None = None
    meta_t: float | None = None
    meta_p_one_sided: float | None = None
    meta_p_two_sided: float | None = None


def numbers(report: ReportedStudy) -> list[Comparison]:
    """Every two models with opened pair sums, the better-informed model first, on each held-out set and both."""
    rows: list[Comparison] = []
    for first, second in combinations((model.name for model in MODELS), 2):
        if report.analyses is not None:
            mine = _from_shares(report.analyses, first, second)
        else:
            found = [_comparison(report.result, pair, first, second) for pair in report.result.pairs]
            mine = [row for row in found if row is not None]
        rows += mine
        rows += _combined(report, first, second, mine)
    return rows


def _from_shares(analyses: OpenedAnalyses, first: ModelName, second: ModelName) -> list[Comparison]:
    """Paired differences as opened; of all held-out patients together where one held-out set stays closed."""
    mine = {one.set: one for one in analyses.differences if {one.first, one.second} == {first, second} and one.variable == "all"}
    wanted: list[Where] = list(HELD) if all(s in mine for s in HELD) else [*HELD, "combined"]
    rows = []
    for set_ in [s for s in wanted if s in mine]:
        one = mine[set_]
        value = one.difference if one.first == first else -one.difference
        low, high = compare_cindex.normal_interval(value, one.se)
        z = value / one.se if one.se > 0 else 0.0
        paired = Estimate(n=one.n, events=one.events, value=value, low=low, high=high, se=one.se, p=two_sided(z))
        rows.append(Comparison(first=first, second=second, set=set_, paired=paired, p_one_sided=upper_tail(z)))
    return rows


def _comparison(result: StudyResult, pair: ScorePair, first: ModelName, second: ModelName) -> Comparison | None:
    if {pair.first, pair.second} != {first, second} or pair.set not in HELD:
        return None
    tables = [score_tables.find(result, model, pair.set) for model in (first, second)]
    found = [harrell.concordance(score_tables.evaluation_table(table)) for table in tables if table is not None]
    one, two = [*found, None, None][:2]
    if one is None or two is None or tables[0] is None:
        return None
    gap = compare_cindex.paired_difference(one, two, pair.covariance[0][1])
    correlation = spearman(pair)
    meta = compare_cindex.correlated_t(one.c, one.se, two.c, two.se, correlation or 0.0, pair.patients)
    _, events = score_tables.size(tables[0])
    low, high = compare_cindex.normal_interval(gap.difference, gap.se)
    return Comparison(
        first=first,
        second=second,
        set=pair.set,
        paired=Estimate(n=pair.patients, events=events, value=gap.difference, low=low, high=high, se=gap.se, p=gap.p_two_sided),
        p_one_sided=gap.p_one_sided,
        spearman=correlation,
        meta_t=meta.statistic,
        meta_p_one_sided=meta.p_one_sided,
        meta_p_two_sided=meta.p_two_sided,
    )


def spearman(pair: ScorePair) -> float | None:
    """Rank correlation of two scores on one set from opened products of centred ranks; None where none were opened."""
    if pair.rank_products is None:
        return None
    own, cross, other = pair.rank_products
    return cross / math.sqrt(own * other) if own > 0 and other > 0 else None


def _combined(report: ReportedStudy, first: ModelName, second: ModelName, rows: list[Comparison]) -> list[Comparison]:
    """Fixed effect of the two sets' paired differences, and the paper's t of the two combined C-indices.

    A set in which both scores put everybody in the same order has a difference of 0 without an error: it does not enter.
    """
    kept = [row.paired for row in rows if row.paired.value is not None and (row.paired.se or 0.0) > compare_cindex.DEGENERATE]
    if [row.set for row in rows] != list(HELD) or not kept:
        return []
    n, events = number_text.total(one.n for one in kept), number_text.total(one.events for one in kept)
    value, se = compare_cindex.combine_fixed([one.value or 0.0 for one in kept], [one.se or 1.0 for one in kept])
    low, high = compare_cindex.normal_interval(value, se)
    meta = _meta(report, first, second, rows, n) if n is not None and len(kept) == len(rows) else None
    return [
        Comparison(
            first=first,
            second=second,
            set="combined",
            paired=Estimate(n=n, events=events, value=value, low=low, high=high, se=se, p=two_sided(value / se)),
            p_one_sided=upper_tail(value / se),
            spearman=_correlation(rows),
            meta_t=meta.statistic if meta else None,
            meta_p_one_sided=meta.p_one_sided if meta else None,
            meta_p_two_sided=meta.p_two_sided if meta else None,
        )
    ]


def _correlation(rows: Sequence[Comparison]) -> float | None:
    known = [row for row in rows if row.spearman is not None]
    return compare_cindex.combined_correlation([row.spearman or 0.0 for row in known], [row.paired.n or 0 for row in known])


def _meta(
    report: ReportedStudy, first: ModelName, second: ModelName, rows: Sequence[Comparison], n: int
) -> compare_cindex.Difference | None:
    """The paper's t of two combined C-indices; None where one of their errors means nothing: all pairs of a tiny set in one order."""
    c = []
    for model in (first, second):
        mine = [row for row in report.of(CONCORDANCE) if row.model == model and row.set in HELD]
        if len(mine) < len(HELD) or not all(enters(row) for row in mine):
            return None
        c.append(compare_cindex.combine_fixed([row.c.value or 0.0 for row in mine], [row.c.se or 1.0 for row in mine]))
    return compare_cindex.correlated_t(*c[0], *c[1], _correlation(rows) or 0.0, n)


def blocks(found: list[Comparison], _report: ReportedStudy) -> Iterator[Block]:
    """One table."""
    if found:
        yield table(found)


def table(rows: Sequence[Comparison]) -> TableBlock:
    """Pairs of models compared, p one- and two-sided."""
    body: list[list[str]] = []
    heads: set[int] = set()
    for set_ in ("validation", "test", "combined"):
        mine = [row for row in rows if row.set == set_]
        if mine:
            heads.add(len(body))
            most = max((row.paired for row in mine), key=lambda one: one.n or 0)
            body.append([f"{SET_LABEL[set_]} · {number_text.size(most.n, most.events)}", *([""] * 6)])
            body += [_line(row) for row in mine]
    note = (
        "Paired: difference of two C-indices on the same patients with the jackknife covariance of both; the test to read. As "
        "published: the study's own test (t with n − 1 degrees of freedom, the scores' rank correlation in the standard error, over "
        "both sets as survcomp combines it), which its code computes one-sided although its text says two-sided; both are shown. A "
        "set in which two models order everybody alike does not enter their combination. No correction for multiple comparisons."
    )
    header = [
        "Models", "Difference in C (95 % CI)", "p paired\ntwo-sided", "\none-sided", "Spearman", "p as published\ntwo-sided", "\none-sided",
    ]  # fmt: skip
    return TableBlock("Models compared", header, body, label="Table S2", note=note, group_rows=frozenset(heads))


def _line(row: Comparison) -> list[str]:
    published = [number_text.p_value(p) for p in (row.meta_p_two_sided, row.meta_p_one_sided)]
    own = [number_text.p_value(p) for p in (row.paired.p, row.p_one_sided)]
    return [f"{row.first} against {row.second}", estimate_words(row.paired, 3), *own, number_text.number(row.spearman), *published]


def missing(found: list[Comparison], report: ReportedStudy) -> dict[str, str]:
    """Why models are not compared."""
    plain = "Models are not compared: no pair of scores was opened on held-out patients."
    return {} if found or len(report.study.models) < 2 else {"comparisons": report.why("comparisons", plain)}


COMPARISONS = ReportPart(
    name="comparisons", heading=DISCRIMINATION, numbers=numbers, blocks=blocks, missing=missing, shape=list[Comparison]
)
