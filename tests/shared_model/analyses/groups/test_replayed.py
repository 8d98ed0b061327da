"""The coordinator reads every analysis from what was opened alone: the circuit over empty rows gives the same estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from shared_model.analyses.groups.calibration_on_shares import calibration
from shared_model.analyses.groups.declared_days import grid, make_points
from shared_model.analyses.groups.hazard_on_shares import BaselineModel, FirstHazardModel, baseline, first_hazard
from shared_model.analyses.groups.kaplan_meier_on_shares import kaplan_meier
from shared_model.analyses.groups.patient_groups import Partition
from shared_model.analyses.groups.table1_on_shares import characteristics
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import Rows, layout
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Declaration
from tests.shared_model.analyses.cohorts import made_up
from tests.shared_model.analyses.groups import test_calibration_on_shares, test_kaplan_meier_on_shares, test_table1_on_shares
from tests.shared_model.analyses.recorded import on_record, same

COHORT = made_up(seed=9)
DAYS = grid(1, 1900)
BETA = (0.25, 0.4, 0.5, -0.4, 0.6, -0.3, -0.2)
HORIZONS = test_calibration_on_shares.HORIZONS
CASES: dict[str, tuple[Any, Callable[..., Any]]] = {
    "curves": (test_kaplan_meier_on_shares.model(DAYS), kaplan_meier),
    "curves of closed groups": (test_kaplan_meier_on_shares.model(DAYS, 30, coarse=grid(6, 1900)), kaplan_meier),
    "everybody": (test_kaplan_meier_on_shares.model(DAYS, partition=Partition()), kaplan_meier),
    "calibration": (test_calibration_on_shares.model(), calibration),
    "table": (test_table1_on_shares.model(), characteristics),
    "first hazard": (FirstHazardModel("first", (60, 61, 200, 700), 2000), first_hazard),
    "baseline": (BaselineModel("baseline", COHORT.covariates, BETA, HORIZONS), baseline),
}


@pytest.mark.parametrize("name", CASES)
def test_what_was_opened_is_the_estimate(name: str) -> None:
    asked, analysis = CASES[name]
    points = getattr(asked, "days", HORIZONS)

    async def circuit(a: Arithmetic, rows: Rows) -> Any:
        if "day.0" not in rows:
            return await analysis(a, rows, asked)
        pairs, at = await together(make_pairs(a, rows), make_points(a, rows, points))  # type: ignore[arg-type]
        return await analysis(a, rows, pairs, at, asked)

    declaration, parts = Declaration.of(asked.results), layout(asked.parts(2000))
    more = {**test_table1_on_shares.values(COHORT), "group": test_kaplan_meier_on_shares.groups(COHORT)}
    sites = COHORT.sites(**more, risk=test_calibration_on_shares.groups(COHORT), score=test_calibration_on_shares.score(COHORT))
    _, a = on_record(circuit, declaration, parts, sites, COHORT.slots)
    assert set(a.opened) <= set(declaration.results)


def test_two_estimates_that_differ_are_told_apart() -> None:
    assert not same((np.ones(2),), (np.zeros(2),))
