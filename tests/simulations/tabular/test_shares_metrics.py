"""Scores on anybody's table: what holders open of them equals the pooled rows, and what stays closed is said by number."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter, KaplanMeierFitter, datasets
from lifelines.statistics import logrank_test

import fedhcc
from shared_model.survival.calibration import predicted_survival
from shared_model.survival.evaluation_table import patient_cells
from shared_model.survival.roc import roc
from simulations.commands import tabular
from site_config.problems.base import Problem
from tests.support import app_of, run_cli

APP = app_of(tabular.register)
NAMES = {"site": "inst", "time": "time", "event": "status"}


@pytest.fixture(scope="module")
def lung() -> pd.DataFrame:
    return datasets.load_lung().dropna(subset=["inst", "ph.ecog"])


@pytest.fixture(scope="module")
def opened(lung: pd.DataFrame) -> dict:
    return fedhcc.metrics(lung, **NAMES, score=["age", "ph.ecog"], group="sex", resolution="shares", holders=0).to_dict()


def test_c_auc_and_the_difference_are_those_of_the_exact_cells(lung: pd.DataFrame, opened: dict) -> None:
    exact = fedhcc.metrics(lung, **NAMES, score=["age", "ph.ecog"], group="sex").to_dict()
    for name in ("age", "ph.ecog"):
        assert opened["scores"][name]["c_index"] == pytest.approx(exact["scores"][name]["c_index"], abs=1e-6)
        assert opened["scores"][name]["c_index_se"] == pytest.approx(exact["scores"][name]["c_index_se"], abs=1e-5)
        cells = patient_cells(lung[name].to_numpy(float), lung["time"].to_numpy(float), lung["status"].to_numpy() > 0)
        for day in (365, 730):
            assert opened["scores"][name]["auc"][str(day)]["auc"] == pytest.approx(roc(cells, day).auc, abs=1e-5)
            assert opened["scores"][name]["auc"][str(day)]["se"] == pytest.approx(roc(cells, day).se, abs=1e-5)
            points = (one["scores"][name]["auc"][str(day)]["sensitivity"] for one in (opened, exact))
            assert next(points) == pytest.approx(next(points), abs=2.0**-8)
    found, known = opened["differences"]["age-ph.ecog"], exact["differences"]["age-ph.ecog"]
    assert (found["difference"], found["se"]) == pytest.approx((known["difference"], known["se"]), abs=1e-5)


def test_curves_and_tests_are_lifelines(lung: pd.DataFrame, opened: dict) -> None:
    died = lung["status"] > 0
    for name, mine in {"1": lung["sex"] == 1, "2": lung["sex"] == 2}.items():
        curve = opened["km"]["groups"][name]
        fit = KaplanMeierFitter().fit(lung["time"][mine], died[mine])
        assert curve["n"] == mine.sum()
        assert curve["deaths"] == died[mine].sum()
        np.testing.assert_allclose(curve["survival"], fit.survival_function_at_times(curve["time"]), atol=1e-4)
        ends = fit.confidence_interval_.to_numpy()[[fit.timeline.searchsorted(day, side="right") - 1 for day in curve["time"]]]
        np.testing.assert_allclose(np.stack([curve["low"], curve["high"]], 1), ends, atol=1e-4)
        assert curve["at_risk"] == [int((lung["time"][mine] >= day).sum()) for day in curve["time"]]
        after, by = curve["median_between"]
        assert after <= fit.median_survival_time_ <= by
    men = lung["sex"] == 1
    test = logrank_test(lung["time"][men], lung["time"][~men], died[men], died[~men])
    assert opened["logrank"]["chi2"] == pytest.approx(test.test_statistic, abs=1e-4)
    ratio = CoxPHFitter().fit(lung[["time", "status", "sex"]], "time", "status", fit_options={"precision": 1e-12})
    assert np.log(opened["hr"]["hr"]) == pytest.approx(ratio.params_["sex"], abs=1e-4)
    assert np.log(opened["hr"]["ci"]) == pytest.approx(ratio.confidence_intervals_.to_numpy()[0], abs=1e-4)


def test_calibration_is_that_of_the_pooled_rows(lung: pd.DataFrame, opened: dict) -> None:
    fit = CoxPHFitter().fit(lung[["time", "status", "age"]], "time", "status", fit_options={"precision": 1e-12})
    found = opened["calibration"]
    assert (found["slope"], found["slope_se"]) == pytest.approx((fit.params_["age"], fit.standard_errors_["age"]), abs=1e-5)
    cuts = [np.sort(lung["age"])[int(np.ceil(len(lung) * share)) - 1] for share in (0.25, 0.5, 0.75)]
    group = np.searchsorted(cuts, lung["age"])
    hazard = fedhcc.cox(lung, **NAMES, covariates="age").baseline()["cumulative_hazard"]  # Efron's, as R's; lifelines has Breslow's
    predicted = predicted_survival(fit.params_["age"] * lung["age"], float(hazard[hazard.index <= 365].iloc[-1]))
    for row in found["groups"]["365"]:
        mine = group == row["group"] - 1
        assert row["n"] == mine.sum()
        assert row["predicted"] == pytest.approx(predicted[mine].mean(), abs=1e-4)
        curve = KaplanMeierFitter().fit(lung["time"][mine], lung["status"][mine])
        assert row["observed"] == pytest.approx(float(curve.predict(365)), abs=1e-4)


def test_what_stays_closed_is_said(lung: pd.DataFrame, opened: dict) -> None:
    said = {one["code"]: one["what"] for one in opened["warnings"]}
    assert "fewer than 5 are at risk" in said["FH-809"]
    assert "plain twin" in said["FH-829"]
    late = fedhcc.metrics(lung, **NAMES, score="age", horizons=[365, 9000], resolution="shares", holders=0)
    assert late.to_dict()["auc"]["9000"] == {"auc": None, "se": None}
    assert any("9000" in text for text in late.findings)
    with pytest.raises(Problem, match="scikit-survival"):
        fedhcc.metrics(lung, **NAMES, score="age", auc="sksurv", resolution="shares")


def test_holders_open_the_same_on_one_hospital_and_say_that_they_are_simulated(tmp_path: object) -> None:
    table = datasets.load_leukemia().assign(house=1)
    named = {"site": "house", "time": "t", "event": "status", "score": "logWBC", "group": "Rx", "horizons": [10.0], "points": [5, 10, 20]}
    twin = fedhcc.metrics(table, **named, resolution="shares", holders=0)
    found = fedhcc.metrics(table, **named, resolution="shares", holders=3)
    assert any("with 1 hospital a study has too few holders" in text for text in found.findings)
    np.testing.assert_allclose(found.curves()["survival"], twin.curves()["survival"], atol=4e-6)
    np.testing.assert_allclose(found.summary().to_numpy(), twin.summary().to_numpy(), atol=2e-5, rtol=5e-6)


def test_bad_tables_end_in_numbered_findings() -> None:
    rows = pd.DataFrame({"h": list("aabbbcdd"), "t": [5, 5, 5, 9, 9, 12, 12, 12], "s": [1, 2, 2, 3, 1, 1, 2, 3.0]})
    for events in ([0] * 8, [1] * 8, [1, *[0] * 7], [0] * 7 + [1]):
        for score in (rows["s"], rows["s"] * 0 + 2):
            table = rows.assign(d=events, s=score)
            found = fedhcc.metrics(table, site="h", time="t", event="d", score="s", resolution="shares", holders=0)
            assert all(text.startswith("FH-8") for text in found.findings)
            assert found.to_dict()["n"] == 8
            fit = fedhcc.cox(table, site="h", time="t", event="d", covariates="s", resolution="shares", holders=0)
            assert all(text.startswith("FH-8") for text in fit.findings)


def test_the_command_shows_it_and_offers_no_other_resolution(tmp_path: object, lung: pd.DataFrame) -> None:
    path = tmp_path / "lung.csv"  # type: ignore[operator]
    lung.to_csv(path, index=False)
    words = ("--csv", path, "--site", "inst", "--time", "time", "--event", "status")
    shown = run_cli(
        APP, "metrics", *words, "--score", "ph.ecog,age", "--group", "sex", "--resolution", "shares", "--holders", 0, "--points", "100,500"
    )
    for text in ("C, ph.ecog-age", "Calibration: slope", "log-rank", "HR 2 / 1", "FH-829"):
        assert text in shown.out
    for old in ("totals", "coarse"):
        assert run_cli(APP, "metrics", *words, "--score", "age", "--resolution", old, "--json").data["problem"]["code"] == "FH-902"
        assert run_cli(APP, "cox", *words, "--covariates", "age", "--resolution", old, "--json").data["problem"]["code"] == "FH-902"
