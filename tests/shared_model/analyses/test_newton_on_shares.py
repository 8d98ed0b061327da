"""Newton's public side: how far a step goes, when a fit is given up early, and when it is left to go on."""

from __future__ import annotations

import numpy as np
import pytest

from shared_model.analyses.newton_on_shares import CAP, RANGE, Newton


def steps(*wanted: float) -> Newton:
    newton = Newton(1)
    for one in wanted:
        newton.take(np.array([one]))
    return newton


def test_a_long_step_is_cut_and_one_that_turns_back_is_halved() -> None:
    assert steps(40.0).b == pytest.approx([CAP])
    assert steps(6.0, -8.0).b == pytest.approx([3.0])
    assert steps(6.0, -1.0).b == pytest.approx([5.0])


def test_two_cut_steps_that_lead_far_beyond_the_range_end_a_fit() -> None:
    assert steps(92.0, 2 * RANGE).too_far == [0]
    assert steps(92.0, 8.0).too_far == [], "the first step from equal scores leads anywhere"
    assert steps(92.0).too_far == []
    assert steps(15.0, 12.0, 16.0).too_far == [], "not far beyond: the next steps may turn back"
    assert steps(15.0, 12.0, 16.0, 18.0).too_far == [0], "where it arrives"


def test_a_coefficient_that_grows_by_equal_small_steps_is_found_and_one_on_its_way_is_not() -> None:
    assert steps(2.0, 1.1, 1.05, 1.02, 1.01).growing == [0]
    assert steps(9.0, 9.0, 9.0).growing == []
    assert steps(2.0, 1.0, 0.3, 0.02, 0.0).growing == []


def test_a_fit_far_out_that_cannot_settle_is_given_up() -> None:
    """Three fine steps settle a fit that has the precision it needs."""
    far = (10.0, 10.0, 5.0, 0.3, 0.1, 0.002)
    assert steps(*far).too_far == []
    assert steps(*far, 0.001).too_far == [0]
    assert steps(*far, 0.0001).too_far == []
    assert steps(10.0, 10.0, 5.0, 0.3, -0.11, 0.002).too_far == [0], "turned back, and not settled by the next"
    assert steps(10.0, 10.0, 5.0, 0.3, -0.11, 0.0001).too_far == []
    assert steps(2.0, 0.3, -0.1, 0.002, 0.001).too_far == [], "near the middle another reason is to be found"
