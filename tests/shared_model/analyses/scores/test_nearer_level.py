"""Between which ends far scores are counted."""

from __future__ import annotations

from shared_model.analyses.scores.nearer_level import DISTANCE, nearer_ends
from shared_model.analyses.scores.score_levels import WIDTHS


def test_ends_are_a_declared_distance_from_the_median_and_never_wider_than_the_range() -> None:
    low, high = nearer_ends((-40.0, 40.0), 1.0, (0.5, 1.5))
    assert 1.0 - low == high - 1.0 and 1.0 - low in WIDTHS
    assert DISTANCE <= (1.0 - low) * 1.349 < DISTANCE * 2**0.5
    assert nearer_ends((-1.0, 40.0), 1.0, (0.5, 1.5)) == (-1.0, high)


def test_quartiles_that_do_not_tell_move_nothing() -> None:
    for quarters in ((None, 1.0), (1.0, None), (1.0, 1.0)):
        assert nearer_ends((-40.0, 40.0), 1.0, quarters) == (-40.0, 40.0)
