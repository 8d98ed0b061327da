"""Means, standard deviations and medians of numbers on shared rows, by set and over all sets."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_model.analyses.count_minimum import minimum_result, reaches
from shared_model.analyses.patient_slots import Floats, OneHot, PaddedPatients, Part, Rows
from shared_model.disclosure.limits import MEAN_BITS, MEAN_PATIENTS, SPREAD_BITS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, stack, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.reciprocals import reciprocal
from shared_model.shares.circuits.shared_value import Field, public
from site_config.problems import privacy

Bits = NDArray[np.bool_]


@dataclass(frozen=True)
class Number(Part):
    """A whole number of steps within declared bounds, with its square and whether it is known (a value of −1 is not)."""

    steps: int = 1

    @property
    def width(self) -> int:
        """Known, number, square."""
        return 3

    @property
    def field(self) -> Field:
        """Sums of squares outgrow what is counted."""
        return Field.MAIN

    @property
    def bound(self) -> float:
        """The largest square."""
        return float(self.steps * self.steps)

    def of(self, patients: PaddedPatients) -> Floats:
        """From 0 to `steps`; zero three times where it is not known."""
        x = patients.whole(self.name)
        if ((x < -1) | (x > self.steps)).any():
            raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"{self.name} is not from 0 to {self.steps} steps")
        known = x >= 0
        return np.stack([known, x * known, x * x * known], axis=1).astype(np.float64)


@dataclass(frozen=True)
class Measure:
    """A number of a table: patients carry whole steps above `low` (−1: not known)."""

    part: Number
    low: float = 0.0
    step: float = 1.0


@dataclass(frozen=True)
class TableColumns:
    """The columns of a table, sets and then all together (sets + 1,): which are shown; which sets (sets,) hold nobody; the minimum."""

    shown: Bits
    empty: Bits
    minimum: int

    @property
    def least(self) -> int:
        """Known values of a mean or a median: the minimum, and in no study fewer than the limit."""
        return least_known(self.minimum)

    def opened(self, enough: Bits) -> Bits:
        """Where a mean or a median is opened, of bits (…, sets + 1) that say where enough values are known.

        No total beside a set that is closed: the sum of its few known values would be what is left.
        """
        whole = (enough[..., :-1] | self.empty).all(axis=-1, keepdims=True)
        return np.concatenate([enough[..., :-1], enough[..., -1:] & whole], axis=-1)


def least_known(minimum: int) -> int:
    """How many known values a mean or a median needs, for a minimum of patients."""
    return max(minimum, MEAN_PATIENTS.value)


@dataclass(frozen=True)
class GridVariable:
    """A number whose median is asked for: patients carry one of the levels low, low + step, … (−1: not known)."""

    part: OneHot
    low: float = 0.0
    step: float = 1.0


def with_all(by_set: Value) -> Value:
    """Sets in the last axis, followed by their sum."""
    total = by_set.sum(-1)
    return concatenate([by_set, total.reshape(*total.shape, 1)], -1)


def mean_results(name: str, measures: int, columns: int, guard: str) -> tuple[Result, ...]:
    """What may be revealed of means and variances, in steps."""
    shape = (measures, columns)
    return (
        (
            minimum_result(f"{name}.known", measures * columns),
            Result(f"{name}.means", shape, MEAN_BITS.value, 2.0**20, guard),
            Result(f"{name}.variances", shape, SPREAD_BITS.value, 2.0**40, guard),
        )
        if measures
        else ()
    )


def median_results(name: str, grids: Sequence[GridVariable], columns: int, guard: str) -> tuple[Result, ...]:
    """The bits that say a median."""
    return tuple(
        result
        for part in (grid.part for grid in grids)
        for result in (
            minimum_result(f"{name}.{part.name}.known", columns),
            *(Result(f"{name}.{part.name}.{bit}", (part.n, columns), 0, 1.0, guard, bit=True) for bit in ("below", "half")),
        )
    )


async def means_and_deviations(
    a: Arithmetic, name: str, rows: Rows, members: Value, columns: TableColumns, measures: Sequence[Measure]
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Of the known values, where there are enough; members (N, sets) in the main field."""
    if not measures:
        return {}, {}
    names, slots, m, minimum = [measure.part.name for measure in measures], len(members), len(measures), columns.least
    largest = max(float(measure.part.steps) for measure in measures)
    summed = await a.reduce(*(a.dot(rows[part].T, members) for part in names))
    bounds = (float(slots), slots * largest, slots * largest**2)
    known, first, second = (with_all(stack([one[k] for one in summed])).assume(bounds[k], "a sum over patients") for k in range(3))
    asked = (known * columns.shown.astype(np.int64)).reshape(known.size)
    enough = columns.opened((await reaches(a, f"{name}.known", asked, minimum)).reshape(known.shape))
    keep = enough.astype(np.int64)
    k = (known * keep + (1 - keep) * minimum).assume(float(slots + minimum), "a count of patients, or the minimum")
    y = await reciprocal(a, concatenate([k, k - 1]), minimum - 1.0, float(slots + minimum), largest=1.0 / (minimum - 1))
    mean, square, product = await a.reduce(
        a.times(first * keep, y[:m]).assume(1.01 * largest, "a mean of numbers up to the largest"),
        a.times(first * keep, first),
        a.times(second * keep, known),
    )
    most = 1.2 * largest**2
    spread = (product - square).assume(product.bound, "k Σx² is at least (Σx)²")
    (half,) = await a.reduce(a.times(spread, y[:m]).assume(most * slots, "k − 1 times the variance"))
    wanted: list[Awaitable[Any]] = [
        a.reveal(f"{name}.means", mean, MEAN_BITS.value),
        a.reveal(f"{name}.variances", a.times(half, y[m:]).assume(most, "a variance of numbers in a range"), SPREAD_BITS.value),
    ]
    means, variances = await together(*wanted)
    scale, low = np.array([[measure.step] for measure in measures]), np.array([[measure.low] for measure in measures])
    means = np.where(enough, low + scale * means, np.nan)
    deviations = np.where(enough, scale * np.sqrt(np.maximum(variances, 0.0)), np.nan)
    return dict(zip(names, means, strict=True)), dict(zip(names, deviations, strict=True))


