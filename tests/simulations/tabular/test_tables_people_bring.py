"""Tables as hospitals, spreadsheets and registries export them: read rightly, or refused by a numbered problem, never read otherwise."""

import numpy as np
import pandas as pd
import pytest
from lifelines import CoxPHFitter

import fedhcc
from simulations import cli
from simulations.commands import from_table, tabular
from site_config.problems.base import Problem
from tests.simulations.tabular.test_awkward_tables import COLUMNS, frame
from tests.support import app_of, run_cli

APP = app_of(tabular.register, from_table.register)
ASKED = {"site": "site", "time": "time", "event": "event", "covariates": ["x", "sex"]}

TABLE = frame()
TEXT = TABLE.to_csv(index=False)
LINES = TEXT.splitlines()
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")


def having(column, written):
    """The table with other writing in a column: `written(row, value)`."""
    table = TABLE.astype(object)
    return table.assign(**{column: [written(i, value) for i, value in enumerate(TABLE[column])]})


def first(column, cell):
    return having(column, lambda i, value: cell if i == 3 else value)


def pooled(table, columns=("x", "sex")):
    fit = CoxPHFitter().fit(table[["time", "event", *columns]].astype(float).dropna(), "time", "event", fit_options={"precision": 1e-14})
    return pytest.approx(fit.params_.to_numpy(), abs=1e-6)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


def write(path, table):
    text = table.to_csv(index=False) if isinstance(table, pd.DataFrame) else table
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def refused(path, table, **asked):
    with pytest.raises(Problem) as caught:
        fedhcc.cox(write(path, table), **{**ASKED, **asked})
    return caught.value


def says(found, code):
    return [one for one in found.findings if one.startswith(code)]


READ_RIGHTLY = {
    "UTF-16 with its mark": TEXT.encode("utf-16"),
    "UTF-16 without": TEXT.encode("utf-16-le"),
    "UTF-16 big-endian with tabs": b"\xfe\xff" + TEXT.replace(",", "\t").encode("utf-16-be"),
    "UTF-32": TEXT.encode("utf-32"),
    "UTF-8 with its mark": b"\xef\xbb\xbf" + TEXT.encode(),
    "another code page": TEXT.replace("h", "Łódź").encode("cp1250"),
    "old line ends": TEXT.replace("\n", "\r"),
    "two kinds of line ends": "\r\n".join(LINES[:50]) + "\r" + "\n".join(LINES[50:]),
    "columns of blanks": TABLE.to_string(index=False),
    "a separator twice": TEXT.replace(",", ";;"),
    "blanks behind separators": TEXT.replace(",", ", "),
    "empty columns behind": "\n".join(line + ",,," for line in LINES),
    "an empty column before": "\n".join("," + line for line in LINES),
    "rows of separators": TEXT + ",,,,\n" * 500,
    "lines above": "\n\n\n" + TEXT,
    "everything in quotes": TABLE.to_csv(index=False, quoting=1),
    "exponents": having("x", lambda i, v: f"{v:.4e}"),
    "exponents with commas": having("x", lambda i, v: f"{v:.4e}".replace(".", ",")).to_csv(index=False, sep=";"),
    "events in wide digits": having("event", lambda i, v: str(v).translate(FULL_WIDTH)),
    "digits of Arabic": having("x", lambda i, v: str(v).translate(ARABIC)),
    "truth as true and false": having("sex", lambda i, v: bool(v)),
    "300 columns more": TABLE.assign(**{f"v{i}": i for i in range(300)}),
    "two other columns of one name": TABLE.assign(n1=1, n2=2).to_csv(index=False).replace("n1", "note").replace("n2", "note"),
    "weights": TABLE.assign(weight=2),
    "a codebook's words": having("event", lambda i, v: ["0 = alive", "1 = dead"][v]),
}


@pytest.mark.parametrize("name", READ_RIGHTLY)
def test_tables_read_rightly(path, name):
    assert fedhcc.cox(write(path, READ_RIGHTLY[name]), **ASKED).fit.coef == pooled(TABLE)


@pytest.mark.parametrize(
    ("dead", "alive"),
    [
        ("zgon", "żyje"),
        ("zmarła", "żyje"),
        ("tak", "nie"),
        ("zemřel", "žije"),
        ("overleden", "in leven"),
        ("Óbito", "vivo"),
        ("éxitus", "viva"),
        ("décédée", "vivante"),
        ("morto", "vivo"),
        ("död", "levande"),
        ("DEAD ", "Alive"),
    ],
)
def test_words_for_death_of_other_languages(path, dead, alive):
    assert fedhcc.cox(write(path, having("event", lambda i, v: [alive, dead][v])), **ASKED).fit.coef == pooled(TABLE)


