"""Tables that were read wrongly without a word: quotes, separators, a second table's codes, one column for two things, labels of digits."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

import fedhcc
from simulations import cli
from simulations.commands import compare, from_table, tabular
from site_config.documents.read_yaml_documents import load_study
from site_config.tables.cell_values import NUMBER
from tests.support import app_of, run_cli

APP = app_of(tabular.register, compare.register, from_table.register)
COLUMNS = ("--site", "site", "--time", "time", "--event", "event")
TRAINED = ("--covariates", "x,sex", "--seeds", "1", "--rounds", "2")


def frame(n=120, seed=3):
    rng = np.random.default_rng(seed)
    x, sex = rng.normal(60, 9, n).round(1), rng.integers(0, 2, n)
    died, lost = rng.exponential(900 * np.exp(-0.05 * (x - 60) - 0.5 * sex)), rng.exponential(1500, n)
    day = np.ceil(np.minimum(died, lost)).clip(1).astype(int)
    return pd.DataFrame({"site": [f"h{i % 6}" for i in range(n)], "time": day, "event": (died <= lost).astype(int), "x": x, "sex": sex})


TABLE = frame()
LINES = TABLE.to_csv(index=False).splitlines()


def pooled(table, columns=("x", "sex")):
    fit = CoxPHFitter().fit(table[["time", "event", *columns]].astype(float), "time", "event", fit_options={"precision": 1e-14})
    return pytest.approx(fit.params_.to_numpy(), abs=1e-6)


@pytest.fixture
def run(tmp_path):
    """Write a table, as text, bytes or a frame, and run a command on it."""

    def go(command, table, *extra, columns=COLUMNS, json=True):
        path = tmp_path / "table.csv"
        text = table.to_csv(index=False) if isinstance(table, pd.DataFrame) else table
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return run_cli(APP, *command.split(), "--csv", path, *columns, *(("--json",) if json else ()), *map(str, extra))

    return go


def cox(run, table, *extra, **how):
    return run("cox", table, *(extra or ("--covariates", "x,sex")), **how).data


def told(data, code):
    return [one["what"] for one in data["warnings"] if one["code"] == code]


def changed(lines, at, old, new):
    return [line.replace(old, new, 1) if place in at else line for place, line in enumerate(lines)]


@pytest.mark.parametrize(
    "lines",
    [
        changed(LINES, [10], "h", '"h'),
        changed(changed(LINES, [10], "h", '"h'), [40], "h", 'h"'),
        [line + (',"12 cm' if place == 10 else ',7" wide' if place == 50 else ",note") for place, line in enumerate(LINES)],
        changed(LINES, [len(LINES) - 2], "h", '"h'),
    ],
)
def test_a_stray_quote_takes_no_rows_away(run, lines):
    problem = cox(run, "\n".join(lines) + "\n")["problem"]
    assert problem["code"] == "FH-822" and "a quote opens" in problem["what"] and "inches" in problem["fix"]


def test_line_breaks_within_a_cell_are_none_between_rows(run):
    found = cox(run, TABLE.assign(note="seen twice,\nonce, with a comma"))
    assert found["coef"] == pooled(TABLE)


def test_decimal_commas_in_a_comma_table_shift_no_columns(run):
    text = "\n".join([LINES[0], *(line.replace(".", ",") for line in LINES[1:])]) + "\n"
    problem = cox(run, text)["problem"]
    assert problem["code"] == "FH-822" and "semicolons" in problem["fix"]


def test_quoted_decimal_commas_are_read_where_they_can_be_nothing_else(run):
    quoted = TABLE.assign(x=[f"{one:.1f}".replace(".", ",") for one in TABLE["x"]])
    assert cox(run, quoted)["coef"] == pooled(TABLE)
    mixed = quoted.assign(x=["1,230", *quoted["x"][1:]])
    problem = cox(run, mixed)["problem"]
    assert problem["code"] == "FH-828" and "like 62,3 and numbers like 1,230" in problem["what"]


@pytest.mark.parametrize("name", ["x, mg, per, dl, all", '"age, in\nyears, at, start, all"'])
def test_commas_in_a_name_do_not_separate_a_semicolon_table(run, name):
    text = TABLE.to_csv(index=False, sep=";").replace("x", name, 1)
    found = cox(run, text, "--covariates", name.strip('"'), "--covariates", "sex")
    assert found["coef"] == pooled(TABLE)


def test_names_in_quotes_separated_by_blanks_are_names(run):
    """As R's `write.table` does by default."""
    table = TABLE.assign(site="St Mary " + TABLE["site"]).rename(columns={"sex": "female sex"})
    text = table.to_csv(index=False, sep=" ", quoting=2)
    assert cox(run, text, "--covariates", "x,female sex")["coef"] == pooled(TABLE)


