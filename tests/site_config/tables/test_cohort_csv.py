from __future__ import annotations

import codecs
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from site_config.problems.base import Problem
from site_config.study import study_presets
from site_config.study.plan_and_lock import Endpoint
from site_config.tables.cohort_csv import Cohort, parse_cohort
from tests.site_config.broken import COHORT, GOOD, HEAD

TODAY = date(2026, 11, 23)
STUDY = study_presets.preset("paper")


def read(text: str | bytes, zero: str = "treatment") -> Cohort:
    study = STUDY.model_copy(update={"endpoint": Endpoint(time_zero=zero)})  # type: ignore[arg-type]
    return parse_cohort(text.encode() if isinstance(text, str) else text, study, TODAY)


def codes(text: str | bytes) -> list[str]:
    with pytest.raises(Problem) as caught:
        read(text)
    return [caught.value.code, *(other.code for other in caught.value.others)]


def test_days_count_from_the_studys_time_zero() -> None:
    by_zero = {zero: read(COHORT, zero).patients for zero in ("treatment", "baseline_ct", "first_followup")}
    dead, alive = by_zero["treatment"]
    assert (dead.event, dead.time_days, dead.baseline_day, dead.followup_day) == (True, 356.0, -9.0, 53.0)
    assert (alive.event, alive.time_days) == (False, 506.0)  # the last CT is later than the last contact
    assert by_zero["baseline_ct"][0].time_days == 365.0
    assert by_zero["first_followup"][0].time_days == 303.0
    assert dead.zero_date == date(2021, 1, 10)
    assert (dead.age, dead.male, alive.male, dead.response, alive.response) == (63.0, True, False, "PD", "NE")
    assert dead.clinical == {"differentiation": 2, "nash": 0, "pvtt": 1, "surgery": 0, "ebrt": 0, "tace": 1, "rfa": 0}
    assert [patient.row for patient in (dead, alive)] == [2, 3]


@pytest.mark.parametrize(
    "data",
    [
        COHORT.encode("utf-8-sig"),
        COHORT.replace("\n", "\r\n").encode(),
        COHORT.replace("\n", "\r").encode(),
        COHORT.replace(",", ";").encode(),
        COHORT.replace(",", "\t").encode("utf-16"),
        codecs.BOM_UTF16_BE + COHORT.encode("utf-16-be"),
        ("sep=;\n" + COHORT.replace(",", ";")).encode(),
        (COHORT.replace("\n", ",,\n") + ",,,,\n\n,,\n").encode(),
        COHORT.replace("patient", "Patient ").upper().replace("\n", " \n").encode(),
        COHORT.replace("2021-01-10", "2021-01-10 00:00:00").encode(),
        "\n".join(f'"{line}"'.replace(",", '","') for line in COHORT.strip().split("\n")).encode(),
        COHORT.replace(",0,1,0,0,1,0,PD", ",no,yes,0.0,No,YES,0,pd").encode(),
    ],
)
def test_the_habits_of_spreadsheets_change_nothing(data: bytes) -> None:
    plain, other = read(COHORT).patients, read(data).patients
    assert [patient.time_days for patient in other] == [patient.time_days for patient in plain]
    assert [patient.clinical for patient in other] == [patient.clinical for patient in plain]


def test_decimal_commas_between_semicolons() -> None:
    assert read(COHORT.replace(",", ";").replace(";63;", ";63,5;")).patients[0].age == 63.5


def test_days_in_place_of_dates() -> None:
    header = HEAD.replace("_date", "_day")
    patients = read(f"{header}\nA1,63,M,0,-9,55,412,388,1,2,0,1,0,0,1,0,PD\nB2,,,5,-3,61,230,305,0,,,,,,,,\n").patients
    assert [patient.time_days for patient in patients] == [412.0, 300.0]
    assert (patients[1].zero_day, patients[1].zero_date, patients[1].followup_day) == (5, None, 56.0)


def test_blanks_are_unknown_and_told_once_a_column() -> None:
    cohort = read(f"{HEAD}\nA1,,,2021-01-10,2021-01-01,2021-03-04,2022-01-01,,1,NA,,NaN,0,0,1,0,\n")
    patient = cohort.patients[0]
    assert (patient.age, patient.male, patient.response) == (None, None, None)
    assert patient.clinical["differentiation"] is patient.clinical["nash"] is patient.clinical["pvtt"] is None
    assert [finding.code for finding in cohort.findings] == ["FH-227"] * 6


