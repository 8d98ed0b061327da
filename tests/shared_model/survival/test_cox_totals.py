"""Resolution `totals`: the same fixed point as Newton, few rounds, close to day-exact Efron (bar 3)."""

import numpy as np
import pytest

from shared_model.survival.cox.api import CLINICAL_CUTS, fit_totals, quarter_grid, totals_end
from shared_model.survival.cox.totals import LARGEST_BETA, LONGEST_STEP
from shared_model.survival.hazard import exposures, interval_of
from site_config.problems.base import Problem
from tests.shared_model.survival.survival_data import SETS, Data, Opener, fit_days, flchain, gbsg2, lung

CUTS = CLINICAL_CUTS


def newton(data, cuts):
    """Piecewise-exponential maximum likelihood, full Newton on pooled rows: the oracle."""
    scale, centre = data.x.std(axis=0, ddof=1), data.x.mean(axis=0)
    x, e = (data.x - centre) / scale, exposures(data.day, cuts)
    deaths = np.bincount(interval_of(data.day, cuts)[data.event], minlength=len(cuts) + 1)
    beta, d = np.zeros(x.shape[1]), x[data.event].sum(axis=0)

    def parts(b):
        w = np.exp(x @ b)
        s0 = w @ e
        rate = np.divide(deaths, s0, out=np.zeros_like(s0), where=s0 > 0)
        s1 = (w[:, None] * e).T @ x
        q = (x * (w * (e @ rate))[:, None]).T @ x
        used = deaths > 0
        ll = deaths[used] @ np.log(rate[used]) + d @ b - deaths.sum()
        scaled = np.divide(rate, s0, out=np.zeros_like(s0), where=s0 > 0)
        return ll, d - rate @ s1, q - (s1 * scaled[:, None]).T @ s1

    ll, u, info = parts(beta)
    for _ in range(100):
        step = np.linalg.solve(info, u)
        while parts(beta + step)[0] < ll - 1e-12 * abs(ll):
            step = step / 2
        beta = beta + step
        ll, u, info = parts(beta)
        if np.abs(step).max() < 1e-13:
            break
    return beta / scale, np.sqrt(np.diag(np.linalg.inv(info))) / scale, ll


@pytest.mark.parametrize("name", ["lung", "gbsg2", "whas500"])
def test_run_on_it_equals_full_newton(name):
    data = SETS[name]()
    fit = fit_totals(Opener(data.sites(), CUTS), data.names, CUTS, tolerance_se=1e-9, largest_rounds=200, minimum_events_per_variable=1)
    coef, se, ll = newton(data, CUTS)
    np.testing.assert_allclose((fit.coef - coef) / se, 0, atol=1e-8)
    # Standard errors rest on the learned means of those at risk, whose error enters squared.
    np.testing.assert_allclose(fit.se, se, rtol=0.02)
    assert fit.loglik == pytest.approx(ll, abs=1e-8)


def test_products_about_the_means_at_risk_are_the_information_and_an_error_enters_squared():
    data, rng = lung(), np.random.default_rng(3)
    scale, centre = data.x.std(axis=0, ddof=1), data.x.mean(axis=0)
    beta, x, e = rng.normal(0, 0.3, data.x.shape[1]), (data.x - centre) / scale, exposures(data.day, CUTS)
    deaths = np.bincount(interval_of(data.day, CUTS)[data.event], minlength=len(CUTS) + 1)
    mass = np.exp(x @ beta)[:, None] * e
    rate = deaths / mass.sum(axis=0)
    means = (mass.T @ x) / mass.sum(axis=0)[:, None]
    information = sum(
        rate[m] * sum(mass[i, m] * np.outer(x[i] - means[m], x[i] - means[m]) for i in range(len(x))) for m in range(len(rate))
    )
    true = totals_end(data.x, data.day, CUTS, beta, rate, means, centre, scale)
    np.testing.assert_allclose(true.second, information, rtol=1e-9, atol=1e-9)
    error = rng.normal(0, 0.2, means.shape)
    off = totals_end(data.x, data.day, CUTS, beta, rate, means + error, centre, scale)
    np.testing.assert_allclose(off.second - true.second, (error * deaths[:, None]).T @ error, atol=1e-8)
    np.testing.assert_allclose(true.weighted, rate @ (mass.T @ x), atol=1e-9)


@pytest.mark.parametrize("cuts", [quarter_grid(), quarter_grid(10, 5215.0)])
def test_heavy_tailed_covariates_converge(cuts):
    data = flchain()
    fit = fit_totals(Opener(data.sites(), cuts), data.names, cuts, tolerance_se=1e-7, largest_rounds=100)
    coef, se, _ = newton(data, cuts)
    np.testing.assert_allclose((fit.coef - coef) / se, 0, atol=1e-7)
    assert not fit.findings
    default = fit_totals(Opener(data.sites(), cuts), data.names, cuts)
    assert default.iterations <= 20
    np.testing.assert_allclose((default.coef - coef) / se, 0, atol=0.01)


