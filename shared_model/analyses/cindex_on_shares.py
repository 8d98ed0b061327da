"""Harrell's C-index of several scores on shared rows, within the groups of a partition, with infinitesimal-jackknife errors.

Pairs as R's `survival::concordance` has them: i died and j was still followed (a censoring on the same day counts, two deaths on
a day do not), tied scores count one half. With c_i the credit and b_i the number of comparable pairs that i is part of, n the
comparable pairs:

    C = Σ c_i / 2n      var C = Σ (c_i − C b_i)² / n²      var (C − C') = Σ (c_i − c'_i − (C − C') b_i)² / n²

The sums of c², c b and b² are whole numbers and exact; C is opened first and enters the variance as a public number.
Source: Therneau and Watson 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from shared_model.analyses.count_minimum import minimum_result, reaches
from shared_model.analyses.groups.patient_groups import Partition, admitted
from shared_model.analyses.pairs_on_shares import Pairs, compared, day_parts, level_parts, mirrored, same_group
from shared_model.analyses.patient_slots import Floats, OneHot, Part, Rows
from shared_model.disclosure.limits import CONCORDANCE_BITS, CONCORDANCE_VARIANCE_BITS, GROUP_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, stack, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.reciprocals import reciprocal
from shared_model.survival.cox.cox_result import FitFinding
from site_config.problems import survival as problems

C_BITS, VARIANCE_BITS = CONCORDANCE_BITS.value, CONCORDANCE_VARIANCE_BITS.value


@dataclass(frozen=True)
class ConcordanceModel:
    """Which scores (name → declared levels), within which groups (a part of the rows; None for all patients together)."""

    name: str
    scores: tuple[tuple[str, int], ...]
    groups: OneHot | None = None
    minimum_patients: int = GROUP_PATIENTS.value
    rest: bool = False
    """Whether all other groups together must have the minimum too, or be nobody."""

    @property
    def partition(self) -> Partition:
        """The groups as one family."""
        return Partition(self.groups, minimum=self.minimum_patients)

    def parts(self, n_days: int) -> tuple[Part, ...]:
        """What a hospital contributes."""
        scores = (part for name, levels in self.scores for part in level_parts(name, levels))
        return (*day_parts(n_days), *scores, *([self.groups] if self.groups else []))

    @property
    def n_groups(self) -> int:
        """Groups looked at."""
        return self.groups.n if self.groups else 1

    @property
    def vectors(self) -> tuple[str, ...]:
        """Scores, then the differences of every two."""
        names = [name for name, _ in self.scores]
        return (*names, *(f"{one}-{other}" for one, other in combinations(names, 2)))

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        shape, guard = (self.n_groups,), f"{self.minimum_patients} patients in the group, one comparable pair"
        return (
            *(self.partition.results(self.name) if self.rest else (minimum_result(f"{self.name}.enough", self.n_groups),)),
            Result(f"{self.name}.comparable", shape, 0, 1.0, "none: it is the test of the minimum", bit=True),
            *(Result(f"{self.name}.{name}.c", shape, C_BITS, 1.1, guard) for name, _ in self.scores),
            *(Result(f"{self.name}.{vector}.variance", shape, VARIANCE_BITS, 2.0**16, guard) for vector in self.vectors),
        )


@dataclass(frozen=True)
class ConcordanceEstimate:
    """By score or difference, per group (groups,): the C-index (or the difference) and its standard error; NaN where closed."""

    c: dict[str, Floats]
    se: dict[str, Floats]
    findings: tuple[FitFinding, ...] = ()


async def concordance(
    a: Arithmetic, rows: Rows, pairs: Pairs, model: ConcordanceModel, orders: Mapping[str, Value] | None = None
) -> ConcordanceEstimate:
    """C-indices, differences and their errors. orders: what `compared` gives of each score, where it is there already."""
    credits, involved, groups = await _counts(a, rows, pairs, model, orders or {})
    sums, squares = await _sums(a, credits, involved, groups, len(model.scores))
    n = sums[-1].divided_exactly(2)
    enough, comparable = await together(
        _enough(a, model, groups.sum(0).assume(len(groups), "a count of patients")), a.reveal_zero(f"{model.name}.comparable", n)
    )
    shown = enough & ~comparable
    y = await reciprocal(a, n + (~shown).astype(np.int64), 1.0, max(len(groups) ** 2 / 2, 1.0), largest=1.0)
    c = await _open_c(a, model, sums, y, shown)
    variance = await _open_variance(a, model, squares, y, c, shown, 4.0 * len(groups))
    closed = np.where(shown, 1.0, np.nan)
    findings = () if shown.all() else (FitFinding.of(problems.NOT_ESTIMABLE, f"{(~shown).sum()} groups are too small or have no pairs"),)
    return ConcordanceEstimate(
        {name: value * closed for name, value in c.items()},
        {name: np.sqrt(np.maximum(value, 0)) * closed for name, value in variance.items()},
        findings,
    )


async def _enough(a: Arithmetic, model: ConcordanceModel, sizes: Value) -> np.ndarray:
    """Which groups are large enough."""
    if model.rest:
        return (await admitted(a, model.name, sizes, model.partition)).shown
    return await reaches(a, f"{model.name}.enough", sizes, model.minimum_patients)


async def _counts(
    a: Arithmetic, rows: Rows, pairs: Pairs, model: ConcordanceModel, known: Mapping[str, Value]
) -> tuple[list[Value], Value, Value]:
    """Per patient (N,): twice the credit by score, and the pairs they are part of; the groups (N, groups). In the main field."""
    n = len(pairs.died)
    comparable = pairs.at_risk - pairs.tied
    unknown = [(name, levels) for name, levels in model.scores if name not in known]
    ranks = (compared(a, [rows[part.name] for part in level_parts(name, levels)]) for name, levels in unknown)
    groups = rows[model.groups.name] if model.groups else pairs.present.reshape(n, 1)
    if model.groups:
        comparable, *orders = await together(_within(a, comparable, groups), *ranks)
    else:
        orders = await together(*ranks)
    found = {**known, **dict(zip((name for name, _ in unknown), orders, strict=True))}
    orders = [found[name] for name, _ in model.scores]
    comparable = comparable.assume(1.0, "a pair counts or does not")
    upper, lower = _halves(comparable, n)
    won = [mirrored(a.times(upper, order) + a.times(lower, 2 - order), n).sum(1).assume(2 * n, "at most 2 a pair") for order in orders]
    involved = mirrored(upper + lower, n).sum(1).assume(n, "a count of patients")
    *credits, involved, groups = await together(*(a.lift(value) for value in won), a.lift(involved), a.lift(groups))
    return credits, involved, groups


async def _within(a: Arithmetic, comparable: Value, groups: Value) -> Value:
    """Comparable pairs of the same group."""
    (found,) = await a.reduce(a.times(comparable, await same_group(a, groups)))
    return found


def _halves(matrix: Value, n: int) -> tuple[Value, Value]:
    """The entries (i, j) and (j, i) of all i ≤ j."""
    rows, columns = np.triu_indices(n)
    flat = matrix.reshape(n * n)
    return flat[rows * n + columns], flat[columns * n + rows]


async def _sums(a: Arithmetic, credits: Sequence[Value], involved: Value, groups: Value, n_scores: int) -> tuple[Value, Value]:
    """By group: Σ of every score's credit and of `involved` (scores + 1, groups); and, for every vector v, Σ v², Σ v b, Σ b²."""
    n = len(involved)
    vectors = [*credits, *(one - other for one, other in combinations(credits, 2))]
    products = [*(a.times(v, v) for v in vectors), *(a.times(v, involved) for v in vectors), a.times(involved, involved)]
    sums, *found = await a.reduce(a.dot(stack([*credits, involved]), groups).assume(2.0 * n * n, "sums over pairs"), *products)
    (squares,) = await a.reduce(a.dot(stack(found), groups))
    return sums, squares