@pytest.mark.parametrize(
    "codes",
    [
        {0: 0, 1: 2},
        {0: "C", 1: "E"},
        {0: "-", 1: "+"},
        {0: "m", 1: "v"},
        {0: "0%", 1: "100%"},
        {0: 0, 1: -1},
        {0: "存活", 1: "死亡"},
        {0: "жив", 1: "умер"},
    ],
)
def test_other_codes_of_events_are_asked_about(path, codes):
    table = having("event", lambda i, v: codes[v])
    assert refused(path, table).code == "FH-824"
    assert fedhcc.cox(path, **ASKED, event_values=[codes[1]]).fit.coef == pooled(TABLE)


def test_competing_risks_are_asked_about(path):
    table = having("event", lambda i, v: 2 if v and i % 3 == 0 else v)
    assert "0, 1, 2" in refused(path, table).what
    assert fedhcc.cox(path, **ASKED, event_values=[1]).fit.coef == pooled(table.assign(event=table["event"] == 1))


@pytest.mark.parametrize("name", ["alive", "Censored", "censoring", "progression_free", "vivo", "vivant", "lebt", "zensiert"])
@pytest.mark.parametrize("words", [(0, 1), ("no", "yes"), (1, 2)])
def test_a_column_named_for_life_is_not_read_as_one_of_death(path, name, words):
    """1 in a column `alive` was an event: every coefficient had the other sign's outcome."""
    table = TABLE.assign(event=[words[1 - v] for v in TABLE["event"]]).rename(columns={"event": name})
    problem = refused(path, table, event=name)
    assert problem.code == "FH-824" and f"`--event-value {words[0]}`" in problem.fix
    assert fedhcc.cox(path, **{**ASKED, "event": name}, event_values=[words[0]]).fit.coef == pooled(TABLE)


@pytest.mark.parametrize("name", ["status", "vital_status", "dead", "os_event", "survival_status", "died", "progression_free_event"])
def test_other_names_of_events_are_no_reason_to_ask(path, name):
    asked = {**ASKED, "event": name}
    assert fedhcc.cox(write(path, TABLE.rename(columns={"event": name})), **asked).fit.coef == pooled(TABLE)


@pytest.mark.parametrize("mark", ["x", "1", "yes", "dead"])
def test_a_tick_for_events_leaves_no_rows_out(path, mark):
    """The blank rows, all the censored patients, were left out, and everybody left had died."""
    problem = refused(path, having("event", lambda i, v: mark if v else ""), **({"event_values": ["x"]} if mark == "x" else {}))
    assert problem.code == "FH-824" and "49" in problem.what and "blank" in problem.what


@pytest.mark.parametrize("mark", ["x", "1", "yes"])
def test_a_tick_for_a_covariate_leaves_no_rows_out(path, mark):
    problem = refused(path, having("sex", lambda i, v: mark if v else ""))
    assert problem.code == "FH-825" and "does a blank cell mean no?" in problem.what


def test_one_word_for_all_events_is_told(path):
    found = fedhcc.cox(write(path, TABLE.assign(event=2)), **ASKED)
    assert says(found, "FH-819") and found.fit.coef == pooled(TABLE.assign(event=1))


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([LINES[0].replace(",", "\t"), *(line.replace(",", ";") for line in LINES[1:])], "separated by semicolons, the first line by tabs"),
        ([LINES[0], *(line.replace(",", ";") for line in LINES[1:])], "separated by semicolons, the first line by commas"),
        ([*LINES[:60], *(line.replace(",", ";") for line in LINES[60:])], "and 56 more have fields separated by semicolons"),
        ([*LINES[:60], *(line.replace(",", "|") for line in LINES[60:61]), *LINES[61:]], "line 61 has fields separated by bars"),
        ([*LINES[:60], LINES[0], *LINES[60:]], "line 61 holds the columns' names again"),
        ([*LINES, "", LINES[0].upper(), *LINES[1:20]], "line 123 holds the columns' names again"),
        ([LINES[0], "-,days,0/1,years,-", *LINES[1:]], "units or labels below the names"),
        ([LINES[0], "Hospital,Follow-up,Death,Age,Sex", *LINES[1:]], "units or labels below the names"),
        ([*LINES, "Total,60000,1,60.1,1"], "a total below the patients? Its site is Total"),
        ([*LINES, "Summe:,60000,1,60.1,1", "Mittelwert,500,0,60.1,0"], "lines 122 and 123: a total below the patients?"),
        (["<html><table>"], "HTML"),
        (['{"site": "h0"}', "1"], "JSON"),
        (["%PDF-1.4", "1"], "PDF"),
    ],
)
def test_lines_that_are_no_patients(path, lines, says):
    problem = refused(path, "\n".join(lines) + "\n")
    told = [problem, *problem.others]
    assert [one.code for one in told if says in one.what] == ["FH-822"]


