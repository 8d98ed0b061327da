"""With single days and scores open, every number of the report is that of the pooled patients, computed by other people's code."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test, multivariate_logrank_test
from lifelines.utils import median_survival_times
from statsmodels.duration.hazard_regression import PHReg

from server.report.metrics_json import compute
from server.study.study_results import ScoreTable, StudyResult
from shared_model.survival.evaluation_table import site_table
from tests.server.report.fixture_study import MODELS, Cohort, influences

SETS = ("train", "validation", "test")
HORIZONS = (365, 730)


def exact_table(cohort: Cohort, model: str, set_: str, keep: np.ndarray, **subgroup: str) -> ScoreTable:
    """Every score a bin of its own, every day a cell of its own, the cut-off among the edges."""
    chosen = (cohort.split == set_) & keep
    score, day, event = cohort.scores[model][chosen], cohort.day[chosen], cohort.event[chosen]
    values = np.unique(score)
    cuts = sorted({*((values[1:] + values[:-1]) / 2), cohort.cuts(model)[4]})
    edges = [float(day.min()) - 1, *map(float, np.unique(day))]
    table = site_table(score, day, event, [-np.inf, *cuts, np.inf], edges)
    bins = np.searchsorted(cuts, score, side="left")
    means = [float(score[bins == b].mean()) if (bins == b).any() else None for b in range(len(cuts) + 1)]
    return ScoreTable(
        model=model,
        set=set_,
        score_edges=[None, *cuts, None],
        time_edges=edges,
        events=table.events.tolist(),
        censored=table.censored.tolist(),
        exact=True,
        bin_edges=[None, *cuts, None],
        bin_patients=(table.events + table.censored).sum(1).tolist(),
        bin_mean=means,
        **subgroup,
    )


@pytest.fixture(scope="module")
def found(study_result: StudyResult, study_cohort: Cohort) -> Any:
    everybody = np.ones(len(study_cohort.people), bool)
    tables = [exact_table(study_cohort, model, set_, everybody) for model in MODELS for set_ in SETS]
    response = np.array([p.response for p in study_cohort.people])
    maker = np.array([p.manufacturer for p in study_cohort.people])
    tables += [
        exact_table(study_cohort, "RadCLN-D", set_, own == value, variable=variable, value=name)
        for variable, own, values in (
            ("response", response, {"PR": "PR", "SD": "SD", "PD": "PD"}),
            ("manufacturer", maker, {"SIEMENS": "siemens", "GE MEDICAL SYSTEMS": "ge"}),
        )
        for value, name in values.items()
        for set_ in ("validation", "test")
        if ((own == value) & (study_cohort.split == set_)).any()
    ]
    return compute(study_result.model_copy(update={"tables": tables}))


def rows(cohort: Cohort, set_: str) -> pd.DataFrame:
    chosen = cohort.split == set_
    return pd.DataFrame({"day": cohort.day[chosen], "event": cohort.event[chosen], **{m: cohort.scores[m][chosen] for m in MODELS}})


def by_efron(frame: pd.DataFrame, column: str) -> Any:
    return PHReg(frame["day"], frame[[column]].astype(float), status=frame["event"].astype(int), ties="efron").fit()


@pytest.mark.parametrize("set_", SETS)
@pytest.mark.parametrize("model", MODELS)
def test_c_and_its_error(found: Any, study_cohort: Cohort, model: str, set_: str) -> None:
    frame = rows(study_cohort, set_)
    c, influence = influences(frame[model].to_numpy(), frame["day"].to_numpy(), frame["event"].to_numpy())
    row = next(r for r in found.concordance if (r.model, r.set) == (model, set_))
    assert row.c.value == pytest.approx(c, abs=1e-10)
    assert row.c.se == pytest.approx(float(np.sqrt((influence**2).sum())), abs=1e-10)
    assert (row.exact, row.error_bound) == (True, 0)


def area(frame: pd.DataFrame, model: str, horizon: int) -> float:
    """timeROC's cumulative/dynamic area, patient by patient: cases T < t weighted 1/G(T−), controls T > t."""
    day, event, score = frame["day"].to_numpy(), frame["event"].to_numpy(), frame[model].to_numpy()
    # Who dies on a day has left before those who are censored on it.
    censoring = KaplanMeierFitter().fit(day - 0.5 * event, ~event)
    weight = np.array([1 / float(censoring.predict(t - 0.25)) for t in day])
    top = bottom = 0.0
    for i in np.flatnonzero(event & (day < horizon)):
        for j in np.flatnonzero(day > horizon):
            bottom += weight[i]
            top += weight[i] * (score[i] > score[j] or 0.5 * (score[i] == score[j]))
    return top / bottom