def test_signs_of_no_width_are_no_part_of_a_name(run):
    text = "\ufeff\ufeff" + TABLE.to_csv(index=False).replace("sex", "\u200bsex\u00a0", 1)
    assert cox(run, text)["coef"] == pooled(TABLE)
    assert fedhcc.cox(
        TABLE.rename(columns={"sex": "sex\u200b"}), site="site", time="time", event="event", covariates=["x", "sex"]
    ).fit.coef == pooled(TABLE)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("# exported by X\n" + "\n".join(LINES), "a title above the header"),
        ("Export of 2024\n\n" + "\n".join(LINES), "a title above the header"),
        ("Export 2024\n" + "\n".join(LINES).replace("h", "St Mary "), "a title above the header"),
        (b"PAR1" + bytes(range(256)), "no text"),
        (b"\x1f\x8b\x08\x08" + bytes(range(1, 200)), "no text"),
    ],
)
def test_what_stands_above_the_header_and_other_formats_are_said(run, data, says):
    problem = cox(run, data)["problem"]
    assert (problem["code"], says in problem["what"]) == ("FH-822", True)


def second(tmp_path, table):
    path = tmp_path / "second.csv"
    table.to_csv(path, index=False)
    return ("--covariates", "x,sex", "--apply", path)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({0: 0, 1: 1}, {0: 1, 1: 2}),
        ({0: 1, 1: 2}, {0: 0, 1: 1}),
        ({0: 0, 1: 1}, {0: 9, 1: 1}),
        ({0: "alive", 1: "dead"}, {0: "alive", 1: "lost to follow-up"}),
    ],
)
def test_a_second_table_in_another_coding_is_refused(run, tmp_path, first, then):
    """Read by the first table's codes, 1 = event of 0/1 would turn the events of 1/2 round, and 9 would be censored."""
    other = frame(80, 9)
    found = cox(run, TABLE.assign(event=TABLE["event"].map(first)), *second(tmp_path, other.assign(event=other["event"].map(then))))
    assert found["problem"]["code"] == "FH-824"


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({0: "alive", 1: "dead"}, {0: 0, 1: 1}),
        ({0: "alive", 1: "dead"}, {0: "Censored", 1: "deceased"}),
        ({0: 1, 1: 2}, {0: "1.0", 1: "2,0"}),
    ],
)
def test_a_second_table_in_other_words_is_read_by_itself(run, tmp_path, first, then):
    other = frame(80, 9)
    plain = cox(run, TABLE, *second(tmp_path, other))["applied"]
    found = cox(run, TABLE.assign(event=TABLE["event"].map(first)), *second(tmp_path, other.assign(event=other["event"].map(then))))
    assert found["applied"] == plain


def test_unknown_events_of_a_second_table_are_not_censored_and_none_may_have_happened(run, tmp_path):
    other = frame(80, 9)
    words = other.assign(event=[*["NA"] * 20, *other["event"][20:]])
    blank = other.assign(event=[*[None] * 20, *other["event"][20:].astype("Int64")])
    assert cox(run, TABLE, *second(tmp_path, words))["applied"] == cox(run, TABLE, *second(tmp_path, blank))["applied"]
    censored = cox(run, TABLE, *second(tmp_path, other.assign(event=0)))["applied"]
    assert (censored["scored"], censored["c_index"]) == (80, None)


def test_declared_events_that_stand_nowhere_and_words_for_unknown_are_told(run):
    words = TABLE["event"].map({0: "alive", 1: "dead"})
    table = TABLE.assign(event=["NA", "unknown", *words[2:]])
    found = cox(run, table, "--covariates", "x", "--event-value", "dead", "--event-value", "dide")
    assert told(found, "FH-837") == ["event: no row holds dide, declared as event; NA, alive, unknown = censored"]
    assert "NA, unknown counts as censored in 2 rows" in told(found, "FH-815")[0]
    assert cox(run, table, "--covariates", "x", "--event-value", "dead", "--missing", "NA", "--missing", "unknown")["n"] == 118


