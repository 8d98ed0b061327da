"""The log-rank test on shared rows, within every family of a partition: observed less expected deaths and their covariance.

Every death i of a family, n patients of which n_g in group g at risk on its day, d deaths on that day:

    E_g = Σ n_g/n        V_gh = Σ (n − d)/(n − 1) · (n_g/n) (δ_gh − n_h/n)

summed over deaths instead of days, so that ties of any number are exact. Opened are O − E and V of all groups but the last, as
R's `survdiff` prints them. Source: Mantel 1966.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import numpy as np

from shared_model.analyses.groups.patient_groups import Admitted, Partition
from shared_model.analyses.patient_slots import Floats
from shared_model.disclosure.limits import LOGRANK_BITS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, stack, together
from shared_model.shares.circuits.declared_results import Result
from shared_model.shares.circuits.reciprocals import reciprocal
from shared_model.survival.cox.cox_result import ChiTest, independent, solve_kept

_LARGEST = 2.0**20
_FLAT = 2.0**-10
"""A pivot of V below this share of the largest is rounding."""


def entries(partition: Partition) -> tuple[list[int], list[tuple[int, int]]]:
    """Groups whose O − E is opened, and pairs of groups whose covariance is."""
    rows = [group for family in partition.of_family for group in family[:-1]]
    family = partition.family
    return rows, [(g, h) for at, g in enumerate(rows) for h in rows[at:] if family[g] == family[h]]


def logrank_results(name: str, partition: Partition) -> tuple[Result, ...]:
    """What may be revealed."""
    rows, cells = entries(partition)
    guard = f"{partition.minimum} patients in every group of the set"
    return (
        Result(f"{name}.gap", (len(rows),), LOGRANK_BITS.value, _LARGEST, guard),
        Result(f"{name}.covariance", (len(cells),), LOGRANK_BITS.value, _LARGEST, guard),
    )


async def gaps(a: Arithmetic, reach: Value, tied: Value, died: Value, deaths: Value, partition: Partition) -> tuple[Value, Value]:
    """O − E and V of `entries`, the latter still a product.

    reach (N, groups): patients of each group at risk at the death of a patient of the same family; tied and died (N, families):
    deaths on that day and whether the patient died, in the family; deaths (groups,). All in the main field.
    """
    n, family = len(reach), partition.family
    total = (reach @ partition.matrix).assume(n, "a count of patients")
    by_total, by_rest = await together(
        reciprocal(a, (total - died + 1).assume(n, "a count of patients, at least one"), 1.0, float(n), largest=1.0),
        reciprocal(a, (total - 2 * died + 1).assume(n, "the same without one"), 1.0, float(n)),
    )
    share, spread = await a.reduce(
        a.times(reach, by_total[:, family]).assume(1.01, "a share of those at risk"),
        a.times(total - tied, by_rest).assume(1.01, "the survivors of those beside one, at most all; 0 where nobody is left"),
    )
    share = share.assume(1.001, "a share of those at risk")
    (weighed,) = await a.reduce(a.times(spread[:, family], share).assume(1.01, "as both"))
    rows, cells = entries(partition)
    gap = (deaths - share.sum(0).assume(n, "a share for every death")).assume(n, "between none and all deaths")[np.array(rows)]
    covariance = [(weighed[:, g].sum(0) if g == h else _zero(weighed)) - a.dot(weighed[:, g], share[:, h]) for g, h in cells]
    return gap, stack(covariance).assume(float(n), "at most a quarter for every death")


def _zero(like: Value) -> Value:
    return like[0, 0] * 0


async def open_logrank(
    a: Arithmetic, name: str, gap_and_covariance: tuple[Value, Value], admitted: Admitted, partition: Partition
) -> list[ChiTest | None]:
    """Open both where the family is whole, and form χ² of every family; None for one that is not."""
    (gap, covariance), (rows, cells) = gap_and_covariance, entries(partition)
    whole = admitted.whole.astype(np.int64)
    bits, family = LOGRANK_BITS.value, partition.family
    wanted: list[Awaitable[Any]] = [
        a.reveal(f"{name}.gap", gap * whole[family[rows]], bits),
        a.reveal(f"{name}.covariance", covariance * whole[family[[g for g, _ in cells]]], bits),
    ]
    opened = await together(*wanted)
    return [
        _test(opened[0], opened[1], [rows.index(g) for g in groups[:-1]], rows, cells) if admitted.whole[number] else None
        for number, groups in enumerate(partition.of_family)
    ]


def _test(gap: Floats, covariance: Floats, mine: list[int], rows: list[int], cells: list[tuple[int, int]]) -> ChiTest:
    """χ² of one family; groups that say nothing beyond the others are left out, as are empty ones."""
    matrix = np.array([[covariance[cells.index((rows[min(i, j)], rows[max(i, j)]))] for j in mine] for i in mine])
    largest = float(np.diag(matrix).max(initial=0.0))
    kept = independent(matrix, _FLAT) if largest > _FLAT else np.zeros(len(mine), dtype=np.bool_)
    vector = gap[mine]
    return ChiTest(float(vector @ solve_kept(matrix, vector, kept)), int(kept.sum()))
