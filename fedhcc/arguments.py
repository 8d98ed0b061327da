"""Arguments of the public functions, looked at before anything is computed: what cannot be meant is FH-902 with what to give instead."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from site_config.problems import host
from site_config.problems.base import Problem
from site_config.words_of_messages import choice, clean, nearest

Frame = Any
"""A `pandas.DataFrame`; pandas ships no types that are checked here."""


def one_of(value: Any, allowed: Sequence[Any], argument: str) -> None:
    """Raise FH-902 where an argument's value is none of those allowed."""
    if not isinstance(value, str | Integral) or isinstance(value, bool) or value not in allowed:
        given = clean(value) if isinstance(value, str) else repr(value)[:60]
        known = [str(one) for one in allowed]
        near = nearest(value, known) if isinstance(value, str) else None
        hint = f" (did you mean {near}?)" if near else ""
        raise host.USAGE.problem(f"there is no {argument} {given}{hint}", fix=choice(str(value), known))


def column(value: Any, argument: str) -> str:
    """The name of one column; a whole number is a name too. Raises FH-902."""
    if isinstance(value, str):
        return value
    if isinstance(value, Integral) and not isinstance(value, bool):
        return str(value)
    raise _wrong(value, argument, "the name of a column", f'For example {argument}="age". Values of your own are first made a column.')


def optional_column(value: Any, argument: str) -> str | None:
    """The name of one column, or None. Raises FH-902."""
    return None if value is None else column(value, argument)


def columns(value: Any, argument: str) -> tuple[str, ...]:
    """Distinct names of columns, one at least; a single name stands for itself, a set is put in order. Raises FH-902."""
    example = f'For example {argument}=["age", "sex"].'
    if isinstance(value, str | Integral):
        return (column(value, argument),)
    if isinstance(value, pd.Series | pd.DataFrame) or not isinstance(value, Iterable):
        raise _wrong(value, argument, "names of columns", f"{example} Values of your own are first made a column.")
    names = tuple(column(one, argument) for one in value)
    if not names or len(set(names)) < len(names):
        raise host.USAGE.problem(f"{argument} takes distinct column names", fix=example)
    return tuple(sorted(names)) if isinstance(value, set | frozenset) else names


def texts(value: Any, argument: str) -> tuple[str, ...]:
    """Cell texts, as `missing` and `event_values` take them; a single one stands for itself. Raises FH-902."""
    if isinstance(value, str | Real | np.bool_):
        return (_cell(value),)
    if isinstance(value, Iterable):
        return tuple(_cell(one) for one in value)
    raise _wrong(value, argument, "texts of cells", f'For example {argument}=["unknown"].')


def positive(value: Any, argument: str, example: str) -> tuple[float, ...]:
    """Numbers above 0; a single one stands for itself. Raises FH-902."""
    given = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str | bytes) else (value,)
    for one in given:
        if not isinstance(one, Real) or isinstance(one, bool | np.bool_):
            raise _wrong(one, argument, "numbers", example)
        if not 0 < float(one) < float("inf"):
            raise host.USAGE.problem(f"{argument} takes numbers above 0, not {one}", fix=example)
    return tuple(float(one) for one in given)


def whole(value: Any, argument: str, *, least: int = 0) -> int:
    """A whole number, at least `least`. Raises FH-902."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise host.USAGE.problem(
            f"{argument} is a whole number of at least {least}, not {value!r:.60}", fix=f"For example {argument}={max(least, 5)}."
        )
    return int(value)


def share(value: Any, argument: str, least: float, most: float) -> float:
    """A share between `least` and `most`. Raises FH-902."""
    if not isinstance(value, Real) or isinstance(value, bool) or not least <= float(value) <= most:
        raise host.USAGE.problem(f"{argument} is a share between {least} and {most}, not {value!r:.60}", fix=f"For example {argument}=0.3.")
    return float(value)


def path(value: Any, argument: str) -> Path:
    """A file or folder. Raises FH-902."""
    if isinstance(value, str | Path) and str(value):
        return Path(value)
    raise _wrong(value, argument, "a path", f'For example {argument}="run".')


def frame(value: Any, argument: str) -> Frame:
    """A DataFrame. Raises FH-902; a single row (a Series) is told how it becomes one."""
    if isinstance(value, pd.DataFrame):
        return value
    one = " A single patient is a frame of one row: frame.loc[[KEY]]." if isinstance(value, pd.Series) else ""
    raise _wrong(value, argument, "a pandas.DataFrame", f"One row a patient, its index the patients' keys.{one}")


def _cell(value: Any) -> str:
    """As the table's own cells are written: 999.0 is `999`."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _wrong(value: Any, argument: str, wanted: str, fix: str) -> Problem:
    given = "None" if value is None else f"a value of type {type(value).__name__}"
    return host.USAGE.problem(f"{argument} takes {wanted}, not {given}", fix=fix)
