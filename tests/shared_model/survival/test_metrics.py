"""Metrics from counts against scikit-survival, lifelines and definitions (bars 4 and 5)."""

import numpy as np
import pytest
from hypothesis import given

from shared_model.survival.calibration import calibration, calibration_slope, predicted_survival, quantile_groups, with_bin_scores
from shared_model.survival.compare_cindex import (
    combine_fixed,
    correlated_t,
    cross_sum,
    influence_table,
    noether,
    paired_cells,
    patient_influence,
    squared_site_sum,
    suppressed,
)
from shared_model.survival.concordance import concordance, error_bound, logit_interval
from shared_model.survival.evaluation_table import coarse_time_edges, patient_cells, site_table
from shared_model.survival.kaplan_meier import group_hazard_ratio, kaplan_meier, logrank, split_at
from shared_model.survival.nomogram import log_ticks, nice_ticks, nomogram
from shared_model.survival.normal_tails import chi2_tail, two_sided
from shared_model.survival.roc import roc, roc_of_groups
from site_config.problems.base import Problem
from tests.shared_model.survival.survival_data import SETS, federations, fit_days

SCORES = {}


def scored(name):
    """A data set with its linear predictor rounded to make ties."""
    if name not in SCORES:
        data = SETS[name]()
        SCORES[name] = np.round(fit_days(data).linear_predictor(data.x), 1)
    return SETS[name](), SCORES[name]


def exact_table(score, day, event):
    """Rank bins and day cells: every patient's own place."""
    edges = np.concatenate([[-np.inf], np.unique(score)])
    return site_table(score, day, event, edges, np.concatenate([[-1.0], np.unique(day)]))


@pytest.mark.parametrize("name", SETS)
def test_c_index_equals_scikit_survival_and_lifelines(name):
    from lifelines.utils import concordance_index
    from sksurv.metrics import concordance_index_censored

    data, score = scored(name)
    found = concordance(patient_cells(score, data.day, data.event))
    c, concordant, discordant, tied, _ = concordance_index_censored(data.event, data.day, score)
    assert found.c == pytest.approx(c, abs=1e-12)
    assert (found.pairs.concordant, found.pairs.discordant, found.pairs.tied) == (concordant, discordant, tied)
    assert abs(found.c - concordance_index(data.day, -score, data.event)) < 0.01  # lifelines counts tied deaths
    table = concordance(exact_table(score, data.day, data.event))
    assert table.c == found.c
    assert table.se == pytest.approx(found.se, abs=1e-12)


def test_standard_error_is_the_infinitesimal_jackknife():
    """∂C/∂w by differences of weighted pair counts, and R's printed figure for the lung model (0.637, se 0.025)."""
    data, score = scored("lung")
    cells = patient_cells(score, data.day, data.event)
    found = concordance(cells)
    for i in (0, 17, 80):
        count = cells.count.copy()
        count[i] += 1e-6
        moved = concordance(type(cells)(cells.score, cells.time, cells.event, count, cells.stratum))
        assert (moved.c - found.c) / 1e-6 == pytest.approx(found.influence[i], rel=1e-4, abs=1e-9)
    assert found.se == pytest.approx(np.sqrt(np.sum(found.influence**2)))


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_auc_equals_scikit_survival(name, share):
    from sksurv.metrics import cumulative_dynamic_auc
    from sksurv.util import Surv

    data, score = scored(name)
    day = np.floor(data.day / 30) if data.day.max() > 300 else data.day + 0.5 * ~data.event  # heavy ties
    horizon = float(np.quantile(day[data.event], share))
    y = Surv.from_arrays(data.event, day)
    oracle = cumulative_dynamic_auc(y, y, score, [horizon])[0][0]
    assert roc(patient_cells(score, day, data.event), horizon, "sksurv").auc == pytest.approx(oracle, abs=1e-10)