def test_a_missing_visit_is_a_finding_and_no_reason_to_drop_the_patient() -> None:
    cohort = read(COHORT.replace("2021-03-04", ""))
    assert cohort.patients[0].followup_day is None
    assert "FH-224" in [finding.code for finding in cohort.findings]
    assert all("drop" not in finding.fix for finding in cohort.findings)


def test_censored_patients_are_followed_to_their_last_ct_of_any_kind() -> None:
    patient = read(COHORT.replace("2022-06-01,2022-07-01,0", "2021-03-01,,0")).patients[1]
    assert patient.time_days == patient.followup_day == 53.0


def test_no_time_at_risk_is_one_day_and_a_finding() -> None:
    cohort = read(COHORT.replace("2022-06-01,2022-07-01", "2021-04-04,"), "first_followup")
    assert cohort.patients[1].time_days == 1.0
    assert "FH-225" in [finding.code for finding in cohort.findings]


def test_the_studys_interval_is_checked() -> None:
    cohort = read(COHORT.replace("2021-03-04", "2021-12-04"))
    assert "FH-226" in [finding.code for finding in cohort.findings]


def test_a_first_dose_after_the_follow_up_ct_is_a_fault() -> None:
    assert codes(COHORT.replace("2021-01-10", "2021-05-10")) == ["FH-214"]


def test_faults_stand_in_the_order_of_their_rows() -> None:
    text = f"{HEAD}\n{GOOD.replace(',1,2,', ',3,2,')}\n{GOOD.replace('63', 'x')}\n{GOOD.replace('PD', 'progress')}\n"
    assert codes(text) == ["FH-213", "FH-203", "FH-208", "FH-203", "FH-213"]


@pytest.mark.parametrize("key", ["1.2E+11", "1,23457E+11", '"=""001"""', "x" * 65, "#REF!"])
def test_keys_that_a_spreadsheet_spoiled(key: str) -> None:
    assert codes(COHORT.replace("A1", key) if '"' in key or "," not in key else COHORT.replace("A1", f'"{key}"'))[0] in ("FH-223", "FH-234")


def test_leading_zeros_of_a_key_stay() -> None:
    assert read(COHORT.replace("A1", "007")).patients[0].key == "007"


CELLS = st.sampled_from(
    [
        "",
        "0",
        "1",
        "2",
        "-3",
        "1e9",
        "2021-01-01",
        "2022-13-01",
        "03/04/2021",
        "F",
        "PD",
        "NA",
        "#REF!",
        "ä",
        "٣",
        "63,5",
        '"',
        "\u2028",
        "9" * 5000,
        "inf",
        "nan",
    ]
)


@given(st.lists(st.lists(CELLS, max_size=20), max_size=6), st.sampled_from([",", ";", "\t"]))
def test_any_cells_give_patients_or_problems(rows: list[list[str]], separator: str) -> None:
    text = "\n".join([HEAD.replace(",", separator), *(separator.join(row) for row in rows)])
    survives(text.encode())


@given(st.binary(max_size=400))
def test_any_bytes_give_patients_or_problems(data: bytes) -> None:
    survives(data)
    survives(HEAD.encode() + b"\n" + data)


@given(st.integers(0, len(COHORT) - 1), st.text(max_size=3), st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]))
def test_any_small_damage_gives_patients_or_problems(place: int, inserted: str, encoding: str) -> None:
    survives((COHORT[:place] + inserted + COHORT[place + 1 :]).encode(encoding, "surrogatepass"))


def survives(data: bytes) -> None:
    try:
        cohort = read(data)
    except Problem as problem:
        assert all(one.kind.code in range(100, 300) for one in (problem, *problem.others))
        return
    for patient in cohort.patients:
        assert patient.time_days >= 1
        assert patient.time_days == int(patient.time_days)
        assert patient.key


def test_faults_of_columns_and_of_rows_do_not_hide_faults_of_cells() -> None:
    text = COHORT.replace("nash", "nahs", 1).replace("event", "events", 1).replace(",PD", ",worse") + "A9" + ",1" * 30 + "\n"
    assert codes(text) == ["FH-204", "FH-204", "FH-202", "FH-213"]
    missing = "\n".join(line.partition(",")[2] for line in COHORT.splitlines()).replace("PD", "worse")
    assert codes(missing) == ["FH-205", "FH-213"]
