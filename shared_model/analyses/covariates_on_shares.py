"""Covariates of a Cox model on shared rows: columns of declared levels or ranges, written so that e^{bu} is linear in what is shared.

Every column is used as u = (x − low)/(high − low) in [0, 1]; a coefficient b of u is β·(high − low). A *block* is what one patient
contributes for some columns: the one-hot of the joint level of several level columns, or the Chebyshev polynomials of one
continuous column. At public b the factor e^{b'(u − ½)} of a block is a public combination of the block's numbers: no opening, and exact
for levels. Weights are taken from the middle of the declared ranges, so that what fixed point loses at the highest and at the lowest
risk is the same; a polynomial serves up to b = 10, beyond it the factor of b/2 or b/4 is squared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from math import prod

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from shared_model.analyses.patient_slots import Floats, PaddedPatients, Part, Rows, checked
from shared_model.shares.circuits.exact_constants import exp, exponential_series
from shared_model.shares.circuits.shared_value import F, Field, Value
from site_config.problems import privacy

MOST_CELLS = 256
"""Joint levels of one block; more columns make a further block."""
DEGREE = 20
"""Of the polynomials of a continuous column: e^{b(u − ½)} within 1e-11 up to b = 10."""
PIECE = 10.0
"""Largest |b| of a continuous column whose factor is one polynomial."""


@dataclass(frozen=True)
class Levels:
    """A column of declared levels; `values` are what the model sees (a binary column: 0 and 1). Patients carry the level's number."""

    name: str
    values: tuple[float, ...] = (0.0, 1.0)

    @property
    def low(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def high(self) -> float:
        """The largest value."""
        return max(self.values)

    @property
    def units(self) -> Floats:
        """u of every level."""
        return (np.array(self.values) - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Continuous:
    """A column of numbers within declared bounds."""

    name: str
    low: float
    high: float


Column = Levels | Continuous


@dataclass(frozen=True)
class LevelBlock(Part):
    """The one-hot of the joint level of some columns."""

    columns: tuple[Levels, ...] = ()

    @property
    def width(self) -> int:
        """Joint levels."""
        return prod(len(column.values) for column in self.columns)

    def of(self, patients: PaddedPatients) -> Floats:
        """One-hot; the first column's level counts most."""
        cell = np.zeros(len(patients), dtype=np.int64)
        for column in self.columns:
            n = len(column.values)
            cell = cell * n + checked(patients.whole(column.name), n, column.name)
        return np.eye(self.width)[cell]

    @property
    def units(self) -> Floats:
        """u of every joint level (cells, columns)."""
        return np.stack([grid.reshape(-1) for grid in np.meshgrid(*(column.units for column in self.columns), indexing="ij")], axis=1)

    def squarings(self, _b: Floats) -> int:
        """None: levels are exact."""
        return 0

    def factor(self, b: Floats) -> Floats:
        """Coefficients (cells,) of e^{b'(u − ½)}."""
        each = [np.array([exp(float(b[j] * (u - 0.5))) for u in column.units]) for j, column in enumerate(self.columns)]
        return np.asarray(reduce(np.multiply.outer, each).reshape(-1))

    def moment(self, j: int, k: int | None = None) -> tuple[Floats, int]:
        """Coefficients (cells,) of u_j, or of u_j·u_k, and the bits they are written with."""
        return self.units[:, j] * (1.0 if k is None else self.units[:, k]), F


@dataclass(frozen=True)
class SmoothBlock(Part):
    """The Chebyshev polynomials T_0 … T_d of one continuous column, T_0 = 1 marking the slot as filled."""

    columns: tuple[Continuous, ...] = ()

    @property
    def width(self) -> int:
        """Polynomials."""
        return DEGREE + 1

    @property
    def field(self) -> Field:
        """Fixed point."""
        return Field.MAIN

    @property
    def fraction(self) -> int:
        """All the bits there are."""
        return F

    def of(self, patients: PaddedPatients) -> Floats:
        """T_k(2u − 1)."""
        (column,) = self.columns
        x = patients.of(column.name)
        if ((x < column.low) | (x > column.high)).any():
            raise privacy.VALUE_OUT_OF_BOUNDS.problem(f"{column.name} is not between {column.low:g} and {column.high:g}")
        return np.asarray(chebyshev.chebvander(2 * (x - column.low) / (column.high - column.low) - 1, DEGREE))

    def squarings(self, b: Floats) -> int:
        """How often the polynomial's value is squared to be the factor."""
        pieces, found = PIECE, 0
        while abs(float(b[0])) > pieces:
            pieces, found = 2 * pieces, found + 1
        return found

    def factor(self, b: Floats) -> Floats:
        """Coefficients (d + 1,) of e^{b(u − ½)}, or of the root that is squared."""
        return np.array(exponential_series(float(b[0]) / 2 ** (1 + self.squarings(b)), 0.0, DEGREE))

    def moment(self, j: int, k: int | None = None) -> tuple[Floats, int]:
        """Coefficients (d + 1,) of u = (T_0 + T_1)/2, or of u² = (3 T_0 + 4 T_1 + T_2)/8: three bits write them."""
        return np.array([*((0.5, 0.5, 0.0) if k is None else (0.375, 0.5, 0.125)), *[0.0] * (DEGREE - 2)]), 3


Block = LevelBlock | SmoothBlock


@dataclass(frozen=True)
class SlotCovariates:
    """The columns of a model (p), and the blocks they are contributed in."""

    columns: tuple[Column, ...]
    blocks: tuple[Block, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", _blocks(self.columns))

    def __len__(self) -> int:
        return len(self.columns)

    def only(self, names: Sequence[str]) -> SlotCovariates:
        """Some of the columns, in the blocks that are left of these."""
        found = SlotCovariates(tuple(column for column in self.columns if column.name in names))
        object.__setattr__(found, "blocks", tuple(one for block in self.blocks if (one := _left_of(block, names)) is not None))
        return found

    def marginals(self, rows: Rows, less: SlotCovariates) -> dict[str, Value]:
        """The blocks of fewer columns (`only`) from these ones' rows: no opening."""
        found = {}
        for block in less.blocks:
            whole = next(one for one in self.blocks if set(block.columns) <= set(one.columns))
            if isinstance(whole, LevelBlock) and whole != block:
                found[block.name] = (rows[whole.name] @ _summed(whole, block)).assume(1.0, "one joint level a patient")
        return found

    @property
    def width(self) -> Floats:
        """high − low of every column (p,): β = b / width."""
        return np.array([column.high - column.low for column in self.columns])

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Pairs of columns j ≤ k, the order of second moments."""
        return [(j, k) for j in range(len(self)) for k in range(j, len(self))]

    def place(self, j: int) -> tuple[int, int]:
        """Block of column j, and its place there."""
        for at, block in enumerate(self.blocks):
            for inside, column in enumerate(block.columns):
                if column == self.columns[j]:
                    return at, inside
        raise LookupError(self.columns[j].name)

    def of_block(self, at: int, b: Floats) -> Floats:
        """The coefficients of one block's columns."""
        block = self.blocks[at]
        return np.array([b[self.columns.index(column)] for column in block.columns])


def _left_of(block: Block, names: Sequence[str]) -> Block | None:
    """A block of those of its columns that are named; None where there are none."""
    columns = tuple(column for column in block.columns if column.name in names)
    if not columns or columns == block.columns:
        return block if columns else None
    return LevelBlock(_joint_name(columns), tuple(column for column in columns if isinstance(column, Levels)))


def _summed(whole: LevelBlock, part: Block) -> NDArray[np.int64]:
    """(joint levels, joint levels of fewer columns): 1 where they agree."""
    grid = np.indices([len(column.values) for column in whole.columns]).reshape(len(whole.columns), -1)
    cell = np.zeros(grid.shape[1], dtype=np.int64)
    for column in part.columns:
        if isinstance(column, Levels):
            cell = cell * len(column.values) + grid[whole.columns.index(column)]
    return np.eye(part.width, dtype=np.int64)[cell]


def _joint_name(columns: Sequence[Column]) -> str:
    return "levels." + "+".join(one.name for one in columns)


def _blocks(columns: Sequence[Column]) -> tuple[Block, ...]:
    """Level columns joined as long as their joint levels are few enough; every continuous column alone."""
    groups: list[list[Levels]] = [[]]
    for column in columns:
        if isinstance(column, Levels):
            if prod(len(one.values) for one in [*groups[-1], column]) > MOST_CELLS:
                groups.append([])
            groups[-1].append(column)
    joint = [LevelBlock(_joint_name(group), tuple(group)) for group in groups if group]
    return (*joint, *(SmoothBlock(f"smooth.{column.name}", (column,)) for column in columns if isinstance(column, Continuous)))
