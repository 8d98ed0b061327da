"""A pandas DataFrame as the table of texts that every analysis of a person's own data reads.

One reader for both: what a column means, and how its faults are reported, is the same for a frame as for a CSV file. Rows are
called lines and counted from 1. A categorical column keeps the order of its categories: the first one is the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from fedhcc.arguments import Frame
from simulations.tabular.decimal_marks import looks_numeric
from simulations.tabular.read_table import Reading, TabularTable, composed, read_table, shown
from site_config.problems import survival as problems

SECONDS_A_DAY = 86400.0


def table_of(data: Frame | str | Path, columns: Iterable[str | None], reading: Reading) -> TabularTable:
    """The table of a DataFrame, or of a CSV file named by its path.

    Of a frame only `columns` are read; a named level of its index is a column too. Raises FH-821 and FH-822.
    """
    if isinstance(data, str | Path):
        return read_table(Path(data), reading)
    if not isinstance(data, pd.DataFrame):
        raise problems.TABLE_UNREADABLE.problem(
            f"a {type(data).__name__} is no table", fix="Give a pandas.DataFrame or the path of a CSV file."
        )
    if not len(data):
        raise problems.TABLE_MALFORMED.problem("the frame has no rows", fix="Give a frame with one row a patient.")
    if data.columns.nlevels > 1:
        fix = 'One level names a column: frame.columns = ["_".join(map(str, one)) for one in frame.columns].'
        raise problems.TABLE_MALFORMED.problem(f"the frame's columns have {data.columns.nlevels} levels", fix=fix)
    wanted = {name for name in columns if name}
    return _table(_with_levels(data, wanted), wanted, reading)


def _with_levels(frame: Frame, wanted: set[str]) -> Frame:
    """The frame with those levels of its index as columns that are wanted by name and are no column."""
    known = {str(name).strip() for name in frame.columns}
    levels = [name for name in frame.index.names if name is not None and str(name) in wanted - known]
    return frame.assign(**{str(name): frame.index.get_level_values(name) for name in levels}) if levels else frame


def _table(frame: Frame, wanted: set[str], reading: Reading) -> TabularTable:
    header = tuple(shown(composed(name)) for name in frame.columns)
    folded = {composed(part).strip().casefold() for name in wanted for part in (name, *name.split(","))}
    blank: list[str | None] = [None] * len(frame)
    columns, levels = [], {}
    given = {text for name in reading.missing if "=" in name for text in frame.astype(str).to_numpy().ravel()}
    readings = reading.by_column(header, given)
    for index, title in enumerate(header):
        if title.casefold() not in folded:
            columns.append(blank)
            continue
        column = frame.iloc[:, index]
        columns.append([None if text is None or readings[index].is_missing(text) else text for text in _texts(column)])
        if isinstance(column.dtype, pd.CategoricalDtype):
            levels[title] = tuple(_text(value) or "" for value in column.cat.categories)
    # Numbers of a frame are written with a point; texts that hold commas are left open, so that they are asked about.
    commas = any("," in text and looks_numeric(text) for column in columns for text in column if text is not None)
    chosen = reading if reading.decimal or commas else replace(reading, decimal="point")
    return TabularTable(header, tuple(zip(*columns, strict=True)), tuple(range(1, len(frame) + 1)), ",", chosen, levels, of_frame=True)


def _texts(column: Frame) -> Sequence[str | None]:
    if pd.api.types.is_timedelta64_dtype(column.dtype):
        column = column.dt.total_seconds() / SECONDS_A_DAY
    return [_text(value) for value in column.tolist()]


def _text(value: Any) -> str | None:
    """A cell as a CSV file would hold it; None where it is missing. Numbers keep every digit."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if abs(value) < 1e15 and value == int(value) else repr(value)
    return shown(composed(value)) or None


def index_of(data: Frame | str | Path, lines: Sequence[int]) -> Any:
    """The index labels of rows named by their lines; for a CSV file the lines themselves."""
    if isinstance(data, str | Path):
        return pd.Index(lines, name="line")
    return data.index.take([line - 1 for line in lines])