@pytest.mark.parametrize("above", ["who,outcome,outcome,covariates,covariates", "who,,outcome,,"])
def test_names_on_the_second_line(path, above):
    problem = refused(path, "\n".join([above, *LINES]))
    assert problem.code == "FH-823" and "line 2 holds that name" in problem.what and "delete the lines above" in problem.fix


def test_a_total_is_a_hospital_where_others_of_its_name_are(path):
    assert fedhcc.cox(write(path, TABLE.assign(site=TABLE["site"].replace("h5", "Total"))), **ASKED).fit.sites == 6


def test_blanks_within_names_are_one(path):
    asked = {**ASKED, "covariates": ["age at start", "sex"]}
    assert fedhcc.cox(write(path, TABLE.rename(columns={"x": "Age  at\nstart"})), **asked).fit.coef == pooled(TABLE)


@pytest.mark.parametrize(
    "cells", [("10%", "50%"), ("10 mg", "50 mg"), ("<0.5", ">0.5"), ("2020-01-01", "2020-02-01"), ("1/2/2020", "1/3/2020"), ("< 5", "7")]
)
def test_numbers_with_a_unit_and_dates_are_no_levels_without_a_word(path, cells):
    found = fedhcc.cox(write(path, having("sex", lambda i, v: cells[v])), **ASKED) if "7" not in cells else None
    assert found is None or says(found, "FH-838")
    if found is None:
        assert refused(path, having("sex", lambda i, v: cells[v])).code == "FH-825"


@pytest.mark.parametrize("cells", [("I", "II"), ("40-49", "50-59"), ("+", "++"), ("T1", "T2"), ("0/4", "1/4")])
def test_levels_that_are_levels_are_no_doubt(path, cells):
    found = fedhcc.cox(write(path, having("sex", lambda i, v: cells[v])), **ASKED)
    assert found.fit.coef == pooled(TABLE) and not says(found, "FH-838")


@pytest.mark.parametrize("levels", [["0", "A", "B", "C"], ["1", "2", "3a", "3b"]])
def test_stages_of_digits_and_letters_are_asked_about(path, levels):
    problem = refused(path, having("sex", lambda i, v: levels[i % 4]))
    assert problem.code == "FH-825" and "are they levels?" in problem.what and "letter" in problem.fix


NO_NUMBERS = ("10%", "<0.5", "~60", "60*", "60-", "(60)", "1/2", "40-49", "0x1F", "1_000", "n.d.", ".A", "#WERT!", "=B2*2", "inf")
NO_TIMES = (lambda i, v: f"2020-01-{1 + v % 28:02d}", lambda i, v: f"P{v}D", lambda i, v: f"{v}:00:00", lambda i, v: -5 if i == 3 else v)


@pytest.mark.parametrize("cell", NO_NUMBERS)
def test_what_is_no_number_is_named_by_its_line(path, cell):
    problem = refused(path, first("x", cell))
    assert problem.code == "FH-825" and "line 5" in problem.what and cell not in problem.what


@pytest.mark.parametrize("mark", ["'", "’", " ", "\u202f", "\u00a0"])
def test_separators_of_thousands_that_are_not_read(path, mark):
    assert "digits and one mark" in refused(path, having("time", lambda i, v: f"{v:,}".replace(",", mark))).fix


@pytest.mark.parametrize(
    "written",
    [lambda i, v: f"2020-01-{1 + v % 28:02d}", lambda i, v: f"P{v}D", lambda i, v: f"{v}:00:00", lambda i, v: -5 if i == 3 else v],
)
def test_what_is_no_time(path, written):
    assert refused(path, having("time", written)).code == "FH-825"


def test_a_first_patient_without_a_time_is_no_line_of_units(path):
    table = having("time", lambda i, v: "n.d." if i == 0 else v)
    assert refused(path, table).code == "FH-825"


def test_time_zero_is_a_time(path):
    table = first("time", 0)
    assert fedhcc.cox(write(path, table), **ASKED).fit.coef == pooled(table)


