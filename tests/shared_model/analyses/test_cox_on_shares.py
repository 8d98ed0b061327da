"""Cox's model on shared rows (plain twin, with the rounding of shares) against statsmodels and lifelines."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from statsmodels.duration.hazard_regression import PHReg

from shared_model.analyses.covariates_on_shares import Levels
from shared_model.analyses.cox_on_shares import CoxEstimate, CoxModel, cox
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import Rows
from shared_model.shares.circuits.arithmetic import Arithmetic
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from site_config.problems import survival as problems
from tests.shared_model.analyses.cohorts import Cohort, made_up, of_data
from tests.shared_model.analyses.holders import on_shares
from tests.shared_model.survival.survival_data import SETS
from tests.shared_model.survival.test_cox_exact import ovarian

MAKE = {
    "study": made_up,
    "months": lambda: made_up(seed=1, coarse=30),
    "half-years": lambda: made_up(seed=2, coarse=180),
    "ovarian": lambda: of_data(ovarian()),
    **{name: (lambda data=data: of_data(data())) for name, data in SETS.items()},  # type: ignore[misc]
}


def fit(cohort: Cohort, ties: str = "efron", *, patients: int = 0, seed: int = 0) -> tuple[CoxEstimate, PlainArithmetic]:
    model = CoxModel("cox", cohort.covariates, ties, patients, 0)
    a = PlainArithmetic(Declaration.of(model.results), noise=3, seed=seed)
    rows = cohort.rows(a, model.parts(cohort.n_days))

    async def circuit() -> CoxEstimate:
        return await cox(a, rows, await make_pairs(a, rows), model)

    return a.run(circuit()), a


def oracle(cohort: Cohort, ties: str, start: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Statsmodels' estimate; where its Newton steps from 0 diverge, from a start (whose own error it then corrects)."""
    model = PHReg(cohort.day, (cohort.x - cohort.x.mean(0)) / cohort.covariates.width, status=cohort.event.astype(int), ties=ties)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit(
            start_params=None if start is None else start * cohort.covariates.width, disp=0, method="newton", tol=1e-14, maxiter=200
        )
    return found.params / cohort.covariates.width, found.bse / cohort.covariates.width


@pytest.mark.parametrize("ties", ["breslow", "efron"])
@pytest.mark.parametrize("name", MAKE)
def test_equals_statsmodels(name: str, ties: str) -> None:
    cohort = MAKE[name]()
    found, a = fit(cohort, ties)
    coefficient, se = oracle(cohort, ties)
    assert found.findings == () and found.coefficient is not None and found.se is not None
    np.testing.assert_allclose(found.coefficient, coefficient, atol=1e-5)
    np.testing.assert_allclose(found.se, se, atol=1e-4)
    assert (found.patients, found.deaths) == (len(cohort.day), int(cohort.event.sum()))
    assert a.openings <= 170


@pytest.mark.parametrize(("name", "m"), [("ovarian", 3), ("few", 3), ("few", 5)])
def test_shares_give_what_plain_numbers_give(name: str, m: int) -> None:
    cohort = of_data(ovarian()) if name == "ovarian" else made_up(n=60, sites=12, seed=4, coarse=20)
    if name == "few":
        cohort = replace(cohort, x=cohort.x[:, :3], columns=cohort.columns[:3])
    model = CoxModel("cox", cohort.covariates, "efron", 0, 0)

    async def circuit(a: Arithmetic, rows: Rows) -> CoxEstimate:
        return await cox(a, rows, await make_pairs(a, rows), model)

    found, cost = on_shares(circuit, Declaration.of(model.results), model.parts(cohort.n_days), cohort.sites(), cohort.slots, m)
    plain, _ = fit(cohort)
    coefficient, se = oracle(cohort, "efron")
    np.testing.assert_allclose(found.coefficient, coefficient, atol=1e-5)
    np.testing.assert_allclose(found.se, se, atol=1e-4)
    width = cohort.covariates.width
    np.testing.assert_allclose(found.coefficient * width, plain.coefficient * width, atol=8 * 2.0**-20)
    assert found.score == pytest.approx(plain.score, abs=1e-4)
    assert cost.openings <= 170


