"""Positive controls: the attacks on sums, where they must succeed. No study opens such sums any more.

a: differences of sums by day. b: one sum by interval at three hundred coefficients. g: sums of products by interval at several
coefficients. h: a table of 4,096 score bins by one-day cells. k: products of two columns that one patient holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evidence.attacks.attacked_cohorts import COLUMNS, LEVELS, AttackedCohort, Floats, encode, patterns
from evidence.attacks.claims_about_patients import NEAR_DAYS, Claims
from evidence.attacks.nonnegative_solver import System
from shared_model.survival.broadcast_hazard import exposures

RiskSums = tuple[Floats, Floats, Floats | None, Floats | None]
CUTS = (90.0, *(90.0 + 200.0 * k for k in range(1, 9)))
"""Ends of the intervals but for the last; in the first one everybody is at risk throughout."""
GRID, TAKEN = 2.0**-24, 1e-2
BETA = np.linspace(0.1, 0.7, len(COLUMNS))
PRESENT = 0.5
CHOSEN, BINS = 300, 4097


def _on_grid(sums: Floats) -> Floats:
    return np.asarray(np.rint(sums / GRID) * GRID)


def differenced_days(cohort: AttackedCohort) -> Claims:
    """Day cells of S⁰ and S¹ at one β: a day on which one patient leaves gives that patient's covariates as S¹/S⁰."""
    weight = np.exp(cohort.x @ BETA)
    order = (np.arange(int(cohort.day.max()) + 2)[:, None] <= cohort.day[None, :]).astype(np.float64)
    cells = _on_grid(order @ np.concatenate([weight[:, None], weight[:, None] * cohort.x], axis=1))
    left = cells[:-1] - cells[1:]
    days = np.flatnonzero(left[:, 0] > PRESENT)
    rows = np.clip(np.rint(left[days, 1:] / left[days, :1]), 0, np.array(LEVELS) - 1)
    return Claims(encode(rows), days.astype(np.float64))


def _sums(day: Floats, x: Floats, beta: Floats, *, products: bool) -> RiskSums:
    """At β: weighted exposure by interval, and with `products` the same times one and two covariates."""
    mass = np.exp(x @ beta)[:, None] * exposures(day, CUTS)
    zero = _on_grid(mass.sum(axis=0))
    if not products:
        return beta, zero, None, None
    return beta, zero, _on_grid(mass.T @ x), _on_grid(np.einsum("nm,na,nb->mab", mass, x, x))


def from_risk_sums(sums: Sequence[RiskSums], mean: Floats | float = 0.0, sd: Floats | float = 1.0) -> Claims:
    """Solved interval by interval; exposure in the first one counts the patients of a pattern. Covariates are (x − mean)/sd."""
    x, intervals = (patterns() - mean) / sd, len(CUTS) + 1
    exposure = np.zeros((len(x), intervals))
    for m in range(intervals):
        system = System()
        for beta, zero, first, second in sums:
            weight = np.exp(x @ beta)
            system.add(weight, zero[m], TAKEN)
            if first is None or second is None:
                continue
            for a in range(x.shape[1]):
                system.add(weight * x[:, a], first[m, a], TAKEN)
                for b in range(a, x.shape[1]):
                    system.add(weight * x[:, a] * x[:, b], second[m, a, b], TAKEN)
        exposure[:, m] = system.solve()
    count = exposure[:, 0] / CUTS[0]
    found = np.flatnonzero(count >= PRESENT)
    return Claims(found.astype(np.int64), exposure[found].sum(axis=1) / np.maximum(np.rint(count[found]), 1))


def chosen_coefficients(cohort: AttackedCohort, seed: int) -> Claims:
    """S⁰ by interval at three hundred β."""
    rng = np.random.default_rng(seed)
    x = cohort.x.astype(np.float64)
    return from_risk_sums([_sums(cohort.day, x, rng.normal(0, 0.6, len(COLUMNS)), products=False) for _ in range(CHOSEN)])


def products_at_iterates(cohort: AttackedCohort) -> Claims:
    """S⁰, S¹ and S² by interval at the iterates of a fit."""
    mean, sd = cohort.x.mean(axis=0), np.maximum(cohort.x.std(axis=0), 1e-3)
    z = (cohort.x - mean) / sd
    return from_risk_sums([_sums(cohort.day, z, BETA * (1 - 2.0**-k), products=True) for k in range(6)], mean, sd)


def score_by_day(cohort: AttackedCohort) -> Claims:
    """Narrow bins of a known score, by day: the patterns of the bin on that day."""
    score, mine = patterns() @ BETA, cohort.x @ BETA
    edges = np.linspace(score.min() - 1e-9, score.max() + 1e-9, BINS)
    inside, where = np.searchsorted(edges, score) - 1, np.searchsorted(edges, mine) - 1
    found = [(int(pattern), float(day)) for day, own in zip(cohort.day, where, strict=True) for pattern in np.flatnonzero(inside == own)]
    return Claims(np.array([pattern for pattern, _ in found], dtype=np.int64), np.array([day for _, day in found]))


def single_pairs(cohort: AttackedCohort) -> list[tuple[int, int]]:
    """Pairs of columns that one patient holds alone."""
    held = (cohort.x > 0).astype(np.int64)
    both = held.T @ held
    return [(a, b) for a in range(len(COLUMNS)) for b in range(a + 1, len(COLUMNS)) if both[a, b] == 1]


def days_of_pairs(cohort: AttackedCohort) -> tuple[int, int]:
    """Pairs that one patient holds, and those whose day S² by interval gives, as w·e over w·(days of the first interval)."""
    second = _sums(cohort.day, cohort.x.astype(np.float64), BETA, products=True)[3]
    pairs, right = single_pairs(cohort), 0
    assert second is not None
    for a, b in pairs:
        patient = int(np.flatnonzero((cohort.x[:, a] > 0) & (cohort.x[:, b] > 0))[0])
        day = float(second[:, a, b].sum() / (second[0, a, b] / CUTS[0]))
        right += bool(abs(day - cohort.day[patient]) <= NEAR_DAYS)
    return len(pairs), right