@pytest.mark.parametrize("written", [lambda i, v: 43831 + i, lambda i, v: 20200101 + i % 28])
def test_dates_written_as_numbers_are_told(path, written):
    assert says(fedhcc.cox(write(path, having("x", written)), **ASKED), "FH-838: x lies between")


def test_rows_of_one_patient_and_late_entry_are_told(path):
    table = pd.concat([TABLE.assign(patient_id=range(120)), TABLE.assign(patient_id=range(120), x=TABLE["x"] + 1).head(30)])
    found = fedhcc.cox(write(path, table.assign(tstart=[0] * 120 + [90] * 30)), **ASKED)
    assert says(found, "FH-835") == ["FH-835: column 'patient_id' holds 120 values in 150 rows: 30 rows of patients already counted"]
    assert says(found, "FH-839: column 'tstart' is not read")
    made = run_cli(APP, "from-table", path, "--out", path.parent / "own", *COLUMNS, "--covariates", "x,sex", "--json")
    assert {"FH-835", "FH-839"} <= {note.split(":")[0] for note in made.data["notes"]}


@pytest.mark.parametrize("order", ["as they are", "by hospital"])
def test_merged_cells_of_hospitals_are_no_missing_values(path, order):
    table = TABLE if order == "as they are" else TABLE.sort_values("site")
    problem = refused(path, table.assign(site=[name if i % 20 == 0 else "" for i, name in enumerate(table["site"])]))
    assert problem.code == "FH-825" and "blank in 114 of 120 rows" in problem.what and "merged" in problem.what


def test_a_word_may_mean_missing_in_one_column_alone(path):
    """`--missing 9` for one column took the value 9 away from all others."""
    table = TABLE.assign(x=TABLE["x"].where(TABLE.index > 9, 9), sex=[9 if i % 40 == 20 else v for i, v in enumerate(TABLE["sex"])])
    kept = table.assign(sex=table["sex"].where(table["sex"] != 9))
    assert fedhcc.cox(write(path, table), **ASKED, missing=["sex=9"]).fit.coef == pooled(kept)
    assert fedhcc.cox(table, **ASKED, missing=["SEX=9"]).fit.coef == pooled(kept)
    shown = run_cli(APP, "cox", path, *COLUMNS, "--covariates", "x,sex", "--missing", "sex=9.0", "--json")
    assert shown.data["coef"] == pooled(kept)
    assert refused(path, table, missing=["sx=9"]).code == "FH-823"
    worded = having("sex", lambda i, v: "a=b" if i == 3 else ["f", "m"][v])
    assert fedhcc.cox(write(path, worded), **ASKED, missing=["a=b"]).fit.n == 119


def test_unknown_is_a_level_that_is_told(path):
    assert says(fedhcc.cox(write(path, having("sex", lambda i, v: ["f", "m", "unknown"][i % 3])), **ASKED), "FH-815")


@pytest.mark.parametrize("scale", [1e9, 1e-9])
def test_large_and_small_numbers(path, scale):
    found = fedhcc.cox(write(path, TABLE.assign(x=TABLE["x"] * scale)), **ASKED).fit.coef
    assert [found[0] * scale, found[1]] == pooled(TABLE)


def test_many_alike_findings_are_one_line(path):
    """183 lines of 300 columns for 120 patients."""
    rng = np.random.default_rng(1)
    wide = TABLE.head(12).assign(**{f"v{i}": rng.normal(size=12).round(3) for i in range(60)})
    shown = run_cli(APP, "cox", write(path, wide), *COLUMNS, "--covariates", ",".join(f"v{i}" for i in range(60)))
    lines = [line for line in shown.out.splitlines() if line.startswith("FH-806")]
    assert len(lines) == 1, shown.err
    assert "others (" in lines[0]


def test_a_run_groups_alike_faults_of_each_hospital(path):
    write(path, TABLE)
    own = path.parent / "own"
    assert run_cli(APP, "from-table", path, "--out", own, *COLUMNS, "--covariates", "x,sex").status == 0
    for name in ("h0", "h3"):
        file = own / "sites" / name / "cohort.csv"
        head, *rows = file.read_text().splitlines()
        file.write_text("\n".join([head, *(row.rsplit(",", 1)[0] + ",7" for row in rows)]) + "\n")
    ended = run_cli(cli.app, "run", own, "--out", path.parent / "run")
    told = [line.strip() for line in ended.err.splitlines() if " rows " in line]
    assert [line.split(" 2, 3,")[0] for line in told] == ["FH-213 h0: rows", "FH-213 h3: rows"], ended.err
