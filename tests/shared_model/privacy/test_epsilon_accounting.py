"""ε of known schedules, by the closed form and by Opacus; and a canary that mutants do not survive (issue O, bar 2)."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from shared_model.privacy.discrete_gaussian import discrete_gaussian
from shared_model.privacy.epsilon_accounting import composed, delta_of, epsilon_of, mu_of, outcome_auc
from shared_model.privacy.noise_on_statistics import NoiseShare
from shared_model.privacy.noise_schedule import NoiseSchedule
from shared_model.privacy.opacus_accounts import planned_multiplier, prv_epsilon, rdp_epsilon
from shared_model.privacy.price_in_words import price_lines, signal_line
from site_config.study.plan_and_lock import Study
from tests.client.training_support import study_with
from tests.shared_model.privacy.test_noise import seeded

DELTA = 1e-5
RUNS, ROUNDS, HONEST = 500, 10, 4


def private_study(**dp: object) -> Study:
    fields: dict[str, object] = {"epsilon": 4.0, "patients": 161, **dp}
    return study_with(models=("Rad-S",), training={"rounds": 30}, privacy={"dp": fields})


@pytest.mark.parametrize(("multiplier", "releases"), [(5.92, 30), (1.0, 1), (12.0, 200), (20.0, 30)])
def test_closed_form_and_prv_agree_to_a_percent(multiplier: float, releases: int) -> None:
    epsilon = epsilon_of(sqrt(releases) / multiplier, DELTA)
    assert prv_epsilon([(multiplier, releases)], DELTA) == pytest.approx(epsilon, rel=0.01)
    assert epsilon <= rdp_epsilon([(multiplier, releases)], DELTA) <= 1.6 * epsilon


def test_the_closed_form_is_the_integral() -> None:
    """δ(ε) = ∫ max(0, p − e^ε q) for two normal densities μ apart, by brute force."""
    for mu, epsilon in ((0.5, 0.7), (1.0, 2.0), (3.0, 4.0)):
        x = np.linspace(-15, 20, 400_001)
        excess = np.maximum(stats.norm.pdf(x, mu) - np.exp(epsilon) * stats.norm.pdf(x), 0.0)
        assert delta_of(epsilon, mu) == pytest.approx(float(np.trapezoid(excess, x)), rel=1e-5)
        assert epsilon_of(mu, delta_of(epsilon, mu)) == pytest.approx(epsilon, rel=1e-6)


def test_opacus_plans_the_same_noise() -> None:
    assert planned_multiplier(4.0, DELTA, 30) == pytest.approx(sqrt(30) / mu_of(4.0, DELTA), rel=0.01)
    assert prv_epsilon([], DELTA) == 0.0


def test_the_bounds_of_the_outcome() -> None:
    found = [outcome_auc(mu_of(epsilon, DELTA)) for epsilon in (0.5, 1, 2, 4, 8)]
    assert found == pytest.approx([0.58, 0.65, 0.76, 0.905, 0.99], abs=0.005)


@pytest.mark.parametrize("placement", ["distributed", "local"])
@pytest.mark.parametrize("blocks", [1, 3])
def test_a_schedule_keeps_the_promise_of_its_study(placement: str, blocks: int) -> None:
    schedule = NoiseSchedule.of(private_study(placement=placement, honest=3), blocks)
    assert epsilon_of(schedule.promised, DELTA) == pytest.approx(4.0, rel=1e-4)
    assert epsilon_of(schedule.promised, DELTA) <= 4.0
    alone = schedule.epsilon(secure_sum=False)
    assert alone == pytest.approx(4.0, rel=1e-4) if placement == "local" else alone > 7.0


def test_the_signal_is_the_measured_one() -> None:
    """FACTS: 1.2 for the 529-parameter head, 0.15 with the recurrent layers, 0.01 for everything, at 161 patients."""
    study = private_study()
    schedule = NoiseSchedule.of(study, 1)
    found = [schedule.signal_to_noise(size, 161) for size in (529, 34_000, 8_100_000)]
    assert found == pytest.approx([1.12, 0.14, 0.009], rel=0.05)
    assert "drowns" in signal_line(study, 1, 34_000) and "529" in signal_line(study, 1, 529)
    assert any("7.6" in line for line in price_lines(study, 1))
    assert price_lines(study_with(), 1) == []


def canary(study_share: NoiseShare, *, shares: int, clip: bool = True) -> tuple[float, float]:
    """Mean shift (99 % lower limit) of everything opened with a patient of a gradient three times the norm against without, and μ."""
    direction = np.zeros(4)
    direction[1] = 3.0
    own = study_share.part(direction) if clip else np.trunc(direction / study_share.unit).astype(np.int64)
    statistic = []
    for present in (0, 1):
        drawn = np.zeros((RUNS, ROUNDS))
        for share in range(shares):
            stream = seeded(f"canary {present} {share}")
            drawn += discrete_gaussian(stream, study_share.variance, RUNS * ROUNDS).reshape(RUNS, ROUNDS)
        statistic.append((drawn + present * own[1]).sum(axis=1) / sqrt(ROUNDS))
    spread = sqrt((statistic[0].var(ddof=1) + statistic[1].var(ddof=1)) / 2)
    shift = (statistic[1].mean() - statistic[0].mean()) / spread
    error = sqrt(2 / RUNS + shift**2 / (4 * RUNS))
    return shift - stats.norm.ppf(0.99) * error, composed([study_share.norm / (2.0 * study_share.norm)] * ROUNDS)


def test_a_gradient_canary_is_within_the_account_and_mutants_are_not() -> None:
    """Noise of multiplier 2 over HONEST shares: μ = √10/2."""
    share = NoiseShare.of(1.0, 2.0 / sqrt(HONEST))
    lower, mu = canary(share, shares=HONEST)
    assert mu == pytest.approx(sqrt(ROUNDS) / 2)
    assert lower <= 1.05 * mu
    assert canary(share, shares=HONEST)[0] > 0.8 * mu  # and the canary does sing
    halved = share.model_copy(update={"variance": share.variance // 4})
    assert canary(halved, shares=HONEST)[0] > 1.05 * mu
    assert canary(share, shares=HONEST // 2)[0] > 1.05 * mu
    assert canary(share, shares=HONEST, clip=False)[0] > 1.05 * mu