async def medians(
    a: Arithmetic, name: str, tables: Sequence[Value], columns: TableColumns, most: int, grids: Sequence[GridVariable]
) -> dict[str, Floats]:
    """Of every grid the median by column, as R has it: between the two middle values where their number is even.

    tables: counts (levels, sets) of every grid, main field. most: patients of the largest column.
    """
    wanted = [_median(a, f"{name}.{grid.part.name}", table, columns, most, grid) for table, grid in zip(tables, grids, strict=True)]
    found = await together(*wanted) if wanted else []
    return {grid.part.name: one for grid, one in zip(grids, found, strict=True)}


async def _median(a: Arithmetic, name: str, table: Value, columns: TableColumns, most: int, grid: GridVariable) -> Floats:
    """With c patients at or below a value and k known: 2c − k is below zero if it is one of −1, …, −k."""
    n = grid.part.n
    table = with_all(table)
    known = table.sum(0).assume(2.0**20, "a count of patients")
    enough = columns.opened(await reaches(a, f"{name}.known", known * columns.shown.astype(np.int64), columns.least))
    at_most = np.tril(np.ones((n, n), dtype=np.int64))
    excess = (at_most @ table * 2 - known).assume(2.0**21, "twice a count of patients")
    excess = excess * enough.astype(np.int64) + (~enough).astype(np.int64)
    steps = public(excess, np.arange(1, max(most, 1) + 1)[:, None, None], 0)
    shifted = concatenate([excess.reshape(1, *excess.shape)] * max(most, 1)) + steps
    below, half = await together(
        a.reveal_zero(f"{name}.below", *(shifted[j] for j in range(max(most, 1)))), a.reveal_zero(f"{name}.half", excess)
    )
    lower, upper = (~below).argmax(axis=0), (~below & ~half).argmax(axis=0)
    return np.where(enough, grid.low + grid.step * (lower + upper) / 2, np.nan)
