"""Everything the evaluation phase opens, at the study's own minima, against pooled rows of the same 207 patients."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from statsmodels.duration.hazard_regression import PHReg

from evidence.accuracy.shares.pooled_oracles import PooledRows
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierEstimate
from shared_model.analyses.phases.earlier_results import known_scores
from shared_model.analyses.phases.evaluation_circuit import EvaluationEstimate, GroupedEstimate
from shared_model.analyses.phases.evaluation_openings import SPECIFICITIES, merged_quarters, near
from shared_model.survival.concordance import concordance
from shared_model.survival.evaluation_table import Cells, patient_cells
from shared_model.survival.kaplan_meier import kaplan_meier, logrank
from shared_model.survival.roc import roc
from tests.shared_model.analyses.phases.paper import PaperCohort, Walk, locked, paper_cohort

SETS = 3
MINIMUM = 20
STEP_ERROR = 0.03
"""Of a mean, in steps of its variable: rounding on shares is off by up to three units of the 2^-8 that are opened of it."""


def walked(seed: int, holders: int = 0, coarse: int = 1) -> Walk:
    walk = Walk(locked(), paper_cohort(seed=seed, coarse=coarse))
    for phase in ("clinical", "fusion", "evaluation"):
        walk.run(phase, holders)  # type: ignore[arg-type]
    return walk


@pytest.fixture(scope="module", params=[(1, 0, 1), (2, 0, 30), (3, 3, 7)], ids=["plain", "plain with ties", "three holders"])
def walk(request: pytest.FixtureRequest) -> Walk:
    return walked(*request.param)


def cells(cohort: PaperCohort, mine: np.ndarray, score: np.ndarray | None = None) -> Cells:
    values = np.zeros(len(cohort.day)) if score is None else score
    return patient_cells(values[mine], cohort.day[mine], cohort.event[mine])


def scores(walk: Walk) -> dict[str, np.ndarray]:
    return {name: walk.cohort.score(spec) for name, spec in walk.plans["evaluation"].scores.items()}


def found(walk: Walk) -> EvaluationEstimate:
    estimate: EvaluationEstimate = walk.found["evaluation"]
    return estimate


def test_all_five_models_have_a_score(walk: Walk) -> None:
    assert list(walk.plans["evaluation"].scores) == ["CLN", "Rad-S", "Rad-D", "RadCLN-S", "RadCLN-D"]
    assert walk.costs["evaluation"].openings <= 200
    if walk.costs["evaluation"].megabytes:
        assert walk.costs["evaluation"].megabytes <= 300


def test_concordance_of_every_set_and_pair(walk: Walk) -> None:
    cohort, estimate = walk.cohort, found(walk).concordance
    assert estimate is not None
    for s in range(SETS):
        mine, influence = cohort.set == s, {}
        for name, score in scores(walk).items():
            table = cells(cohort, mine, score)
            oracle = concordance(table)
            assert oracle is not None
            assert estimate.c[name][s] == pytest.approx(oracle.c, abs=1e-6)
            assert estimate.se[name][s] == pytest.approx(oracle.se, abs=1e-5)
            of = dict(zip(zip(table.time, table.event, table.score, strict=True), oracle.influence, strict=True))
            influence[name] = np.array([of[key] for key in zip(cohort.day[mine], cohort.event[mine], score[mine], strict=True)])
        for pair in (key for key in estimate.se if key not in influence):
            first = next(name for name in influence if pair.startswith(f"{name}-") and pair[len(name) + 1 :] in influence)
            spread = influence[first] - influence[pair[len(first) + 1 :]]
            assert estimate.se[pair][s] == pytest.approx(np.sqrt((spread**2).sum()), abs=1e-5)


def test_score_test_of_every_model_and_set(walk: Walk) -> None:
    cohort, tests = walk.cohort, found(walk).score_tests
    for name, score in scores(walk).items():
        for s in range(SETS):
            mine = cohort.set == s
            x = (score[mine] - score[mine].mean()) / score[mine].std()
            model = PHReg(cohort.day[mine] + 1, x[:, None], status=cohort.event[mine].astype(int), ties="efron")
            chi2 = model.score(np.zeros(1))[0] ** 2 / -model.hessian(np.zeros(1))[0, 0]
            assert tests[name][s] == pytest.approx(chi2, rel=1e-4, abs=1e-4)


def test_concordance_by_manufacturer_where_it_and_the_rest_are_large(walk: Walk) -> None:
    cohort, estimate = walk.cohort, found(walk).manufacturers
    assert estimate is not None
    held, shown = cohort.set > 0, 0
    for maker in range(4):
        mine = held & (cohort.maker == maker)
        value = estimate.c["RadCLN-D"][maker]
        if mine.sum() < MINIMUM or (held & ~mine).sum() < MINIMUM:
            assert np.isnan(value)
            continue
        oracle, shown = concordance(cells(cohort, mine, scores(walk)["RadCLN-D"])), shown + 1
        assert oracle is not None
        assert value == pytest.approx(oracle.c, abs=1e-6)
    assert shown


def test_auc_of_every_set_and_horizon(walk: Walk) -> None:
    cohort, estimate = walk.cohort, found(walk).roc
    assert estimate is not None
    for name, score in scores(walk).items():
        for h, horizon in enumerate((365, 730)):
            for s in range(SETS):
                mine = cohort.set == s
                cases, controls = (cohort.event & (cohort.day < horizon))[mine].sum(), (cohort.day > horizon)[mine].sum()
                got = estimate.auc[name][h, s], estimate.se[name][h, s]
                points = estimate.sensitivity[name][:, h, s]
                if min(cases, controls) < 5:
                    assert np.isnan(got).all() and np.isnan(points).all()
                    continue
                if min(cases, controls) < 10:
                    assert np.isnan(points).all()
                else:
                    rows = PooledRows(cohort.day[mine], cohort.event[mine])
                    known = [rows.sensitivity(score[mine], horizon, percent) for percent in SPECIFICITIES]
                    assert points == pytest.approx(known, abs=4 * 2.0**-8)
                oracle = roc(cells(cohort, mine, score), horizon)
                assert got == (pytest.approx(oracle.auc, abs=1e-5), pytest.approx(oracle.se, abs=1e-5))


def check_means(found: KaplanMeierEstimate, group: int, rows: PooledRows, *, whole: bool) -> None:
    """Restricted means until one and two years, off by no more units of their grids than the plain twin adds to a rounding."""
    assert found.means is not None
    for h, day in enumerate((365, 730)):
        got = found.means.mean[group, h], found.means.se[group, h]
        if not whole or (rows.day >= day).sum() < 5:
            assert np.isnan(got).all()
            continue
        mean, se = (value / 30.4375 for value in rows.restricted_mean(day))
        assert (got[0], got[1] ** 2) == (pytest.approx(mean, abs=4 / 16), pytest.approx(se**2, abs=4 / 256))


def check_groups(walk: Walk, estimate: GroupedEstimate, days: tuple[int, ...], families: list[list[np.ndarray]], fine: list[bool]) -> int:
    """Curves, tests and hazard ratios against pooled rows; how many families are shown."""
    cohort, group, shown = walk.cohort, 0, 0
    months = np.array([round(day / 30.4375) % 6 == 0 for day in days])
    for family, members in enumerate(families):
        whole = all(mine.sum() >= MINIMUM for mine in members)
        for mine in members:
            if not whole:
                assert np.isnan(estimate.curves.survival[group]).all() and np.isnan(estimate.curves.patients[group])
            else:
                curve = kaplan_meier(cells(cohort, mine))
                followed = np.array([(cohort.day[mine] >= day).sum() for day in days])
                wanted = (followed >= 5) & (fine[family] | months)
                np.testing.assert_array_equal(np.isfinite(estimate.curves.survival[group]), wanted)
                for p in np.flatnonzero(wanted):
                    assert estimate.curves.survival[group, p] == pytest.approx(curve.at(days[p]), abs=1e-4)
                    ends = estimate.curves.low[group, p], estimate.curves.high[group, p]
                    assert ends == tuple(pytest.approx(end, abs=1e-4) for end in curve.interval_at(days[p]))
            check_means(estimate.curves, group, PooledRows(cohort.day[mine], cohort.event[mine]), whole=whole)
            group += 1
        test = estimate.curves.logrank[family]
        assert (test is not None) == whole
        if test is not None:
            shown += 1
            assert test.chi2 == pytest.approx(logrank([cells(cohort, mine) for mine in members]).chi2, abs=1e-4)
            ratio = estimate.ratios[family] if len(estimate.ratios) > family else None
            if ratio is not None and ratio.coefficient is not None and ratio.se is not None:
                both = members[0] | members[1]
                fit = PHReg(
                    cohort.day[both], members[1][both].astype(float)[:, None], status=cohort.event[both].astype(int), ties="efron"
                ).fit(disp=0)
                assert np.exp(ratio.coefficient[0]) == pytest.approx(np.exp(fit.params[0]), abs=1e-4)
                assert ratio.se[0] == pytest.approx(fit.bse[0], abs=1e-4)
    return shown


def month_ends(step: int) -> tuple[int, ...]:
    """Every so many months below 4,000 days: years of 365 days, and the whole days of the other months of a Julian year."""
    return tuple(365 * (k // 12) if k % 12 == 0 else int(30.4375 * k) for k in range(step, 132, step))


def test_survival_of_the_sets_monthly_only_where_they_are_large(walk: Walk) -> None:
    cohort, estimate = walk.cohort, found(walk).survival
    days = near(month_ends(1), (365, 730))[: estimate.survival.shape[1]]
    for s, fine in enumerate((True, False, False)):
        curve = kaplan_meier(cells(cohort, cohort.set == s))
        fitted = KaplanMeierFitter().fit(cohort.day[cohort.set == s], cohort.event[cohort.set == s])
        for p in np.flatnonzero(np.isfinite(estimate.survival[s])):
            assert fine or round(days[p] / 30.4375) % 6 == 0
            assert estimate.survival[s, p] == pytest.approx(curve.at(days[p]), abs=1e-4)
            assert estimate.survival[s, p] == pytest.approx(float(fitted.predict(days[p])), abs=1e-4)
        assert estimate.patients[s] == (cohort.set == s).sum() and estimate.deaths[s] == cohort.event[cohort.set == s].sum()
    test = multivariate_logrank_test(cohort.day, cohort.set, cohort.event)
    assert estimate.logrank[0] is not None
    assert estimate.logrank[0].chi2 == pytest.approx(test.test_statistic, abs=1e-4)


def test_risk_groups_of_every_model(walk: Walk) -> None:
    cohort = walk.cohort
    for name, score in scores(walk).items():
        model = found(walk).models[name]
        ordered = np.sort(score[cohort.set == 0])
        cutoff = model.quantiles[1].value
        assert cutoff == ordered[len(ordered) - 1 - len(ordered) // 2]
        assert model.risk is not None
        families = [[(cohort.set == s) & (score <= cutoff), (cohort.set == s) & (score > cutoff)] for s in range(SETS)]
        primary = name == "RadCLN-D"
        points = model.risk.curves.survival.shape[1]
        monthly, quarterly = (near(month_ends(step), (365, 730)) for step in (1, 3))
        days = (monthly if primary else quarterly)[:points]
        assert len(days) == points
        assert check_groups(walk, model.risk, days, families, [True, False, False]) >= 1


def test_progression_of_validation_and_test_together(walk: Walk) -> None:
    cohort, estimate = walk.cohort, found(walk).response
    assert estimate is not None
    held = cohort.set > 0
    members = [held & (cohort.response != 3), held & (cohort.response == 3)]
    days = near(month_ends(3), (365, 730))[: estimate.curves.survival.shape[1]]
    assert check_groups(walk, estimate, days, [members], [False]) == 1


def test_calibration_groups_hold_the_minimum_and_what_is_predicted(walk: Walk) -> None:
    cohort = walk.cohort
    known = known_scores(walk.lock, walk.opened)
    for name, score in scores(walk).items():
        model = found(walk).models[name]
        assert model.calibration is not None and model.quarters is not None
        levels = [one.value for one in model.quantiles]
        assert all(value is not None for value in levels)
        quarter = sum((score > value).astype(int) for value in levels if value is not None)
        predicted = np.stack([np.exp(-known.hazards[name][u] * np.exp(known.slopes.get(name, 1.0) * score)) for u in (365, 730)], 1)
        for s in range(SETS):
            for group in range(4):
                mine = (cohort.set == s) & np.isin(quarter, np.flatnonzero(model.quarters[s][:, group]))
                at = 4 * s + group
                if not mine.any():
                    assert np.isnan(model.calibration.patients[at])
                    continue
                assert model.calibration.patients[at] == mine.sum() >= MINIMUM
                curve = kaplan_meier(cells(cohort, mine))
                for h, horizon in enumerate((365, 730)):
                    if (cohort.day[mine] >= horizon).sum() >= 5:
                        assert model.calibration.observed[at, h] == pytest.approx(curve.at(horizon), abs=1e-4)
                        assert model.calibration.predicted[at, h] == pytest.approx(predicted[mine, h].mean(), abs=1e-4)
                    else:
                        assert np.isnan(model.calibration.observed[at, h])
        assert (model.quarters[0] == np.eye(4)).all() or name == "CLN"


def test_baselines_are_those_of_the_pooled_fit(walk: Walk) -> None:
    cohort, mine = walk.cohort, walk.cohort.set == 0
    known = known_scores(walk.lock, walk.opened)
    score, day, event = cohort.score(known.specs["Rad-D"])[mine], cohort.day[mine], cohort.event[mine]
    fit = PHReg(day, score[:, None], status=event.astype(int), ties="efron").fit(disp=0)
    weight = np.exp(score * fit.params[0])
    for horizon in (365, 730):
        pooled = 0.0
        for moment in np.unique(day[event & (day <= horizon)]):
            dead, at_risk = event & (day == moment), weight[day >= moment].sum()
            pooled += sum(1 / (at_risk - r / dead.sum() * weight[dead].sum()) for r in range(dead.sum()))
        assert known.hazards["Rad-D"][horizon] == pytest.approx(pooled, rel=1e-4)


def test_table_one_is_the_pooled_count(walk: Walk) -> None:
    cohort, table = walk.cohort, found(walk).table
    sets = [cohort.set == 0, cohort.set == 1, cohort.set == 2, cohort.set >= 0]
    for column, mine in enumerate(sets):
        assert table.patients[column] == mine.sum()
        assert table.means["table.age"][column] == pytest.approx(cohort.age[mine].mean(), abs=5e-3)
        assert table.deviations["table.age"][column] == pytest.approx(cohort.age[mine].std(ddof=1), abs=5e-3)
        interval = (42.0 + np.arange(len(cohort.day)) % 60)[mine]
        assert table.means["table.interval_days"][column] == pytest.approx(interval.mean(), abs=STEP_ERROR)
        for name, values in (("nash", cohort.x[:, 1]), ("sex", cohort.male), ("differentiation", cohort.x[:, 0])):
            counts = np.array([(values[mine] == level).sum() for level in range(len(table.counts[f"table.{name}"]))])
            small = any(
                ((values[part] == level).sum() in range(1, 5)) for level in range(len(counts)) for part in sets[:3] if (part & mine).any()
            )
            shown = table.counts[f"table.{name}"][:, column]
            assert small or np.isfinite(shown).all()
            np.testing.assert_array_equal(shown[np.isfinite(shown)], counts[np.isfinite(shown)])


def test_sets_are_compared_two_by_two(walk: Walk) -> None:
    cohort = walk.cohort
    for (first, second), fit in zip(((0, 1), (0, 2), (1, 2)), found(walk).set_ratios, strict=True):
        mine = (cohort.set == first) | (cohort.set == second)
        later = (cohort.set[mine] == second).astype(float)
        oracle = PHReg(cohort.day[mine], later[:, None], status=cohort.event[mine].astype(int), ties="efron").fit(disp=0)
        assert fit is not None and fit.coefficient is not None and fit.se is not None
        assert (fit.coefficient[0], fit.se[0]) == (pytest.approx(oracle.params[0], abs=1e-4), pytest.approx(oracle.bse[0], abs=1e-4))


def test_quarters_are_joined_within_halves_only() -> None:
    bits = np.array(np.meshgrid(*[[False, True]] * 6)).reshape(6, -1).T
    for one in bits:
        merged = merged_quarters(one)
        assert (merged.sum(1) == 1).all()
        groups = [np.flatnonzero(column) for column in merged.T if column.any()]
        assert [list(group) for group in groups] in (
            [[0, 1, 2, 3]],
            [[0, 1], [2, 3]],
            [[0], [1], [2, 3]],
            [[0, 1], [2], [3]],
            [[0], [1], [2], [3]],
        )


def test_without_clinical_model_and_scans_there_are_no_scores_but_curves_and_a_table() -> None:
    cohort = paper_cohort(seed=5)
    few = replace(cohort, day=np.full(len(cohort.day), 700.0), event=np.zeros(len(cohort.day), dtype=bool))
    walk = Walk(locked(models=["CLN"]), few)
    clinical = walk.run("clinical")
    assert clinical.fit.coefficient is None
    estimate: EvaluationEstimate = walk.run("evaluation")
    assert estimate.concordance is None and not estimate.models
    assert (estimate.survival.survival[0][np.isfinite(estimate.survival.survival[0])] == 1.0).all()
