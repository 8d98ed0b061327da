"""The broadcast hazard and its loss against the pooled partial likelihood (bar 1)."""

import numpy as np
import pytest
import torch
from hypothesis import given

from shared_model.survival.broadcast_hazard import (
    day_sums,
    exposures,
    hazard_from_dict,
    interval_of,
    log_rates,
    next_centre,
    piecewise_hazard,
    piecewise_loglik,
    piecewise_sums,
    step_hazard,
)
from shared_model.survival.training_loss import broadcast_loss, local_risk_set_loss
from tests.shared_model.survival.survival_data import federations, lung

CUTS = (91.0, 182.0, 365.0, 730.0)


def pooled_negative_loglik(score, day, event, ties):
    """Written from the definition, patient by patient: the oracle."""
    total = torch.zeros((), dtype=torch.float64)
    for when in np.unique(day[event]):
        risk = torch.exp(score[torch.as_tensor(day >= when)]).sum()
        dead = score[torch.as_tensor((day == when) & event)]
        mass = torch.exp(dead).sum()
        for order in range(len(dead)):
            share = order / len(dead) if ties == "efron" else 0.0
            total = total + torch.log(risk - share * mass)
        total = total - dead.sum()
    return total


def sums_over_sites(score, day, event, site, n_days, centre):
    parts = [day_sums(score[site == s], day[site == s], event[site == s], n_days, centre) for s in range(site.max() + 1)]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


@pytest.mark.parametrize("ties", ["efron", "breslow"])
@given(federation=federations())
def test_gradient_is_the_pooled_partial_likelihoods_with_batches_of_one(ties, federation):
    score, day, event, site = federation
    centre = float(np.log(np.mean(np.exp(score))))
    hazard = step_hazard(sums_over_sites(score, day, event, site, int(day.max()) + 1, centre), ties, centre)
    whole = torch.tensor(score, dtype=torch.float64, requires_grad=True)
    pooled_negative_loglik(whole, day, event, ties).backward()
    per_patient = []
    for i in range(len(score)):
        mine = torch.tensor(score[i : i + 1], dtype=torch.float64, requires_grad=True)
        h = torch.tensor(hazard.for_patients(day[i : i + 1], event[i : i + 1]))
        broadcast_loss(mine, h, torch.tensor(event[i : i + 1]), centre=centre, broadcast_score=mine.detach()).sum().backward()
        per_patient.append(float(mine.grad))
    np.testing.assert_allclose(per_patient, whole.grad.numpy(), atol=1e-10)


@given(federation=federations())
def test_broadcast_loss_is_a_tangent_upper_bound(federation):
    """Breslow: Σ loss − its value at the broadcast point lies above the pooled likelihood's change, wherever scores go."""
    score, day, event, site = federation
    hazard = step_hazard(sums_over_sites(score, day, event, site, int(day.max()) + 1, 0.0), "breslow")
    h = torch.tensor(hazard.for_patients(day, event))
    start = torch.tensor(score, dtype=torch.float64)
    rng = np.random.default_rng(len(score))
    for scale in (0.01, 0.5, 1.5):
        moved = start + scale * torch.tensor(rng.normal(size=len(score)))
        rise = [broadcast_loss(s, h, torch.tensor(event), centre=0.0).sum() for s in (start, moved)]
        pooled = [pooled_negative_loglik(s, day, event, "breslow") for s in (start, moved)]
        assert float(rise[1] - rise[0]) >= float(pooled[1] - pooled[0]) - 1e-9


@given(federation=federations())
def test_piecewise_loss_majorises_the_profile_likelihood(federation):
    """−profile log-likelihood is bounded by the separable loss at the frozen rates, with equality and equal slope at the start."""
    score, day, event, _ = federation
    day = day + 1.0  # an event at day 0 would stand in an interval nobody was exposed in
    sums = piecewise_sums(score, day, event, CUTS, 0.0)
    hazard = piecewise_hazard(sums.mass, sums.deaths, CUTS, 0.0)
    h = torch.tensor(hazard.cumulative(day))

    def surrogate(s):
        return float(broadcast_loss(torch.tensor(s), h, torch.tensor(event), centre=0.0).sum())

    def profile(s):
        return -piecewise_loglik(piecewise_sums(s, day, event, CUTS, 0.0), float(s[event].sum()), 0.0)

    rng = np.random.default_rng(len(score))
    for scale in (1e-6, 0.3, 1.5):
        moved = score + scale * rng.normal(size=len(score))
        gap = (surrogate(moved) - surrogate(score)) - (profile(moved) - profile(score))
        assert gap >= -1e-9
        if scale == 1e-6:
            assert gap < 1e-9 * len(score)