@pytest.mark.parametrize(("dead", "alive"), [("1,0", "0,0"), ("WAHR", "FALSCH"), ("vrai", "faux")])
def test_events_as_germany_and_france_write_them(run, dead, alive):
    assert cox(run, TABLE.assign(event=TABLE["event"].map({1: dead, 0: alive})))["coef"] == pooled(TABLE)


@pytest.mark.parametrize("covariates", ["x,time", "x,TIME ", "event", "x,X", "x,sex,x"])
def test_the_outcome_is_no_covariate_however_it_is_named(run, covariates):
    assert cox(run, TABLE, "--covariates", covariates)["problem"]["code"] == "FH-902"


@pytest.mark.parametrize(("option", "name"), [("--site", "time"), ("--site", "EVENT"), ("--time", "event"), ("--strata", "event")])
def test_one_column_is_not_two_things(run, option, name):
    columns = (*COLUMNS, "--covariates", "x")
    problem = run("cox", TABLE, option, name, columns=columns).data["problem"]
    assert problem["code"] == "FH-902"
    assert run("metrics", TABLE, "--score", "event").data["problem"]["code"] == "FH-902"


@pytest.mark.parametrize(("sites", "n", "said"), [
    (["12345678901234567890", "12345678901234567891", "12345678901234567892"], 3, False),
    (["01", "1", "1.0"], 1, True),
    (["1e2", "100", "7"], 2, True),
    (["1", "1.0", "2"], 2, False),
])  # fmt: skip
def test_hospitals_of_digits_are_not_merged_without_a_word(run, sites, n, said):
    found = cox(run, TABLE.assign(site=sites * 40))
    assert (found["sites"], bool(told(found, "FH-834"))) == (n, said)


@pytest.mark.parametrize(("written", "declared"), [("999.0", "999"), ("999", "999.0"), ("\u22129", "-9"), ("999,0", "999")])
def test_a_declared_code_for_missing_is_the_number_and_not_its_digits(run, written, declared):
    values = TABLE["x"].astype(str)
    table = TABLE.assign(x=[written, *values[1:]])
    if "," in written:
        table = TABLE.assign(x=[written, *values[1:].str.replace(".", ",")])
    assert cox(run, table, "--covariates", "x", "--missing", declared)["n"] == 119


def test_a_score_is_a_number(run):
    problem = run("metrics", TABLE.assign(x=["low", "high"] * 60), "--score", "x").data["problem"]
    assert problem["code"] == "FH-825" and "score" in problem["what"]


def test_a_comparison_says_what_was_left_out_and_how_events_were_read(run):
    table = TABLE.assign(x=TABLE["x"].where(TABLE.index > 5), sex=1)
    found = run("compare tabular", table, *TRAINED)
    assert [one["code"] for one in found.data["warnings"]] == ["FH-811", "FH-805"]
    shown = run("compare tabular", table, *TRAINED, json=False).out
    assert "6 rows with missing values were left out" in shown and "Events read: event: 1 = event" in shown


@pytest.mark.parametrize(("events", "code"), [("none", "FH-801"), ("none held out", "FH-810")])
def test_a_comparison_of_nobody_is_refused(run, events, code):
    held = (TABLE["event"] == 0) & (TABLE.index % 2 == 0)
    table = TABLE.assign(part=held.map({True: "test", False: "train"}), event=0 if events == "none" else TABLE["event"])
    assert run("compare tabular", table, *TRAINED, "--split", "part").data["problem"]["code"] == code


@pytest.mark.parametrize("n", [1, 2])
def test_no_more_patients_than_columns_on_shares(n):
    found = fedhcc.cox(
        TABLE.head(n), site="site", time="time", event="event", covariates=["x", "sex"], resolution="shares", holders=0
    ).to_dict()
    assert found["coef"] == [None, None]


def test_a_table_is_not_written_over(run, tmp_path):
    for extra in (("--predictions", tmp_path / "table.csv"), ("--apply", tmp_path / "b.csv", "--predictions", tmp_path / "." / "b.csv")):
        TABLE.to_csv(tmp_path / "b.csv", index=False)
        assert cox(run, TABLE, "--covariates", "x", *extra)["problem"]["code"] == "FH-902"
        assert (tmp_path / "table.csv").read_text() == (tmp_path / "b.csv").read_text() == TABLE.to_csv(index=False)