@pytest.mark.parametrize("horizon", HORIZONS)
@pytest.mark.parametrize("set_", SETS)
def test_table_3_is_timeroc(found: Any, study_cohort: Cohort, set_: str, horizon: int) -> None:
    frame = rows(study_cohort, set_)
    for model in MODELS:
        row = next(r for r in found.roc if (r.model, r.set, r.horizon) == (model, set_, horizon))
        if row.auc.value is not None:
            assert row.auc.value == pytest.approx(area(frame, model, horizon), abs=1e-10)
    assert any(r.auc.value is not None for r in found.roc if r.set == set_ and r.horizon == horizon)


def test_s2_medians_follow_up_and_pairs(found: Any, study_cohort: Cohort) -> None:
    frames = {"Training": rows(study_cohort, "train"), "Validation": rows(study_cohort, "validation"), "Test": rows(study_cohort, "test")}
    for curve in found.set_survival.curves:
        km = KaplanMeierFitter().fit(frames[curve.label]["day"], frames[curve.label]["event"])
        low, high = median_survival_times(km.confidence_interval_).iloc[0]
        assert curve.median == pytest.approx(km.median_survival_time_)
        assert [curve.median_low, curve.median_high] == pytest.approx([low, high if np.isfinite(high) else None])
    for one in found.set_survival.follow_up:
        frame = frames[one.label]
        assert one.median == pytest.approx(KaplanMeierFitter().fit(frame["day"], ~frame["event"]).median_survival_time_)
    joined = pd.concat([frame.assign(set=name) for name, frame in frames.items()])
    whole = multivariate_logrank_test(joined["day"], joined["set"], joined["event"])
    assert found.set_survival.logrank.chi2 == pytest.approx(whole.test_statistic, rel=1e-8)
    assert len(found.set_survival.pairs) == 3
    for pair in found.set_survival.pairs:
        both = joined[joined["set"].isin([pair.name, pair.against])].assign(
            second=lambda f, pair=pair: (f["set"] == pair.name).astype(float)
        )
        fit = by_efron(both, "second")
        assert pair.hazard_ratio.value == pytest.approx(float(np.exp(fit.params[0])), rel=1e-6)
        assert pair.hazard_ratio.p == pytest.approx(float(fit.pvalues[0]), rel=1e-5)
        assert [pair.hazard_ratio.low, pair.hazard_ratio.high] == pytest.approx(np.exp(fit.conf_int()[0]).tolist(), rel=1e-4)


@pytest.mark.parametrize("set_", SETS)
@pytest.mark.parametrize("model", ["RadCLN-D", "RadCLN-S", "Rad-D"])
def test_risk_groups(found: Any, study_cohort: Cohort, model: str, set_: str) -> None:
    group = next(g for g in found.risk_groups if (g.model, g.set) == (model, set_))
    frame = rows(study_cohort, set_).assign(high=lambda f: (f[model] > group.cutoff).astype(float))
    fit = by_efron(frame, "high")
    assert group.hazard_ratio.value == pytest.approx(float(np.exp(fit.params[0])), rel=1e-6)
    low, high = (frame[frame["high"] == side] for side in (0, 1))
    test = logrank_test(low["day"], high["day"], low["event"], high["event"])
    assert group.logrank.chi2 == pytest.approx(test.test_statistic, rel=1e-8)
    assert [curve.n for curve in group.curves] == [len(low), len(high)]


