"""The numbers of the report against lifelines and scikit-survival, on the patients as the opened tables show them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter
from lifelines.statistics import logrank_test
from sksurv.metrics import concordance_index_censored

from server.report import metrics_json
from server.report.common import score_tables, survival_curves
from server.report.parts.part import ReportedStudy
from server.report.parts.patients.table1_characteristics import CHARACTERISTICS
from server.report.parts.risk.risk_groups import RISK_GROUPS
from server.study.study_results import StudyResult
from shared_model.survival.evaluation_table import Cells
from tests.server.report.fixture_study import Cohort, influences


def patients(result: StudyResult, model: str, set_: str) -> pd.DataFrame:
    """One row a patient of an opened table: bin, upper edge of the cell, event."""
    table = score_tables.find(result, model, set_)
    rows = [
        (b, table.time_edges[t + 1], event)
        for event, counts in ((True, table.events), (False, table.censored))
        for b, row in enumerate(counts)
        for t, n in enumerate(row)
        for _ in range(n)
    ]
    return pd.DataFrame(rows, columns=["bin", "day", "event"])


@pytest.mark.parametrize("set_", ["train", "validation", "test"])
def test_concordance_equals_scikit_survival(study_result: StudyResult, study_metrics: Any, set_: str) -> None:
    frame = patients(study_result, "RadCLN-D", set_)
    expected = concordance_index_censored(frame["event"], frame["day"], frame["bin"])[0]
    row = next(r for r in study_metrics.concordance if r.model == "RadCLN-D" and r.set == set_)
    assert row.c.value == pytest.approx(expected, abs=1e-12)
    assert (row.c.n, row.c.events) == (len(frame), int(frame["event"].sum()))
    assert row.apparent == (set_ == "train")


def test_the_error_bound_holds_for_the_unbinned_scores(study_cohort: Cohort, study_metrics: Any) -> None:
    for row in study_metrics.concordance:
        if row.set == "combined":
            continue
        chosen = study_cohort.split == row.set
        exact, _ = influences(study_cohort.scores[row.model][chosen], study_cohort.day[chosen], study_cohort.event[chosen])
        assert abs(row.c.value - exact) <= row.error_bound + 1e-12
        assert abs(row.c.value - exact) < 0.03


def test_risk_groups_equal_lifelines(study_result: StudyResult, study_metrics: Any) -> None:
    group = next(g for g in study_metrics.risk_groups if g.model == "RadCLN-D" and g.set == "test")
    frame = patients(study_result, "RadCLN-D", "test")
    table = score_tables.find(study_result, "RadCLN-D", "test")
    frame["high"] = (frame["bin"] >= table.score_edges.index(group.cutoff)).astype(float)
    fit = CoxPHFitter().fit(frame[["high", "day", "event"]], "day", "event", fit_options={"precision": 1e-12})
    assert group.hazard_ratio.value == pytest.approx(float(np.exp(fit.params_["high"])), rel=1e-6)
    assert group.hazard_ratio.p == pytest.approx(float(fit.summary["p"].iloc[0]), rel=1e-5)
    low, high = frame[frame["high"] == 0], frame[frame["high"] == 1]
    test = logrank_test(low["day"], high["day"], low["event"], high["event"])
    assert group.logrank.chi2 == pytest.approx(test.test_statistic, rel=1e-9)
    km = KaplanMeierFitter().fit(low["day"], low["event"])
    curve = group.curves[0]
    assert (curve.n, curve.events) == (len(low), int(low["event"].sum()))
    for day, survival in zip(curve.day, curve.survival, strict=True):
        assert survival == pytest.approx(float(km.predict(day)), abs=1e-10)
    for tick, count in zip(curve.ticks, curve.at_risk, strict=True):
        followed = int((low["day"] > tick).sum())
        assert count == (followed if followed >= 5 or followed == 0 else None)


def test_curves_end_where_fewer_than_the_minimum_remain(study_metrics: Any) -> None:
    for group in study_metrics.risk_groups:
        for curve in group.curves:
            assert all(count is None or count >= 5 or count == 0 for count in curve.at_risk)


def test_table_3_has_every_pair_with_p_one_and_two_sided(study_metrics: Any) -> None:
    rows = [row for row in study_metrics.comparisons if row.set == "test"]
    assert len(rows) == 10
    for row in rows:
        two, one = row.paired.p, row.p_one_sided
        assert two == pytest.approx(2 * min(one, 1 - one), abs=1e-12)
        assert row.meta_p_two_sided == pytest.approx(2 * min(row.meta_p_one_sided, 1 - row.meta_p_one_sided), abs=1e-12)
        c = {r.model: r.c.value for r in study_metrics.concordance if r.set == "test"}
        assert row.paired.value == pytest.approx(c[row.first] - c[row.second], abs=1e-12)


def test_combined_is_the_inverse_variance_mean(study_metrics: Any) -> None:
    for model in ("CLN", "RadCLN-D"):
        by = {r.set: r for r in study_metrics.concordance if r.model == model}
        weights = [1 / by[s].c.se ** 2 for s in ("validation", "test")]
        expected = np.average([by["validation"].c.value, by["test"].c.value], weights=weights)
        assert by["combined"].c.value == pytest.approx(expected, abs=1e-12)
        assert by["combined"].c.n == by["validation"].c.n + by["test"].c.n
        assert by["combined"].noether is None  # binned scores are tied, and Noether's drops ties


def test_nomogram_predicts_what_the_fused_model_predicts(study_result: StudyResult, study_metrics: Any) -> None:
    drawn = study_metrics.nomogram.variables
    axes = {axis.label: dict(axis.ticks) for axis in drawn.axes}
    radiology = next(axis for axis in drawn.axes if axis.label.startswith("Radiological"))
    score, points = next((float(v.replace("−", "-")), p) for v, p in radiology.ticks if v == "0.5")
    total = points + axes["PVTT"]["yes"] + sum(axes[name]["no"] for name in ("NASH", "Surgery", "EBRT", "TACE", "RFA"))
    total += axes["Differentiation"]["high"]
    fit, clinical = study_result.fusion["RadCLN-D"], study_result.clinical
    lp = fit["coef"][0] * score + fit["coef"][1] * clinical["coef"][clinical["covariates"].index("pvtt")]
    base = study_result.baseline["RadCLN-D"]
    hazard = max(h for t, h in zip(base["time"], base["cumulative_hazard"], strict=True) if t <= 365)
    expected = float(np.exp(-hazard * np.exp(lp)))
    marks = sorted((p, s) for s, p in drawn.survival[365])
    assert np.interp(total, [p for p, _ in marks], [s for _, s in marks]) == pytest.approx(expected, abs=0.01)


def table_one(result: StudyResult, sets: list[Any]) -> list[Any]:
    """Table 1's numbers of a result with other sets."""
    return ReportedStudy(result.model_copy(update={"characteristics": sets})).of(CHARACTERISTICS)