def test_twenty_resamples_of_207_stay_close_to_day_exact_efron_in_few_rounds():
    data = lung()
    rng = np.random.default_rng(7)
    mean_gap, largest, se_ratio, rounds, on_grid = [], [], [], [], []
    for _ in range(20):
        chosen = rng.integers(0, len(data.day), 207)
        sample = Data(data.names, data.x[chosen], data.day[chosen], data.event[chosen], data.site[chosen])
        exact = fit_days(sample)
        fit = fit_totals(Opener(sample.sites(), CUTS), data.names, CUTS)
        rounded = fit_totals(Opener(sample.sites(), CUTS, grid=2.0**-10), data.names, CUTS)
        gap = np.abs(fit.coef - exact.coef) / exact.se
        mean_gap.append(gap.mean())
        largest.append(gap.max())
        se_ratio.append(np.abs(fit.se / exact.se - 1).max())
        rounds.append(max(fit.iterations, rounded.iterations))
        on_grid.append(np.abs((rounded.coef - fit.coef) / fit.se).max())
    assert np.mean(mean_gap) <= 0.2
    assert max(largest) <= 0.45
    assert max(se_ratio) <= 0.04
    assert max(rounds) <= 12
    assert max(on_grid) <= 0.002


def test_opens_m_plus_p_numbers_a_round():
    data = lung()
    opener = Opener(data.sites(), CUTS)
    shown = opener.totals_round(np.zeros(7), np.full(10, 1e-3), np.zeros(7), np.ones(7))
    assert shown.mass.size + shown.weighted.size == 10 + 7


def test_stopping_early_is_within_a_hundredth_of_a_standard_error():
    data = gbsg2()
    coef, se, _ = newton(data, CUTS)
    fit = fit_totals(Opener(data.sites(), CUTS), data.names, CUTS)
    np.testing.assert_allclose((fit.coef - coef) / se, 0, atol=0.01)


def test_collinear_and_constant_covariates_are_dropped():
    data = lung()
    x = np.column_stack([data.x[:, 0], np.ones(len(data.x)), data.x[:, 1], data.x[:, 0] + data.x[:, 1]])
    mixed = Data(("age", "one", "sex", "sum"), x, data.day, data.event, data.site)
    fit = fit_totals(Opener(mixed.sites(), CUTS), mixed.names, CUTS)
    reference = fit_totals(Opener(Data(("age", "sex"), data.x[:, :2], data.day, data.event, data.site).sites(), CUTS), ("age", "sex"), CUTS)
    assert fit.kept.tolist() == [True, False, True, False]
    np.testing.assert_allclose(fit.coef[[0, 2]], reference.coef, rtol=1e-6)


def test_monotone_likelihood_is_reported():
    data = lung()
    x = np.column_stack([data.event.astype(float), data.x[:, 0]])
    odd = Data(("m", "age"), x, data.day, data.event, data.site)
    fit = fit_totals(Opener(odd.sites(), CUTS), odd.names, CUTS)
    assert {"FH-807", "FH-808"} & {finding.code for finding in fit.findings}
    assert np.isfinite(fit.coef).all()


@pytest.mark.parametrize("seed", range(40))
def test_more_variables_than_events_end_in_bounded_coefficients_that_are_named(seed):
    rng = np.random.default_rng(seed)
    n, names = 9, tuple("abcdefg")
    event = rng.random(n) < 0.4
    event[0] = True
    data = Data(names, rng.integers(0, 3, (n, 7)).astype(float), rng.integers(30, 900, n).astype(float), event, np.arange(n) % 4)
    fit = fit_totals(Opener(data.sites(), CUTS), names, CUTS, minimum_patients=1, minimum_events_per_variable=0)
    assert np.abs(fit.coef * data.x.std(axis=0)).max() <= 1.1 * (LARGEST_BETA + 2 * LONGEST_STEP)
    assert fit.findings


def test_too_few_patients_or_events_are_refused():
    data = lung()
    few = Data(data.names, data.x[:90], data.day[:90], data.event[:90], data.site[:90])
    with pytest.raises(Problem) as problem:
        fit_totals(Opener(few.sites(), CUTS), few.names, CUTS)
    assert problem.value.code == "FH-803"
    none = Data(data.names, data.x, data.day, np.zeros(len(data.day), dtype=bool), data.site)
    with pytest.raises(Problem) as problem:
        fit_totals(Opener(none.sites(), CUTS), none.names, CUTS)
    assert problem.value.code == "FH-801"


def test_baseline_gives_survival_near_day_exact():
    data = lung()
    totals, exact = fit_totals(Opener(data.sites(), CUTS), data.names, CUTS), fit_days(data)
    for when, value in zip(totals.baseline.time[:6], totals.baseline.cumulative_hazard[:6], strict=True):
        day = exact.baseline.cumulative_hazard[exact.baseline.time <= when][-1]
        lp = [float(np.mean(fit.linear_predictor(data.x))) for fit in (totals, exact)]
        survival = np.exp(-value * np.exp(lp[0])), np.exp(-day * np.exp(lp[1]))
        assert abs(survival[0] - survival[1]) < 0.03