def test_a_folder_of_a_table_holds_no_exponents(tmp_path):
    """1.2e-05, which cohort.csv does not read, left a study waiting for its hospitals."""
    table, path = TABLE.assign(x=TABLE["x"] / 50000, y=TABLE["x"] * 1e6), tmp_path / "table.csv"
    table.assign(x=[1.2e-05, *table["x"][1:]]).to_csv(path, index=False)
    made = run_cli(APP, "from-table", path, "--out", tmp_path / "own", *COLUMNS, "--json")
    assert made.status == 0, made.err
    cohort = pd.read_csv(tmp_path / "own" / "sites" / "h0" / "cohort.csv", dtype=str)
    assert cohort["x"][0] == "0.000012" and all(NUMBER.fullmatch(one) for one in [*cohort["x"], *cohort["y"]])
    low, high = next(one for one in load_study(tmp_path / "own" / "study.yaml").clinical if one.name == "x").bounds or (1, 0)
    assert low < 1.2e-05 < 0.001 < high
    for scale in (1e-9, 1e12):
        TABLE.assign(x=TABLE["x"] * scale).to_csv(path, index=False)
        refused = run_cli(APP, "from-table", path, "--out", tmp_path / "none", *COLUMNS, "--json").data["problem"]
        assert (refused["code"], refused["fix"]) == ("FH-825", "Write the column in another unit.")


@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_numbers_of_no_square_are_refused(run, size):
    assert cox(run, TABLE.assign(x=TABLE["x"] * size))["problem"]["code"] == "FH-825"


def test_a_column_that_rounding_makes_constant_is_not_called_so(run):
    (said,) = told(cox(run, TABLE.assign(x=TABLE["x"] + 1e12)), "FH-805")
    assert "subtract a constant" in said and "one value" not in said


@pytest.mark.parametrize("name", ["stratum", "gb", "day", "event.", "score"])
def test_a_column_may_be_called_as_a_part_or_a_level_is(name):
    """A column called stratum was overwritten by the strata's numbers, and one called as another's level ended in a trace."""
    table = TABLE.assign(g=["a", "b", "c"] * 40).rename(columns={"sex": name})
    ask = {"site": "site", "time": "time", "event": "event", "covariates": ["x", "g", name]}
    shared = fedhcc.cox(table, **ask, resolution="shares", holders=0)
    assert shared.fit.covariates == ("x", "gb", "gc", name)
    assert shared.fit.coef == pytest.approx(fedhcc.cox(table, **ask).fit.coef, abs=1e-5)
    said = fedhcc.cox(table.assign(**{name: 1}), **ask, resolution="shares", holders=0).findings
    assert f"FH-805: {name} has one value only" in said


def test_times_longer_than_a_life_end(run):
    """Dates as seconds gave a curve of 50,000 months, which did not end."""
    table = TABLE.assign(time=TABLE["time"] * 1_000_000)
    found = run("metrics", table, "--score", "x", "--resolution", "shares", "--holders", "0").data
    assert told(found, "FH-818") and len(found["km"]["overall"]["time"]) < 15
    refused = cox(run, table, "--covariates", "x", "--resolution", "shares", "--holders", "0", "--grid", "weeks")
    assert refused["problem"]["code"] == "FH-830"
    assert len(told(cox(run, TABLE.assign(time=1e300)), "FH-818")[0]) < 120


def test_many_groups_of_one_patient_are_told_together(run):
    found = run("metrics", TABLE.assign(g=[f"g{i}" for i in range(120)]), "--score", "x", "--group", "g").data
    assert told(found, "FH-816") == [
        "120 groups of 120 have one patient each (g0, g6, g12, g18, g24, …): their curves are those patients' lives"
    ]


def test_a_study_of_faulty_tables_ends_before_it_waits_for_its_hospitals(tmp_path):
    TABLE.to_csv(tmp_path / "table.csv", index=False)
    own = tmp_path / "own"
    assert run_cli(APP, "from-table", tmp_path / "table.csv", "--out", own, *COLUMNS).status == 0
    for name in ("h0", "h3"):
        file = own / "sites" / name / "cohort.csv"
        file.write_text(file.read_text().replace("p", "p9,x,", 1) if name == "h3" else file.read_text() + "p900,-3,7,900,0\n")
    problem = run_cli(cli.app, "run", own, "--out", tmp_path / "run", "--json").data["problem"]
    told_of = [problem["what"], *(one["what"] for one in problem["others"])]
    assert {one.split(":")[0] for one in told_of} == {"h0", "h3"}
