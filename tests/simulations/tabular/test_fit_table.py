"""`fedhcc-sim cox` and `metrics` on anybody's table, held against R's conventions and printed output."""

import subprocess
import sys

import numpy as np
import pytest

from evidence.accuracy.shares.pooled_oracles import PooledRows
from shared_model.survival.evaluation_table import patient_cells
from simulations.commands import table_views, tabular
from simulations.tabular.design_columns import merge_near_times
from tests.support import ROOT, app_of, run_cli

APP = app_of(tabular.register)
COLUMNS = ("--site", "site", "--time", "time", "--event", "event", "--json")


@pytest.fixture
def run(tmp_path):
    """Write a table and run a command on it."""

    def go(command, text, *extra):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return run_cli(APP, command, "--csv", path, *COLUMNS, *extra)

    return go


def made(n=80, seed=1, sites=9):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n).round(3), rng.integers(0, 2, n)
    died, lost = rng.exponential(300 * np.exp(-0.6 * x)), rng.exponential(600, n)
    return x, z, np.ceil(np.minimum(died, lost)), died <= lost, np.arange(n) % sites


def write(rows, header="site,time,event,x,z", sep=","):
    return "\n".join([header.replace(",", sep), *(sep.join(str(value) for value in row) for row in rows)]) + "\n"


def plain(event=int, **more):
    x, z, day, dead, site = made(**more)
    return [(f"s{s}", d, event(e), a, b) for s, d, e, a, b in zip(site, day, dead, x, z, strict=True)]


def oracle(strata=None):
    import pandas as pd
    from lifelines import CoxPHFitter

    x, z, day, dead, _ = made()
    frame = pd.DataFrame({"x": x, "z": z, "T": day, "E": dead})
    fit = CoxPHFitter(strata=strata).fit(frame if strata else frame.drop(columns="z"), "T", "E", fit_options={"precision": 1e-14})
    return float(fit.params_["x"]), float(fit.standard_errors_["x"]), float(fit.log_likelihood_)


def test_json_has_exactly_the_declared_fields(run):
    found = run("cox", write(plain()), "--covariates", "x,z").data
    declared = "n events sites covariates coef se hr hr_ci z p loglik loglik_null lr_test wald_test score_test concordance"
    declared += " concordance_se baseline iterations dropped_rows warnings"
    assert set(declared.split()) <= set(found)
    assert found["covariates"] == ["x", "z"]
    assert set(found["lr_test"]) == {"chi2", "df", "p"}
    assert set(found["baseline"]) == {"time", "cumulative_hazard"}
    assert (found["n"], found["sites"], found["dropped_rows"], found["warnings"]) == (80, 9, 0, [])


@pytest.mark.parametrize("name", ["plain", "semicolons", "tabs", "utf16", "codes12", "logical", "words", "row_names", "spaces"])
def test_spellings_of_one_table_give_one_model(run, name):
    rows = plain()
    texts = {
        "plain": write(rows),
        "semicolons": b"\xef\xbb\xbf" + write(rows, sep=";").replace(".", ",").replace("\n", "\r\n").encode() + b"\r\n;;;;\r\n\r\n",
        "tabs": write(rows, sep="\t"),
        "utf16": write(rows).encode("utf-16"),
        "codes12": write(plain(lambda e: int(e) + 1)),
        "logical": write(plain(lambda e: str(bool(e)).upper())),
        "words": write(plain(lambda e: "Dead" if e else "Alive")),
        "row_names": write([(i, *row) for i, row in enumerate(rows)]),
        "spaces": write(rows, header='"Site " , TIME,"event", x ,z').replace(",", " , "),
    }
    texts["row_names"] = texts["row_names"].replace("site,", "site,", 1)
    result = run("cox", texts[name], "--covariates", "x")
    assert result.status == 0, result.err
    coef, se, loglik = oracle()
    assert result.data["coef"][0] == pytest.approx(coef, abs=1e-8)
    assert result.data["se"][0] == pytest.approx(se, abs=1e-8)
    assert result.data["loglik"] == pytest.approx(loglik, abs=1e-8)


def test_strata_equal_lifelines_and_have_their_own_baselines(run):
    found = run("cox", write(plain()), "--covariates", "x", "--strata", "z").data
    coef, se, loglik = oracle(["z"])
    assert (found["coef"][0], found["se"][0]) == pytest.approx((coef, se), abs=1e-8)
    assert found["loglik"] == pytest.approx(loglik, abs=1e-8)
    assert set(found["baseline"]["stratum"]) == {"0", "1"}


