"""Cox's model on shared rows by weeks, linear in the number of patients; Newton's method and what is opened are those of `analyses.cox`.

At a coefficient b, with w_j = e^{b'(u_j − ½)}, and of a week R = Σ w over those who reach it, D = Σ w over its d deaths, R¹, D¹ the same of
w u:

    c = (d − 1)/(2d)      S⁰ = R − c D      S¹ = R¹ − c D¹      v = S¹/S⁰      e = d/S⁰

c is the mean of Efron's r/d over the deaths of a week (Breslow: c = 0). A patient's hazard is h_j = Σ e over weeks until theirs, less c e
of the last one for who died in it, and

    U = Σ u over deaths − Σ d v      I = Σ_j h_j w_j u_j u_j' − Σ d v v'

What is lost against days: the order of deaths and censorings within a week. The grid is declared, the error is measured in
docs/evidence/shares_cost.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, log2

import numpy as np

from shared_model.analyses.cox_on_shares import SHARE_BITS, CoxEstimate, CoxModel, NewtonFit
from shared_model.analyses.patient_slots import Part, Rows
from shared_model.analyses.risk_sums_on_shares import block_moments, factor, largest_weight
from shared_model.analyses.weeks.week_cells import EVENT, WeekCells, from_then_on, make_cells, until_then, week_digits
from shared_model.shares.circuits.arithmetic import ROOM, Arithmetic, F, Value, concatenate, stack, together
from shared_model.shares.circuits.reciprocals import reciprocal
from shared_model.shares.circuits.shared_value import Field

NOBODY = 2.0**-20
"""Added to S⁰, so that weeks that nobody reaches divide by something: 1e-6 of one patient of the middle risk."""
MOST_ROOM = 14.0
"""Of Σ|b|; a week's sums start cold in every step."""
NO_DEATH = 2.0**-14
"""Added to d for the same reason; such a week's sums over deaths are 0."""


def week_parts(model: CoxModel, n_days: int) -> tuple[Part, ...]:
    """What a hospital contributes."""
    return (*week_digits(n_days), EVENT, *model.covariates.blocks)


@dataclass(frozen=True)
class WeekStart:
    """What a fit by weeks starts from.

    died (N,), dead (p,) and n are as in `risk_sums.Start`. half: c of every week. u and died·u (N, p), u u' (N, K).
    """

    cells: WeekCells
    half: Value | None
    blocks: tuple[Value, ...]
    u: Value
    dead_u: Value
    uu: Value
    died: Value
    dead: Value
    n: Value


async def cox_by_weeks(a: Arithmetic, rows: Rows, model: CoxModel) -> CoxEstimate:
    """Fit the model to the rows of all hospitals."""
    start = await _prepare(a, rows, model)
    n, deaths = await together(a.reveal(f"{model.name}.patients", start.n, 0), a.reveal(f"{model.name}.deaths", start.died.sum(), 0))
    fit = WeekFit(a, model, start, int(n), int(deaths))
    few = fit.too_few()
    return fit.without(few) if few else await fit.run()


async def _prepare(a: Arithmetic, rows: Rows, model: CoxModel) -> WeekStart:
    """Cells, blocks and moments in the main field."""
    cells = await make_cells(a, rows)
    n = len(cells.died)
    blocks = [rows[block.name] for block in model.covariates.blocks]
    counted = [i for i, block in enumerate(blocks) if block.field is Field.COUNT]
    lifted = await together(*(a.lift(blocks[i]) for i in counted)) if counted else []
    for i, value in zip(counted, lifted, strict=True):
        blocks[i] = value.assume(1.0, "one-hot")
    u, uu = block_moments(a, model.covariates, blocks)
    u, *uu = await a.reduce(u, *uu)
    dead_u, dead = await a.reduce(
        a.times(cells.died.reshape(n, 1), u).assume(1.0, "u is at most 1"), a.dot(cells.died, u).assume(float(n), "u is at most 1")
    )
    half = None
    if model.ties == "efron":
        y = await reciprocal(a, cells.deaths + NO_DEATH, NO_DEATH, n + 1.0, largest=1 / NO_DEATH)
        half = (1 - y).scaled(0.5, 1)
    return WeekStart(cells, half, tuple(blocks), u, dead_u, stack(uu, 1), cells.died, dead, cells.present.sum())


