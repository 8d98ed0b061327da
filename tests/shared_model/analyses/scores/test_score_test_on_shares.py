"""The score test on shared rows against statsmodels' score and information at 0 and this project's own Cox model (held against R)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from statsmodels.duration.hazard_regression import PHReg

from shared_model.analyses.pairs_on_shares import day_parts, make_pairs
from shared_model.analyses.patient_slots import OneHot, Rows
from shared_model.analyses.scores.censoring_weights import in_time
from shared_model.analyses.scores.score_levels import LEVELS, level_of, score_levels
from shared_model.analyses.scores.score_test_on_shares import FLAT, Centre, ScoreTestModel, open_score_tests, score_sums
from shared_model.disclosure.limits import SCORE_TEST_BITS
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Declaration
from shared_model.survival.evaluation_table import patient_cells
from shared_model.survival.kaplan_meier import single_cox
from tests.shared_model.analyses.cohorts import Cohort, made_up
from tests.shared_model.analyses.holders import on_shares
from tests.shared_model.analyses.recorded import on_record

SETS = 3
NAMES = ("CLN", "Rad-D")


def values(cohort: Cohort, seed: int = 0, scale: float = 1.0, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Levels of a score of few values and of a fine one, and the set."""
    rng = np.random.default_rng(seed)
    risk = cohort.x @ np.array([0.25, 0.4, 0.5, -0.4, 0.6, -0.3, -0.2])
    fine = shift + scale * (risk + rng.normal(0, 1, len(risk)))
    return {
        "CLN": level_of(risk).astype(float),
        "Rad-D": level_of(fine).astype(float),
        "set": rng.choice(SETS, len(risk), p=[0.6, 0.17, 0.23]).astype(float),
    }


