"""How the evidence on cohorts counts: intervals against lifelines and scipy, and the recorded claims against their figures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from evidence.accuracy import cohort, cohort_coverage
from evidence.accuracy.cohort_coverage import NAMES, TRUE, CoverageRun, outcomes, populations, table
from evidence.record import FOLDER
from simulations.tabular.fit_table import TableOpener

FEW = CoverageRun(11, 3)


def frame(run: CoverageRun):
    from pandas import DataFrame

    rows = table(next(iter(populations(run))))
    return DataFrame(rows.x, columns=list(NAMES)).assign(day=rows.time, event=rows.event)


def test_the_intervals_counted_are_those_of_lifelines():
    from lifelines import CoxPHFitter

    oracle = CoxPHFitter().fit(frame(FEW), "day", "event", fit_options={"precision": 1e-14})
    found = outcomes(FEW)
    assert found.error[0] + TRUE == pytest.approx(oracle.params_.to_numpy(), abs=1e-6)
    limits = oracle.confidence_intervals_.to_numpy()
    assert np.array_equal(found.wald()[0], (limits[:, 0] <= TRUE) & (limits[:, 1] >= TRUE))
    assert found.se[0] == pytest.approx(oracle.standard_errors_.to_numpy(), abs=1e-6)


def test_the_profile_likelihood_is_that_of_a_likelihood_maximised_by_scipy():
    from scipy.optimize import minimize
    from statsmodels.duration.hazard_regression import PHReg

    data = frame(FEW)
    model = PHReg(data["day"], data[list(NAMES)], status=data["event"], ties="efron")
    opener = TableOpener(table(next(iter(populations(FEW)))))
    start = cohort_coverage.fit(opener).coef
    for k in (0, 4):
        whole = np.insert(np.zeros(len(NAMES) - 1), k, TRUE[k])
        free = np.arange(len(NAMES)) != k

        def loss(part: np.ndarray, whole: np.ndarray = whole, free: np.ndarray = free) -> float:
            whole[free] = part
            return -float(model.loglike(whole))

        oracle = -minimize(loss, start[free], method="BFGS").fun
        assert cohort_coverage.profile_loglik(opener, start, k, TRUE[k]) == pytest.approx(oracle, abs=1e-5)


def test_one_table_gives_what_its_hospitals_give():
    apart, together = outcomes(FEW), outcomes(CoverageRun(FEW.first, FEW.cohorts, by_hospital=False))
    assert apart.error == pytest.approx(together.error, abs=1e-9)
    assert np.array_equal(apart.events, together.events)
    assert len(next(iter(populations(CoverageRun(11, 1, times=10)))).patients) == 2070


def test_a_separated_coefficient_is_counted_and_left_out():
    one = outcomes(FEW)
    flat = np.zeros((3, 7), bool)
    flat[0, 4] = True
    found = cohort_coverage.Outcomes(one.error * 0, one.se, one.deviance, flat, one.events)
    shown = cohort_coverage.covered(found)["ebrt"]
    assert (shown["separations"], shown["cohorts"], shown["coverage"]) == (1, 2, 1.0)


def test_the_interval_of_a_coverage_and_the_chance_of_the_bar_are_scipy_s():
    from scipy.stats import binom, binomtest

    oracle = binomtest(183, 200).proportion_ci(method="wilson")
    assert cohort_coverage.wilson(183 / 200, 200) == pytest.approx((oracle.low, oracle.high), abs=1e-12)
    one = binom.cdf(196, 200, 0.94) - binom.cdf(183, 200, 0.94)
    assert cohort_coverage.chance_of_bar([0.94, 0.94], 200) == pytest.approx(one**2, rel=1e-9)


def test_a_marginal_is_within_sampling_error_or_not():
    found = {name: {"mean": stated, "sd": 0.0} for name, stated in cohort.STATED.items()}
    assert all(one["within"] for one in cohort.against_stated(found, 4).values())
    moved = found | {"age": {"mean": 63.0, "sd": 1.0}, "nash": {"mean": 36.0, "sd": 0.0}, "men": {"mean": 181.0, "sd": 1.0}}
    shown = cohort.against_stated(moved, 4)
    assert [name for name, one in shown.items() if not one["within"]] == ["age", "nash"]
    assert shown["age"]["z"] == -2.0
    assert shown["age"]["se_of_mean"] == 0.5


def test_every_cohort_has_every_stated_figure():
    from simulations.cohort.simulated_patients import SurvivalOptions, simulate

    assert set(cohort.values(simulate(SurvivalOptions(), 5))) > set(cohort.STATED)


def test_the_recorded_verdicts_are_those_of_the_recorded_figures():
    figures = json.loads((FOLDER / "cohort.json").read_text())["figures"]
    tables = [value for name, value in figures.items() if name.startswith("coverage") and "ten times" not in name]
    verdicts = list(figures["bars"].values())
    assert [cohort_coverage.within_bar(one) for one in tables] == verdicts[:-1]
    (stated,) = [value for name, value in figures.items() if name.startswith("marginals,")]
    assert {name: one["stated"] for name, one in stated.items()} == pytest.approx(cohort.STATED)
    for one in stated.values():
        z = (one["stated"] - one["mean"]) / one["sd"] if one["sd"] else (0.0 if one["mean"] == one["stated"] else np.inf)
        assert (abs(z) <= cohort.Z_WITHIN) is one["within"]
    assert verdicts[-1] is all(one["within"] for one in stated.values())
