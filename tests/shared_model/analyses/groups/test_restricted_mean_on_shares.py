"""Restricted means on shared rows against lifelines' area and the textbook's standard error, which is R's on lung."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lifelines.datasets import load_lung

from evidence.accuracy.shares.pooled_oracles import PooledRows
from shared_model.analyses.groups import restricted_mean_on_shares
from shared_model.analyses.groups.declared_days import MONTH, grid, make_points
from shared_model.analyses.groups.kaplan_meier_on_shares import KaplanMeierEstimate, KaplanMeierModel, kaplan_meier
from shared_model.analyses.groups.patient_groups import Partition
from shared_model.analyses.groups.restricted_mean_on_shares import with_time_left
from shared_model.analyses.pairs_on_shares import make_pairs
from shared_model.analyses.patient_slots import OneHot, Rows
from shared_model.analyses.scores.censoring_weights import in_time
from shared_model.disclosure.limits import MONTHS_LOST_BITS, MONTHS_LOST_VARIANCE_BITS, Limit
from shared_model.shares.circuits.arithmetic import Arithmetic, together
from shared_model.shares.circuits.declared_results import Declaration
from tests.shared_model.analyses.cohorts import Cohort, made_up
from tests.shared_model.analyses.holders import on_plain, on_shares

HORIZONS = (365, 730)
ROUNDED, SQUARES = 2 * 2.0**-MONTHS_LOST_BITS.value, 2 * 2.0**-MONTHS_LOST_VARIANCE_BITS.value
"""Two units of the grids, which is what a rounding on shares is below."""


@pytest.fixture
def fine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grid on which rounding shows, not the grid."""
    for name in ("MONTHS_LOST_BITS", "MONTHS_LOST_VARIANCE_BITS"):
        monkeypatch.setattr(restricted_mean_on_shares, name, Limit(20, "to see what the circuit itself is off"))


def asked(groups: int, families: tuple[tuple[int, ...], ...] = (), minimum: int = 5, **more: Any) -> KaplanMeierModel:
    days = tuple(sorted({*grid(1, 1900), *HORIZONS}))
    return KaplanMeierModel("km", Partition(OneHot("group", groups), families, minimum), days, days[::6], means=HORIZONS, **more)


def run(cohort: Cohort, model: KaplanMeierModel, group: np.ndarray, m: int = 0) -> tuple[KaplanMeierEstimate, Any]:
    async def circuit(a: Arithmetic, rows: Rows) -> KaplanMeierEstimate:
        pairs, points, time = await together(make_pairs(a, rows), make_points(a, rows, model.days), in_time(a, rows))  # type: ignore[arg-type]
        points = await with_time_left(a, rows, points, model.means, time)  # type: ignore[arg-type]
        return await kaplan_meier(a, rows, pairs, points, model)  # type: ignore[arg-type]

    inputs = (circuit, Declaration.of(model.results), model.parts(2000), cohort.sites(group=group), cohort.slots)
    return on_shares(*inputs, m) if m else on_plain(*inputs)


def expect(
    found: KaplanMeierEstimate, cohort: Cohort, group: np.ndarray, mean: float = ROUNDED, square: float = SQUARES, minimum: int = 5
) -> int:
    """Every group and day against the pooled rows: open where five are at risk; how many are."""
    assert found.means is not None
    shown = 0
    for g in range(len(found.patients)):
        mine = group == g
        for h, day in enumerate(HORIZONS):
            if mine.sum() < minimum or (cohort.day[mine] >= day).sum() < 5:
                assert np.isnan([found.means.mean[g, h], found.means.se[g, h]]).all()
                continue
            known, se = (value / MONTH for value in PooledRows(cohort.day[mine], cohort.event[mine]).restricted_mean(day))
            assert found.means.mean[g, h] == pytest.approx(known, abs=mean + 1e-6)
            assert found.means.se[g, h] ** 2 == pytest.approx(se**2, rel=1e-4, abs=square + 1e-6)
            shown += 1
    return shown


