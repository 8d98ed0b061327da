"""Table 2: Harrell's C-index of every model on every set, and of validation and test together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from server.report import number_text
from server.report.common import from_shares, score_tables
from server.report.common.estimate_kinds import HELD, SETS, Estimate, Numbers, Where, share_estimate
from server.report.common.figure_style import SET_LABEL
from server.report.common.two_groups import estimate_words, size_words
from server.report.page_blocks import Block, TableBlock
from server.report.parts.discrimination.models_without_scores import DISCRIMINATION
from server.report.parts.part import ReportedStudy, ReportPart
from server.study.opened_analyses import OpenedAnalyses
from server.study.study_results import ScoreTable, StudyResult
from shared_model.survival import compare_cindex
from shared_model.survival import concordance as harrell
from shared_model.survival.kaplan_meier import single_cox
from site_config.problems.base import Problem
from site_config.study.prognostic_models import ModelName

BOUND = 5
"""The column of Table 2 that only binned scores have."""
BOUND_WORDS = "Error bound: how far C of the opened bins can at most be from C of the single scores. "


class ConcordanceRow(Numbers):
    """One row of Table 2: Harrell's C of a model on a set.

    `c` has the plain interval (C ± 1.96·se, se by the infinitesimal jackknife) as the paper prints it, `logit` the interval
    that stays inside 0 and 1, `clustered` the interval whose SE sums influences inside a hospital first; `error_bound` is how far
    the coarse table's C can be from the exact one; `p_score` is the score test of the score, which the paper prints beside C, and
    `p_note` what to know of it. For the combined set `c` is the inverse-variance fixed effect of validation and test with the
    jackknife's errors; `left_out` names a set that does not enter, its error meaning nothing. `noether` is the same with survcomp's
    Noether errors (pairs strict in time, tied scores dropped), where single days and untied scores are known and it holds.
    """

    model: ModelName
    set: Where
    apparent: bool
    c: Estimate
    logit: Estimate
    clustered: Estimate | None = None
    noether: Estimate | None = None
    p_score: float | None = None
    p_note: str | None = None
    error_bound: float | None = None
    exact: bool = False
    left_out: str | None = None


def numbers(report: ReportedStudy) -> list[ConcordanceRow]:
    """C of every model on every set where it was opened, and of validation and test together."""
    rows = []
    for model in report.study.models:
        if report.analyses is not None:
            mine = _from_shares(report.analyses, model)
        else:
            mine = [_row(report.result, table) for s in SETS if (table := score_tables.find(report.result, model, s)) is not None]
        rows += mine
        both = [row for row in mine if row.set in HELD]
        if len(both) == len(HELD):
            rows += _combined(report.result, model, both)
    return rows


def _from_shares(analyses: OpenedAnalyses, model: ModelName) -> list[ConcordanceRow]:
    """The sets one by one; C of all held-out patients together where one of the two held-out sets stays closed."""
    mine = {one.set: one for one in analyses.concordance if (one.model, one.variable) == (model, "all") and one.set != "all"}
    wanted = [*SETS, *([] if all(s in mine for s in HELD) else ["combined"])]
    rows = []
    for set_ in [s for s in wanted if s in mine]:
        one = mine[set_]
        c = from_shares.area(one.n, one.events, one.c, one.se)
        low, high = harrell.logit_interval(one.c, one.se) if c.value is not None else (None, None)
        rows.append(
            ConcordanceRow(
                model=model,
                set=set_,
                apparent=set_ == "train",
                exact=True,
                c=c,
                logit=c.model_copy(update={"low": low, "high": high}),
                p_score=one.score_p,
                p_note="C of all held-out patients, each compared with all others" if set_ == "combined" else None,
            )
        )
    return rows


def _row(result: StudyResult, table: ScoreTable) -> ConcordanceRow:
    n, events = score_tables.size(table)
    source = score_tables.evaluation_table(table)
    found = harrell.concordance(source)
    apparent = table.set == "train"
    p, note = score_test(table)
    if found is None or not found.se > 0:
        none = Estimate(n=n, events=events, reason=_no_error(found))
        return ConcordanceRow(model=table.model, set=table.set, apparent=apparent, c=none, logit=none, exact=table.exact, p_note=note)
    least, most = (found.c, found.c) if table.exact else harrell.error_bound(source)
    logit_low, logit_high = found.logit_ci
    return ConcordanceRow(
        model=table.model,
        set=table.set,
        apparent=apparent,
        exact=table.exact,
        error_bound=max(found.c - least, most - found.c),
        c=share_estimate(n, events, found.c, found.se),
        logit=Estimate(n=n, events=events, value=found.c, low=logit_low, high=logit_high, se=found.se),
        clustered=_clustered(result, table, found.c),
        p_score=p,
        p_note=note,
    )


def _no_error(found: harrell.Concordance | None) -> str:
    if found is None:
        return "not estimable: too few pairs of patients can be compared"
    return f"C {number_text.number(found.c)} without an error: every pair that can be compared is in the same order"


def _clustered(result: StudyResult, table: ScoreTable, c: float) -> Estimate | None:
    """C with its standard error clustered by hospital, from any opened pair sums that hold this model."""
    for pair in result.pairs:
        if pair.set == table.set and pair.cluster is not None and table.model in (pair.first, pair.second):
            at = 0 if pair.first == table.model else 1
            return share_estimate(*score_tables.size(table), c, math.sqrt(max(pair.cluster[at][at], 0.0)))
    return None


def score_test(table: ScoreTable) -> tuple[float | None, str | None]:
    """p of the score test of the score in a Cox model (bins take their mean score), and what to know of it."""
    cells = score_tables.scored_cells(table)
    values = len(set(cells.score.tolist()))
    try:
        test = single_cox(cells, cells.score, "score").score_test
    except Problem as problem:
        return None, problem.what
    if test.df == 0 or not math.isfinite(test.chi2):
        return None, "no test: patients at risk together do not differ in the score"
    return test.p, "the score takes two values: this is the log-rank test of the two groups" if values == 2 else None


def _combined(result: StudyResult, model: ModelName, rows: list[ConcordanceRow]) -> list[ConcordanceRow]:
    """Inverse-variance fixed effect over validation and test; a set whose error means nothing does not enter."""
    kept = [row for row in rows if enters(row)]
    if not kept:
        return []
    left_out = [f"{SET_LABEL[row.set]} (n {row.c.n})" for row in rows if row not in kept]
    n, events = number_text.total(row.c.n for row in kept), number_text.total(row.c.events for row in kept)
    value, se = compare_cindex.combine_fixed([row.c.value or 0.0 for row in kept], [row.c.se or 1.0 for row in kept])
    low, high = harrell.logit_interval(value, se)
    return [
        ConcordanceRow(
            model=model,
            set="combined",
            apparent=False,
            c=share_estimate(n, events, value, se),
            logit=Estimate(n=n, events=events, value=value, low=low, high=high, se=se),
            noether=None if left_out or n is None or events is None else _noether(result, model, n, events),
            error_bound=max((row.error_bound for row in kept if row.error_bound is not None), default=None),
            exact=all(row.exact for row in kept),
            left_out=number_text.listed(left_out) if left_out else None,
        )
    ]


def enters(row: ConcordanceRow) -> bool:
    """Whether a set's C has an error that may weigh it against another."""
    c = row.c
    return c.value is not None and c.se is not None and not compare_cindex.is_degenerate(c.value, c.se, c.n or 0, c.events or 0)