def brute_timeroc(score, day, event, horizon):
    """Blanche's estimator and timeROC's iid representation written out in n × n matrices, for data without ties."""
    order = np.argsort(day)
    score, day, event = score[order], day[order], event[order]
    n = len(day)
    lost = (~event).astype(float)
    left = np.cumprod(1 - lost / np.arange(n, 0, -1))
    case, control = (day < horizon) & event, day > horizon
    wc = np.where(case, 1 / np.concatenate([[1.0], left[:-1]]) / n, 0)
    wq = np.where(control, 1 / left[np.searchsorted(day, horizon, side="right") - 1] / n, 0)
    h = np.outer(wc, wq) * n * n * ((score[:, None] > score) + 0.5 * (score[:, None] == score))
    cumulative = np.cumsum(lost / np.arange(n, 0, -1))
    martingale = np.stack([lost[i] * (day[i] <= day) - np.minimum(cumulative, cumulative[i]) for i in range(n)], axis=1)
    integral = np.cumsum(np.diff(np.vstack([np.zeros(n), martingale]), axis=0) / (1 - np.arange(n) / n)[:, None], axis=0)
    mean, cases, controls = h.sum() / n**2, wc.sum(), wq.sum()
    gradient = h.sum(axis=1) / n - mean * wc * n / cases
    through_g = gradient @ (1 + integral) / (cases * controls)
    beyond = (day > horizon) / np.mean(day > horizon)
    own = (h.sum(axis=0) - n * mean + h.sum(axis=1) - n * mean * (beyond + (wc * n - cases) / cases)) / (cases * controls)
    influence = (through_g + own) / n
    return mean / (cases * controls), influence.std(ddof=1) / np.sqrt(n)


def test_auc_and_standard_error_equal_timeroc():
    rng = np.random.default_rng(5)
    score = rng.normal(size=140).round(1)
    died, lost = rng.exponential(600 * np.exp(-0.7 * score)), rng.exponential(900, 140)
    day, event = np.minimum(died, lost), died <= lost
    for horizon in (100.0, 365.0, 800.0):
        found = roc(patient_cells(score, day, event), horizon)
        assert (found.auc, found.se) == pytest.approx(brute_timeroc(score, day, event, horizon), abs=1e-12)


def test_points_between_groups_are_those_of_the_curve_where_nobody_is_censored():
    rng = np.random.default_rng(6)
    score = rng.normal(size=200)
    day = rng.exponential(600 * np.exp(-score))
    cuts = np.quantile(score, [0.3, 0.6, 0.9])
    group = np.searchsorted(cuts, score)
    alive = np.array([(day[group == g] > 365).mean() for g in range(4)])
    false_positive, true_positive = roc_of_groups(np.bincount(group).astype(float), alive)
    for k, cut in enumerate(cuts[::-1], 1):
        assert false_positive[k] == pytest.approx((score[day > 365] > cut).mean())
        assert true_positive[k] == pytest.approx((score[day <= 365] > cut).mean())
    assert (false_positive[0], true_positive[0], false_positive[-1], true_positive[-1]) == pytest.approx((0, 0, 1, 1))


def test_a_patient_at_the_horizon_is_neither_case_nor_control():
    day, event, score = np.array([5.0, 10.0, 10.0, 20.0]), np.array([True, True, False, True]), np.array([2.0, 9.0, 9.0, 1.0])
    found = roc(patient_cells(score, day, event), 10.0)
    assert (found.cases, found.controls) == (1, 1)
    assert found.auc == 1.0
    assert (found.false_positive[0], found.true_positive[-1]) == (0.0, 1.0)


def test_horizon_beyond_follow_up_is_a_problem_not_an_extrapolation():
    data, score = scored("lung")
    cells = patient_cells(score, data.day, data.event)
    with pytest.raises(Problem) as problem:
        roc(cells, 5000.0)
    assert problem.value.code == "FH-809"
    with pytest.raises(Problem):
        kaplan_meier(cells).at(5000.0)


@pytest.mark.parametrize("name", SETS)
def test_kaplan_meier_equals_lifelines(name):
    from lifelines import KaplanMeierFitter

    data, score = scored(name)
    curve = kaplan_meier(exact_table(score, data.day, data.event))
    oracle = KaplanMeierFitter().fit(data.day, data.event)
    at = oracle.survival_function_at_times(curve.time).to_numpy()
    np.testing.assert_allclose(curve.survival, at, atol=1e-12)
    bounds = oracle.confidence_interval_.loc[curve.time].to_numpy()
    inside = (curve.survival > 0) & (curve.survival < 1)
    mine = np.array([curve.interval_at(float(when)) for when in curve.time])
    np.testing.assert_allclose(mine[inside], bounds[inside], atol=1e-8)
    assert curve.at_risk.tolist() == oracle.event_table.loc[curve.time, "at_risk"].tolist()


