"""What masked counts allow to be asked: columns kept, columns dropped with the reason, or nothing at all.

Before a vector is asked, counts of contributing sites, patients and events, and of the patients (and sites) with a
non-zero value per column and per pair of columns, are opened. A sum over a column that four patients hold is nearly those
patients; a product of two columns that one patient holds together gives that patient's cumulative hazard, hence the day.
So a column is dropped when it, or its complement, is held by too few; of a pair held together by too few (but not by none)
the rarer column is dropped, or, where the caller can leave single products out, the pair is hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shared_model.disclosure.limits import COLUMN_HOSPITALS, COLUMN_PATIENTS


@dataclass(frozen=True)
class ColumnMinima:
    """The least numbers of sites and of patients behind anything opened."""

    sites: int = COLUMN_HOSPITALS.value
    patients: int = COLUMN_PATIENTS.value


@dataclass(frozen=True)
class Counts:
    """Opened pre-counts: totals, per column (k,), and per pair (k, k) symmetric with anything on the diagonal."""

    sites: int
    patients: int
    events: int
    nonzero: NDArray[np.int64]
    nonzero_sites: NDArray[np.int64]
    pair_nonzero: NDArray[np.int64]
    pair_nonzero_sites: NDArray[np.int64]

    @classmethod
    def of(cls, opened: Mapping[str, ArrayLike]) -> Counts:
        """From the opened segments of the statistic `precounts` (float64 arrays)."""
        whole = {name: np.rint(np.asarray(value)).astype(np.int64) for name, value in opened.items() if name != "flow"}
        sites, patients, events = (int(whole[name].reshape(-1)[0]) for name in ("sites", "patients", "events"))
        nonzero, pair = (whole["nonzero"], whole["nonzero_sites"]), (whole["pair_nonzero"], whole["pair_nonzero_sites"])
        return cls(sites, patients, events, *nonzero, *pair)


@dataclass(frozen=True)
class Dropped:
    """A column that may not be asked, and why in words for the report; the words give no small count."""

    column: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """`refused` empty means go on with `kept`; `hidden` lists pairs of kept columns whose product may not be opened."""

    kept: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    hidden: tuple[tuple[str, str], ...]
    refused: tuple[str, ...]


def _few(patients: int, sites: int, minima: ColumnMinima) -> bool:
    return patients < minima.patients or sites < minima.sites


def _rare_columns(columns: Sequence[str], counts: Counts, minima: ColumnMinima) -> dict[str, str]:
    """Columns dropped by themselves: too few hold them, or too few do not."""
    found: dict[str, str] = {}
    for k, column in enumerate(columns):
        if _few(int(counts.nonzero[k]), int(counts.nonzero_sites[k]), minima):
            found[column] = f"fewer than {minima.patients} patients or {minima.sites} sites have a value other than zero"
        elif 0 < counts.patients - int(counts.nonzero[k]) < minima.patients:
            found[column] = f"fewer than {minima.patients} patients have the value zero"
    return found


def _rare_pairs(columns: Sequence[str], counts: Counts, minima: ColumnMinima) -> list[tuple[int, int]]:
    k = len(columns)
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k)]
    held = [(a, b) for a, b in pairs if counts.pair_nonzero[a, b] > 0]
    return [(a, b) for a, b in held if _few(int(counts.pair_nonzero[a, b]), int(counts.pair_nonzero_sites[a, b]), minima)]


def decide(
    columns: Sequence[str], counts: Counts, minima: ColumnMinima = ColumnMinima(), *, pairs: Literal["drop", "hide", "ignore"] = "drop"
) -> Decision:
    """Which columns may be asked.

    `pairs` says what happens to two columns held together by too few patients or sites: the rarer one is dropped, the pair
    is listed as hidden (the caller opens no product of it), or nothing (where no products are opened at all).
    """
    if _few(counts.patients, counts.sites, minima):
        reason = f"fewer than {minima.patients} patients or {minima.sites} sites contribute"
        return Decision((), (), (), (reason,))
    dropped = _rare_columns(columns, counts, minima)
    rare = [(a, b) for a, b in _rare_pairs(columns, counts, minima) if columns[a] not in dropped and columns[b] not in dropped]
    hidden: list[tuple[str, str]] = []
    if pairs == "hide":
        hidden = [(columns[a], columns[b]) for a, b in rare]
    while pairs == "drop" and rare:
        rarest = min({index for pair in rare for index in pair}, key=lambda index: (int(counts.nonzero[index]), index))
        other = next(columns[b if a == rarest else a] for a, b in rare if rarest in (a, b))
        dropped[columns[rarest]] = f"fewer than {minima.patients} patients or {minima.sites} sites hold it together with {other}"
        rare = [pair for pair in rare if rarest not in pair]
    kept = tuple(column for column in columns if column not in dropped)
    refused = () if kept or not columns else ("no column is held by enough patients",)
    return Decision(kept, tuple(Dropped(column, reason) for column, reason in dropped.items()), tuple(hidden), refused)
