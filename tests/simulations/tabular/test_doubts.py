"""What nobody may miss in a table somebody brings: codes for missing, labels in two spellings, rows twice, times that are none."""

import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fedhcc
from fedhcc.data_frames import table_of
from simulations.commands import from_table, tabular
from simulations.tabular.complete_rows import FitRows, Named, load_rows, rows_of
from simulations.tabular.read_table import Reading, read_table
from site_config.problems.base import Problem
from tests.simulations.tabular.test_own_tables import frame
from tests.support import app_of, run_cli

APP = app_of(tabular.register, from_table.register)


def loaded(folder: Path, table: pd.DataFrame | str, *covariates: str, **named: object) -> FitRows:
    path = folder / "table.csv"
    path.write_text(table if isinstance(table, str) else table.to_csv(index=False), encoding="utf-8")
    return load_rows(path, Named("site", "time", "event", covariates or ("x",), **named))  # type: ignore[arg-type]


def said(rows: FitRows, code: str) -> list[str]:
    return [finding.what for finding in rows.findings if finding.code == code]


@pytest.mark.parametrize("code", [999, -9, -99, 9999, 99.9])
def test_a_code_for_missing_is_pointed_out_and_can_be_declared(tmp_path, code):
    table = frame().assign(x=lambda t: np.where(t.index % 20 == 0, float(code), t["x"].round(3)))
    (what,) = said(loaded(tmp_path, table), "FH-833")
    assert what.startswith(f"x: {code:g} stands in 3 rows") and what.endswith(f"--missing {code:g} (in Python missing=[{code:g}])")


@pytest.mark.parametrize("codes", [[0, 1, 9], [1, 2, 3, 9]])
def test_nine_among_small_codes_is_one(tmp_path, codes):
    table = frame().assign(x=lambda t: [codes[i % len(codes)] for i in t.index])
    assert len(said(loaded(tmp_path, table), "FH-833")) == 1


@pytest.mark.parametrize("values", [[20, 99, 65, 71], [1, 2, 9, 8], [0, 999, 1500, 700]])
def test_a_number_among_its_like_is_none(tmp_path, values):
    table = frame().assign(x=lambda t: [values[i % len(values)] for i in t.index])
    assert said(loaded(tmp_path, table), "FH-833") == []


def test_labels_in_two_spellings_are_named(tmp_path):
    table = frame().assign(
        g=["Male", "male ", "FEMALE"] * 20, site=lambda t: ["Berlin" if i % 2 else "BERLIN" for i in t.index], y=["A+", "A-", "a"] * 20
    )
    (labels, sites) = sorted(said(loaded(tmp_path, table, "g", "y"), "FH-834"))
    assert labels == "g: 'Male', 'male' count as 2 different labels"
    assert sites == "site: 'BERLIN', 'Berlin' count as 2 different labels"


def test_rows_that_stand_twice_are_named(tmp_path):
    table = frame()
    (what,) = said(loaded(tmp_path, pd.concat([table, table.head(2)])), "FH-835")
    assert what == "lines 62 and 63 are equal to an earlier row in every column, and counted again"
    assert said(loaded(tmp_path, table), "FH-835") == []


def test_rows_of_a_frame_are_told_as_such():
    table = pd.concat([frame(), frame().head(2)])
    found = rows_of(table_of(table, ("site", "time", "event", "x"), Reading()), Named("site", "time", "event", ("x",)))
    (what,) = said(found, "FH-835")
    assert what.startswith("rows 61 and 62 of the frame are equal to an earlier row in every column named here (no other is read)")
    wrong = frame().assign(x=lambda t: [*map(str, t["x"][:-1]), "many"])
    with pytest.raises(Problem, match=r"column 'x', row 60: "):
        rows_of(table_of(wrong, ("site", "time", "event", "x"), Reading()), Named("site", "time", "event", ("x",)))


@pytest.mark.parametrize(
    ("times", "words"),
    [
        (lambda day: day + 43831, "more than a life"),
        (lambda day: 2012 + day % 9, "calendar years"),
        (lambda day: (day / 30.4375).round(1), "say --time-unit"),
        (lambda day: (day / 365.25).round(2), "say --time-unit"),
    ],
)
def test_times_that_may_be_none_or_in_another_unit(tmp_path, times, words):
    table = frame().assign(time=lambda t: times(t["time"]))
    (what,) = said(loaded(tmp_path, table), "FH-818")
    assert words in what
    assert said(loaded(tmp_path, frame()), "FH-818") == []
    assert said(loaded(tmp_path, frame().assign(time=lambda t: (t["time"] / 30.4375).round(1)), time_unit="months"), "FH-818") == []