def test_figure_6_parts_the_same_patients_twice(found: Any, study_cohort: Cohort) -> None:
    people = pd.DataFrame(
        {
            "day": study_cohort.day, "event": study_cohort.event, "score": study_cohort.scores["RadCLN-D"], "set": study_cohort.split,
            "response": [p.response for p in study_cohort.people],
        }
    )  # fmt: skip
    held = people[(people["set"] != "train") & people["response"].isin(["PR", "SD", "PD"])]
    assert (found.response.n, found.response.events) == (len(held), int(held["event"].sum()))
    sides = {0: held["response"] == "PD", 1: held["score"] > study_cohort.cuts("RadCLN-D")[4]}
    for index, side in sides.items():
        stratum = found.response.strata[index]
        fit = by_efron(held.assign(side=side.astype(float)), "side")
        assert stratum.hazard_ratio.value == pytest.approx(float(np.exp(fit.params[0])), rel=1e-6)
        assert [curve.n for curve in stratum.curves] == [int((~side).sum()), int(side.sum())]
        test = logrank_test(held["day"][~side], held["day"][side], held["event"][~side], held["event"][side])
        assert stratum.logrank.p == pytest.approx(test.p_value, rel=1e-8)


def test_a_makers_c_stands_beside_its_hazard_ratio(found: Any, study_cohort: Cohort) -> None:
    maker = np.array([p.manufacturer == "SIEMENS" for p in study_cohort.people]) & (study_cohort.split != "train")
    row = next(r for r in found.subgroups if r.value == "siemens")
    c, influence = influences(study_cohort.scores["RadCLN-D"][maker], study_cohort.day[maker], study_cohort.event[maker])
    assert row.c.value == pytest.approx(c, abs=1e-10)
    assert row.c.se == pytest.approx(float(np.sqrt((influence**2).sum())), abs=1e-10)
    assert row.hazard_ratio.value is not None


@pytest.mark.parametrize("horizon", HORIZONS)
def test_calibration_on_every_set(found: Any, study_cohort: Cohort, study_result: StudyResult, horizon: int) -> None:
    base = study_result.baseline["RadCLN-D"]
    hazard = max(h for t, h in zip(base["time"], base["cumulative_hazard"], strict=True) if t <= horizon)
    assert {c.set for c in found.calibration if c.horizon == horizon} == set(SETS)
    for one in (c for c in found.calibration if c.horizon == horizon):
        frame = rows(study_cohort, one.set).sort_values("RadCLN-D")
        start = 0
        for group in one.groups:
            mine = frame.iloc[start : start + group.n]
            start += group.n
            assert group.predicted == pytest.approx(float(np.exp(-hazard * np.exp(mine["RadCLN-D"])).mean()), abs=1e-10)
            km = KaplanMeierFitter().fit(mine["day"], mine["event"])
            assert group.observed == pytest.approx(float(km.predict(horizon)), abs=1e-10)
        assert one.slope.value == pytest.approx(float(by_efron(frame, "RadCLN-D").params[0]), rel=1e-6)


def test_the_combination_has_both_errors_where_scores_are_single(found: Any) -> None:
    combined = {r.model: r for r in found.concordance if r.set == "combined"}
    for model, row in combined.items():
        parts = [r.c for r in found.concordance if r.model == model and r.set in ("validation", "test")]
        weight = np.array([1 / part.se**2 for part in parts])
        assert row.c.value == pytest.approx(float(weight @ [part.value for part in parts] / weight.sum()), abs=1e-12)
        assert row.c.se == pytest.approx(float(weight.sum() ** -0.5), abs=1e-12)
    assert combined["RadCLN-D"].noether is not None
    assert combined["CLN"].noether is None  # its scores are tied


def test_table_1_overall_and_differences(found: Any, study_cohort: Cohort) -> None:
    age = pd.DataFrame({"age": [p.age for p in study_cohort.people], "set": study_cohort.split})
    shown = {row.set: row for row in found.characteristics if row.variable == "age"}
    assert shown["overall"].mean == pytest.approx(age["age"].mean(), abs=1e-10)
    assert shown["overall"].sd == pytest.approx(age["age"].std(ddof=1), abs=1e-10)
    one, two = (age.loc[age["set"] == s, "age"] for s in ("test", "train"))
    expected = abs(one.mean() - two.mean()) / np.sqrt((one.var(ddof=1) + two.var(ddof=1)) / 2)
    assert shown["test"].difference == pytest.approx(expected, abs=1e-10)
    male = np.array([p.male for p in study_cohort.people])
    p, q = (male[study_cohort.split == s].mean() for s in ("test", "train"))
    sex = next(row for row in found.characteristics if (row.variable, row.set) == ("sex", "test"))
    if all(cell.count is not None for cell in sex.counts):
        assert sex.difference == pytest.approx(abs(p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2), abs=1e-10)
