"""Scans that show the same slices are found, whatever they are called; different scans are not."""

from __future__ import annotations

import numpy as np

from client.intake.slice_fingerprints import shared, slice_prints


def body(seed: int, slices: int = 20) -> np.ndarray:
    return np.random.default_rng(seed).integers(-200, 200, (slices, 64, 64)).astype(np.int16)


def test_a_cut_and_a_copy_share_prints_with_their_source() -> None:
    whole = body(1)
    scans = {("a", "1"): slice_prints(whole), ("b", "1"): slice_prints(whole[5:12]), ("c", "1"): slice_prints(body(2))}
    assert shared(scans) == [(("a", "1"), ("b", "1"), 7)]


def test_air_is_alike_everywhere_and_shares_nothing() -> None:
    air = np.full((10, 64, 64), -1000, dtype=np.int16)
    assert slice_prints(air) == ()


def test_two_equal_slices_are_no_finding() -> None:
    one, two = body(3), body(4)
    two[:2] = one[:2]
    assert shared({("a", "1"): slice_prints(one), ("b", "1"): slice_prints(two)}) == []