def test_exposures_sum_to_follow_up_and_deaths_fall_in_their_interval():
    day = np.array([0.0, 1.0, 91.0, 91.5, 5000.0])
    e = exposures(day, CUTS)
    np.testing.assert_allclose(e.sum(axis=1), day)
    assert interval_of(day, CUTS).tolist() == [0, 0, 0, 1, 4]
    assert (e[np.arange(1, 5), interval_of(day, CUTS)[1:]] > 0).all()
    with pytest.raises(ValueError, match="increasing"):
        exposures(day, (90.0, 90.0))


def test_scores_of_a_thousand_stay_finite_and_right():
    data = lung()
    score = np.where(np.arange(len(data.day)) % 2, 1000.0, -1000.0)
    sums = piecewise_sums(score, data.day, data.event, CUTS, 1000.0)
    high = score > 0
    np.testing.assert_allclose(sums.mass, exposures(data.day[high], CUTS).sum(axis=0))
    hazard = piecewise_hazard(sums.mass, sums.deaths, CUTS, 1000.0)
    for kind in (torch.float32, torch.float64):
        f = torch.tensor(score, dtype=kind, requires_grad=True)
        loss = broadcast_loss(f, torch.tensor(hazard.cumulative(data.day)), torch.tensor(data.event), centre=1000.0)
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(f.grad).all()
        np.testing.assert_allclose(f.grad.numpy()[~high], -data.event[~high].astype(float), atol=1e-6)


def test_a_score_far_above_its_broadcast_value_has_a_bounded_gradient():
    f = torch.tensor([500.0], requires_grad=True)
    loss = broadcast_loss(f, torch.tensor([0.5]), torch.tensor([False]), centre=0.0, broadcast_score=torch.tensor([0.0]), step_limit=2.0)
    loss.backward()
    assert float(f.grad[0]) == pytest.approx(0.5 * np.exp(2.0), rel=1e-5)


def test_no_hazard_means_no_gradient_from_survival():
    f = torch.tensor([1.0, 2.0], requires_grad=True)
    loss = broadcast_loss(f, torch.tensor([0.0, 0.0]), torch.tensor([True, False]), centre=0.0, broadcast_score=f.detach())
    loss.sum().backward()
    assert f.grad.tolist() == [-1.0, 0.0]


def test_a_site_without_patients_adds_nothing():
    nothing = (np.zeros(0), np.zeros(0), np.zeros(0, dtype=bool))
    assert piecewise_sums(*nothing, CUTS, 0.0).mass.tolist() == [0.0] * 5
    assert day_sums(*nothing, 10, 0.0).mass.tolist() == [0.0] * 10


def test_hazards_survive_a_broadcast():
    data = lung()
    score = data.x[:, 0] / 50
    sums = piecewise_sums(score, data.day, data.event, CUTS, 0.3)
    pieces = [
        piecewise_hazard(sums.mass, sums.deaths, CUTS, 0.3),
        step_hazard(day_sums(score, data.day, data.event, data.n_days, 0.3), "efron", 0.3),
    ]
    for hazard in pieces:
        again = hazard_from_dict(hazard.as_dict())
        np.testing.assert_array_equal(again.for_patients(data.day, data.event), hazard.for_patients(data.day, data.event))
        assert again.centre == 0.3


def test_next_centre_makes_expected_events_average_to_events():
    data = lung()
    score = 40 + data.x[:, 0] / 50
    sums = piecewise_sums(score, data.day, data.event, CUTS, 0.0)
    centre = next_centre(sums, 0.0)
    again = piecewise_sums(score, data.day, data.event, CUTS, centre)
    assert again.mass.sum() == pytest.approx(data.event.sum())


def test_local_risk_sets_say_nothing_about_a_single_patient():
    assert float(local_risk_set_loss(torch.tensor([3.0]), torch.tensor([10.0]), torch.tensor([True]))) == 0.0


def test_the_validation_loss_is_the_training_loss_on_the_training_patients():
    """One scale: Σ e^(f−c) H − δ (f − c + log h) over the patients the hazard was made of is the negative profile likelihood."""
    data = lung()
    score, day, event, centre = 0.02 * data.x[:, 0], data.day, data.event, 0.3
    sums = piecewise_sums(score, day, event, CUTS, centre)
    hazard = piecewise_hazard(sums.mass, sums.deaths, CUTS, centre)
    terms = np.exp(score - centre) * hazard.for_patients(day, event) - event * (score - centre + log_rates(hazard, day))
    assert float(terms.sum()) == pytest.approx(-piecewise_loglik(sums, float(score[event].sum()), centre), rel=1e-12)


def test_nobody_died_in_an_interval_is_no_infinite_loss():
    hazard = piecewise_hazard([10.0, 10.0], [0.0, 2.0], (100.0,), 0.0)
    assert np.isfinite(log_rates(hazard, [50.0, 150.0])).all()
