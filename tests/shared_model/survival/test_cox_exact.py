"""Resolution `exact` against lifelines, statsmodels and R's printed output (bar 2)."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_model.survival.cox.cox_by_day import DayGrid, exact_sums, fit_exact
from shared_model.survival.cox.cox_result import FitFinding
from shared_model.survival.evaluation_table import patient_cells
from shared_model.survival.kaplan_meier import single_cox
from site_config.problems import survival as problems
from site_config.problems.base import Problem
from tests.shared_model.survival.survival_data import SETS, Data, Opener, fit_days, lung

OVARIAN = """59,1,72.3315,2,1 115,1,74.4932,2,1 156,1,66.4658,2,2 421,0,53.3644,2,1 431,1,50.3397,2,1 448,0,56.4301,1,2
464,1,56.9370,2,2 475,1,59.8548,2,2 477,0,64.1753,2,1 563,1,55.1781,1,2 638,1,56.7562,1,2 744,0,50.1096,1,1 769,0,59.6301,2,2
770,0,57.0521,2,1 803,0,39.2712,1,1 855,0,43.1233,1,2 1040,0,38.8932,2,2 1106,0,44.6000,1,1 1129,0,53.9068,1,1 1206,0,44.2055,2,1
1227,0,59.5890,1,2 268,1,74.5041,2,2 329,1,43.1370,2,1 353,1,63.2192,1,2 365,1,64.4247,2,1 377,0,58.3096,1,1"""


def ovarian():
    rows = np.array([[float(value) for value in row.split(",")] for row in OVARIAN.split()])
    return Data(("age", "ecog.ps"), rows[:, [2, 4]], rows[:, 0], rows[:, 1] > 0, np.arange(len(rows)) % 6)


@pytest.mark.parametrize("name", SETS)
def test_equals_lifelines_efron(name):
    import pandas as pd
    from lifelines import CoxPHFitter

    data = SETS[name]()
    frame = pd.DataFrame(data.x, columns=list(data.names)).assign(T=data.day, E=data.event)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = CoxPHFitter().fit(frame, "T", "E", fit_options={"precision": 1e-14, "max_steps": 100})
    fit = fit_days(data)
    np.testing.assert_allclose(fit.coef, oracle.params_, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fit.se, oracle.standard_errors_, rtol=1e-8, atol=1e-8)
    assert fit.loglik == pytest.approx(oracle.log_likelihood_, abs=1e-8)
    np.testing.assert_allclose(fit.as_dict()["p"], oracle.summary["p"], atol=1e-8)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@pytest.mark.parametrize("name", SETS)
def test_equals_statsmodels(name, ties):
    from statsmodels.duration.hazard_regression import PHReg

    data = SETS[name]()
    scale = data.x.std(axis=0)
    model = PHReg(data.day, data.x / scale, status=data.event.astype(int), ties=ties)
    oracle = model.fit(disp=0, method="newton", tol=1e-14, maxiter=200)
    fit = fit_days(data, ties)
    np.testing.assert_allclose(fit.coef * scale, oracle.params, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fit.se * scale, oracle.bse, rtol=1e-8, atol=1e-8)
    assert fit.loglik == pytest.approx(oracle.llf, abs=1e-7)
    assert fit.loglik_null == pytest.approx(model.loglike(np.zeros(len(scale))), abs=1e-7)


def test_equals_rs_printed_lung_model():
    """R: summary(coxph(Surv(time, status) ~ age + sex + ph.ecog, lung)), the output printed in many tutorials."""
    from lifelines.datasets import load_lung

    frame = load_lung()[["time", "status", "age", "sex", "ph.ecog"]].dropna()
    event = frame["status"].to_numpy() == frame["status"].max()
    x = frame[["age", "sex", "ph.ecog"]].to_numpy(float)
    fit = fit_days(Data(("age", "sex", "ph.ecog"), x, frame["time"].to_numpy(float), event, np.arange(len(x)) % 9))
    assert (fit.n, fit.events) == (227, 164)
    np.testing.assert_allclose(fit.coef, [0.011067, -0.552612, 0.463728], atol=5e-7)
    np.testing.assert_allclose(fit.se, [0.009267, 0.167739, 0.113577], atol=5e-7)
    assert [round(test.chi2, 2) for test in (fit.lr_test, fit.wald_test, fit.score_test)] == [30.5, 29.93, 30.5]


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_baseline_is_rs_basehaz_not_centred(ties):
    """Against the hazard written from its definition; lifelines has Breslow's form only, checked beside it."""
    data = lung()
    fit = fit_days(data, ties)
    weight = np.exp(data.x @ fit.coef)
    total, times, values = 0.0, [], []
    for when in np.unique(data.day):
        dead = (data.day == when) & data.event
        for order in range(int(dead.sum())):
            share = order / dead.sum() if ties == "efron" else 0.0
            total += 1 / (weight[data.day >= when].sum() - share * weight[dead].sum())
        times.append(when)
        values.append(total)
    assert fit.baseline.time.tolist() == times
    np.testing.assert_allclose(fit.baseline.cumulative_hazard, values, rtol=1e-10)