def test_median_is_halfway_where_the_curve_is_flat_at_one_half():
    curve = kaplan_meier(patient_cells(np.zeros(4), [1.0, 2.0, 5.0, 7.0], [True] * 4))
    assert curve.median == 3.5
    assert kaplan_meier(patient_cells(np.zeros(3), [1.0, 2.0, 3.0], [True, False, False])).median is None


@pytest.mark.parametrize("groups", [2, 3])
@pytest.mark.parametrize("name", SETS)
def test_logrank_equals_lifelines(name, groups):
    from lifelines.statistics import multivariate_logrank_test

    data, score = scored(name)
    member = np.digitize(score, np.quantile(score, np.arange(1, groups) / groups), right=True)
    cells = patient_cells(score, data.day, data.event)
    found = logrank([cells.where(member == g) for g in np.unique(member)])
    oracle = multivariate_logrank_test(data.day, member, data.event)
    assert found.chi2 == pytest.approx(oracle.test_statistic, rel=1e-9)
    assert found.p == pytest.approx(oracle.p_value, abs=1e-10)


def test_group_hazard_ratio_equals_lifelines():
    import pandas as pd
    from lifelines import CoxPHFitter

    data, score = scored("gbsg2")
    low, high = split_at(patient_cells(score, data.day, data.event), float(np.median(score)))
    fit = group_hazard_ratio(low, high)
    frame = pd.DataFrame({"T": data.day, "E": data.event, "g": (score > np.median(score)).astype(float)})
    oracle = CoxPHFitter().fit(frame, "T", "E", fit_options={"precision": 1e-14})
    assert fit.coef[0] == pytest.approx(oracle.params_["g"], abs=1e-9)
    assert fit.as_dict()["p"][0] == pytest.approx(oracle.summary.loc["g", "p"], abs=1e-9)


