"""Tables as people bring them: words for missing, marks of decimals, names with commas, units of time, codes of events."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

from simulations.commands import compare, tabular
from tests.support import app_of, run_cli

APP = app_of(tabular.register, compare.register)
COLUMNS = ("--site", "site", "--time", "time", "--event", "event")


def frame(n=60, seed=3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    died, lost = rng.exponential(900 * np.exp(-0.5 * x)), rng.exponential(1500, n)
    day = np.ceil(np.minimum(died, lost)).clip(1)
    return pd.DataFrame({"site": [f"h{i % 6}" for i in range(n)], "time": day.astype(int), "event": (died <= lost).astype(int), "x": x})


@pytest.fixture
def run(tmp_path):
    """Write a table and run a command on it, as data or as a person sees it."""

    def go(command, table, *extra, json=True, **how):
        path = tmp_path / "table.csv"
        text = table if isinstance(table, str) else table.to_csv(index=False, **how)
        path.write_text(text, encoding="utf-8")
        words = command.split()
        return run_cli(APP, *words, "--csv", path, *COLUMNS, *(("--json",) if json else ()), *map(str, extra))

    return go


def codes(result):
    return [warning["code"] for warning in result.data["warnings"]]


def pooled(table, columns):
    fit = CoxPHFitter().fit(table[["time", "event", *columns]].astype(float), "time", "event", fit_options={"precision": 1e-14})
    return fit.params_.to_numpy()


def test_none_and_na_are_levels_groups_and_sites_unless_declared(run):
    table = frame().assign(grade=lambda t: ["None", "Partial", "Complete"] * 20)
    dummies = pd.get_dummies(table["grade"])[["None", "Partial"]]
    found = run("cox", table, "--covariates", "grade")
    assert (found.data["n"], found.data["covariates"]) == (60, ["gradeNone", "gradePartial"])
    assert found.data["coef"] == pytest.approx(pooled(pd.concat([table, dummies], axis=1), ["None", "Partial"]), abs=1e-6)
    assert codes(found) == ["FH-814", "FH-815"]
    declared = run("cox", table, "--covariates", "grade", "--missing", "None")
    assert (declared.data["n"], declared.data["covariates"], codes(declared)) == (40, ["gradePartial"], ["FH-811", "FH-814"])
    assert "20 in grade" in declared.data["warnings"][0]["what"]

    site = table.assign(site=["NA" if s == "h0" else s for s in table["site"]])
    assert (run("cox", site, "--covariates", "x").data["n"], run("cox", site, "--covariates", "x").data["sites"]) == (60, 6)
    assert run("cox", site, "--covariates", "x", "--missing", "na").data["n"] == 50

    group = table.assign(g=["None", "PVTT"] * 30)
    assert list(run("metrics", group, "--score", "x", "--group", "g").data["km"]["groups"]) == ["None", "PVTT"]
    assert run("cox", group, "--covariates", "x", "--strata", "g").data["n"] == 60


def test_a_number_column_still_reads_na_as_missing(run):
    table = frame().assign(x=lambda t: ["NA" if i < 3 else f"{v:.4f}" for i, v in enumerate(t["x"])])
    found = run("cox", table, "--covariates", "x")
    assert found.data["n"] == 57 and codes(found) == ["FH-811"]


def semicolons(table, **columns):
    return table.assign(**{name: table[name].map(write) for name, write in columns.items()}).to_csv(sep=";", index=False)


def test_a_thousands_separator_in_a_semicolon_table_is_refused_unless_declared(run):
    table = frame().assign(time=lambda t: t["time"] * 10 + 1000)
    text = semicolons(table, time=lambda v: f"{v:,d}", x=lambda v: f"{v:.4f}")
    refused = run("cox", text, "--covariates", "x")
    assert (refused.data["problem"]["code"], refused.status) == ("FH-828", 11)
    assert run("cox", text, "--covariates", "x", "--decimal", "point").data["coef"] == pytest.approx(
        pooled(table.round({"x": 4}), ["x"]), abs=1e-8
    )
    german = text.replace(".", "#").replace(",", ".").replace("#", ",")
    assert run("cox", german, "--covariates", "x").data["problem"]["code"] == "FH-828"
    assert run("cox", german, "--covariates", "x", "--decimal", "comma").data["coef"] == pytest.approx(
        pooled(table.round({"x": 4}), ["x"]), abs=1e-8
    )


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (["1,5", "1,230", "0,25"], 1.5),  # 1,5 and 0,25 can be decimals only
        (["1.5", "1.230", "20"], 1.5),
        (["1,230", "2", "3"], None),
        (["1.230", "956", "12.004"], None),
        (["1.5", "2,5", "3"], None),
        (["1.230", "2.104", "3.555"], None),  # three decimals, or thousands as in Germany: nothing in the table tells
        (["1,230,5", "2", "3"], None),
    ],
)
def test_marks_of_decimals_are_read_only_where_the_column_shows_them(run, values, first):
    table = frame(n=30).assign(x=(values * 10))
    found = run("cox", table, "--covariates", "x", sep=";")
    if first is None:
        assert found.data["problem"]["code"] in ("FH-828", "FH-825")
    else:
        plain = frame(n=30).assign(x=[float(value.replace(",", ".")) for value in values * 10])
        assert found.data["coef"] == run("cox", plain, "--covariates", "x").data["coef"]


def test_names_with_commas_are_given_in_four_ways(run, tmp_path):
    table = frame().rename(columns={"x": "dx, NOS"}).assign(age=range(60))
    names = tmp_path / "names.txt"
    names.write_text("dx, NOS\nage\n", encoding="utf-8")
    ways = [
        ("--covariates", "dx, NOS", "--covariates", "age"),
        ("--covariates", '["dx, NOS", "age"]'),
        ("--covariates", f"@{names}"),
    ]
    found = [run("cox", table, *way).data["covariates"] for way in ways]
    assert found == [["dx, NOS", "age"]] * 3
    assert run("cox", table, "--covariates", "dx, NOS").data["covariates"] == ["dx, NOS"]
    wrong = run("cox", table, "--covariates", "dx, NOS,age", json=False)
    assert wrong.status == 2 and '--covariates "dx, NOS"' in wrong.err
    for bad in ("[age]", "@none.txt", ""):
        assert run("cox", table, "--covariates", bad).status in (2, 12)


def test_times_in_other_units_are_declared_and_a_short_column_is_pointed_out(run):
    days = frame(n=120)
    years = days.assign(time=days["time"] / 365.25)
    in_days = run("metrics", days, "--score", "x").data
    found = run("metrics", years, "--score", "x", "--time-unit", "years")
    assert found.data["auc"]["365"]["auc"] == pytest.approx(in_days["auc"]["365"]["auc"])
    assert found.data["median_survival"] == pytest.approx(in_days["median_survival"])
    assert codes(found) == [] and found.data["read"]["time_unit"] == "years"
    silent = run("metrics", years, "--score", "x")
    assert "FH-818" in codes(silent) and "read as days" in silent.data["warnings"][0]["what"]
    assert run("cox", years, "--covariates", "x", "--time-unit", "eons").status == 2


@pytest.mark.parametrize(
    ("dead", "alive", "option"),
    [
        ("1", "0", None),
        ("2", "1", None),
        ("1.0", "0.0", None),
        ("TRUE", "false", None),
        ("dead", "alive", None),
        ("Yes", "No", None),
        ("ja", "nein", None),
        ("Verstorben", "Lebt", None),
        ("1:DECEASED", "0:LIVING", None),
        ("gone", "here", "gone"),
        ("1", "2", "1"),
        ("-1", "0", "-1"),
        ("0", "1", "0"),
    ],
)
def test_how_events_were_read_is_printed_and_can_be_declared(run, dead, alive, option):
    table = frame()
    coded = table.assign(event=[dead if e else alive for e in table["event"]])
    extra = ("--event-value", option) if option else ()
    found = run("cox", coded, "--covariates", "x", *extra)
    assert found.data["coef"] == pytest.approx(pooled(table, ["x"]), abs=1e-8)
    count = int(table["event"].sum())
    assert found.data["read"]["events"]["event"] == {dead: count}
    shown = run("cox", coded, "--covariates", "x", *extra, json=False).out
    assert f"Events read: event: {dead} = event ({count} rows), {alive} = censored ({60 - count} rows)" in shown


def test_a_column_of_ones_is_read_as_events_and_says_so(run):
    found = run("cox", frame().assign(event=1), "--covariates", "x")
    assert found.data["events"] == 60 and "FH-819" in codes(found)
    nobody = run("cox", frame().assign(event=1), "--covariates", "x", "--event-value", "2")
    assert nobody.data["problem"]["code"] == "FH-824"


def test_small_groups_levels_without_events_and_constants_are_said_in_words(run):
    table = frame().assign(g=["mut"] + ["wt"] * 59, quiet=["b" if e == 0 and i % 2 else "a" for i, e in enumerate(frame()["event"])], k=5)
    metrics = run("metrics", table, "--score", "x", "--group", "g")
    said = " ".join(warning["what"] for warning in metrics.data["warnings"])
    assert "group mut has one patient" in said
    cox = run("cox", table, "--covariates", "g,quiet,k")
    said = " ".join(warning["what"] for warning in cox.data["warnings"])
    assert "level mut has one patient" in said and "level b has" in said and "no event" in said
    assert "k has one value only" in said
    flat = run("metrics", table, "--score", "k")
    assert "k has one value only" in flat.data["warnings"][0]["what"]
    for command, option in (("cox", "--covariates"), ("metrics", "--score")):
        nobody = run(command, table.assign(event=0), option, "x", json=False)
        assert nobody.status == 0 and "no events" in nobody.out


def test_equal_faults_are_one_line_and_columns_do_not_hide_cells(run):
    table = frame(n=500).assign(x="many", time="soon")
    found = run("cox", table, "--covariates", "x,y", json=False)
    lines = [line for line in found.err.splitlines() if line.startswith("FH-")]
    assert [line[:6] for line in lines] == ["FH-825", "FH-823"]
    assert "lines 2, 3, 4, 5, 6 and 495 more" in lines[0]
    ragged = frame(n=40).to_csv(index=False) + "a,1,1,1,9\nb,1,1,1,9\n"
    assert run("cox", ragged, "--covariates", "x").data["problem"]["what"] == "lines 42 and 43 have 5 fields, the header 4"


def test_strata_without_information_say_so(run):
    table = frame().assign(each=range(60), z=lambda t: [s in ("h0", "h1") for s in t["site"]])
    alone = run("cox", table, "--covariates", "x", "--strata", "each")
    assert alone.data["coef"] == [None] and alone.data["se"] == [None]
    assert [code for code in codes(alone) if code == "FH-817"] == ["FH-817", "FH-817"]
    inside = run("cox", table, "--covariates", "x,z", "--strata", "site")
    assert inside.data["coef"][1] is None and inside.data["coef"][0] is not None
    assert "do not differ in it" in inside.data["warnings"][-1]["what"]
    reference = CoxPHFitter(strata=["site"]).fit(table[["time", "event", "x", "site"]], "time", "event", fit_options={"precision": 1e-14})
    assert inside.data["coef"][0] == pytest.approx(float(reference.params_["x"]), abs=1e-8)


def test_linear_predictors_are_written_and_a_model_scores_a_second_table(run, tmp_path):
    table = frame().assign(g=["a", "b", "c"] * 20)
    second = frame(n=40, seed=9).assign(g=["c", "a"] * 20)
    other, out = tmp_path / "second.csv", tmp_path / "lp.csv"
    second.to_csv(other, index=False)
    found = run("cox", table, "--covariates", "x,g", "--predictions", out, "--apply", other)
    coef = found.data["coef"]

    def expected(rows):
        return coef[0] * rows["x"] + coef[1] * (rows["g"] == "b") + coef[2] * (rows["g"] == "c")

    written = pd.read_csv(out)
    assert written[written["table"] == "table.csv"]["linear_predictor"].to_numpy() == pytest.approx(expected(table).to_numpy())
    scored = written[written["table"] == "second.csv"]
    assert scored["linear_predictor"].to_numpy() == pytest.approx(expected(second).to_numpy())
    assert list(scored["line"]) == list(range(2, 42))
    from lifelines.utils import concordance_index

    assert found.data["applied"]["c_index"] == pytest.approx(concordance_index(second["time"], -expected(second), second["event"]))
    second.drop(columns=["time", "event", "site"]).assign(g="a").to_csv(other, index=False)
    bare = run("cox", table, "--covariates", "x,g", "--apply", other)
    assert bare.data["applied"]["scored"] == 40 and bare.data["applied"]["c_index"] is None
    second.assign(g="d").to_csv(other, index=False)
    assert run("cox", table, "--covariates", "x,g", "--apply", other).data["problem"]["code"] == "FH-825"


def test_compare_takes_the_tables_own_split(run):
    table = frame(n=120).assign(set=["test" if i % 3 == 0 else "Train" for i in range(120)])
    found = run("compare tabular", table, "--covariates", "x", "--split", "set", "--seeds", 2, "--rounds", 3)
    first = found.data["summary"][0]
    assert (first["n"], first["held_out"], first["scenario"]) == (80, 40, "table-split")
    shared = run("compare tabular", table, "--covariates", "x", "--split", "set", "--seeds", 2, "--rounds", 3, "--resolution", "shares")
    assert [one["c"] for one in shared.data["summary"]] == pytest.approx([one["c"] for one in found.data["summary"]], abs=1e-6)
    for wrong in ("validation", "1", "Train"):
        refused = run("compare tabular", table.assign(set=wrong), "--covariates", "x", "--split", "set")
        assert refused.data["problem"]["code"] == "FH-827"


def test_shares_keep_the_minima_of_the_studys_own_settings(run, tmp_path):
    table = frame(n=300)
    shares = ("--resolution", "shares", "--holders", 0)
    study = tmp_path / "study.yaml"
    sites = "".join(f"  - {{name: h{i}, role: development}}\n" for i in range(6))
    study.write_text(
        f"title: own\nmodels: [CLN]\nsites:\n{sites}privacy: {{minimum_cox_patients: 301}}\nevaluation: {{horizons: [400]}}\n",
        encoding="utf-8",
    )
    refused = run("cox", table, "--covariates", "x", *shares, "--study", study)
    assert "FH-804" in codes(refused) and refused.data["coef"] == [None]
    study.write_text(study.read_text().replace("301", "300"), encoding="utf-8")
    own = run("cox", table, "--covariates", "x", *shares, "--study", study).data
    assert own["baseline"]["time"] == [400]
    small = table.assign(g=["few" if i < 19 else "many" for i in range(300)])
    found = run("metrics", small, "--score", "x", "--group", "g", *shares, "--study", study)
    assert list(found.data["auc"]) == ["400"]
    assert found.data["logrank"] is None and found.data["km"]["groups"]["few"]["n"] is None
    assert any("group 1, 2: too few patients" in one["what"] for one in found.data["warnings"])


@pytest.mark.parametrize(
    ("written", "how"),
    [
        ("utf-16", {}),
        ("utf-16-le", {}),
        ("utf-16-be", {"sep": ";", "decimal": ","}),
        ("utf-8-sig", {"sep": "\t"}),
        ("cp1252", {"sep": "|"}),
        ("utf-8", {"sep": " "}),
        ("utf-8", {"lineterminator": "\r"}),
    ],
)
def test_how_a_program_writes_a_table_does_not_matter(tmp_path, written, how):
    table = frame().assign(site=lambda t: [f"Zürich {one}" for one in t["site"]])
    path = tmp_path / "table.csv"
    path.write_bytes(table.to_csv(index=False, **how).encode(written))
    found = run_cli(APP, "cox", "--csv", path, *COLUMNS, "--covariates", "x", "--json")
    assert (found.status, found.data["n"], found.data["sites"]) == (0, 60, 6)
    assert found.data["coef"] == pytest.approx(pooled(table, ["x"]), abs=1e-8)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"PK\x03\x04" + bytes(60), "workbook"),
        (b"\xd0\xcf\x11\xe0" + bytes(60), "workbook"),
        (b"My cohort,,,\nsite,time,event,x\na,1,1,0.5\n", "a title above the header"),
    ],
)
def test_what_is_no_table_is_said(tmp_path, data, says):
    (tmp_path / "table.csv").write_bytes(data)
    found = run_cli(APP, "cox", "--csv", tmp_path / "table.csv", *COLUMNS, "--covariates", "x", "--json")
    assert (found.data["problem"]["code"], says in found.data["problem"]["what"]) == ("FH-822", True)


@pytest.mark.parametrize("text", ["2020-03-01", "1.3.2020", "01-Mar-2020", "3/1/20 00:00", "2020/03/01"])
def test_dates_as_times_are_told_from_words(run, text):
    problem = run("cox", frame().assign(time=text), "--covariates", "x").data["problem"]
    assert "is a date" in problem["what"] and "start" in problem["fix"]


def test_a_fit_without_a_coefficient_prints_no_p_value(run):
    shown = run("cox", frame().assign(x=1), "--covariates", "x", json=False).out
    assert "nothing to test" in shown and "p = 1" not in shown