def test_a_true_minus_is_a_minus(tmp_path):
    table = frame()
    written = table.assign(x=[f"{v:.4f}".replace("-", "\u2212") for v in table["x"]])
    assert loaded(tmp_path, written).x[:, 0] == pytest.approx(loaded(tmp_path, table.round({"x": 4})).x[:, 0])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda v: f"{v:.2f} mg", "the value|different texts"),
        (lambda v: "<0.5" if v < -1 else f"{v:.2f}", "a number with something beside it"),
        (lambda v: f"{5000 * v:,.1f}".replace(",", "'"), "not a finite number"),
        (lambda v: f"{5000 * v:,.1f}".replace(",", "\u202f"), "not a finite number"),
    ],
)
def test_what_is_beside_a_number_is_said(tmp_path, write, words):
    with pytest.raises(Problem, match=words) as found:
        loaded(tmp_path, frame().assign(x=lambda t: t["x"].map(write)))
    assert "alone" in str(found.value.fix) or "one mark" in str(found.value.fix)


def test_grouped_thousands_of_a_semicolon_table_are_ambiguous_unless_points_are_seen_elsewhere(tmp_path):
    table = frame().assign(x=[f"{1 + i % 9}.{i % 7}30" for i in range(60)])
    with pytest.raises(Problem, match=r"1\.230, which is 1230 or 1\.23"):
        loaded(tmp_path, table.to_csv(sep=";", index=False))
    other = table.assign(y=0.25)
    assert loaded(tmp_path, other.to_csv(sep=";", index=False)).x[0, 0] == 1.03


def test_a_key_that_stands_twice_makes_no_folder(tmp_path):
    table = frame().assign(id=[f"p{i % 58}" for i in range(60)])
    table.to_csv(tmp_path / "t.csv", index=False)
    columns = ("--site", "site", "--time", "time", "--event", "event", "--key", "id")
    ran = run_cli(APP, "from-table", tmp_path / "t.csv", "--out", tmp_path / "own", *columns)
    assert ran.status == 11 and "lines 2 and 60 have one key in column 'id', and 1 other key too" in ran.err
    assert not (tmp_path / "own").exists()


def test_doubts_are_told_where_a_folder_is_made(tmp_path):
    table = pd.concat([frame().assign(x=lambda t: np.where(t.index % 20 == 0, 999.0, t["x"])), frame().tail(1)])
    table.to_csv(tmp_path / "t.csv", index=False)
    assert len(read_table(tmp_path / "t.csv").rows) == 61
    ran = run_cli(APP, "from-table", tmp_path / "t.csv", "--out", tmp_path / "own", "--site", "site", "--time", "time", "--event", "event")
    assert ran.status == 0, ran.err
    assert "FH-833: x: 999 stands in 3 rows" in ran.err and "FH-835: line 62 is equal" in ran.err


def test_one_name_in_two_codings_is_one_hospital(tmp_path):
    """A Mac writes é as two signs, others as one: no reader could tell the hospitals apart, nor the columns."""
    names = ["Hôpital Saint-Antoine", "Klinikum München", "A Coruña", "Łódź"]
    two = frame().assign(site=lambda t: [unicodedata.normalize("NFD" if i % 2 else "NFC", names[i // 2 % 4]) for i in t.index])
    two = two.rename(columns={"x": unicodedata.normalize("NFD", "Größe")})
    rows = loaded(tmp_path, two, unicodedata.normalize("NFC", "Größe"))
    assert said(rows, "FH-834") == [] and sorted(one.name for one in rows.sites) == sorted(names)
    fit = fedhcc.cox(two, site="site", time="time", event="event", covariates=[unicodedata.normalize("NFC", "Größe")])
    assert "4 sites" in repr(fit)


@pytest.mark.parametrize(("name", "unit"), [("os_months", "months"), ("OS.MO", "months"), ("Years", "years"), ("fu_wks", "weeks")])
def test_a_time_column_named_after_another_unit_is_pointed_out(tmp_path, name, unit):
    """130 whole months look like 130 days: the column's name is all that tells."""
    table = frame().assign(time=lambda t: np.linspace(1, 130, len(t)).round()).rename(columns={"time": name})
    table.to_csv(tmp_path / "t.csv", index=False)
    (what,) = said(load_rows(tmp_path / "t.csv", Named("site", name, "event", ("x",))), "FH-818")
    assert what == f"{name} is read as days; for {unit} say --time-unit {unit} (in Python time_unit='{unit}')"
    assert said(load_rows(tmp_path / "t.csv", Named("site", name, "event", ("x",), time_unit="days")), "FH-818") == []


def test_a_column_that_stands_twice_is_to_be_renamed(tmp_path):
    text = frame().assign(y=1.0).to_csv(index=False).replace(",y\n", ",x\n", 1)
    with pytest.raises(Problem, match="the header holds 'x' 2 times") as found:
        loaded(tmp_path, text)
    assert "Rename all but one" in str(found.value.fix)
