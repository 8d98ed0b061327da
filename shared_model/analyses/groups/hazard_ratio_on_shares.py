"""Hazard ratios of two groups on shared rows: Cox's model of one column, within each set, in the same openings for all sets.

Risk sets are those of the family alone: of death i of a family, patients of each of its two groups at risk on that day. These are
two numbers a death, so a fit costs next to nothing beside the pairs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared_model.analyses.covariates_on_shares import Levels, SlotCovariates
from shared_model.analyses.cox_on_shares import CoxEstimate, CoxModel, fit_from
from shared_model.analyses.pairs_on_shares import Pairs
from shared_model.analyses.risk_sums_on_shares import Linear, Start
from shared_model.disclosure.limits import EVENTS_A_COLUMN, RATIO_PATIENTS
from shared_model.shares.circuits.arithmetic import Arithmetic, Value, stack, together
from shared_model.shares.circuits.declared_results import Result


@dataclass(frozen=True)
class RatioModel:
    """Families of two groups each; the second group of a family is compared with its first."""

    name: str
    families: tuple[tuple[int, int], ...]
    ties: str = "efron"
    minimum_patients: int = RATIO_PATIENTS.value
    minimum_deaths: int = EVENTS_A_COLUMN.value

    @property
    def models(self) -> tuple[CoxModel, ...]:
        """One of a single column for each family."""
        column = SlotCovariates((Levels("second"),))
        return tuple(
            CoxModel(f"{self.name}-{at}", column, self.ties, self.minimum_patients, self.minimum_deaths) for at in range(len(self.families))
        )

    @property
    def results(self) -> tuple[Result, ...]:
        """What may be revealed."""
        return tuple(one for model in self.models for one in model.results if not one.name.endswith((".patients", ".deaths")))


@dataclass(frozen=True)
class FamilySize:
    """Opened patients and deaths of a family whose two groups are shown."""

    patients: int
    deaths: int


async def hazard_ratios(
    a: Arithmetic, pairs: Pairs, members: Value, sizes: Sequence[FamilySize | None], model: RatioModel
) -> list[CoxEstimate | None]:
    """A fit for every family with a size, None for the others. members: (N, groups) of the counting field."""
    wanted = [at for at, size in enumerate(sizes) if size is not None]
    if not wanted:
        return [None] * len(sizes)
    starts = await _starts(a, pairs, members, [model.families[at] for at in wanted], model.ties)
    fits: list[Awaitable[Any]] = []
    for at, start in zip(wanted, starts, strict=True):
        size = sizes[at]
        if size is not None:
            fits.append(fit_from(a, model.models[at], start, size.patients, size.deaths))
    found = dict(zip(wanted, await together(*fits), strict=True))
    return [found.get(at) for at in range(len(sizes))]


async def _starts(a: Arithmetic, pairs: Pairs, members: Value, families: Sequence[tuple[int, int]], ties: str) -> list[Start]:
    """Sums over the risk sets of every family: four openings."""
    n, f, why = len(pairs.died), len(families), "a count of patients"
    cells = members[:, np.array([group for family in families for group in family])]
    inside = cells.reshape(n, f, 2).sum(2).assume(1.0, "one group a patient")
    earlier = pairs.tied * np.tril(np.ones((n, n), dtype=np.int64), -1)
    reach, tied, rank, died = await a.reduce(
        a.dot(pairs.at_risk, cells).assume(n, why),
        a.dot(pairs.tied, cells).assume(n, why),
        a.dot(earlier, inside).assume(n, why),
        a.times(pairs.died.reshape(n, 1), inside).assume(1.0, "died, in the family"),
    )
    ceiling = float(n * n if ties == "efron" else n)
    if ties == "efron":
        day = tied.reshape(n, f, 2).sum(2).assume(n, why).reshape(n, f, 1)
        product = a.times(day, reach.reshape(n, f, 2)) - a.times(rank.reshape(n, f, 1), tied.reshape(n, f, 2))
        (weighed,) = await a.reduce(product.assume(ceiling, "d times a count of patients"))
    else:
        weighed = reach.reshape(n, f, 2)
    reached = a.times(weighed, died.reshape(n, f, 1)).assume(ceiling, "the same, of deaths of the family")
    dead = stack([a.dot(died[:, at], cells[:, 2 * at : 2 * at + 2]).assume(n, why) for at in range(f)])
    members_ = inside.sum(0).assume(n, why)
    reached, dead, died, count = await together(a.lift(reached), a.lift(dead), a.lift(died), a.lift(members_))
    column = SlotCovariates((Levels("second"),))
    return [Start(Linear(column, reached[:, at], ceiling), dead[at, 1:2], died[:, at], count[at]) for at in range(f)]
