"""The Python API on tables: DataFrames as people have them, held against lifelines on pooled rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter
from lifelines.utils import concordance_index

import fedhcc
from tests.support import ROOT, run_cli

COLUMNS = {"site": "inst", "time": "time", "event": "status"}
NAMES = ["age", "sex", "ph.ecog", "wt.loss"]


@pytest.fixture(scope="module")
def lung() -> Any:
    return fedhcc.load_lung()


def pooled(frame: Any, names: list[str]) -> Any:
    used = frame.dropna(subset=["inst", "time", "status", *names])[["time", "status", *names]]
    return CoxPHFitter().fit(used, "time", "status", fit_options={"precision": 1e-14})


def test_the_summary_is_lifelines_of_the_pooled_rows(lung: Any) -> None:
    fit = fedhcc.cox(lung, **COLUMNS, covariates=NAMES)
    theirs = pooled(lung, NAMES).summary
    ours = fit.summary()
    for name in ours.columns:
        theirs_name = f"exp(coef) {name}" if "95%" in name else name
        np.testing.assert_allclose(ours[name], theirs[theirs_name], rtol=1e-6, err_msg=name)
    assert max(map(len, ours.round(3).to_string().splitlines())) <= 80, "a terminal shows every column"
    assert fit.concordance == pytest.approx(pooled(lung, NAMES).concordance_index_, abs=1e-9)
    assert any("wt.loss" in text for text in fit.findings)


def test_the_command_line_says_the_same(lung: Any, tmp_path: Path) -> None:
    from simulations.cli import app

    lung.to_csv(tmp_path / "lung.csv", index=False)
    words = ("cox", "--csv", tmp_path / "lung.csv", "--site", "inst", "--time", "time", "--event", "status", "--covariates", "age,sex")
    ran = run_cli(app, *words, "--json")
    assert ran.status == 0, ran.err
    fit = fedhcc.cox(lung, **COLUMNS, covariates=["age", "sex"])
    assert ran.data["coef"] == fit.to_dict()["coef"]
    assert fedhcc.cox(tmp_path / "lung.csv", **COLUMNS, covariates="age,sex").to_dict()["coef"] == ran.data["coef"]


@pytest.mark.parametrize("dtype", ["float32", "Int64", "string", "bool"])
def test_columns_of_every_type_are_read_as_their_values(lung: Any, dtype: str) -> None:
    frame = lung.dropna(subset=["inst"]).assign(high=lambda f: (f["age"] > 65).astype(int))
    wanted = fedhcc.cox(frame, **COLUMNS, covariates=["age", "high"]).params
    changed = frame.assign(high=frame["high"].astype(dtype), status=frame["status"].astype("Int64" if dtype == "Int64" else int))
    found = fedhcc.cox(changed, **COLUMNS, covariates=["age", "high"]).params
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_thousandths_and_long_numbers_keep_their_digits(lung: Any) -> None:
    """1.234 is no 1234, whatever other columns hold."""
    frame = lung.dropna(subset=["inst"]).assign(x=lambda f: 1.234 + 0.001 * (f["age"] - 40))
    found = fedhcc.cox(frame, **COLUMNS, covariates=["x"]).params["x"]
    assert found == pytest.approx(pooled(frame, ["x"]).params_["x"], rel=1e-6)
    with pytest.raises(fedhcc.Problem, match="FH-828"):
        fedhcc.cox(frame.assign(x=["1,234"] * len(frame)), **COLUMNS, covariates=["x"])


def test_the_first_category_is_the_reference(lung: Any) -> None:
    frame = lung.dropna(subset=["inst", "ph.ecog"]).assign(
        ecog=lambda f: pd.Categorical(f["ph.ecog"].clip(upper=2).map({0: "none", 1: "some", 2: "much"}), ["some", "none", "much", "never"])
    )
    found = fedhcc.cox(frame, **COLUMNS, covariates=["ecog"]).params
    dummies = pd.get_dummies(frame["ecog"])[["none", "much"]].astype(float)
    theirs = pooled(pd.concat([frame, dummies], axis=1), ["none", "much"]).params_
    np.testing.assert_allclose(found[["ecognone", "ecogmuch"]], theirs[["none", "much"]], rtol=1e-6)


def test_timedeltas_are_days(lung: Any) -> None:
    frame = lung.assign(time=pd.to_timedelta(lung["time"], unit="D"))
    assert fedhcc.cox(frame, **COLUMNS, covariates=["age"]).params["age"] == fedhcc.cox(lung, **COLUMNS, covariates=["age"]).params["age"]


def test_prediction_keeps_the_index_and_says_what_is_missing(lung: Any) -> None:
    fit = fedhcc.cox(lung, **COLUMNS, covariates=["age", "sex"])
    new = pd.DataFrame({"age": [60, np.nan, 70], "sex": [1, 2, 2]}, index=["a", "b", "c"])
    found = fit.predict(new)
    assert list(found.index) == ["a", "b", "c"] and np.isnan(found["b"])
    assert found["c"] == pytest.approx(70 * fit.params["age"] + 2 * fit.params["sex"])
    c = fit.apply(lung.dropna(subset=["inst"])).concordance
    assert c is not None and c == pytest.approx(fit.concordance)


def test_on_shares_the_same_four_lines(lung: Any) -> None:
    exact = fedhcc.cox(lung, **COLUMNS, covariates=["age", "sex"])
    shared = fedhcc.cox(lung, **COLUMNS, covariates=["age", "sex"], resolution="shares", holders=0)
    np.testing.assert_allclose(shared.params, exact.params, atol=1e-4)


def test_each_hospital_alone(lung: Any) -> None:
    alone = fedhcc.cox(lung, **COLUMNS, covariates=NAMES).alone()
    used = lung.dropna(subset=["inst", *NAMES])
    assert dict(alone["n"]) == {f"{inst:.0f}": n for inst, n in used["inst"].value_counts().items()}
    assert alone["reason"][~alone["estimable"]].str.len().min() > 0


def test_metrics_are_those_of_the_pooled_rows(lung: Any) -> None:
    found = fedhcc.metrics(lung, **COLUMNS, score="ph.ecog", group="sex", horizons=[365])
    used = lung.dropna(subset=["inst", "ph.ecog"])
    table = found.summary()
    assert table.loc["C-index", "value"] == pytest.approx(concordance_index(used["time"], -used["ph.ecog"], used["status"]))
    assert {"AUC at 365", "median survival, 1", "hazard ratio", "log-rank p"} <= set(table.index)
    assert set(found.curves()["group"]) == {"all", "1", "2"}


def test_figures_are_drawn_on_the_axis_given(lung: Any) -> None:
    fit = fedhcc.cox(lung, **COLUMNS, covariates=NAMES)
    found = fedhcc.metrics(lung, **COLUMNS, score="ph.ecog", group="sex")
    compared = fedhcc.compare(scenarios=["iid"], seeds=2, rounds=1)
    figure, axes = plt.subplots(3)
    for drawn, ax in zip((fit, found, compared), axes, strict=True):
        assert drawn.plot(ax) is ax and ax.lines
    assert fit.plot().figure is not figure
    figure.canvas.draw()
    ticks = [one.get_text() for one in axes[0].get_xticklabels()]
    assert len(ticks) >= 3 and all(float(text) > 0 for text in ticks), "ratios as people write them"
    plt.close("all")


def test_a_notebook_shows_a_table_and_remarks(lung: Any) -> None:
    html = fedhcc.cox(lung.assign(**{"a<b": lung["age"]}), **COLUMNS, covariates=["a<b"])._repr_html_()
    assert "<table" in html and "FH-811" in html and "a&lt;b" in html


@pytest.mark.parametrize(
    ("change", "code"),
    [({"site": "hospital"}, "FH-823"), ({"covariates": []}, "FH-902"), ({"ties": "effron"}, "FH-902"), ({"resolution": "rows"}, "FH-902")],
)
def test_what_cannot_be_meant_has_a_number(lung: Any, change: dict[str, Any], code: str) -> None:
    with pytest.raises(fedhcc.Problem, match=code):
        fedhcc.cox(lung, **{**COLUMNS, "covariates": NAMES, **change})


@pytest.mark.parametrize("data", [{"time": [1]}, [1, 2], pd.DataFrame()])
def test_what_is_no_table_has_a_number(data: Any) -> None:
    with pytest.raises(fedhcc.Problem, match=r"FH-82[12]"):
        fedhcc.cox(data, **COLUMNS, covariates=NAMES)


def test_import_is_quick_and_names_are_those_documented() -> None:
    code = "import sys, fedhcc; print([m for m in ('numpy', 'pandas', 'torch', 'flwr') if m in sys.modules], *dir(fedhcc))"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    loaded, names = ran.stdout.split("]")
    assert loaded == "[" and names.split() == sorted(fedhcc.__all__)
    for name in fedhcc.__all__:
        assert getattr(fedhcc, name) is not None
    with pytest.raises(AttributeError, match="its names are"):
        _ = fedhcc.cocks


@pytest.mark.parametrize("outcome", [COLUMNS["time"], COLUMNS["event"]])
def test_the_outcome_is_no_covariate(lung: pd.DataFrame, outcome: str) -> None:
    with pytest.raises(fedhcc.Problem) as told:
        fedhcc.cox(lung, **COLUMNS, covariates=["age", outcome])
    assert told.value.code == "FH-902" and "outcome" in told.value.what


def test_the_short_form_names_findings(lung: pd.DataFrame) -> None:
    fit = fedhcc.cox(lung.assign(c=1.0), **COLUMNS, covariates=["age", "c"])
    assert "FH-805" in repr(fit) and any("c has one value" in text for text in fit.findings)
