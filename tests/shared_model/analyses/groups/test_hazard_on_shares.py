"""The first training hazard and a Cox model's baseline on shared rows, against pooled rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from shared_model.analyses.covariates_on_shares import Continuous, SlotCovariates
from shared_model.analyses.groups.declared_days import make_points
from shared_model.analyses.groups.hazard_on_shares import (
    BaselineEstimate,
    BaselineModel,
    FirstHazardEstimate,
    FirstHazardModel,
    baseline,
    first_hazard,
    joined_intervals,
)
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import Rows
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.survival.broadcast_hazard import day_sums, piecewise_hazard, piecewise_sums, step_hazard
from tests.shared_model.analyses.cohorts import Cohort, made_up
from tests.shared_model.analyses.holders import on_plain, on_shares

CUTS = (60, 120, 200, 300, 450, 700)
BETA = np.array([0.25, 0.4, 0.5, -0.4, 0.6, -0.3, -0.2])
HORIZONS = (365, 730, 1095)


def first(cohort: Cohort, m: int = 0, cuts: tuple[int, ...] = CUTS) -> tuple[FirstHazardEstimate, Any]:
    asked = FirstHazardModel("first", cuts, 2000)

    async def circuit(a: Arithmetic, rows: Rows) -> FirstHazardEstimate:
        return await first_hazard(a, rows, asked)

    inputs = (circuit, Declaration.of(asked.results), asked.parts(2000), cohort.sites(), cohort.slots)
    return on_shares(*inputs, m) if m else on_plain(*inputs)


@pytest.mark.parametrize("m", [0, 3])
def test_first_hazard_equals_pooled_rows(m: int) -> None:
    cohort = made_up(seed=1, coarse=7)
    found, cost = first(cohort, m)
    sums = piecewise_sums(np.zeros(207), cohort.day, cohort.event, CUTS, 0.0)
    oracle = piecewise_hazard(sums.mass, sums.deaths, CUTS, 0.0)
    assert found.hazard is not None and len(found.joined) == 7
    np.testing.assert_allclose(found.hazard.rate, oracle.rate, rtol=2e-4)
    assert cost.openings <= 40


def test_thin_intervals_are_opened_with_their_neighbours() -> None:
    cohort = made_up(seed=1)
    cuts = (1, 120, 121, 500, 1800)
    found, _ = first(cohort, cuts=cuts)
    assert found.joined == ((0, 1, 2), (3,), (4, 5)) and found.hazard is not None
    sums = piecewise_sums(np.zeros(207), cohort.day, cohort.event, (121, 500), 0.0)
    np.testing.assert_allclose(found.hazard.rate[[0, 3, 5]], sums.deaths / sums.mass, rtol=2e-4)
    assert joined_intervals(np.array([False, False, False])) == ((0, 1, 2),)


def test_nobody_dies() -> None:
    cohort = made_up()
    found, _ = first(Cohort(cohort.x, cohort.day, np.zeros(207, dtype=bool), cohort.site, cohort.columns))
    assert found.hazard is None and len(found.findings) == 1


def base(cohort: Cohort, ties: str, covariates: SlotCovariates, beta: np.ndarray, m: int = 0, minimum: int = 50) -> Any:
    asked = BaselineModel("baseline", covariates, tuple(beta.tolist()), HORIZONS, ties, minimum)

    async def circuit(a: Arithmetic, rows: Rows) -> BaselineEstimate:
        pairs, points = await together(make_pairs(a, rows), make_points(a, rows, HORIZONS))  # type: ignore[arg-type]
        return await baseline(a, rows, pairs, points, asked)  # type: ignore[arg-type]

    sites = cohort.sites(lp=cohort.x @ BETA + np.linspace(0, 1, len(cohort.day)))
    inputs = (circuit, Declaration.of(asked.results), asked.parts(2000), sites, cohort.slots)
    return on_shares(*inputs, m) if m else on_plain(*inputs)


def expect(found: BaselineEstimate, cohort: Cohort, ties: str, lp: np.ndarray) -> None:
    hazard = step_hazard(day_sums(lp, cohort.day, cohort.event, 2000, 0.0), ties, 0.0)  # type: ignore[arg-type]
    oracle = hazard.cumulative[list(HORIZONS)]
    enough = [(cohort.day >= horizon).sum() >= 5 for horizon in HORIZONS]
    np.testing.assert_array_equal(np.isfinite(found.hazard), enough)
    for risk in (lp.min(), np.median(lp), lp.max()):
        survival = np.exp(-found.hazard * np.exp(risk))[enough]
        np.testing.assert_allclose(survival, np.exp(-oracle * np.exp(risk))[enough], atol=1e-4)


@pytest.mark.parametrize("ties", ["breslow", "efron"])
@pytest.mark.parametrize("coarse", [1, 90])
def test_baseline_equals_pooled_rows(coarse: int, ties: str) -> None:
    cohort = made_up(seed=coarse, coarse=coarse)
    found, a = base(cohort, ties, cohort.covariates, BETA)
    expect(found, cohort, ties, cohort.x @ BETA)
    smooth, b = base(cohort, ties, SlotCovariates((Continuous("lp", -2.0, 5.0),)), np.array([1.0]))
    expect(smooth, cohort, ties, cohort.x @ BETA + np.linspace(0, 1, 207))
    assert max(a.openings, b.openings) <= 44  # the reciprocal is followed from 0 to the coefficients, a few steps more


def test_shares_give_what_plain_numbers_give() -> None:
    cohort = made_up(n=90, sites=13, seed=3, coarse=10)
    found, cost = base(cohort, "efron", cohort.covariates, BETA, 3)
    expect(found, cohort, "efron", cohort.x @ BETA)
    assert cost.openings <= 40


def test_too_few_patients_open_nothing() -> None:
    found, _ = base(made_up(n=80, sites=10), "efron", made_up().covariates, BETA, minimum=100)
    assert np.isnan(found.hazard).all() and len(found.findings) == 1
