"""Calibration on shared rows against the pooled rows, and the slope against statsmodels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from statsmodels.duration.hazard_regression import PHReg

from shared_model.analyses.cox_on_shares import CoxEstimate, cox
from shared_model.analyses.groups.calibration_on_shares import CalibrationEstimate, CalibrationModel, Predicted, calibration, slope_model
from shared_model.analyses.groups.declared_days import make_points
from shared_model.analyses.groups.patient_groups import Partition
from shared_model.analyses.groups.rows_of_one_set import restricted
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import OneHot, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.survival.evaluation_table import patient_cells
from shared_model.survival.kaplan_meier import kaplan_meier as pooled
from tests.shared_model.analyses.cohorts import Cohort, made_up
from tests.shared_model.analyses.holders import on_plain, on_shares

HORIZONS = (365, 730, 1095)
HAZARDS = (0.35, 0.8, 1.4)


def score(cohort: Cohort) -> np.ndarray:
    risk = cohort.x @ np.array([0.25, 0.4, 0.5, -0.4, 0.6, -0.3, -0.2])
    return np.asarray(risk - risk.mean() + np.random.default_rng(0).normal(0, 0.2, len(risk)))


def groups(cohort: Cohort) -> np.ndarray:
    """Two sets by three groups of predicted risk."""
    sets = np.arange(len(cohort.day)) % 5 == 0
    return 3.0 * sets + np.searchsorted((-0.3, 0.25), score(cohort))


def model(minimum: int = 12) -> CalibrationModel:
    partition = Partition(OneHot("risk", 6), ((0, 1, 2), (3, 4, 5)), minimum)
    return CalibrationModel("calibration", partition, HORIZONS, Predicted("predicted", "score", HAZARDS))


def run(cohort: Cohort, asked: CalibrationModel, m: int = 0) -> tuple[CalibrationEstimate, Any]:
    async def circuit(a: Arithmetic, rows: Rows) -> CalibrationEstimate:
        pairs, points = await together(make_pairs(a, rows), make_points(a, rows, HORIZONS))  # type: ignore[arg-type]
        return await calibration(a, rows, pairs, points, asked)  # type: ignore[arg-type]

    sites = cohort.sites(risk=groups(cohort), score=score(cohort))
    inputs = (circuit, Declaration.of(asked.results), asked.parts(2000), sites, cohort.slots)
    return on_shares(*inputs, m) if m else on_plain(*inputs)


def expect(found: CalibrationEstimate, cohort: Cohort, minimum: int = 12) -> None:
    level, shown = groups(cohort), 0
    for group in range(6):
        mine = level == group
        curve = pooled(patient_cells(score(cohort)[mine], cohort.day[mine], cohort.event[mine]))
        for k, horizon in enumerate(HORIZONS):
            if mine.sum() < minimum or (cohort.day[mine] >= horizon).sum() < 5:
                assert np.isnan([found.predicted[group, k], found.observed[group, k]]).all()
                continue
            shown += 1
            assert found.predicted[group, k] == pytest.approx(np.exp(-HAZARDS[k] * np.exp(score(cohort)[mine])).mean(), abs=1e-4)
            assert found.observed[group, k] == pytest.approx(curve.at(horizon), abs=1e-4)
            expected = curve.interval_at(horizon)
            assert (found.low[group, k], found.high[group, k]) == (
                pytest.approx(expected[0], abs=1e-4),
                pytest.approx(expected[1], abs=1e-4),
            )
    assert shown >= 4


@pytest.mark.parametrize("coarse", [1, 73])
def test_equals_pooled_rows(coarse: int) -> None:
    cohort = made_up(seed=coarse, coarse=coarse)
    found, a = run(cohort, model())
    expect(found, cohort)
    assert a.openings <= 30


def test_shares_give_what_plain_numbers_give() -> None:
    cohort = made_up(n=100, sites=13, seed=3, coarse=10)
    found, cost = run(cohort, model(4), 3)
    expect(found, cohort, 4)
    assert cost.openings <= 30


def test_the_slope_of_a_set_is_that_of_its_rows() -> None:
    cohort = made_up(seed=5)
    asked = slope_model("slope", "score", -4.0, 4.0, 50, 5)
    parts = (*asked.parts(2000), OneHot("set", 2))

    async def circuit(a: Arithmetic, rows: Rows) -> CoxEstimate:
        mine = await restricted(a, rows, asked.parts(2000), rows["set"][:, 0])
        return await cox(a, mine, await make_pairs(a, mine), asked)

    sites = cohort.sites(score=score(cohort), set=(np.arange(207) % 3 == 0).astype(float))
    found, _ = on_plain(circuit, Declaration.of(asked.results), parts, sites, cohort.slots)
    mine = np.arange(207) % 3 != 0
    oracle = PHReg(cohort.day[mine], score(cohort)[mine, None], status=cohort.event[mine].astype(int), ties="efron").fit(disp=0)
    assert found.coefficient == pytest.approx(oracle.params, abs=1e-5) and found.se == pytest.approx(oracle.bse, abs=1e-4)
    assert (found.patients, found.deaths) == (mine.sum(), cohort.event[mine].sum())
