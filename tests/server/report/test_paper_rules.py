"""The rules of the paper's items: what enters a combination, which coefficient counts, what a horizon beyond the data says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from server.report.common.cox_tables import is_estimated
from server.report.common.standardised_differences import difference_of_shares
from server.report.metrics_json import compute
from server.report.parts.discrimination.cindex_table import CONCORDANCE, score_test
from server.report.parts.discrimination.model_comparisons import COMPARISONS
from server.report.parts.models.variable_importance import IMPORTANCE
from server.report.parts.part import ReportedStudy
from server.study.study_results import ScoreTable, StudyResult
from shared_model.survival.compare_cindex import combined_correlation, is_degenerate
from site_config.problems import survival


def test_the_papers_own_coefficient_counts_and_a_separated_one_does_not() -> None:
    assert is_estimated(9.8834, 1.9, 0.06, separated=False)
    assert is_estimated(9.8834, 1.9, None, separated=False)
    assert not is_estimated(9.8834, 1.9, None, separated=True)
    assert not is_estimated(9.8834, 1.9, 1.2, separated=False)
    assert not is_estimated(1.1, 1.6e7, 0.5, separated=False)
    assert not is_estimated(None, None, 0.5, separated=False)


def fused_with(result: StudyResult, coef: float, se: float, **more: Any) -> StudyResult:
    fit = {**result.fusion["RadCLN-D"], **more}
    fit["coef"], fit["se"] = [coef, fit["coef"][1]], [se, fit["se"][1]]
    low, high = result.score_ranges["Rad-D"]
    ranges = {**result.score_ranges, "Rad-D": [low / 20, high / 20]}
    return result.model_copy(update={"fusion": {**result.fusion, "RadCLN-D": fit}, "score_ranges": ranges})


def test_importance_shows_any_finite_coefficient(study_result: StudyResult) -> None:
    shown = {m.model: m for m in ReportedStudy(fused_with(study_result, 9.8834, 1.9)).of(IMPORTANCE)}["RadCLN-D"].coefficients[0]
    assert shown.wald_chi2 == pytest.approx((9.8834 / 1.9) ** 2)
    warning = survival.MONOTONE.problem("the likelihood flattens before Rad-D settles; the coefficient may be infinite").as_dict()
    report = ReportedStudy(fused_with(study_result, 9.8834, 1.9, warnings=[warning]))
    lost = {m.model: m for m in report.of(IMPORTANCE)}["RadCLN-D"].coefficients[0]
    assert lost.wald_chi2 is None
    assert "the likelihood flattens" in str(lost.reason)
    assert "Not in Figure 4 b" in compute(report.result).absent["importance"]


def tiny(table: ScoreTable, *, ordered: bool) -> ScoreTable:
    """Six patients; in order of their scores, or but for one pair."""
    bins, cells = len(table.events), len(table.events[0])
    events = np.zeros((bins, cells), dtype=int)
    for place in range(6):
        events[bins - 1 - place, place if ordered or place > 1 else 1 - place] = 1
    empty = np.zeros((bins, cells), dtype=int).tolist()
    return table.model_copy(update={"events": events.tolist(), "censored": empty, "bin_patients": None, "bin_mean": None})


@pytest.mark.parametrize("ordered", [True, False])
def test_six_patients_in_order_take_no_weight(study_result: StudyResult, ordered: bool) -> None:
    own = [t for t in study_result.tables if t.variable == "all"]
    tables = [tiny(t, ordered=ordered) if (t.model, t.set) == ("RadCLN-D", "validation") else t for t in own]
    rows = ReportedStudy(study_result.model_copy(update={"tables": tables})).of(CONCORDANCE)
    by = {row.set: row for row in rows if row.model == "RadCLN-D"}
    if ordered:
        assert by["combined"].left_out == "Validation (n 6)"
        assert by["combined"].c.value == pytest.approx(by["test"].c.value)
        assert by["combined"].c.n == by["test"].c.n
    else:
        assert by["combined"].left_out is None
        assert by["combined"].c.n == by["test"].c.n + 6


def test_an_error_after_rounding_on_shares_is_degenerate_too() -> None:
    assert is_degenerate(1.0, 4e-6, 6, 5)
    assert is_degenerate(1.0, 0.0, 6, 5)
    assert not is_degenerate(0.7, 0.05, 46, 26)
    assert not is_degenerate(0.7, 0.008, 2000, 1200)


def test_spearman_is_combined_set_by_set_as_survcomp_does() -> None:
    """`cindex.comp.meta` line by line: z of each set, √((n−3)/1.06), combine.est with se 1/√(n−3), and back."""
    r, n = [0.62, 0.88], [33, 46]
    z = [math.sqrt((k - 3) / 1.06) * 0.5 * math.log((1 + one) / (1 - one)) for one, k in zip(r, n, strict=True)]
    se = [1 / math.sqrt(k - 3) for k in n]
    weight = [1 / one**2 for one in se]
    mean = sum(w * one for w, one in zip(weight, z, strict=True)) / sum(weight)
    back = mean / math.sqrt((sum(n) - 3) / 1.06)
    expected = (math.exp(2 * back) - 1) / (math.exp(2 * back) + 1)
    assert combined_correlation(r, n) == pytest.approx(expected, abs=1e-12)
    assert combined_correlation([0.62, 0.9], [33, 3]) == pytest.approx(combined_correlation([0.62], [33]))
    assert combined_correlation([0.9], [3]) is None
    assert combined_correlation([1.0], [20]) == pytest.approx(1.0)


def test_a_score_test_without_a_degree_of_freedom_says_so(study_result: StudyResult) -> None:
    table = next(t for t in study_result.tables if t.model == "CLN" and t.set == "test" and t.variable == "all")
    total = (np.array(table.events).sum(0).tolist(), np.array(table.censored).sum(0).tolist())
    one_bin = table.model_copy(
        update={"score_edges": [None, None], "events": [total[0]], "censored": [total[1]], "bin_mean": [0.3], "bin_edges": None}
    )
    p, note = score_test(one_bin)
    assert p is None
    assert "do not differ in the score" in str(note)
    halves = [np.array(part).reshape(len(part), -1) for part in (table.events, table.censored)]
    two = [[half[:5].sum(0).tolist(), half[5:].sum(0).tolist()] for half in halves]
    update = {"score_edges": [None, 0.1, None], "events": two[0], "censored": two[1], "bin_mean": [0.0, 1.0], "bin_edges": None}
    p, note = score_test(table.model_copy(update=update))
    assert p is not None
    assert "takes two values" in str(note)


def test_nothing_is_predicted_beyond_the_baseline(study_result: StudyResult) -> None:
    lock = {**study_result.lock, "study": {**study_result.lock["study"]}}
    lock["study"]["evaluation"] = {**lock["study"]["evaluation"], "horizons": [365, 3900]}
    base = {m: {k: [v for v, t in zip(b[k], b["time"], strict=True) if t <= 1000] for k in b} for m, b in study_result.baseline.items()}
    found = compute(study_result.model_copy(update={"lock": lock, "baseline": base}))
    assert set(found.nomogram.scores.survival) == {365}
    assert {c.horizon for c in found.calibration} == {365}
    assert "nothing is predicted for 3900 days" in found.absent["calibration"]
    assert "nothing is predicted for 3900 days" in found.absent["nomogram"]


def test_differences_of_shares_are_the_textbooks() -> None:
    counts, others = {"a": 10, "b": 30, "c": 60}, {"a": 25, "b": 25, "c": 50}
    p, q = (np.array(list(one.values())) / 100 for one in (counts, others))
    spread = sum(np.diag(v[:2]) - np.outer(v[:2], v[:2]) for v in (p, q)) / 2
    gap = p[:2] - q[:2]
    assert difference_of_shares(counts, others) == pytest.approx(float(np.sqrt(gap @ np.linalg.inv(spread) @ gap)))
    assert difference_of_shares({"a": None, "b": 3}, {"a": 4, "b": 3}) is None
    assert difference_of_shares({"a": 4}, {"a": 9}) is None
    assert difference_of_shares({}, {"a": 9, "b": 1}) is None


def test_two_models_in_one_order_on_a_set_do_not_settle_the_combination(study_result: StudyResult) -> None:
    same = next(t for t in study_result.tables if (t.model, t.set, t.variable) == ("Rad-S", "validation", "all"))
    tables = [
        same.model_copy(update={"model": "Rad-D"}) if (t.model, t.set, t.variable) == ("Rad-D", "validation", "all") else t
        for t in study_result.tables
    ]
    variance = next(p.covariance[0][0] for p in study_result.pairs if (p.first, p.set) == ("Rad-S", "validation"))
    pairs = [
        p.model_copy(update={"covariance": [[variance, variance], [variance, variance]]})
        if ({p.first, p.second}, p.set) == ({"Rad-S", "Rad-D"}, "validation")
        else p
        for p in study_result.pairs
    ]
    found = ReportedStudy(study_result.model_copy(update={"tables": tables, "pairs": pairs})).of(COMPARISONS)
    rows = {row.set: row for row in found if {row.first, row.second} == {"Rad-S", "Rad-D"}}
    assert rows["validation"].paired.value == 0
    assert rows["combined"].paired.value == pytest.approx(rows["test"].paired.value)
    assert rows["combined"].paired.n == rows["test"].paired.n
    assert rows["combined"].meta_t is None
