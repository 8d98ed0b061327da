"""Who the simulated patients are and when they die."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulations.cohort.simulated_patients import (
    BINARY_COUNTS,
    COEFFICIENTS,
    ENTRY_DAY,
    SurvivalOptions,
    concordance,
    ragged_sizes,
    simulate,
    solve_clock,
)

PAPER = SurvivalOptions()


def test_the_paper_cohort_has_the_stated_marginals_exactly_where_they_are_counts():
    population = simulate(PAPER, 3)
    patients = population.patients
    assert len(patients) == 207
    assert len(population.sites) == 52
    assert sum(role == "development" for role in population.roles.values()) == 37
    assert sum(patient.role == "evaluation" for patient in patients) == 46
    assert sum(patient.male for patient in patients) == 180
    assert {name: sum(p.clinical[name] for p in patients) for name in BINARY_COUNTS} == BINARY_COUNTS
    grades = [patient.clinical["differentiation"] for patient in patients]
    assert [grades.count(grade) for grade in range(4)] == [29, 154, 23, 1]


def test_events_median_age_and_interval_are_those_declared_within_sampling_error():
    many = [patient for seed in range(12) for patient in simulate(PAPER, seed).patients]
    n = len(many)
    assert np.mean([p.event for p in many]) == pytest.approx(138 / 207, abs=3 * np.sqrt(0.22 / n))
    assert np.mean([p.age for p in many]) == pytest.approx(61, abs=0.8)
    assert np.std([p.age for p in many]) == pytest.approx(12, abs=0.6)
    assert np.median([p.followup_day - p.baseline_day for p in many]) == pytest.approx(55, abs=1)
    from lifelines import KaplanMeierFitter

    found = KaplanMeierFitter().fit([p.event_day for p in many], [p.event for p in many]).median_survival_time_
    assert found == pytest.approx(475, abs=30)


def test_nobody_dies_before_the_follow_up_scan_that_lets_one_enter():
    for patient in simulate(PAPER, 5).patients:
        assert patient.baseline_day <= 0 < patient.followup_day <= ENTRY_DAY < patient.event_day


def test_a_cox_model_of_a_large_cohort_gives_back_the_coefficients():
    from lifelines import CoxPHFitter
    from pandas import DataFrame

    population = simulate(SurvivalOptions(patients=(4000, 0), sites=(40, 0), image_effect=0.0, skew=0.6), 1)
    table = DataFrame([{**p.clinical, "day": p.event_day, "event": p.event} for p in population.patients])
    fitted = CoxPHFitter().fit(table, "day", "event")
    for name, true in COEFFICIENTS.items():
        assert abs(fitted.params_[name] - true) < 4 * fitted.standard_errors_[name]


def test_skew_makes_hospitals_differ_and_leaves_the_patients_alone():
    def spread(skew: float) -> float:
        sites = simulate(replace(PAPER, skew=skew), 9).sites.values()
        return float(np.std([np.mean([p.linear_predictor for p in site]) for site in sites if len(site) > 2]))

    assert spread(0.9) > 1.8 * spread(0.0)
    plain, skewed = simulate(replace(PAPER, skew=0.0), 9), simulate(replace(PAPER, skew=0.9), 9)
    assert sorted(p.event_day for p in plain.patients) == sorted(p.event_day for p in skewed.patients)


def test_the_same_seed_gives_the_same_patients_and_another_seed_others():
    assert simulate(PAPER, 4).sites == simulate(PAPER, 4).sites
    assert simulate(PAPER, 4).sites != simulate(PAPER, 5).sites


def test_the_oracle_rises_with_the_effect():
    reached = [simulate(SurvivalOptions(patients=(1500, 0), sites=(10, 0), image_effect=e), 1).oracle().c_index for e in (0.0, 0.7, 1.5)]
    assert reached == sorted(reached)
    assert 0.58 < reached[0] < 0.68
    assert reached[2] > 0.78


def test_concordance_agrees_with_lifelines():
    from lifelines.utils import concordance_index

    rng = np.random.default_rng(0)
    score, day, event = rng.normal(size=80).round(1), rng.integers(1, 40, 80).astype(float), rng.uniform(size=80) < 0.6
    # lifelines counts pairs of two events on one day as half right; ours drops them, so days of events are made unique.
    day[event] += np.linspace(0.01, 0.5, event.sum())
    assert concordance(score, day, event) == pytest.approx(concordance_index(day, -score, event), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(sites=st.integers(1, 60), extra=st.integers(0, 200), lone=st.integers(0, 60), seed=st.integers(0, 99))
def test_sizes_are_ragged_complete_and_never_empty(sites: int, extra: int, lone: int, seed: int):
    sizes = ragged_sizes(np.random.default_rng(seed), sites, sites + extra, lone)
    assert len(sizes) == sites
    assert sum(sizes) == sites + extra
    assert min(sizes) >= 1
    assert sum(size == 1 for size in sizes) >= min(lone, sites - 1)


def test_sizes_keep_to_a_largest_hospital_and_refuse_what_cannot_be():
    assert max(ragged_sizes(np.random.default_rng(0), 52, 207, 3, 8)) <= 8
    with pytest.raises(ValueError, match="cannot be dealt"):
        ragged_sizes(np.random.default_rng(0), 5, 4, 0)


def test_the_clock_solves_median_and_events_for_other_wishes():
    clock = solve_clock(SurvivalOptions(median_days=300.0, event_fraction=0.5, image_effect=1.0))
    population = simulate(SurvivalOptions(patients=(4000, 0), sites=(4, 0), median_days=300.0, event_fraction=0.5, image_effect=1.0), 2)
    assert clock.scale > 0
    assert np.mean([p.event for p in population.patients]) == pytest.approx(0.5, abs=0.03)