def test_score_statistic_equals_the_log_rank_test() -> None:
    from lifelines.statistics import logrank_test

    cohort = made_up()
    one = replace(cohort, x=cohort.x[:, 2:3], columns=cohort.columns[2:3])
    found, _ = fit(one, "breslow")
    in_group = one.x[:, 0] > 0
    test = logrank_test(one.day[in_group], one.day[~in_group], one.event[in_group], one.event[~in_group])
    assert found.score == pytest.approx(test.test_statistic, abs=5e-2)  # days are nearly without ties
    model = PHReg(one.day, one.x, status=one.event.astype(int), ties="breslow")
    u, hessian = model.score(np.zeros(1)), -model.hessian(np.zeros(1))
    assert found.score == pytest.approx(float(u @ np.linalg.solve(hessian, u)), abs=1e-4)


def test_a_study_takes_few_openings_and_few_bytes() -> None:
    _, a = fit(made_up(sites=52))
    assert a.openings <= 100


def with_column(cohort: Cohort, name: str, column: np.ndarray) -> Cohort:
    return replace(cohort, x=np.c_[cohort.x[:, 1:3], column], columns=(*cohort.columns[1:3], Levels(name)))


def test_a_column_of_early_deaths_only_is_found() -> None:
    cohort = made_up()
    column = np.isin(np.arange(len(cohort.day)), np.argsort(np.where(cohort.event, cohort.day, 1e9))[:5])
    found, a = fit(with_column(replace(cohort, day=np.where(column, cohort.day, cohort.day + 1)), "early", column))
    assert [finding.code for finding in found.findings] == [problems.MONOTONE.label]
    assert "early" in found.findings[0].what and found.coefficient is None and a.openings <= 170


def test_five_patients_are_enough_where_they_live_like_others() -> None:
    cohort = made_up()
    column = np.isin(np.arange(len(cohort.day)), np.argsort(np.where(cohort.event, cohort.day, 1e9))[10::30][:5])
    cohort = with_column(cohort, "few", column)
    found, _ = fit(cohort)
    coefficient, se = oracle(cohort, "efron")
    assert found.coefficient is not None and found.se is not None
    np.testing.assert_allclose(found.coefficient, coefficient, atol=1e-5)
    np.testing.assert_allclose(found.se, se, atol=1e-4)


@pytest.mark.parametrize("column", ["constant", "twice"])
def test_a_column_that_adds_nothing_is_found(column: str) -> None:
    cohort = made_up()
    values = np.zeros(len(cohort.day)) if column == "constant" else cohort.x[:, 1]
    found, _ = fit(with_column(cohort, column, values))
    assert [finding.code for finding in found.findings] == [problems.COLLINEAR.label]
    assert column in found.findings[0].what and "pvtt" not in found.findings[0].what


def test_too_few_patients_or_events_end_before_anything_opens() -> None:
    cohort = made_up(n=60)
    found, a = fit(cohort, patients=100)
    assert [finding.code for finding in found.findings] == [problems.FEW_EVENTS.label]
    assert a.revealed == {"cox.patients", "cox.deaths"}
    found, _ = fit(replace(cohort, event=np.zeros(60, dtype=bool)))
    assert [finding.code for finding in found.findings] == [problems.NO_EVENTS.label]


@pytest.mark.parametrize("seed", range(40))
def test_small_cohorts_end_right_or_in_a_finding(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 121))
    x = (rng.random((n, 3)) < rng.choice([0.05, 0.3, 0.5], 3)).astype(float)
    death = rng.exponential(200 * np.exp(-x @ rng.normal(0, rng.choice([0.3, 1.0, 3.0]), 3)))
    end = rng.exponential(rng.choice([100.0, 1000.0]), n)
    day = np.minimum(np.minimum(death, end), 1999) // rng.choice([1, 60])
    event = death <= end
    if seed % 10 == 0:
        event[:] = seed % 20 == 0
        event[0] = not event[1]
    cohort = Cohort(x, day, event, rng.integers(0, 9, n), (Levels("a"), Levels("b"), Levels("c")))
    found, a = fit(cohort, ["efron", "breslow"][seed % 2], seed=seed)
    assert a.openings <= 230
    if found.coefficient is None:
        assert found.findings
        return
    coefficient, se = oracle(cohort, ["efron", "breslow"][seed % 2], found.coefficient)
    np.testing.assert_allclose(found.coefficient, coefficient, atol=1e-5)
    np.testing.assert_allclose(found.se, se, atol=2e-4)