def test_no_mean_or_median_of_few_patients_is_shown_nor_a_total_that_gives_it_away(study_result: StudyResult) -> None:
    table = [one.model_copy(deep=True) for one in study_result.characteristics]
    two = next(one for one in table if one.set == "validation")
    two.known["age"] = 2
    shown = {row.set: row for row in table_one(study_result, table) if row.variable == "age"}
    assert set(shown) == {"train", "test", "overall"} and shown["overall"].mean is None and shown["train"].mean is not None
    four = Cells(np.zeros(4), np.arange(1.0, 5.0), np.ones(4, bool), np.ones(4), np.zeros(4, np.int64))
    small = survival_curves.curve("few", four, [0, 5], 2)
    assert small.median is None and survival_curves.median_months(small) == "—"


def test_the_published_nomogram_has_two_axes_and_predicts_the_same(study_result: StudyResult, study_metrics: Any) -> None:
    drawn = study_metrics.nomogram.scores
    assert [axis.label for axis in drawn.axes] == ["Radiological score (Rad-D)", "Clinical score (CLN)"]
    fit, base = study_result.fusion["RadCLN-D"], study_result.baseline["RadCLN-D"]
    hazard = max(h for t, h in zip(base["time"], base["cumulative_hazard"], strict=True) if t <= 365)
    points = [{float(v.replace("−", "-")): p for v, p in axis.ticks} for axis in drawn.axes]
    image, rows = 0.0, 1.0
    expected = float(np.exp(-hazard * np.exp(fit["coef"][0] * image + fit["coef"][1] * rows)))
    marks = sorted((p, s) for s, p in drawn.survival[365])
    found = np.interp(points[0][image] + points[1][rows], [p for p, _ in marks], [s for _, s in marks])
    assert found == pytest.approx(expected, abs=0.01)


