"""AUC on shared rows against the project's pooled one, which is held against R's timeROC."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared_model.analyses.groups.declared_days import make_points
from shared_model.analyses.groups.patient_groups import Partition
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import OneHot, Rows
from shared_model.analyses.scores.censoring_weights import falling
from shared_model.analyses.scores.roc_on_shares import RocEstimate, RocModel, roc
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Declaration, Result
from shared_model.shares.circuits.plain_numbers import PlainArithmetic
from shared_model.survival.evaluation_table import patient_cells
from shared_model.survival.roc import roc as pooled
from tests.shared_model.analyses.cohorts import Cohort, made_up
from tests.shared_model.analyses.holders import on_shares
from tests.shared_model.analyses.recorded import on_record
from tests.shared_model.analyses.test_cindex_on_shares import COARSE, FINE, scores

HORIZONS = (365, 730, 1095)
MINIMUM = 5
DRAWN = 10
PERCENT = (10, 30, 50, 75, 90)
HALF_STEP = 2.0**-9
STEPS = 7
"""Half steps: the plain twin adds up to three units to a rounding, shares fewer."""


def model(partition: Partition, *names: str) -> RocModel:
    levels = {"fine": FINE, "coarse": COARSE}
    return RocModel("roc", tuple((name, levels[name]) for name in names or levels), HORIZONS, partition, specificities=PERCENT)


def sets(minimum: int = 20) -> Partition:
    return Partition(OneHot("maker", 3), ((0,), (1, 2)), minimum)


def run(cohort: Cohort, asked: RocModel, m: int = 0, **more: np.ndarray) -> tuple[RocEstimate, Any]:
    async def circuit(a: Arithmetic, rows: Rows) -> RocEstimate:
        pairs, points = await together(make_pairs(a, rows), make_points(a, rows, asked.days))  # type: ignore[arg-type]
        return await roc(a, rows, pairs, points, asked)  # type: ignore[arg-type]

    sites = cohort.sites(**{**scores(cohort), **more})
    inputs = (circuit, Declaration.of(asked.results), asked.parts(max(cohort.n_days, 1200)), sites, cohort.slots)
    return on_shares(*inputs, m) if m else on_record(*inputs)


def sensitivity(score: np.ndarray, day: np.ndarray, event: np.ndarray, horizon: int, percent: int) -> float:
    """The curve at its largest false positive rate up to 1 − specificity, by trying every threshold."""
    left = np.ones(len(day))
    for moment in np.unique(day[~event]):
        lost = (~event & (day == moment)).sum()
        left[day > moment] *= 1 - lost / ((day > moment).sum() + lost)
    case, control, best = event & (day < horizon), day > horizon, (-1.0, 0.0)
    for threshold in [-np.inf, *np.unique(score)]:
        positive = score > threshold
        wrong = int((control & positive).sum())
        if 100 * wrong <= (100 - percent) * int(control.sum()):
            best = max(best, (wrong, float((positive / left)[case].sum() / (1 / left[case]).sum())))
    return best[1]


def expect(found: RocEstimate, cohort: Cohort, asked: RocModel, **more: np.ndarray) -> int:
    """How many AUCs are shown; those that are equal the pooled ones, the others are rightly closed."""
    values, shown = {**scores(cohort), **more}, 0
    n, level = asked.partition.n, values["maker"]
    family = asked.partition.family
    for group in range(n):
        rest = sum((level == other).sum() for other in range(n) if n > 1 and other != group and family[other] == family[group])
        mine = np.ones(len(cohort.day), bool) if n == 1 else level == group
        for h, horizon in enumerate(HORIZONS):
            cases, controls = (cohort.event & (cohort.day < horizon))[mine].sum(), (cohort.day > horizon)[mine].sum()
            for name, _ in asked.scores:
                got = found.auc[name][h, group], found.se[name][h, group]
                points = found.sensitivity[name][:, h, group]
                if mine.sum() < asked.partition.minimum or 0 < rest < asked.partition.minimum or min(cases, controls) < MINIMUM:
                    assert np.isnan(got).all() and np.isnan(points).all()
                    continue
                if min(cases, controls) < DRAWN:
                    assert np.isnan(points).all()
                else:
                    rows = values[name][mine], cohort.day[mine], cohort.event[mine]
                    known = [sensitivity(*rows, horizon, percent) for percent in PERCENT]
                    assert points == pytest.approx(known, abs=STEPS * HALF_STEP + 2e-5)
                oracle, shown = pooled(patient_cells(values[name][mine], cohort.day[mine], cohort.event[mine]), horizon), shown + 1
                assert got[0] == pytest.approx(oracle.auc, abs=5e-6)
                # a variance of nothing is opened as up to three units of its grid
                assert got[1] == pytest.approx(oracle.se, abs=1e-5 if oracle.se > 4e-3 else 3**0.5 * 2.0**-13)
    return shown


@pytest.mark.parametrize("coarse", [1, 73])
def test_equals_the_pooled_one_and_its_error(coarse: int) -> None:
    cohort, asked = made_up(seed=coarse, coarse=coarse), model(Partition())
    found, a = run(cohort, asked)
    assert expect(found, cohort, asked) == 6 and found.findings == ()
    assert a.openings <= 90


def test_within_groups_it_is_each_groups_own() -> None:
    cohort, asked = made_up(coarse=30), model(sets())
    found, _ = run(cohort, asked)
    assert expect(found, cohort, asked) == 10


@pytest.mark.parametrize("seed", range(6))
def test_small_cohorts_end_right_or_closed(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cohort = made_up(n=int(rng.integers(21, 60)), sites=9, seed=seed + 40, coarse=int(rng.choice([1, 20, 200])))
    asked = model(sets(8), "coarse")
    found, _ = run(cohort, asked)
    shown = expect(found, cohort, asked)
    assert bool(found.findings) == (shown < 9)


@pytest.mark.parametrize("who", ["nobody died", "one died", "nobody is left"])
def test_without_cases_or_controls_it_stays_closed(who: str) -> None:
    cohort = made_up(n=60, sites=8, seed=1)
    event, day = np.zeros(60, bool), cohort.day
    if who == "one died":
        event = np.arange(60) == 3
    if who == "nobody is left":
        event, day = ~event, np.minimum(cohort.day, 300)
    changed = Cohort(cohort.x, day, event, cohort.site, cohort.columns)
    found, _ = run(changed, model(Partition(), "coarse"))
    assert np.isnan(found.auc["coarse"]).all() and found.findings[0].code == "FH-809"


def test_points_of_the_curve_whatever_is_tied() -> None:
    """Two levels of score, one and as many as patients; all cases and controls of one score fall on one side."""
    cohort, asked = made_up(n=90, sites=7, seed=5, coarse=30), model(sets(10), "coarse")
    risk = cohort.x @ np.array([0.25, 0.4, 0.5, -0.4, 0.6, -0.3, -0.2])
    for score in (np.full(90, 3.0), (risk > np.median(risk)) * 5.0, np.argsort(np.argsort(risk)).clip(0, COARSE - 1) * 1.0):
        halves = np.arange(90) % 2 + 0.0
        found, _ = run(cohort, asked, coarse=score, maker=halves)
        assert expect(found, cohort, asked, coarse=score, maker=halves) >= 3
        assert np.isfinite(found.sensitivity["coarse"]).any()


def test_without_specificities_no_curve_is_opened() -> None:
    cohort, asked = made_up(n=60, sites=8, seed=1), replace(model(Partition(), "coarse"), specificities=())
    found, a = run(cohort, asked)
    assert found.sensitivity == {} and not any("sensitivity" in name or "drawn" in name for name in a.opened)


def test_e_to_falling_numbers() -> None:
    x = np.linspace(0, 8, 97)

    async def circuit(a: PlainArithmetic) -> Any:
        return await a.reveal("x", await falling(a, a.secret(x, 24.0, fraction=40), 3), 36)

    a = PlainArithmetic(Declaration.of(Result("x", (97,), 36, 2.0, "none")), noise=3)
    assert np.abs(a.run(circuit(a)) - np.exp(-x)).max() < 2e-9


def test_shares_give_what_plain_numbers_give() -> None:
    cohort, asked = made_up(n=64, sites=8, seed=3, coarse=10), model(sets(10), "coarse")
    halves = np.arange(64) % 2 + 0.0
    found, cost = run(cohort, asked, 3, maker=halves)
    assert expect(found, cohort, asked, maker=halves) >= 3
    assert cost.openings <= 90
