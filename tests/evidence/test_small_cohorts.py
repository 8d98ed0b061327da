"""Small and odd cohorts: a fixed sample of the evidence's two hundred, every kind among them."""

from __future__ import annotations

import pytest

from evidence.accuracy.small_cohorts import FIRST, KINDS, outcome

SAMPLE = range(FIRST + 30, FIRST + 30 + 2 * len(KINDS))


@pytest.mark.parametrize("seed", SAMPLE)
def test_an_odd_cohort_ends_right_or_in_a_numbered_finding(seed: int) -> None:
    """Every number of every opening is held against its proved range on the way (`PlainArithmetic.watch`)."""
    found = outcome(seed)
    assert not found.wrong
    assert found.compared or found.findings
    assert all(code.startswith("FH-") for code in found.findings)
