"""What one patient moves of a hospital's counts (issue O, bar 1), and how much noise they carry."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_model.analyses.noised.noise_budget import UNIT_BITS, ResultsNoise
from shared_model.analyses.noised.noised_cells import MOST, SET, edges_of, level_part, parts_of, summed, survival_part
from shared_model.analyses.patient_slots import PaddedPatients
from shared_model.analyses.phases.table1_slots import counted, sets_of
from shared_model.privacy.epsilon_accounting import epsilon_of, mu_of
from shared_model.privacy.noise_schedule import NoiseSchedule
from shared_model.privacy.opacus_accounts import prv_epsilon
from site_config.study.plan_and_lock import Study
from tests.client.training_support import study_with


def study(results: float = 0.3, sites: int = 8, **dp: object) -> Study:
    fields = {"epsilon": 4.0, "patients": 161, "results": results, **dp}
    listed = [{"name": f"s{k}", "role": "evaluation" if k == 0 else "development"} for k in range(sites)]
    return study_with(
        models=("Rad-S",), training={"rounds": 30}, privacy={"dp": fields, "demonstration": True}, sites=listed, simulated=True
    )


STUDY = study()
NAMES = [one.part.name for one in counted(STUDY)]
LEVEL = st.one_of(st.integers(-2, 9).map(float), st.sampled_from([np.nan, np.inf, 0.5, 1e300]))
PATIENT = st.fixed_dictionaries(
    {"day": st.integers(-5, 10_000), "event": st.booleans(), SET: st.one_of(st.integers(-1, 4).map(float), st.just(np.nan))}
    | dict.fromkeys(NAMES, LEVEL)
)


def people(rows: list[dict[str, float]]) -> PaddedPatients:
    values = {name: np.array([row[name] for row in rows], dtype=float) for name in (SET, *NAMES)}
    return PaddedPatients(
        np.array([row["day"] for row in rows], dtype=np.int64), np.array([row["event"] for row in rows], dtype=bool), values
    )


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(PATIENT, min_size=1, max_size=6), gone=st.integers(0, 5))
def test_a_patient_moves_a_part_by_one_in_one_place_and_is_never_refused(rows: list[dict[str, float]], gone: int) -> None:
    rest = rows[: gone % len(rows)] + rows[gone % len(rows) + 1 :]
    whole, without = summed(parts_of(STUDY), people(rows), 8), summed(parts_of(STUDY), people(rest), 8)
    for name, counts in whole.items():
        moved = counts - without[name]
        assert counts.shape[0] == 8 and not counts[1:].any()
        assert np.abs(moved).sum() <= 1
    together = np.concatenate([(whole[name] - without[name]).reshape(-1) for name in NAMES])
    assert float(np.linalg.norm(together)) <= sqrt(len(NAMES))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(PATIENT, min_size=1, max_size=4))
def test_everybody_of_a_set_with_a_day_is_counted_once(rows: list[dict[str, float]]) -> None:
    part, sets = survival_part(STUDY), len(sets_of(STUDY))
    counted_ = [row["day"] >= 0 and row[SET] in range(sets) for row in rows]
    assert part.of(people(rows)).sum(axis=1).tolist() == [float(one) for one in counted_]


def test_cells_are_those_counted_by_hand() -> None:
    edges = edges_of(STUDY)
    assert edges == (183, 365, 548, 730)
    days = [1, 183, 184, 365, 730, 731, 9999]
    rows = [{"day": day, "event": k % 2 == 0, SET: 2.0, **dict.fromkeys(NAMES, 0.0)} for k, day in enumerate(days)]
    found = summed(parts_of(STUDY), people(rows), 1)["survival"][0].reshape(3, 9)
    assert not found[:2].any()
    assert found[2].tolist() == [1, 1, 0, 1, 1, 1, 0, 0, 2]  # 1 dies, 183 ends | 184 dies, 365 ends | 730 dies | 731, 9999 beyond


def test_a_hospital_too_large_is_held_and_an_unknown_level_is_unknown() -> None:
    n = MOST + 9
    values = {SET: np.zeros(n), **{name: np.full(n, np.nan) for name in NAMES}}
    found = summed(parts_of(STUDY), PaddedPatients(np.full(n, 5), np.ones(n, dtype=bool), values), 1)
    assert found["survival"][0, 0] == MOST
    part = level_part(STUDY, counted(STUDY)[0])
    assert found[part.name][0, part.levels] == MOST and part.bound == MOST


@pytest.mark.parametrize("sites", [8, 14])
@pytest.mark.parametrize("epsilon", [0.5, 4.0, 8.0])
def test_training_and_results_together_cost_what_the_study_declares(sites: int, epsilon: float) -> None:
    one = study(0.25, sites, epsilon=epsilon)
    noise, schedule = ResultsNoise.of(one), NoiseSchedule.of(one, 1)
    assert noise is not None and noise.holders == (3 if sites == 8 else 5) and noise.honest == (2 if sites == 8 else 3)
    whole = mu_of(epsilon, 1e-5) ** 2
    assert 0.2499 * whole <= noise.squared <= 0.25 * whole
    assert schedule.promised**2 + noise.squared <= whole * (1 + 1e-9)
    assert noise.survival_deviation == pytest.approx(sqrt(noise.holders * noise.survival) / 2**UNIT_BITS)
    history = [*schedule.releases, *noise.releases]
    assert prv_epsilon(history, 1e-5) == pytest.approx(epsilon, rel=0.01, abs=0.012)  # its own error is 0.01
    assert epsilon_of(sqrt(schedule.promised**2 + noise.squared), 1e-5) <= epsilon


def test_no_results_no_holders() -> None:
    assert ResultsNoise.of(study(0.0)) is None and ResultsNoise.of(study_with()) is None