def test_converges_where_undamped_newton_diverges():
    rng = np.random.default_rng(3)
    n = 120
    x = rng.normal(size=(n, 2))
    x[0, 0] = 25 * x[:, 0].std() * np.sqrt(n)
    x[1, 1] = -25.0
    risk = np.exp(0.8 * np.clip(x[:, 0], -3, 3) + 0.5 * x[:, 1])
    day = np.argsort(np.argsort(rng.exponential(1 / risk))) // 2 + 1.0
    data = Data(("a", "b"), x, day, np.ones(n, dtype=bool), np.arange(n) % 11)
    fit = fit_days(data)
    step = np.linalg.solve(*_null_information(data))
    assert np.abs(step).max() > 3 * np.abs(fit.coef * x.std(axis=0)).max() or fit.iterations > 4
    assert not [finding for finding in fit.findings if finding.code in ("FH-807", "FH-808")]
    np.testing.assert_allclose(_gradient(data, fit.coef), 0, atol=1e-6)


def _null_information(data):
    from shared_model.survival.cox.covariate_moments import open_scale
    from shared_model.survival.cox.exact_sums import likelihood

    opener = Opener(data.sites(), n_days=data.n_days)
    scale = open_scale(opener, len(data.names))
    at = likelihood(opener.exact(np.zeros(2), scale.mean, scale.sd), np.zeros(2), "efron")
    return at.information, at.score


def _gradient(data, beta):
    from statsmodels.duration.hazard_regression import PHReg

    model = PHReg(data.day, data.x, status=data.event.astype(int), ties="efron")
    return model.score(beta) * data.x.std(axis=0)


def test_proportional_hazards_test_equals_rs_cox_zph():
    """R ≥ 3.0: cox.zph(coxph(Surv(futime, fustat) ~ age + ecog.ps, ovarian)), example of its help page."""
    found = fit_days(ovarian()).proportional_hazards
    assert [round(test.chi2, 3) for test in found.each] == [0.698, 2.371]
    assert round(found.together.chi2, 3) == 3.633
    assert [round(test.p, 2) for test in found.each] == [0.40, 0.12]


@pytest.mark.parametrize("column", [0, 1, 2, 3])
def test_proportional_hazards_test_agrees_with_lifelines_for_one_covariate(column):
    """lifelines approximates (and tests each covariate given that all may vary): one covariate at a time the two are close."""
    import pandas as pd
    from lifelines import CoxPHFitter
    from lifelines.statistics import proportional_hazard_test

    data = lung()
    one = Data(data.names[column : column + 1], data.x[:, column : column + 1], data.day, data.event, data.site)
    frame = pd.DataFrame(one.x, columns=list(one.names)).assign(T=data.day, E=data.event)
    oracle = proportional_hazard_test(CoxPHFitter().fit(frame, "T", "E"), frame, time_transform="km")
    assert fit_days(one).proportional_hazards.each[0].p == pytest.approx(oracle.p_value[0], abs=0.02)


