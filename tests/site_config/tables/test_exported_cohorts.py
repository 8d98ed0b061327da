"""cohort.csv as spreadsheets export it: what is no patient, and one patient in two writings, is a fault and no patient more."""

from datetime import date

import pytest

from site_config.problems.base import Problem
from site_config.study import study_presets
from site_config.tables.cohort_csv import parse_cohort
from tests.site_config.broken import COHORT

STUDY = study_presets.preset("paper")
HEAD, *ROWS = COHORT.strip().split("\n")
KEYS = [row.split(",")[0] for row in ROWS]


def faults(text):
    data = text if isinstance(text, bytes) else text.encode()
    with pytest.raises(Problem) as caught:
        parse_cohort(data, STUDY, date(2026, 11, 23))
    return [(one.code, one.where, one.what) for one in (caught.value, *caught.value.others)]


def with_keys(*keys):
    rows = [key + row[len(old) :] for key, row, old in zip(keys, ROWS, KEYS, strict=False)]
    return "\n".join([HEAD, *rows]) + "\n"


@pytest.mark.parametrize("word", ["Total", "Summe:", "moyenne", "Mittelwert", "razem", "合計"])
def test_a_row_of_totals_is_no_patient(word):
    found = faults(COHORT + word + ROWS[-1][len(KEYS[-1]) :] + "\n")
    assert [one[0] for one in found] == ["FH-234"] and found[0][1] == f"cohort.csv:{len(ROWS) + 2}"


@pytest.mark.parametrize(("one", "other"), [("p 1", "p  1"), ("Kö", "Ko\u0308"), ("１２", "12"), ("007", "7"), ("7", "7.0")])
def test_a_patient_in_two_writings_is_one(one, other):
    assert [found[:2] for found in faults(with_keys(one, other))] == [("FH-203", "cohort.csv:3")]


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_rows_separated_in_another_way_are_said_once_each(mark):
    found = faults("\n".join([HEAD, ROWS[0], *(row.replace(",", mark) for row in ROWS[1:])]) + "\n")
    assert [one[0] for one in found] == ["FH-202"] * (len(ROWS) - 1) and "not separated as the header is" in found[0][2]


@pytest.mark.parametrize(
    "data", [b"PK\x03\x04" + bytes(99), b"PAR1" + bytes(99), b"\x1f\x8b\x08\x00" + bytes(9), b"<html>", b"\xef\xbb\xbf<?xml?>", b"%PDF-1.4"]
)
def test_other_formats_are_said_with_what_to_do(data):
    assert [(one[0], "another format" in one[2]) for one in faults(data)] == [("FH-201", True)]


def test_signs_of_no_width_are_no_part_of_a_columns_name():
    assert len(parse_cohort(COHORT.replace("event", "\u200bevent", 1).encode(), STUDY, date(2026, 11, 23)).patients) == len(ROWS)
