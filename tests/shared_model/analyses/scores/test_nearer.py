"""Between which ends far scores are counted."""

from __future__ import annotations

import numpy as np

from shared_model.analyses.scores.levels import WIDTHS
from shared_model.analyses.scores.nearer import ends_at, nearer_ends


def test_ends_are_a_declared_distance_from_the_median_and_never_wider_than_the_range() -> None:
    low, high = ends_at((-40.0, 40.0), 1.0, (0.5, 1.5), 6.0)
    assert 1.0 - low == high - 1.0 and 1.0 - low in WIDTHS
    assert 6.0 <= (1.0 - low) / (1.0 / 1.349) < 6.0 * 2**0.5
    assert ends_at((-2.0, 40.0), 1.0, (0.5, 1.5), 6.0) == (-2.0, high)


def test_quartiles_that_do_not_tell_move_nothing() -> None:
    for quarters in ((None, 1.0), (1.0, None), (1.0, 1.0)):
        assert ends_at((-40.0, 40.0), 1.0, quarters, 6.0) == (-40.0, 40.0)


def test_the_nearer_distance_is_taken_where_the_farther_one_leaves_no_room() -> None:
    ranges, centres, quarters = {"a": (-8.0, 8.0)}, {"a": 0.0}, {"a": (-0.5, 0.5)}
    far = nearer_ends({"a": (-32.0, 32.0)}, centres, quarters, np.array([33.0]))
    near = nearer_ends(ranges, centres, quarters, np.array([33.0]))
    assert far["a"] == ends_at((-32.0, 32.0), 0.0, (-0.5, 0.5), 6.0)
    assert near["a"] == ends_at(ranges["a"], 0.0, (-0.5, 0.5), 3.0)