@pytest.mark.parametrize("ties", ["efron", "breslow"])
def test_proportional_hazards_test_is_the_score_test_of_split_episodes(ties):
    """The extended model written out: every patient split at every death, x·g(t) as covariates, statsmodels' derivatives."""
    from statsmodels.duration.hazard_regression import PHReg

    data = lung()
    columns = [1, 2, 3]
    three = Data(tuple(data.names[c] for c in columns), data.x[:, columns], data.day, data.event, data.site)
    fit = fit_days(three, ties)
    times = np.unique(data.day[data.event])
    at_risk = (data.day[None, :] >= times[:, None]).sum(axis=1)
    dead = ((data.day[None, :] == times[:, None]) & data.event[None, :]).sum(axis=1)
    km = np.concatenate([[1.0], np.cumprod(1 - dead / at_risk)[:-1]])
    rows, entry, leave, status = [], [], [], []
    for when, g in zip(times, 1 - km, strict=True):
        here = data.day >= when
        rows.append(np.column_stack([three.x[here], three.x[here] * g]))
        entry.append(np.full(here.sum(), when - 0.5))  # statsmodels counts an entry at a death as at risk
        leave.append(np.full(here.sum(), when))
        status.append((data.event & (data.day == when))[here])
    z = np.concatenate(rows)
    scale = z.std(axis=0)
    model = PHReg(np.concatenate(leave), z / scale, status=np.concatenate(status).astype(int), entry=np.concatenate(entry), ties=ties)
    at = np.concatenate([fit.coef, np.zeros(3)]) * scale
    score, information = model.score(at), -model.hessian(at)
    expected = []
    for chosen in ([0, 1, 2, 3], [0, 1, 2, 4], [0, 1, 2, 5], range(6)):
        index = list(chosen)
        u = np.where(np.isin(index, [0, 1, 2]), 0.0, score[index])
        expected.append(u @ np.linalg.solve(information[np.ix_(index, index)], u))
    found = fit.proportional_hazards
    np.testing.assert_allclose([*(test.chi2 for test in found.each), found.together.chi2], expected, rtol=1e-6)


def test_drops_the_later_of_a_collinear_pair_and_constants():
    data = lung()
    x = np.column_stack([data.x[:, 0], np.full(len(data.x), 7.0), data.x[:, 1], 3 * data.x[:, 0] - 2 * data.x[:, 1]])
    fit = fit_days(Data(("age", "k", "sex", "mix"), x, data.day, data.event, data.site))
    reference = fit_days(Data(("age", "sex"), data.x[:, :2], data.day, data.event, data.site))
    assert fit.kept.tolist() == [True, False, True, False]
    np.testing.assert_allclose(fit.coef[[0, 2]], reference.coef, rtol=1e-9)
    shown = fit.as_dict()
    assert shown["coef"][1] is None
    assert shown["hr_ci"][3] is None
    assert shown["lr_test"]["df"] == 2
    assert {finding.code for finding in fit.findings} == {"FH-805", "FH-806"}


def test_monotone_likelihood_is_reported_and_finite():
    data = lung()
    x = np.column_stack([data.event.astype(float), data.x[:, 0]])
    fit = fit_days(Data(("m", "age"), x, data.day, data.event, data.site))
    assert "FH-807" in {finding.code for finding in fit.findings}
    assert "m settles" in next(finding.what for finding in fit.findings if finding.code == "FH-807")
    assert "age" not in next(finding.what for finding in fit.findings if finding.code == "FH-807")
    assert np.isfinite(fit.coef).all()
    assert 10 < fit.coef[0] < 30
    assert fit.se[0] > 100


def test_no_events_gives_a_null_model_and_says_so():
    data = lung()
    fit = fit_days(Data(data.names, data.x, data.day, np.zeros(len(data.day), dtype=bool), data.site))
    shown = fit.as_dict()
    assert shown["coef"] == [None] * 7
    assert shown["lr_test"] == {"chi2": 0.0, "df": 0, "p": 1.0}
    assert shown["loglik"] == 0.0
    assert [finding.code for finding in fit.findings] == ["FH-801"]


