"""The days at which curves are opened, beside horizons as studies write them and beside the cuts of training hazards."""

from __future__ import annotations

from itertools import pairwise
from math import floor

import pytest

from shared_model.analyses.groups.declared_days import grid
from shared_model.statistics.day_grids import training_cuts
from site_config.study.plan_and_lock import Training


@pytest.mark.parametrize("last", [29, 30, 364, 365, 730, 1900, 3999, 11_999])
def test_every_month_once_and_none_beyond_the_last_day(last: int) -> None:
    days = grid(1, last)
    assert all(20 <= after - before <= 40 for before, after in pairwise((0, *days)))
    assert last - 40 < (days[-1] if days else 0) <= last
    for months in (3, 6):
        assert set(grid(months, last)) == set(days[months - 1 :: months])


def test_years_are_the_horizons_that_studies_write() -> None:
    assert {365 * year for year in range(1, 11)} <= set(grid(1, 3999))


@pytest.mark.parametrize("intervals", [8, 16])
def test_no_point_lies_a_day_or_two_beside_a_cut_of_the_training_hazard(intervals: int) -> None:
    """Deaths until a cut are opened by block, those until a point by set: of the days between, both would tell."""
    cuts = [floor(cut) for cut in training_cuts(Training(intervals=intervals))]
    assert set(cuts) <= set(grid(1, 3999))
