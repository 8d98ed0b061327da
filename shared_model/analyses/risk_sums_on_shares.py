"""Sums over risk sets on shared rows, at a public coefficient b: S⁰_i = Σ_j M_ij w_j, S¹ with u_j, S² with u_j u_j', for every death i.

w = e^{b'(u − ½)}, the weight beside that of the middle of all declared ranges.

M is P for Breslow. Efron's denominators Σ P w − (r/d) Σ Q w (r deaths of the same day in earlier slots, d deaths of that day) are
multiplied by d, which leaves every ratio S¹/S⁰ and S²/S⁰ as it is: M = d·P − r·Q is exact in whole numbers, for any number of ties.

Where all columns are levels in one block, M times the block's one-hots is made once and a step needs no opening for its sums.
Otherwise the factors of the blocks are multiplied, then multiplied with u and u u', then summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shared_model.analyses.covariates_on_shares import LevelBlock, SlotCovariates
from shared_model.analyses.pairs_on_shares import Pairs
from shared_model.analyses.patient_slots import Floats, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, concatenate, stack, together
from shared_model.shares.circuits.exact_constants import exp, total
from shared_model.shares.circuits.shared_value import F, Field


@dataclass(frozen=True)
class Sums:
    """s0 (N,), s1 (N, p), s2 (N, p(p + 1)/2): zero where i did not die."""

    s0: Value
    s1: Value
    s2: Value


@dataclass(frozen=True)
class Linear:
    """All columns in one block of levels: `reached` (N, cells) is M times the one-hots."""

    covariates: SlotCovariates
    reached: Value
    ceiling: float

    async def at(self, a: Arithmetic, b: Floats) -> Sums:
        """The sums at b, without an opening."""
        (block,) = self.covariates.blocks
        w = block.factor(self.covariates.of_block(0, b))
        inside = [self.covariates.place(j)[1] for j in range(len(self.covariates))]
        u = np.stack([block.moment(j)[0] for j in inside], 1)
        uu = np.stack([block.moment(inside[j], inside[k])[0] for j, k in self.covariates.pairs], 1)
        s0 = self.reached.sum(1) if not b.any() else self.reached @ w
        s0, s1, s2 = (
            value.assume(self.ceiling * largest_weight(b), "u is at most 1")
            for value in (s0, self.reached @ (w[:, None] * u), self.reached @ (w[:, None] * uu))
        )
        return Sums(s0, s1, s2)


async def factor(a: Arithmetic, covariates: SlotCovariates, blocks: Sequence[Value], b: Floats) -> Value:
    """e^{b'(u − ½)} of every patient (N,); 0 in empty slots. An opening a doubling of blocks, and one a squaring."""
    mine = [covariates.of_block(at, b) for at in range(len(covariates.blocks))]
    squarings = [block.squarings(own) for block, own in zip(covariates.blocks, mine, strict=True)]
    factors = [
        (value @ block.factor(own)).assume(1.001 * largest_weight(own / 2**times), "a factor of the declared range")
        for value, block, own, times in zip(blocks, covariates.blocks, mine, squarings, strict=True)
    ]
    if any(one.fraction > F for one in factors):
        factors = list(await a.reduce(*factors))
    for done in range(max(squarings)):
        more = [at for at, times in enumerate(squarings) if times > done]
        for at, one in zip(more, await a.reduce(*(a.times(factors[at], factors[at]) for at in more)), strict=True):
            factors[at] = one
    while len(factors) > 1:
        pairs = [a.times(factors[i], factors[i + 1]) for i in range(0, len(factors) - 1, 2)]
        factors = [*await a.reduce(*pairs), *factors[2 * len(pairs) :]]
    return factors[0]


def largest_weight(b: Floats) -> float:
    """w of the highest risk that the declared ranges allow; one over it is the smallest."""
    return exp(total(np.abs(b)) / 2)


@dataclass(frozen=True)
class Blocks:
    """Columns in several blocks: M (N, N), the blocks (N, K) each, u (N, p) and u u' (N, p(p + 1)/2)."""

    covariates: SlotCovariates
    weights: Value
    blocks: tuple[Value, ...]
    moments: Value
    ceiling: float

    async def at(self, a: Arithmetic, b: Floats) -> Sums:
        """The sums at b: an opening for polynomials, one a doubling of blocks, one for the products with u, one for the sums."""
        p = len(self.covariates)
        if not b.any():
            (s,) = await a.reduce(self._summed(a.dot(self.weights, self.moments), 1.0))
            return Sums(self._summed(self.weights.sum(1), 1.0), s[:, :p], s[:, p:])
        most = largest_weight(b)
        w = (await factor(a, self.covariates, self.blocks, b)).reshape(-1, 1)
        (wu,) = await a.reduce(a.times(w, self.moments).assume(1.01 * most, "u is at most 1"))
        (s,) = await a.reduce(self._summed(a.dot(self.weights, concatenate([w, wu], 1)), most))
        return Sums(s[:, 0], s[:, 1 : 1 + p], s[:, 1 + p :])

    def _summed(self, value: Value, most: float) -> Value:
        return value.assume(1.01 * self.ceiling * most, "u is at most 1")


@dataclass(frozen=True)
class Start:
    """What a fit starts from: its sums, Σ u over deaths (p,), `died` (N,), and how many patients and deaths there are."""

    sums: Linear | Blocks
    dead: Value
    died: Value
    n: Value


async def prepare(a: Arithmetic, rows: Rows, pairs: Pairs, covariates: SlotCovariates, ties: str) -> Start:
    """Bring M, the blocks and the counts to the main field: two openings for levels, two for continuous columns."""
    blocks = [rows[block.name] for block in covariates.blocks]
    if len(blocks) == 1 and isinstance(covariates.blocks[0], LevelBlock):
        return await _linear(a, pairs, covariates, blocks[0], ties)
    return await _blocks(a, pairs, covariates, blocks, ties)


def _ceiling(pairs: Pairs, ties: str) -> float:
    n = len(pairs.died)
    return float(n * n if ties == "efron" else n)


async def _linear(a: Arithmetic, pairs: Pairs, covariates: SlotCovariates, cells: Value, ties: str) -> Start:
    ceiling = _ceiling(pairs, ties)
    n = len(pairs.died)
    reached = a.dot(pairs.at_risk, cells).assume(n, "a count of patients")
    if ties == "efron":
        all_, tied = await a.reduce(reached, a.dot(pairs.tied, cells).assume(n, "a count of patients"))
        reached = a.times(pairs.n_tied.reshape(-1, 1), all_) - a.times(pairs.rank.reshape(-1, 1), tied)
    dead = a.dot(pairs.died, cells).assume(n, "a count of patients")
    reached, dead, died, count = await together(
        a.lift(reached.assume(ceiling, "d times a count of patients")), a.lift(dead), a.lift(pairs.died), a.lift(pairs.present.sum())
    )
    (block,) = covariates.blocks
    u = np.stack([block.moment(covariates.place(j)[1])[0] for j in range(len(covariates))], 1)
    return Start(Linear(covariates, reached, ceiling), (dead @ u).assume(n, "u is at most 1"), died, count)


async def _blocks(a: Arithmetic, pairs: Pairs, covariates: SlotCovariates, blocks: list[Value], ties: str) -> Start:
    n = len(pairs.died)
    weights = pairs.at_risk
    if ties == "efron":
        product = a.times(pairs.n_tied.reshape(-1, 1), weights) - a.times(pairs.rank.reshape(-1, 1), pairs.tied)
        weights = product.assume(n, "d or less")
    counted = [i for i, block in enumerate(blocks) if block.field is Field.COUNT]
    weights, died, count, *lifted = await together(
        a.lift(weights), a.lift(pairs.died), a.lift(pairs.present.sum()), *(a.lift(blocks[i]) for i in counted)
    )
    for i, value in zip(counted, lifted, strict=True):
        blocks[i] = value.assume(1.0, "one-hot")
    u, uu = block_moments(a, covariates, blocks)
    dead = a.dot(died, u).assume(n, "u is at most 1")
    *rest, dead = await a.reduce(u, *uu, dead)
    u, uu = rest[0], rest[1:]
    return Start(Blocks(covariates, weights, tuple(blocks), concatenate([u, stack(uu, 1)], 1), _ceiling(pairs, ties)), dead, died, count)


def block_moments(a: Arithmetic, covariates: SlotCovariates, blocks: list[Value]) -> tuple[Value, list[Value]]:
    """u (N, p), and every u_j u_k (N,): within a block a public combination, else a product still to be reduced."""
    places = [covariates.place(j) for j in range(len(covariates))]

    def combined(at: int, *inside: int) -> Value:
        coefficients, bits = covariates.blocks[at].moment(*inside)
        return blocks[at].weighed(coefficients, bits)

    columns = [combined(at, inside).assume(1.0, "u is at most 1") for at, inside in places]
    second = [
        combined(places[j][0], places[j][1], places[k][1]) if places[j][0] == places[k][0] else a.times(columns[j], columns[k])
        for j, k in covariates.pairs
    ]
    return stack(columns, 1), [value.assume(1.0, "u is at most 1") for value in second]