def test_no_patients_is_a_problem():
    empty = (np.zeros((0, 2)), np.zeros(0), np.zeros(0, dtype=bool))
    with pytest.raises(Problem) as problem:
        fit_exact(Opener([empty, empty], n_days=5), ["a", "b"], DayGrid.days(5))
    assert problem.value.code == "FH-802"


@pytest.mark.parametrize("offset", [0.0, 1e6, -1e9])
@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e8])
def test_does_not_depend_on_origin_or_unit_of_a_covariate(offset, factor):
    data = lung()
    base = fit_days(Data(("age",), data.x[:, :1], data.day, data.event, data.site))
    moved = fit_days(Data(("age",), (data.x[:, :1] + offset) * factor, data.day, data.event, data.site))
    assert moved.coef[0] * factor == pytest.approx(base.coef[0], rel=1e-6)
    assert moved.se[0] * factor == pytest.approx(base.se[0], rel=1e-6)


@settings(max_examples=12)
@given(sites=st.integers(1, 167), seed=st.integers(0, 99))
def test_any_split_over_sites_gives_the_same_model(sites, seed):
    data = lung()
    site = np.random.default_rng(seed).integers(0, sites, len(data.day))
    base, split = fit_days(data), fit_days(Data(data.names, data.x, data.day, data.event, site))
    np.testing.assert_allclose(split.coef, base.coef, atol=1e-9)
    np.testing.assert_allclose(split.se, base.se, atol=1e-9)
    assert split.loglik == pytest.approx(base.loglik, abs=1e-9)


def test_all_deaths_on_one_day_and_a_site_without_patients():
    x = np.array([[1.0], [2.0], [4.0], [3.0]])
    day, event = np.full(4, 9.0), np.ones(4, dtype=bool)
    sites = [(x[:1], day[:1], event[:1]), (x[:0], day[:0], event[:0]), (x[1:], day[1:], event[1:])]
    fit = fit_exact(Opener(sites, n_days=10), ["x"], DayGrid.days(10))
    assert fit.coef[0] == pytest.approx(0.0, abs=1e-9)
    assert fit.loglik == pytest.approx(-np.log(24))


def test_one_covariate_from_cells_equals_the_patients():
    data = lung()
    fit = single_cox(patient_cells(data.x[:, 1], data.day, data.event), data.x[:, 1], "sex")
    reference = fit_days(Data(("sex",), data.x[:, 1:2], data.day, data.event, data.site))
    assert fit.coef[0] == pytest.approx(reference.coef[0], abs=1e-10)


def test_linear_predictor_of_equal_rows_is_bit_equal():
    data = lung()
    fit = fit_days(data)
    twice = np.repeat(data.x[::7], 3, axis=0)
    score = fit.linear_predictor(twice)
    assert len(np.unique(score)) == len(np.unique(twice, axis=0))


def test_a_sites_sums_on_the_day_grid_equal_its_distinct_cells():
    data = lung()
    beta, mean, sd = np.full(7, 0.1), data.x.mean(axis=0), data.x.std(axis=0)
    opener = Opener(data.sites(), n_days=data.n_days)
    whole = exact_sums(data.x, data.day, data.event, beta, mean, sd, data.n_days)
    for one, other in zip(whole.parts(), opener.exact(beta, mean, sd).parts(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


def test_a_finding_names_its_columns_as_the_reader_does():
    told = FitFinding.of(problems.COLLINEAR, "most by x1, x10: x1 differs, the size does not", ["x1", "x10"])
    assert told.labelled({"x1": "Age, years", "x10": "PVTT", "size": "Tumour size"}).what == (
        "most by Age, years, PVTT: Age, years differs, the size does not"
    )
    assert FitFinding.of(problems.COLLINEAR, "x1").labelled({"x1": "Age"}).what == "x1"
