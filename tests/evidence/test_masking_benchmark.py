"""The masking benchmark, small: the same vector as the naive mask, in little memory."""

from __future__ import annotations

from evidence.running.masking import figures


def test_in_place_masks_are_those_of_the_naive_way_in_less_memory():
    found = figures(values=300_000, repeats=1)
    assert found["same_vector"]
    assert found["peak_memory_in_vectors"] <= 2
    assert found["peak_memory_in_vectors"] < found["naive_peak_memory_in_vectors"]