def centres(given: dict[str, np.ndarray]) -> dict[str, Centre]:
    """As a study has them: quarters of the training scores."""
    found = {}
    for name in NAMES:
        ordered = np.sort(given[name][given["set"] == 0])
        centre = Centre.of([int(ordered[len(ordered) * part // 4]) for part in (1, 2, 3)])
        if centre is not None:
            found[name] = centre
    return found


def run(cohort: Cohort, given: dict[str, np.ndarray], ties: str = "efron", m: int = 0) -> tuple[dict[str, np.ndarray], Any]:
    asked = ScoreTestModel("score-test", NAMES, SETS, ties)
    part = OneHot("set", SETS)
    mine = [given["set"] == s for s in range(SETS)]
    patients = np.array([float(one.sum()) for one in mine])
    deaths = np.array([float(cohort.event[one].sum()) for one in mine])
    patients[patients < asked.minimum_patients] = np.nan

    async def circuit(a: Arithmetic, rows: Rows) -> dict[str, np.ndarray]:
        pairs, time = await together(make_pairs(a, rows), in_time(a, rows))  # type: ignore[arg-type]
        sums = await score_sums(a, rows, pairs, time, rows["set"], centres(given), ties)  # type: ignore[arg-type]
        return await open_score_tests(a, sums, patients, deaths, asked)

    parts = (*day_parts(cohort.n_days), part, *(one for name in NAMES for one in score_levels(name)))
    inputs = (circuit, Declaration.of(asked.results), parts, cohort.sites(**given), cohort.slots)
    return on_shares(*inputs, m) if m else on_record(*inputs)


def oracle(x: np.ndarray, cohort: Cohort, mine: np.ndarray, ties: str) -> float:
    """U²/I at 0 by statsmodels, on a column of unit variance."""
    column = (x[mine] - x[mine].mean()) / x[mine].std()
    model = PHReg(cohort.day[mine] + 1, column[:, None], status=cohort.event[mine].astype(int), ties=ties)
    return float(model.score(np.zeros(1))[0] ** 2 / -model.hessian(np.zeros(1))[0, 0])


def expect(found: dict[str, np.ndarray], cohort: Cohort, given: dict[str, np.ndarray], ties: str = "efron") -> int:
    """How many tests are shown; those are the pooled ones, the others are rightly closed."""
    shown = 0
    for name, centre in centres(given).items():
        for s in range(SETS):
            mine = given["set"] == s
            if mine.sum() < 20 or cohort.event[mine].sum() < 10:
                assert np.isnan(found[name][s])
                continue
            known, shown = oracle(given[name], cohort, mine, ties), shown + 1
            assert found[name][s] == pytest.approx(known, rel=1e-4, abs=1e-4), (name, s, centre)
            assert stats.chi2.sf(found[name][s], 1) == pytest.approx(stats.chi2.sf(known, 1), abs=1e-4)
            own = single_cox(patient_cells(given[name][mine], cohort.day[mine], cohort.event[mine]), given[name][mine], "x", ties)  # type: ignore[arg-type]
            assert own.score_test.chi2 == pytest.approx(known, rel=1e-6)
    return shown


@pytest.mark.parametrize(("coarse", "ties"), [(1, "efron"), (60, "efron"), (60, "breslow")])
def test_equals_the_pooled_test(coarse: int, ties: str) -> None:
    cohort = made_up(seed=coarse, coarse=coarse)
    given = values(cohort)
    found, a = run(cohort, given, ties)
    assert expect(found, cohort, given, ties) == 6
    assert a.openings <= 25


@pytest.mark.parametrize(("scale", "shift"), [(2.0**-13, 0.5), (8.0, -10.0), (1e-3, 31.9)])
def test_a_network_that_has_hardly_begun_and_one_far_out(scale: float, shift: float) -> None:
    cohort = made_up(seed=4, coarse=7)
    given = values(cohort, 4, scale, shift)
    found, _ = run(cohort, given)
    assert expect(found, cohort, given) == 6


def test_one_patient_far_from_all_others() -> None:
    cohort = made_up(seed=5)
    given = values(cohort, 5)
    given["Rad-D"][int(np.argmax(cohort.day))] = LEVELS - 1
    found, _ = run(cohort, given)
    assert expect(found, cohort, given) == 6


@pytest.mark.parametrize("seed", range(8))
def test_small_ragged_cohorts_end_right_or_closed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cohort = made_up(n=int(rng.integers(30, 90)), sites=13, seed=seed + 20, coarse=int(rng.choice([1, 20, 200])))
    given = values(cohort, seed)
    expect(run(cohort, given)[0], cohort, given)


def test_a_score_that_says_nothing_stays_closed() -> None:
    cohort = made_up(n=80, sites=8, seed=2)
    given = values(cohort, 2)
    given["CLN"] = np.full(80, 1000.0)
    train = given["set"] == 0
    given["Rad-D"][train] = level_of(np.where(np.arange(train.sum()) % 3 == 0, 1.0, -1.0))
    given["Rad-D"][~train] = level_of(np.zeros((~train).sum()))
    assert list(centres(given)) == ["Rad-D"]
    found, _ = run(cohort, given)
    assert list(found) == ["Rad-D"] and np.isfinite(found["Rad-D"][0]) and np.isnan(found["Rad-D"][1:]).all()
    assert 2.0 ** (10 - SCORE_TEST_BITS.value) < FLAT


def test_the_unit_follows_from_the_open_quarters() -> None:
    assert Centre.of([None, None, 5]) is None and Centre.of([5, 5, 5]) is None
    assert Centre.of([100, 200, 370]) == Centre(200, 8)
    assert Centre.of([None, 200, 202]) == Centre(200, 1)


def test_shares_give_what_plain_numbers_give() -> None:
    cohort = made_up(n=64, sites=8, seed=3, coarse=10)
    given = values(cohort, 3)
    given["set"] = np.arange(64) % 2 + 0.0
    found, cost = run(cohort, given, m=3)
    assert expect(found, cohort, given) == 4
    assert cost.openings <= 30
