"""Kaplan–Meier curves and the log-rank test on shared rows against lifelines and this project's own (held against R's values)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test

from shared_model.analyses.groups.declared_days import censored, grid, make_points
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierEstimate, KaplanMeierModel, kaplan_meier
from shared_model.analyses.groups.patient_groups import Partition
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import OneHot, Rows
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.survival.evaluation_table import Cells, patient_cells
from shared_model.survival.kaplan_meier import kaplan_meier as pooled
from shared_model.survival.kaplan_meier import logrank
from tests.shared_model.analyses.cohorts import Cohort, made_up
from tests.shared_model.analyses.holders import on_plain, on_shares

GROUPS = OneHot("group", 6)
FAMILIES = ((0, 1), (2, 3), (4, 5))


def groups(cohort: Cohort, seed: int = 0) -> np.ndarray:
    """Three sets by two risk groups; a few patients stand in none."""
    rng = np.random.default_rng(seed)
    sets = rng.choice(3, len(cohort.day), p=[0.5, 0.2, 0.3])
    risk = cohort.x @ np.array([0.25, 0.4, 0.5, -0.4, 0.6, -0.3, -0.2]) + rng.normal(0, 0.3, len(cohort.day)) > 0.7
    return np.where(rng.random(len(cohort.day)) < 0.03, -1, 2 * sets + risk).astype(float)


def model(days: tuple[int, ...], minimum: int = 5, partition: Partition | None = None, **more: Any) -> KaplanMeierModel:
    return KaplanMeierModel("km", partition or Partition(GROUPS, FAMILIES, minimum), days, days[::6], **more)


def run(cohort: Cohort, asked: KaplanMeierModel, m: int = 0, reverse: bool = False, **more: np.ndarray) -> tuple[KaplanMeierEstimate, Any]:
    async def circuit(a: Arithmetic, rows: Rows) -> KaplanMeierEstimate:
        rows = censored(rows) if reverse else rows
        pairs, points = await together(make_pairs(a, rows), make_points(a, rows, asked.days))  # type: ignore[arg-type]
        return await kaplan_meier(a, rows, pairs, points, asked)  # type: ignore[arg-type]

    values = {"group": groups(cohort), **more}
    inputs = (circuit, Declaration.of(asked.results), asked.parts(2000), cohort.sites(**values), cohort.slots)
    return on_shares(*inputs, m) if m else on_plain(*inputs)


def cells(cohort: Cohort, mine: np.ndarray, reverse: bool = False) -> Cells:
    return patient_cells(np.zeros(mine.sum()), cohort.day[mine], cohort.event[mine] ^ reverse)


def expect(
    found: KaplanMeierEstimate, cohort: Cohort, asked: KaplanMeierModel, group: int, mine: np.ndarray, reverse: bool = False
) -> None:
    """One group's curve, counts and interval against the pooled rows."""
    curve = pooled(cells(cohort, mine, reverse))
    followed = (cohort.day[mine][:, None] >= np.array(asked.days)[None, :]).sum(0)
    np.testing.assert_array_equal(np.isfinite(found.survival[group]), followed >= 5)
    for p, day in enumerate(asked.days):
        if followed[p] >= 5:
            low, high = curve.interval_at(day)
            assert found.survival[group, p] == pytest.approx(curve.at(day), abs=1e-4)
            assert (found.low[group, p], found.high[group, p]) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    at_risk = (cohort.day[mine][:, None] >= np.array(asked.ticks)[None, :]).sum(0).astype(float)
    np.testing.assert_array_equal(found.at_risk[group], np.where((at_risk > 0) & (at_risk < 5), np.nan, at_risk))
    deaths = (cohort.event[mine] ^ reverse).sum()
    assert found.patients[group] == mine.sum()
    assert np.isnan(found.deaths[group]) if 0 < deaths < 5 else found.deaths[group] == deaths


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("coarse", [1, 30, 400])
def test_equals_pooled_curves_and_tests(coarse: int, reverse: bool) -> None:
    cohort = made_up(seed=coarse, coarse=coarse)
    days = grid(1, 1900) if coarse != 400 else (10, *range(400, 1900, 400))
    asked = model(days)
    found, a = run(cohort, asked, reverse=reverse)
    level = groups(cohort)
    for group in range(6):
        expect(found, cohort, asked, group, level == group, reverse)
    for test, family in zip(found.logrank, FAMILIES, strict=True):
        oracle = logrank([cells(cohort, level == group, reverse) for group in family])
        assert test is not None
        assert test.chi2 == pytest.approx(oracle.chi2, abs=1e-4) and test.df == oracle.df
    assert a.openings <= 40


def test_three_groups_of_one_set_equal_lifelines() -> None:
    cohort = made_up(seed=4, coarse=7)
    level = np.random.default_rng(1).choice(3, 207).astype(float)
    asked = model(grid(1, 1500), 20, Partition(OneHot("group", 3)))
    found, _ = run(cohort, asked, group=level)
    test = multivariate_logrank_test(cohort.day, level, cohort.event)
    assert found.logrank[0] is not None and found.logrank[0].df == 2
    assert found.logrank[0].chi2 == pytest.approx(test.test_statistic, abs=1e-4)
    assert found.logrank[0].p == pytest.approx(test.p_value, abs=1e-4)
    for group in range(3):
        mine = level == group
        fitted = KaplanMeierFitter().fit(cohort.day[mine], cohort.event[mine])
        shown = np.isfinite(found.survival[group])
        days = np.array(asked.days)[shown]
        np.testing.assert_allclose(found.survival[group, shown], fitted.survival_function_at_times(days), atol=1e-4)
        true, estimate = fitted.median_survival_time_, found.median[group][0]
        assert estimate is not None and estimate.after < true <= estimate.by and abs(estimate.months - true / 30.4375) < 1