async def _open_c(a: Arithmetic, model: ConcordanceModel, sums: Value, y: Value, shown: np.ndarray) -> dict[str, Floats]:
    """C by score: a quarter of Σ c / n, as each pair stands twice in Σ c with twice its credit; differences are of the opened ones."""
    keep = shown.astype(np.int64)
    ratio = [a.times(sums[i] * keep, y).scaled(0.25, 2).assume(1.01, "credit of at most 1 a pair") for i in range(len(model.scores))]
    reduced = await a.reduce(*ratio, fraction=C_BITS)
    names = [name for name, _ in model.scores]
    opened = await together(*(a.reveal(f"{model.name}.{name}.c", x, C_BITS) for name, x in zip(names, reduced, strict=True)))
    c = dict(zip(names, opened, strict=True))
    return c | {f"{one}-{other}": c[one] - c[other] for one, other in combinations(names, 2)}


async def _open_variance(
    a: Arithmetic, model: ConcordanceModel, squares: Value, y: Value, c: dict[str, Floats], shown: np.ndarray, bound: float
) -> dict[str, Floats]:
    """var by score and difference: (¼ Σ v² − C Σ v b + C² Σ b²) / n², v being twice the credit."""
    keep, vectors = shown.astype(np.float64), model.vectors
    residual = [
        squares[i] * (keep / 4) - squares[len(vectors) + i] * (keep * c[name]) + squares[-1] * (keep * c[name] ** 2)
        for i, name in enumerate(vectors)
    ]
    why = "a residual is at most the pairs a patient is in, and these sum to twice n"
    once = await a.reduce(*(a.times(value, y).assume(bound, why) for value in residual))
    twice = await a.reduce(*(a.times(value, y).assume(bound, why) for value in once), fraction=VARIANCE_BITS)
    opened = await together(*(a.reveal(f"{model.name}.{name}.variance", x, VARIANCE_BITS) for name, x in zip(vectors, twice, strict=True)))
    return dict(zip(vectors, opened, strict=True))