def test_concordance_is_rs_for_the_lung_model(tmp_path):
    """R prints Concordance= 0.637 (se = 0.025) for age + sex + ph.ecog, and survdiff by sex χ² = 10.3, medians 270 and 426."""
    from lifelines.datasets import load_lung

    path = tmp_path / "lung.csv"
    load_lung().assign(inst=lambda frame: frame["inst"].fillna(99)).to_csv(path, index=False)
    names = ("--csv", path, "--site", "inst", "--time", "time", "--event", "status", "--json")
    found = run_cli(APP, "cox", *names, "--covariates", "age,sex,ph.ecog").data
    assert (found["n"], found["dropped_rows"]) == (227, 1)
    assert (round(found["concordance"], 3), round(found["concordance_se"], 3)) == (0.637, 0.025)
    metrics = run_cli(APP, "metrics", *names, "--score", "age", "--group", "sex").data
    assert round(metrics["logrank"]["chi2"], 1) == 10.3
    assert metrics["median_survival"] == 310
    assert list(metrics["median_survival_groups"].values()) == [270, 426]
    assert round(metrics["hr"]["hr"], 3) == 0.588
    assert metrics["km"]["overall"]["at_risk"][0] == 228


def test_near_equal_times_are_merged_as_r_does(run):
    times = [1.0, 1.0 + 1e-10, 0.1 + 0.2, 0.3, 2, 3]
    rows = [(f"s{i}", repr(float(t)), 1, v, 0) for i, (t, v) in enumerate(zip(times, [2, 1, 3, 2, 1, 2], strict=True))]
    merged = [(s, repr(round(float(t), 6)), *rest) for s, t, *rest in rows]
    one, other = (run("cox", write(table), "--covariates", "x").data for table in (rows, merged))
    assert one["coef"] == pytest.approx(other["coef"], abs=1e-12)
    assert len(one["baseline"]["time"]) == 4
    assert merge_near_times(np.array([1e6, 1e6 + 1e-3, 1e6 + 1])).tolist() == [1e6, 1e6, 1e6 + 1]


def test_missing_values_are_dropped_and_counted(run):
    rows = [list(row) for row in plain()]
    for index, (column, word) in enumerate([(0, ""), (1, "NA"), (2, "NaN"), (3, "null"), (3, " "), (4, "")]):
        rows[index][column] = word
    found = run("cox", write(rows), "--covariates", "x").data
    assert (found["n"], found["dropped_rows"]) == (75, 5)  # z is not in the model
    assert found["warnings"][0]["code"] == "FH-811"


def test_collinear_constant_and_text_covariates(run):
    rows = [(*row, 2 * row[3] + 1, 5, "abc"[i % 3]) for i, row in enumerate(plain())]
    found = run("cox", write(rows, "site,time,event,x,z,y,k,arm"), "--covariates", "x,y,k,arm").data
    assert found["covariates"] == ["x", "y", "k", "armb", "armc"]
    assert [value is None for value in found["coef"]] == [False, True, True, False, False]
    assert found["lr_test"]["df"] == 3
    assert {warning["code"] for warning in found["warnings"]} == {"FH-805", "FH-806", "FH-814"}


@pytest.mark.parametrize(
    ("text", "covariates", "code", "status"),
    [
        ("", "x", "FH-822", 11),
        ("site,time,event,x\na,1,1,2\n", "y", "FH-823", 2),
        ("site,time,event,x,x\na,1,1,2,3\n", "x", "FH-823", 2),
        ("site,time,event,x\na,1,0,2\nb,2,2,2\n", "x", "FH-824", 11),
        ("site,time,event,x\na,-1,1,2\n", "x", "FH-825", 11),
        ("site,time,event,x\na,soon,1,2\n", "x", "FH-825", 11),
        ("site,time,event,x\na,1,1,inf\n", "x", "FH-825", 11),
        ("site,time,event,x\na,1,1,2\nb,1,1,2,3\n", "x", "FH-822", 11),
        ("site,time,event,x\na,1,1,\n", "x", "FH-802", 11),
        ("site,time,event,x\n", "x", "FH-822", 11),
        ("site,time,event,x\na,1,1,1\n", "x,x", "FH-902", 2),
    ],
)
def test_faults_of_a_table_are_numbered_problems(run, text, covariates, code, status):
    result = run("cox", text, "--covariates", covariates)
    if code == "FH-902":  # usage: the number is the host group's
        assert result.status == status
        return
    assert (result.data["problem"]["code"], result.status) == (code, status)


def test_excels_separator_line_is_no_header_and_keeps_line_numbers(run):
    rows = "site;time;event;x\r\na;1;1;1,5\r\nb;2;1;0,5\r\nb;3;0;2\r\n"
    read = run("cox", f"sep=;\r\n{rows}", "--covariates", "x")
    assert read.status == 0 and read.data == run("cox", rows, "--covariates", "x").data
    fault = run("cox", "sep=;\nsite;time;event;x\na;1;1;1\nb;2;1;many\n", "--covariates", "x")
    assert "line 4" in fault.data["problem"]["what"]