def test_everybody_is_one_group() -> None:
    cohort = made_up(seed=6)
    asked = model(grid(3, 1900), partition=Partition())
    found, a = run(cohort, asked)
    expect(found, cohort, asked, 0, np.ones(207, dtype=bool))
    assert found.logrank == (None,) and found.findings == () and a.openings <= 30


def test_small_groups_and_their_rests_stay_closed_and_small_sets_are_coarse() -> None:
    cohort = made_up(seed=2)
    level = np.r_[np.repeat(0, 19), np.repeat(1, 30), np.repeat(2, 80), np.repeat(3, 78)].astype(float)
    days = grid(1, 1500)
    asked = model(days, 20, Partition(GROUPS, FAMILIES, 20), coarse=grid(6, 1500))
    found, _ = run(cohort, asked, group=level)
    shown = np.isfinite(found.survival)
    assert not shown[:2].any() and shown[2:4].any() and not shown[4:].any()
    assert np.isnan(found.patients[:2]).all() and [test is None for test in found.logrank] == [True, False, True]
    assert len(found.findings) == 1 and "1, 2, 5, 6" in found.findings[0].what
    fine, _ = run(cohort, model(days, 20, Partition(GROUPS, FAMILIES, 20), coarse=grid(6, 1500), fine_patients=159), group=level)
    open_ = np.isfinite(fine.survival).any(0)
    assert set(np.array(days)[open_]) <= set(grid(6, 1500))


def test_all_censored_one_event_and_an_empty_group() -> None:
    cohort = made_up(seed=3)
    nobody = Cohort(cohort.x, cohort.day, np.zeros(207, dtype=bool), cohort.site, cohort.columns)
    found, _ = run(nobody, model(grid(1, 1000)))
    assert (found.survival[np.isfinite(found.survival)] == 1).all() and (found.low[np.isfinite(found.low)] == 1).all()
    assert all(test is not None and (test.chi2, test.df) == (0, 0) for test in found.logrank)
    one = Cohort(cohort.x, cohort.day, np.arange(207) == int(np.argsort(cohort.day)[30]), cohort.site, cohort.columns)
    level = np.where(np.arange(207) < 100, 0, 2).astype(float)
    asked = model(grid(1, 1500), partition=Partition(OneHot("group", 3), ((0, 1, 2),), 5))
    found, _ = run(one, asked, group=level)
    for group in (0, 2):
        expect(found, one, asked, group, level == group)
    test, oracle = found.logrank[0], logrank([cells(one, level == group) for group in (0, 2)])
    assert test is not None and test.chi2 == pytest.approx(oracle.chi2, abs=1e-4) and test.df == oracle.df == 1


def test_a_curve_that_ends_at_zero_on_a_declared_day() -> None:
    n = 40
    cohort = Cohort(np.zeros((n, 7)), np.repeat([30.0, 60.0, 90.0, 120.0], 10), np.ones(n, dtype=bool), np.arange(n) % 7, ())
    asked = model((30, 60, 90, 120, 150), partition=Partition())
    found, _ = run(cohort, asked)
    np.testing.assert_allclose(found.survival[0], [0.75, 0.5, 0.25, 0, np.nan], atol=1e-5)
    assert found.at_risk[0].tolist() == [40]


@pytest.mark.parametrize("seed", range(6))
def test_ragged_federations(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, days = int(rng.integers(20, 120)), int(rng.choice([4, 40, 400]))
    site = np.repeat(np.arange(40), rng.choice([0, 1, 1, 2, 4, 9], 40))[:n]
    n = len(site)
    event = rng.random(n) < rng.choice([0.1, 0.6, 1.0])
    cohort = Cohort(np.zeros((n, 7)), rng.integers(0, days, n).astype(float), event, site, ())
    level = rng.choice([-1, 0, 1], n, p=[0.1, 0.5, 0.4]).astype(float)
    asked = model(tuple(range(0, days, max(1, days // 12))), partition=Partition(OneHot("group", 2), minimum=3))
    found, _ = run(cohort, asked, group=level)
    for group in range(2):
        expect(found, cohort, asked, group, level == group)
    oracle = logrank([cells(cohort, level == group) for group in range(2)])
    assert found.logrank[0] is not None and found.logrank[0].chi2 == pytest.approx(oracle.chi2, abs=1e-4)


@pytest.mark.parametrize("m", [3, 5])
def test_shares_give_what_plain_numbers_give(m: int) -> None:
    cohort = made_up(n=90, sites=14, seed=3, coarse=10)
    asked = model(grid(1, 1500), 2)
    level = np.random.default_rng(0).permutation(90) % 6.0
    found, cost = run(cohort, asked, m, group=level)
    for group in range(6):
        expect(found, cohort, asked, group, level == group)
    for test, family in zip(found.logrank, FAMILIES, strict=True):
        oracle = logrank([cells(cohort, level == group) for group in family])
        assert test is not None and test.chi2 == pytest.approx(oracle.chi2, abs=1e-4)
    assert cost.openings <= 40