def test_the_oracle_gives_what_r_gives_on_lung() -> None:
    lung = load_lung()
    day, event = lung["time"].to_numpy(dtype=float), lung["status"].to_numpy(dtype=bool)
    mean, se = PooledRows(day, event).restricted_mean(float(day.max()))
    assert (round(mean, 0), round(se, 1)) == (376, 19.7)


@pytest.mark.usefixtures("fine")
@pytest.mark.parametrize("coarse", [1, 30, 365])
def test_equals_the_pooled_mean_and_its_error(coarse: int) -> None:
    cohort = made_up(seed=coarse, coarse=coarse)
    group = np.random.default_rng(0).choice([-1.0, 0, 1, 2, 3], 207, p=[0.03, 0.3, 0.3, 0.2, 0.17])
    found, a = run(cohort, asked(4, ((0, 1), (2, 3))), group)
    assert expect(found, cohort, group, 1e-5, 1e-5) >= 6
    assert a.openings <= 55


@pytest.mark.usefixtures("fine")
@pytest.mark.parametrize("seed", range(6))
def test_ragged_federations_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    site = np.repeat(np.arange(40), rng.choice([0, 1, 1, 2, 4, 9], 40))[: int(rng.integers(40, 120))]
    n, day = len(site), int(rng.choice([30, 150, 365]))
    cohort = Cohort(np.zeros((n, 7)), rng.integers(0, 1400 // day, n) * float(day), rng.random(n) < rng.choice([0.1, 0.6, 1.0]), site, ())
    group = rng.choice([0.0, 1.0], n)
    found, _ = run(cohort, asked(2), group)
    expect(found, cohort, group, 1e-5, 1e-5)


@pytest.mark.usefixtures("fine")
def test_nobody_dies_everybody_dies_on_the_day_and_one_death_on_the_first() -> None:
    n = 60
    group = np.repeat([0.0, 1.0, 2.0], 20)
    day = np.r_[np.full(20, 800.0), np.full(20, 730.0), 0.0, np.full(19, 900.0)]
    cohort = Cohort(np.zeros((n, 7)), day, np.r_[np.zeros(20), np.ones(40)].astype(bool), np.arange(n) % 9, ())
    found, _ = run(cohort, asked(3), group)
    assert expect(found, cohort, group, 1e-5, 1e-5) == 6
    assert found.means is not None
    np.testing.assert_allclose(found.means.mean[0], np.array(HORIZONS) / MONTH)
    assert (found.means.se[0] == 0).all()


def test_small_groups_coarse_sets_and_few_at_risk_stay_closed() -> None:
    cohort = made_up(seed=2)
    group = np.r_[np.repeat(0.0, 19), np.repeat(1.0, 30), np.repeat(2.0, 80), np.repeat(3.0, 78)]
    found, _ = run(cohort, asked(4, ((0, 1), (2, 3)), 20, coarse=(365,)), group)
    assert found.means is not None
    assert np.isnan(found.means.mean[:2]).all() and np.isfinite(found.means.mean[2:]).all()
    coarse, _ = run(cohort, asked(4, ((0, 1), (2, 3)), 20, coarse=(365,), fine_patients=159), group)
    assert coarse.means is not None
    assert np.isfinite(coarse.means.mean[2:, 0]).all() and np.isnan(coarse.means.mean[:, 1]).all()


def test_shares_give_what_plain_numbers_give_on_the_declared_grid() -> None:
    cohort = made_up(n=64, sites=8, seed=3, coarse=10)
    group = np.arange(64) % 2.0
    found, cost = run(cohort, asked(2), group, m=3)
    assert expect(found, cohort, group) >= 2
    assert found.means is not None
    months = np.array(HORIZONS) / MONTH - found.means.mean
    np.testing.assert_allclose(months * 16, np.rint(months * 16), atol=1e-9)
    assert cost.openings <= 60