def _noether(result: StudyResult, model: ModelName, n: int, events: int) -> Estimate | None:
    """The combination with Noether's errors, of single days and untied scores alone: binned scores are tied, and it drops ties."""
    found = []
    for set_ in HELD:
        table = score_tables.find(result, model, set_)
        cells = None if table is None or not table.exact else score_tables.evaluation_table(table).cells()
        if cells is None or len(set(cells.score.tolist())) < cells.n:
            return None
        found.append(compare_cindex.noether(cells))
    pairs = [pair for pair in found if pair is not None and pair[1] > 0]
    if len(pairs) < len(HELD):
        return None
    return share_estimate(n, events, *compare_cindex.combine_fixed([c for c, _ in pairs], [error for _, error in pairs]))


def blocks(found: list[ConcordanceRow], _report: ReportedStudy) -> Iterator[Block]:
    """One table, training, which is apparent, last."""
    if found:
        yield table_two(found)


def table_two(rows: Sequence[ConcordanceRow]) -> TableBlock:
    """C-index of the models on validation, test and both; training last."""
    body: list[list[str]] = []
    heads: set[int] = set()
    for set_ in ("validation", "test", "combined", "train"):
        mine = [row for row in rows if row.set == set_]
        if mine:
            heads.add(len(body))
            body.append([SET_LABEL[set_], *([""] * 6)])
            body += [_line(row) for row in mine]
            body += [_noether_line(row, row.noether) for row in mine if row.noether is not None]
    note = (
        "C: Harrell's concordance with the infinitesimal-jackknife SE; interval C ± 1.96 SE as printed in the study this follows. The "
        "logit interval stays inside 0 and 1. "
        + ("" if all(row.exact for row in rows) else BOUND_WORDS)
        + "p: score test of the score. Validation + test: inverse-variance fixed effect of the two with the jackknife SE; with Noether's "
        "(pairs strict in time, tied scores dropped) only where single days and untied scores are known."
    )
    said = dict.fromkeys(
        [f"{row.model}, {SET_LABEL[row.set]}: {row.p_note}." for row in rows if row.p_note]
        + [f"{row.model}: {row.left_out} does not enter the combination, its error means nothing." for row in rows if row.left_out]
    )
    header = ["Model", "n", "Events", "C (95 % CI)", "Logit 95 % CI", "Error bound", "p"]
    if all(row.exact for row in rows):
        header, body = _without(BOUND, header), [_without(BOUND, line) for line in body]
    return TableBlock("C-index of the models", header, body, label="Table 2", note=" ".join([note, *said]), group_rows=frozenset(heads))


def _without(place: int, cells: list[str]) -> list[str]:
    return cells[:place] + cells[place + 1 :]


def _line(row: ConcordanceRow) -> list[str]:
    bound = "exact" if row.exact else number_text.MISSING if row.error_bound is None else f"±{number_text.number(row.error_bound, 3)}"
    return [
        row.model,
        size_words(row.c.n),
        size_words(row.c.events),
        estimate_words(row.c, 3),
        number_text.interval(row.logit.low, row.logit.high, 3),
        bound,
        number_text.p_value(row.p_score),
    ]


def _noether_line(row: ConcordanceRow, one: Estimate) -> list[str]:
    name = f"{row.model}, Noether SE"
    return [
        name,
        size_words(one.n),
        size_words(one.events),
        estimate_words(one, 3),
        number_text.MISSING,
        number_text.MISSING,
        number_text.MISSING,
    ]


def missing(found: list[ConcordanceRow], report: ReportedStudy) -> dict[str, str]:
    """Why there is no C-index."""
    why = {} if found else {"concordance": report.why("concordance", "No C-index: no evaluation table was opened.")}
    return from_shares.with_closed(report, "concordance", why, "concordance", "score_test", "cutoff", variable="all")


CONCORDANCE = ReportPart(
    name="concordance", heading=DISCRIMINATION, numbers=numbers, blocks=blocks, missing=missing, shape=list[ConcordanceRow]
)
