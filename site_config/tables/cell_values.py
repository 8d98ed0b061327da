"""One cell to one value: dates, whole days, numbers and codes. A cell that cannot be read is a fault that never repeats it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import TypeVar

from site_config.problems import tables as kinds
from site_config.tables.columns_of_tables import UNKNOWN
from site_config.tables.csv_text import CsvFaults, Row

V = TypeVar("V")
ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")
SLASHED = re.compile(r"(\d{1,2})[./ -](\d{1,2})[./ -](\d{2}|\d{4})")
NUMBER = re.compile(r"[-+]?\d{1,9}(?:[.,]\d{1,9})?")
WHOLE = re.compile(r"([-+]?\d{1,6})(?:[.,]0)?")
SCIENTIFIC = re.compile(r"\d([.,]\d+)?E[+]\d+", re.IGNORECASE)
EARLIEST = date(1990, 1, 1)
SUM_WORDS = frozenset(
    {
        *("total", "totals", "sum", "mean", "average", "median", "overall", "grand total", "subtotal", "n", "count", "min", "max", "sd"),
        *("summe", "gesamt", "mittelwert", "durchschnitt", "anzahl", "total général", "somme", "moyenne", "totale", "somma", "media"),
        *("suma", "promedio", "razem", "ogółem", "średnia", "soma", "média", "totaal", "gemiddelde", "合計", "平均", "总计", "合计"),
    }
)
"""What spreadsheets write at the foot of a table."""


def is_blank(row: Row, column: str) -> bool:
    """Whether the cell is blank, or the column is not there."""
    return row.cells.get(column, "") in UNKNOWN


def damaged(row: Row, column: str, faults: CsvFaults) -> bool:
    """Note a spreadsheet's error value as what it is."""
    if re.fullmatch(r"#(REF|VALUE|N/A|NAME|NULL|DIV/0|NUM|WERT|BEZUG|NV)[!?]?|#+", row.cells.get(column, ""), re.IGNORECASE):
        faults.add(kinds.SPREADSHEET_DAMAGE, row.number, column, "holds an error value of the spreadsheet")
        return True
    return False


def read_date(row: Row, column: str, today: date, faults: CsvFaults) -> date | None:
    """An ISO date between 1990 and today."""
    cell = row.cells.get(column, "")
    if cell in UNKNOWN or damaged(row, column, faults):
        return None
    match = ISO.fullmatch(cell)
    if not match or not cell.isascii():
        _not_iso(cell, row.number, column, faults)
        return None
    try:
        value = date(*(int(part) for part in match.groups()))
    except ValueError:
        faults.add(kinds.NOT_A_DATE, row.number, column, "no such day in the calendar")
        return None
    if not EARLIEST <= value <= today:
        faults.add(kinds.IMPLAUSIBLE_DATE, row.number, column, "lies in the future" if value > today else "lies before 1990")
        return None
    return value


def _not_iso(cell: str, row: int, column: str, faults: CsvFaults) -> None:
    match = SLASHED.fullmatch(cell)
    if match and len(match.group(3)) == 2:
        faults.add(kinds.AMBIGUOUS_DATE, row, column, "a date with a year of two digits can be read in several ways")
    elif match and int(match.group(1)) <= 12 and int(match.group(2)) <= 12:
        faults.add(kinds.AMBIGUOUS_DATE, row, column, "day and month cannot be told apart (as in 03/04/2021)")
    elif re.fullmatch(r"[1-9]\d{4}([.,]0)?", cell):
        faults.add(kinds.SPREADSHEET_DAMAGE, row, column, "holds the spreadsheet's internal day number, not a date")
    else:
        faults.add(kinds.NOT_A_DATE, row, column, "is not a date of the form YYYY-MM-DD")


def read_day(row: Row, column: str, faults: CsvFaults) -> int | None:
    """A whole number of days between -36500 and 36500."""
    cell = row.cells.get(column, "")
    if cell in UNKNOWN or damaged(row, column, faults):
        return None
    match = WHOLE.fullmatch(cell)
    if not match or not cell.isascii() or abs(int(match.group(1))) > 36_500:
        dated = SLASHED.fullmatch(cell) or ISO.fullmatch(cell)
        hint = "a date in a column of days" if dated else "is not a whole number of days"
        faults.add(kinds.NOT_A_NUMBER, row.number, column, hint, _dates_instead(column) if dated else None)
        return None
    return int(match.group(1))


def _dates_instead(column: str) -> str:
    dates = f"{column.removesuffix('_day')}_date"
    return (
        f"Write whole days here, as in the other columns. To write dates: call the column `{dates}`, write YYYY-MM-DD, and do so in all "
        "such columns of both tables (docs/reference/tables.md)."
    )


def read_number(row: Row, column: str, low: float, high: float, faults: CsvFaults) -> float | None:
    """A number in [low, high]; decimals with a point or a comma."""
    cell = row.cells.get(column, "")
    if cell in UNKNOWN or damaged(row, column, faults):
        return None
    if not NUMBER.fullmatch(cell) or not cell.isascii() or not low <= float(cell.replace(",", ".")) <= high:
        faults.add(kinds.NOT_A_NUMBER, row.number, column, f"expected a number from {low:g} to {high:g}")
        return None
    return float(cell.replace(",", "."))


def read_code(row: Row, column: str, codes: Mapping[str, V], faults: CsvFaults, *, needed: bool = False) -> V | None:
    """The value of a code; upper and lower case are the same. A blank cell is None, and a fault where it is needed."""
    cell = row.cells.get(column, "")
    if damaged(row, column, faults):
        return None
    if cell in UNKNOWN:
        if needed and column in row.cells:
            faults.add(kinds.BLANK, row.number, column, "is blank")
        return None
    plain = re.sub(r"^([0-9]+)[.,]0$", r"\1", cell).lower()
    if plain not in codes:
        listed = ", ".join(codes)
        faults.add(
            kinds.WRONG_CODE,
            row.number,
            column,
            f"expected one of {listed}",
            f"Write one of {listed}" + ("." if needed else ", or leave it blank if unknown."),
        )
        return None
    return codes[plain]
