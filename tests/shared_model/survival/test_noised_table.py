"""Survival from noised cells: the estimate without noise, and intervals that hold the truth with it."""

from __future__ import annotations

import numpy as np
import pytest
from lifelines import KaplanMeierFitter

from shared_model.survival.noised_table import noised_survival

EDGES = (183, 365, 548, 730)


def cells(day: np.ndarray, event: np.ndarray) -> np.ndarray:
    """Counted one patient after another."""
    found = np.zeros(2 * len(EDGES) + 1)
    for t, died in zip(day, event, strict=True):
        at = next((k for k, edge in enumerate(EDGES) if t <= edge), None)
        found[2 * len(EDGES) if at is None else at if died else len(EDGES) + at] += 1
    return found


def cohort(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    death, end = random.exponential(500, n), random.uniform(300, 1500, n)
    return np.ceil(np.minimum(death, end)), death <= end


def test_equals_kaplan_meier_where_nobody_is_lost_before_the_end() -> None:
    day, _ = cohort(np.random.default_rng(1), 80)
    event = np.ones(80, dtype=bool)
    found = noised_survival(cells(day, event), 0.0)
    oracle = KaplanMeierFitter().fit(day, event)
    assert found.survival == pytest.approx([float(oracle.predict(edge)) for edge in EDGES], abs=1e-12)
    assert found.at_risk == pytest.approx([float((day > edge).sum()) for edge in EDGES])
    assert found.events == (day <= EDGES[-1]).sum() and found.patients == 80


def test_the_interval_holds_the_truth_and_the_noise_widens_it() -> None:
    """300 cohorts of 161, the noise of three holders at ε = 4 with three tenths of the budget; expected are 95 %."""
    random, deviation = np.random.default_rng(7), 3.5
    truth = np.exp(-np.array(EDGES) / 500)
    held, shown, wider = np.zeros(4), np.zeros(4), 0
    for _ in range(300):
        bare = cells(*cohort(random, 161))
        noised = noised_survival(bare + np.rint(random.normal(0, deviation, bare.size)), deviation**2)
        exact = noised_survival(bare, 0.0)
        there = np.isfinite(noised.survival)
        shown += there
        held += there & (noised.low <= truth) & (truth <= noised.high)
        wider += noised.high[1] - noised.low[1] > exact.high[1] - exact.low[1]
    assert (held / shown >= 0.92).all() and (shown[:2] == 300).all() and wider > 280


def test_a_curve_ends_where_the_noise_covers_who_is_left_and_never_rises() -> None:
    found = noised_survival([40, 30, 9, 0, 3, 2, 1, 0, 2], 49.0)
    assert np.isfinite(found.survival[:2]).all() and np.isnan(found.survival[2:]).all() and np.isnan(found.at_risk[2:]).all()
    risen = noised_survival([10, -8, 5, 4, 2, 1, 3, 2, 80], 9.0)
    assert (np.diff(risen.survival) <= 0).all() and risen.survival.max() <= 1
    nobody = noised_survival([-2, 1, 0, 0, 1, 0, -1, 0, 0], 9.0)
    assert np.isnan(nobody.survival).all()