@given(federation=federations(with_event=False))
def test_tables_of_any_sites_give_the_pooled_metrics(federation):
    score, day, event, site = federation
    edges = np.concatenate([[-np.inf], np.unique(score)])
    times = np.concatenate([[-1.0], np.unique(day)])
    parts = [site_table(score[site == s], day[site == s], event[site == s], edges, times) for s in range(site.max() + 1)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    pooled, summed = concordance(patient_cells(score, day, event)), concordance(total)
    assert (pooled is None) == (summed is None)
    if pooled is not None:
        assert summed.c == pytest.approx(pooled.c, abs=1e-9)
        assert summed.se == pytest.approx(pooled.se, abs=1e-9)
        assert 0 <= pooled.logit_ci[0] <= pooled.c <= pooled.logit_ci[1] <= 1
    curve = kaplan_meier(total)
    np.testing.assert_allclose(curve.survival, kaplan_meier(patient_cells(score, day, event)).survival, atol=1e-9)
    assert total.n == len(score)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_extreme_scores_and_ties_everywhere(kind):
    data, _ = scored("lung")
    score = np.where(data.x[:, 1] > 1, 1000, -1000).astype(kind)
    found = concordance(patient_cells(score, data.day, data.event))
    reference = concordance(patient_cells(data.x[:, 1] > 1, data.day, data.event))
    assert (found.c, found.se) == (reference.c, reference.se)
    flat = concordance(patient_cells(np.zeros(len(score), kind), data.day, data.event))
    assert (flat.c, flat.se) == (0.5, 0.0)
    assert roc(patient_cells(np.zeros(len(score), kind), data.day, data.event), 365.0).auc == 0.5
    assert concordance(patient_cells([1.0], [3.0], [True])) is None


def test_coarse_table_bounds_the_exact_c_index():
    rng = np.random.default_rng(2)
    data, score = scored("lung")
    score = score + rng.normal(0, 1e-3, len(score))
    exact = concordance(patient_cells(score, data.day, data.event)).c
    edges = np.concatenate([[-np.inf], np.quantile(score, np.arange(1, 16) / 16), [np.inf]])
    table = site_table(score, data.day, data.event, edges, coarse_time_edges(data.day.max()))
    low, high = error_bound(table)
    assert low <= exact <= high
    assert abs(concordance(table).c - exact) < 0.02
    assert 365.0 in table.time_edges
    assert 730.0 in table.time_edges
    assert roc(table, 365.0).auc == pytest.approx(roc(patient_cells(score, data.day, data.event), 365.0).auc, abs=0.03)


def test_tables_with_other_edges_do_not_add_and_a_nan_score_has_no_bin():
    one = site_table([1.0], [3.0], [True], [-np.inf, np.inf], [0.0, 30.0])
    with pytest.raises(ValueError, match="different edges"):
        one + site_table([1.0], [3.0], [True], [-np.inf, np.inf], [0.0, 60.0])
    with pytest.raises(ValueError, match="not a number"):
        site_table([np.nan], [3.0], [True], [-np.inf, np.inf], [0.0, 30.0])


def test_covariance_and_clusters_need_one_number_a_site():
    data, score = scored("lung")
    other = np.round(data.x[:, 2] * 0.7 + data.x[:, 0] / 40, 1)
    paired = paired_cells(patient_cells(score, data.day, data.event), patient_cells(other, data.day, data.event))
    covariance, clustered = 0.0, 0.0
    tables = [exact_table(values, data.day, data.event) for values in (score, other)]
    influences = [influence_table(table) for table in tables]
    for s in np.unique(data.site):
        mine = data.site == s
        of = [
            patient_influence(influence, values[mine], data.day[mine], data.event[mine], table)
            for influence, values, table in zip(influences, (score, other), tables, strict=True)
        ]
        covariance += cross_sum(of[0], of[1])
        clustered += squared_site_sum(of[0])
    first, second = (concordance(table) for table in tables)
    assert paired.se == pytest.approx(np.sqrt(first.se**2 + second.se**2 - 2 * covariance), abs=1e-12)
    assert paired.p_two_sided == pytest.approx(two_sided(paired.statistic))
    assert 0 < np.sqrt(clustered) < 0.1


def test_one_score_against_itself_differs_by_nothing():
    data, score = scored("lung")
    cells = patient_cells(score, data.day, data.event)
    same = paired_cells(cells, cells)
    assert (same.difference, same.p_two_sided, same.p_one_sided) == (0.0, 1.0, 0.5)


def test_papers_comparison_and_pooling():
    from scipy.stats import t

    found = correlated_t(0.72, 0.03, 0.65, 0.035, 0.4, 207)
    by_hand = 0.07 / np.sqrt(0.03**2 + 0.035**2 - 2 * 0.4 * 0.03 * 0.035)
    assert found.p_one_sided == pytest.approx(t.sf(by_hand, 206))
    assert found.p_two_sided == pytest.approx(2 * t.sf(by_hand, 206))
    mean, se = combine_fixed([0.7, 0.6], [0.03, 0.06])
    assert (mean, se) == pytest.approx(((0.7 * 4 + 0.6) / 5, 0.06 / np.sqrt(5)))


def test_noether_error_is_survcomps():
    """concordance.index(method="noether") written as a double loop over patients."""
    data, score = scored("veterans")
    n = len(score)
    ch, dh = np.zeros(n), np.zeros(n)
    for i in range(n):
        for j in range(n):
            first, second = (i, j) if data.day[i] < data.day[j] else (j, i)
            if data.day[i] == data.day[j] or not data.event[first] or score[i] == score[j]:
                continue
            ch[i] += score[first] > score[second]
            dh[i] += score[first] < score[second]
    pc, pd = ch.sum() / n / (n - 1), dh.sum() / n / (n - 1)
    three = n * (n - 1) * (n - 2)
    pcc, pdd, pcd = (ch * (ch - 1)).sum() / three, (dh * (dh - 1)).sum() / three, (ch * dh).sum() / three
    se = np.sqrt(4 / (pc + pd) ** 4 * (pd**2 * pcc - 2 * pc * pd * pcd + pc**2 * pdd) / n)
    assert noether(patient_cells(score, data.day, data.event)) == pytest.approx((pc / (pc + pd), se))


def test_suppression_hides_a_second_group_when_one_would_follow_by_subtraction():
    assert suppressed([30, 8, 12]) == [False, True, True]
    assert suppressed([30, 8, 4]) == [False, True, True]
    assert suppressed([30, 12]) == [False, False]
    assert suppressed([30, 0, 12]) == [False, False, False]


def test_calibration_groups_hold_enough_patients_and_a_true_model_calibrates():
    rng = np.random.default_rng(4)
    n = 3000
    lp = rng.normal(0, 0.7, n)
    died, lost = rng.exponential(800 * np.exp(-lp)), rng.uniform(300, 2000, n)
    cells = patient_cells(lp, np.minimum(died, lost), died <= lost)
    found = calibration(cells, 365.0, 365 / 800)
    assert len(found) == 4
    assert sum(group.n for group in found) == n
    for group in found:
        assert group.predicted == pytest.approx(group.observed, abs=0.05)
        assert group.low < group.observed < group.high
    slope = calibration_slope(cells)
    assert slope.coef[0] == pytest.approx(1, abs=0.1)
    assert len(calibration(cells.where(np.arange(n) < 70), 365.0, 365 / 800)) == 2
    assert quantile_groups(patient_cells(np.zeros(50), np.ones(50), np.ones(50, bool)), 4, 10).max() == 0
    assert predicted_survival(1000.0, 0.5) == 0.0


def test_a_tables_cells_can_carry_their_bins_mean_score():
    table = site_table([1.0, 2.0, 9.0], [3.0, 4.0, 5.0], [True, True, True], [-np.inf, 2.0, np.inf], [0.0, 30.0])
    assert sorted(with_bin_scores(table, [1.5, 9.0]).score.tolist()) == [1.5, 9.0]


def test_nomogram_points_and_survival_give_the_model_back():
    drawn = nomogram(["a", "b"], [0.5, -0.02], [(0, 4), (20, 80)], {365: 0.3})
    lp = 0.5 * 2 - 0.02 * 50
    total = drawn.points_per_unit * (lp - drawn.lp_at_zero)
    assert drawn.survival(total, 365) == pytest.approx(np.exp(-0.3 * np.exp(lp)))
    assert drawn.total_for(drawn.survival(total, 365), 365) == pytest.approx(total)
    assert max(drawn.axes[0].points) == pytest.approx(100)
    assert max(drawn.axes[1].points) == pytest.approx(60)
    assert (drawn.axes[1].ticks[0], drawn.axes[1].points[-1]) == (20.0, pytest.approx(0.0))
    with pytest.raises(ValueError, match="range"):
        nomogram(["a"], [1.0], [(3, 3)], {})


def test_an_axis_starts_at_no_points_whatever_its_ends():
    ends = (-1.2345678901234567, 2.7182818284590455)
    drawn = nomogram(["a", "b"], [0.7, -0.3], [ends, ends], {365: 0.3})
    assert [min(axis.points) for axis in drawn.axes] == [0.0, 0.0]
    assert drawn.axes[0].ticks[0] == ends[0] and drawn.axes[0].ticks[-1] == ends[1]
    assert "-0.0" not in map(str, nice_ticks(-2, 2, 5))


def test_ticks_of_a_logarithm_are_round_where_the_number_is_read():
    shown = [round(float(np.exp(tick)), 6) for tick in log_ticks(np.log(0.7), np.log(60_000), 9)]
    assert shown == [0.7, 1.0, 10.0, 100.0, 1000.0, 10_000.0, 60_000.0]
    assert [round(float(np.exp(tick)), 6) for tick in log_ticks(np.log(3), np.log(60), 9)] == [3.0, 5.0, 10.0, 20.0, 50.0, 60.0]
    drawn = nomogram(["a"], [1.0], [(0.0, 11.0)], {}, marks={"a": [0.0, 5.0, 11.0]})
    assert drawn.axes[0].ticks == (0.0, 5.0, 11.0)


def test_ticks_are_round_and_reach_both_ends():
    assert nice_ticks(0, 1, 6) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert nice_ticks(-3.3, 7.9, 5)[0] == -3.3


def test_tails_equal_scipys():
    from scipy.stats import chi2, norm

    for df in range(1, 12):
        for x in (1e-6, 0.3, 5.0, 90.0):
            assert chi2_tail(x, df) == pytest.approx(chi2.sf(x, df), rel=1e-12)
    assert two_sided(2.3) == pytest.approx(2 * norm.sf(2.3), rel=1e-12)


def test_logit_interval_stays_inside():
    assert logit_interval(1.0, 0.0) == (1.0, 1.0)
    low, high = logit_interval(0.95, 0.06)
    assert 0.5 < low < 0.95 < high < 1
