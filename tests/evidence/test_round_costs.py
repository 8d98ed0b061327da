"""What a round costs: where its seconds went adds up, and a cost measurement stops after its last round."""

from __future__ import annotations

import pytest

from evidence.running.flower_round import UPDATE, AskedRound, where_time_goes
from simulations.study.cost_by_hospitals import RoundCost, exponent, metered


def asked_rounds(count: int) -> list[AskedRound]:
    """Rounds of 20 s: keys 1 s, release 12 s, open 2 s, and 5 s of the coordinator's own, two CPU seconds a round."""
    found = []
    for number in range(count):
        start = 100.0 + 20 * number
        for kind, after, took in (("keys", 0.0, 1.0), ("release", 1.5, 12.0), ("open", 14.0, 2.0)):
            cpu = {"coordinator": 2.0 * number}
            found.append(AskedRound(kind, UPDATE, number, 33, start + after, start + after + took, cpu))
    return found


def test_a_round_whose_keys_came_before_it_has_no_seconds_for_them() -> None:
    two = [one for one in asked_rounds(5) if one.kind != "keys" or one.round == 0]
    found = where_time_goes(two, spans(5))
    assert found["rounds"] == 3 and found["all_rounds_s"] == pytest.approx([20.0] * 3)
    assert found["wall_s"]["keys"] == 0.0 and found["wall_s"]["coordinator: sum, step, state"] == pytest.approx(6.0)


def spans(count: int) -> list[dict[str, object]]:
    """Two sites in every round: reached after 3 and 4 s, 5 and 6 s inside, of which a CPU second of masks each."""
    found: list[dict[str, object]] = []
    for number in range(count):
        release = 101.5 + 20 * number
        for reached, inside in ((3.0, 5.0), (4.0, 6.0)):
            found.append({"name": "inside", "began": release + reached, "ended": release + reached + inside, "cpu": 0.1})
            found.append({"name": "masks", "began": release + reached + 1, "ended": release + reached + 2, "cpu": 1.0})
    return found


def test_the_seconds_of_a_round_are_found_where_they_went() -> None:
    found = where_time_goes(asked_rounds(5), spans(5))
    assert found["rounds"] == 3 and found["all_rounds_s"] == pytest.approx([20.0] * 3)
    wall = found["wall_s"]
    assert wall["round"] == pytest.approx(20.0) and wall["keys"] == pytest.approx(1.0) and wall["open"] == pytest.approx(2.0)
    assert wall["down, to the last site"] == pytest.approx(4.0) and wall["up, after the last site answered"] == pytest.approx(2.0)
    assert wall["coordinator: sum, step, state"] == pytest.approx(5.0)
    assert found["cpu_s"] == {"coordinator": 2.0, "all": 2.0} and found["cpu_s_a_site"] == {"masks": 1.0}


def test_steps_are_metered_only_inside_the_block() -> None:
    from shared_model.secure_sum import pairwise_masks

    plain = pairwise_masks.seed_mask
    with metered() as spent:
        assert pairwise_masks.seed_mask is not plain
        pairwise_masks.seed_mask({}, bytes(32), bytes(32), "a")
        assert spent["masks"] >= 0.0 and spent["network"] == 0.0
    assert pairwise_masks.seed_mask is plain


def test_the_exponent_is_the_slope_of_the_logarithms() -> None:
    costs = [RoundCost(n, n, 0.01 * n**2, 0, 0.0, 0.01 * n, {}) for n in (10, 20, 40)]
    assert exponent(costs) == pytest.approx(2.0)