def room_by_weeks(slots: int) -> float:
    """The largest Σ|b|: half a week's dying weight, with 81 fractional bits, stays below what may be rounded; 14 up to 6,000 slots."""
    return min(MOST_ROOM, 2 * log(2) * (ROOM - 2 * F - 1 - log2(slots)) - 0.1)


class WeekFit(NewtonFit):
    """The same Newton steps with sums by week."""

    def __init__(self, a: Arithmetic, model: CoxModel, start: WeekStart, n: int, deaths: int) -> None:
        super().__init__(a, model, n, deaths)
        self.start = start
        self.newton.room = room_by_weeks(len(start.died))

    async def score_and_information(self) -> tuple[Value, Value]:
        """Score (p,) and information (p, p), both divided by the number of deaths."""
        a, start, cells = self.a, self.start, self.start.cells
        n, p = len(cells.died), self.p
        w = await factor(a, self.model.covariates, start.blocks, self.newton.b)
        column, one, why = w.reshape(n, 1), 1.01 * largest_weight(self.newton.b), "u is at most 1"
        wu, wd, wdu = await a.reduce(*(a.times(column, by).assume(one, why) for by in (start.u, cells.died.reshape(n, 1), start.dead_u)))
        reached, dead = await a.reduce(
            *(a.dot(cells.inside.T, concatenate(pair, 1)).assume(one * n, why) for pair in ((column, wu), (wd, wdu)))
        )
        sums = from_then_on(reached).assume(one * n, why)
        if start.half is not None:
            (less,) = await a.reduce(
                a.times(start.half.reshape(-1, 1), dead).assume(one * n, "half of the deaths' weight, none without deaths")
            )
            sums = (sums - less).assume(one * n, why)
        most = 1.01 * one * n
        s0 = (sums[:, 0] + NOBODY).assume(most, "not below 0, but for rounding")
        y = await reciprocal(a, s0, NOBODY / 2, most, largest=2 / NOBODY)
        e, v = await a.reduce(
            a.times(cells.deaths, y).assume(self._most_hazard(), "a week's deaths over half their own weight or more"),
            a.times(y.reshape(-1, 1), sums[:, 1:]).assume(1.1, "a weighted mean of u; 0 in a week that nobody reaches"),
        )
        hazard = await self._hazards(e)
        weighed, dv = await a.reduce(
            a.times(hazard, w).assume(2.0 * self.deaths, "each death's share of one patient's weight is at most 2"),
            a.times(cells.deaths.reshape(-1, 1), v).assume(1.1 * n, "deaths of a week times a mean"),
        )
        return await self._divided(weighed, dv, v, p)

    def _most_hazard(self) -> float:
        return 2.2 * largest_weight(self.newton.b)

    async def _hazards(self, e: Value) -> Value:
        """h (N,) of every patient."""
        a, start, cells = self.a, self.start, self.start.cells
        most = self._most_hazard() * self.deaths
        total = until_then(e).assume(most, "a sum over deaths")
        if start.half is None:
            (hazard,) = await a.reduce(a.dot(cells.inside, total).assume(most, "one week a patient"))
            return hazard
        (own,) = await a.reduce(a.times(start.half, e).assume(self._most_hazard(), "at most half of it, none without deaths"))
        hazard, last = await a.reduce(
            a.dot(cells.inside, total).assume(most, "one week a patient"),
            a.dot(cells.inside, own).assume(self._most_hazard(), "one week a patient"),
        )
        (less,) = await a.reduce(a.times(cells.died, last))
        return (hazard - less).assume(most, "a part of it less")

    async def _divided(self, weighed: Value, dv: Value, v: Value, p: int) -> tuple[Value, Value]:
        a, pairs = self.a, self.model.covariates.pairs
        (t,) = await a.reduce(a.dot(weighed, self.start.uu).assume(1.1 * self.deaths, "second moments of deaths' risk sets"))
        outer = stack([a.dot(dv[:, j], v[:, k]).assume(1.2 * self.deaths, "means of u squared, over deaths") for j, k in pairs])
        half, u = await a.reduce(
            (t - outer).scaled(self.share, SHARE_BITS).assume(1.01, "a mean covariance of numbers in [0, 1]"),
            (self.start.dead - dv.sum(0)).scaled(self.share, SHARE_BITS).assume(1.01, "a mean difference of numbers in [0, 1]"),
        )
        full = np.zeros((p, p), dtype=np.int64)
        for at, (j, k) in enumerate(pairs):
            full[j, k] = full[k, j] = at
        return u, half[full.reshape(-1)].reshape(p, p)