def test_hazard_ratios_for_people_keep_their_zeros_and_say_infinity():
    assert [table_views._ratio(value) for value in (1.0, 1.37, 0.0, 0.0095, 617.15, None)] == [
        "1.000",
        "1.370",
        "0.000",
        "0.0095",
        "617",
        "∞",
    ]


@pytest.mark.parametrize("command", ["cox", "metrics"])
def test_the_table_is_an_argument_too(run, tmp_path, command):
    option = ("--covariates", "x") if command == "cox" else ("--score", "x")
    by_option = run(command, write(plain()), *option, "--json")
    path = tmp_path / "table.csv"
    as_argument = run_cli(APP, command, path, *COLUMNS, *option, "--json")
    assert as_argument.status == by_option.status
    assert as_argument.data == by_option.data
    for words, said in (((path, "--csv", path), "two tables are given"), ((), "no table is given")):
        wrong = run_cli(APP, command, *words, *COLUMNS, *option)
        assert (wrong.status, said in wrong.err) == (2, True)


def test_a_file_that_is_not_there_is_an_access_fault(tmp_path):
    result = run_cli(APP, "cox", "--csv", tmp_path / "none.csv", *COLUMNS, "--covariates", "x")
    assert (result.data["problem"]["code"], result.status) == ("FH-821", 12)


@pytest.mark.parametrize("command", ["cox", "metrics"])
def test_no_events_and_single_patients_still_answer(run, command):
    option = ("--covariates", "x") if command == "cox" else ("--score", "x")
    for rows in (plain(lambda e: 0), plain()[:1], plain()[:2]):
        result = run(command, write(rows), *option)
        assert result.status == 0, result.err
        assert "NaN" not in result.out


def test_metrics_have_the_declared_fields_and_match_the_library(run):
    from shared_model.survival.concordance import concordance
    from shared_model.survival.roc import roc

    found = run("metrics", write(plain(n=200)), "--score", "x", "--group", "z", "--horizons", "100,365,5000").data
    declared = "n events c_index c_index_se c_index_ci auc km logrank hr median_survival warnings"
    assert set(declared.split()) <= set(found)
    x, _, day, dead, _ = made(n=200)
    cells = patient_cells(x, day, dead)
    assert found["c_index"] == pytest.approx(concordance(cells).c)
    assert found["c_index_ci"] == pytest.approx(list(concordance(cells).plain_ci))
    points = found["auc"]["100"].pop("sensitivity")
    assert found["auc"]["100"] == pytest.approx({"auc": roc(cells, 100).auc, "se": roc(cells, 100).se})
    rows = PooledRows(np.asarray(day, dtype=float), np.asarray(dead, dtype=bool))
    assert points == pytest.approx({f"{k / 10:g}": rows.sensitivity(np.asarray(x), 100, 10 * k) for k in range(1, 10)})
    assert found["auc"]["5000"] == {"auc": None, "se": None}
    assert [warning["code"] for warning in found["warnings"]] == ["FH-809"]
    assert set(found["km"]["groups"]) == {"0", "1"}
    assert set(found["km"]["overall"]) == {"time", "survival", "at_risk", "events"}
    assert set(found["hr"]) == {"hr", "ci", "p"}


def test_tables_for_people_print(run, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(write(plain(n=120)))
    names = ("--csv", path, "--site", "site", "--time", "time", "--event", "event")
    cox = run_cli(APP, "cox", *names, "--covariates", "x,z")
    assert "95 % CI" in cox.out
    assert "Concordance =" in cox.out
    metrics = run_cli(APP, "metrics", *names, "--score", "x", "--group", "z")
    assert "Harrell's C" in metrics.out


def test_compare_lung_shows_three_ways_without_torch():
    """One process of its own: torch, flwr and the clients are never imported; federated equals pooled."""
    code = (
        "import sys; from simulations.commands import tabular; from tests.support import app_of, run_cli;"
        "r = run_cli(app_of(tabular.register), 'compare', 'lung', '--json');"
        "assert not {'torch', 'flwr', 'monai'} & set(sys.modules), 'heavy import'; print(r.out)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True)
    import json

    found = json.loads(done.stdout)
    assert (found["n"], found["events"], found["sites"]) == (167, 120, 17)
    assert found["largest_difference"] < 1e-8
    assert found["federated_shares"]["coef"] == pytest.approx(found["pooled"]["coef"], abs=1e-5)
    assert sum(one["estimable"] for one in found["alone"]) < 10


def test_compare_lung_prints():
    shown = run_cli(APP, "compare", "lung").out
    assert "Each institution alone" in shown
    assert "differ by at most" in shown