def test_small_cells_and_their_complements_are_hidden(study_result: StudyResult, study_metrics: Any) -> None:
    for row in study_metrics.characteristics:
        if not row.counts or row.variable == "flags" or row.set == "overall":
            continue
        source = next(c for c in study_result.characteristics if c.set == row.set)
        hidden = [cell for cell in row.counts if cell.count is None]
        assert all(cell.count is None or cell.count == 0 or cell.count >= 5 for cell in row.counts)
        opened_counts = sorted(count for count in source.counts[row.variable].values() if count)
        small, complement = (sum(cell.hidden == kind for cell in row.counts) for kind in ("small", "complement"))
        assert small == sum(count < 5 for count in opened_counts)
        assert small + complement == len(hidden)
        nonzero = sum(1 for count in source.counts[row.variable].values() if count)
        assert len(hidden) != 1 or nonzero == 1


def test_metrics_json_is_finite_and_every_estimate_has_n_and_events(study_page: Path) -> None:
    data = json.loads((study_page.parent / "metrics.json").read_text())

    def walk(value: object) -> None:
        if isinstance(value, dict):
            if "se" in value and "value" in value and value["value"] is not None:
                assert value["n"] is not None and value["events"] is not None
            if {"value", "reason"} <= value.keys() and value["value"] is None:
                assert value["reason"]
            for part in value.values():
                walk(part)
        elif isinstance(value, list):
            for part in value:
                walk(part)

    walk(data)
    assert data["sets"][2]["n"] == 46 or data["sets"][2]["n"] > 0


def test_a_study_with_nothing_says_why(study_result: StudyResult) -> None:
    finding = {"code": "FH-803", "what": "Rad-D: too few patients", "about": "Rad-D"}
    empty = study_result.model_copy(
        update={
            "clinical": None, "fusion": {}, "tables": [], "pairs": [], "cutoffs": [], "rounds": [], "baseline": {}, "ledger": [],
            "characteristics": [], "flow": {}, "findings": [finding], "simulation": None, "simulated": False,
        }
    )  # fmt: skip
    found = metrics_json.compute(empty)
    assert "FH-803" in found.absent["Rad-D"]
    assert set(found.absent) >= {"CLN", "Rad-S", "RadCLN-S", "RadCLN-D", "concordance", "roc", "risk_groups", "nomogram", "calibration"}
    assert any("FH-803" in sentence for sentence in found.limitations)


def test_a_cutoff_between_edges_is_split_at_the_nearest_and_says_so(study_result: StudyResult) -> None:
    moved = [c.model_copy(update={"value": c.value + 1e-3}) for c in study_result.cutoffs]
    groups = ReportedStudy(study_result.model_copy(update={"cutoffs": moved})).of(RISK_GROUPS)
    assert groups and all(group.note and "nearest" in group.note for group in groups if group.curves)


def ordered(table):
    """The same set with three patients who die in the order of their scores: C is 1 and has no error."""
    bins, cells = len(table.events), len(table.events[0])
    events = np.zeros((bins, cells), dtype=int)
    events[-1, 0] = events[bins // 2, 1] = events[0, 2] = 1
    empty = np.zeros((bins, cells), dtype=int).tolist()
    return table.model_copy(update={"events": events.tolist(), "censored": empty, "bin_patients": None, "bin_mean": None})


def test_a_set_in_perfect_order_has_no_error_to_combine(study_result: StudyResult) -> None:
    tables = [
        ordered(table) if (table.model, table.set, table.variable) == ("Rad-D", "validation", "all") else table
        for table in study_result.tables
    ]
    found = metrics_json.compute(study_result.model_copy(update={"tables": tables}))
    with_it = [row for row in found.comparisons if row.set == "combined" and "Rad-D" in (row.first, row.second)]
    assert with_it
    assert all(row.meta_t is None and row.meta_p_two_sided is None and row.paired.p is not None for row in with_it)
    assert all(row.meta_t is not None for row in found.comparisons if row.set == "combined" and row not in with_it)
