"""Random faults are drawn by their seed alone, and cover every role and action."""

from __future__ import annotations

from evidence.faults.random_faults import ACTIONS, MOST_FAULTS, ROLES, drawn, seeds_of


def test_a_seed_is_a_play() -> None:
    assert drawn(11, 8, 6) == drawn(11, 8, 6) != drawn(12, 8, 6)
    for seed in range(40):
        faults = drawn(seed, 8, 6)
        assert 1 <= len(faults) <= MOST_FAULTS and faults == sorted(faults, key=lambda one: (one.after_round, one.seconds_later))
        assert all(1 <= one.after_round < 8 and 0 <= one.hospital < 6 for one in faults)


def test_forty_seeds_meet_every_role_with_every_action() -> None:
    seen = {(one.role, one.action) for seed in range(1, 41) for one in drawn(seed, 8, 6)}
    assert len(seen) >= len(ROLES) * len(ACTIONS) - 1


def test_seeds_are_ranges_and_lists() -> None:
    assert seeds_of("1-3,9") == [1, 2, 3, 9]
