"""What going on without some patients costs, as it is said before anything is done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.departure.companions import EVERYBODY, SetCount, companions_each, staying
from server.departure.leave_study import Departure
from site_config.study.plan_and_lock import LeftBehind, Study, StudyLock, StudySite


@pytest.mark.parametrize(("companions", "patients", "closed"), [(2, 60, False), (4, 60, True), (1_000, 60, True), (0, 10, False)])
def test_a_set_that_may_become_too_small_is_named(companions: int, patients: int, closed: bool) -> None:
    sites = tuple(StudySite(name=f"hospital-{n:02d}", role="evaluation") for n in range(12))
    study = Study(title="t", models=("CLN",), sites=(StudySite(name="training", role="development"), *sites))
    leaving = LeftBehind.model_construct(gone=("hospital-00",), companions={"test": companions})
    lock = StudyLock.model_construct(study=study, leaving=leaving)
    said = Departure(lock, {"test": SetCount(12, patients)}, {}, opened=True).words()
    assert any("its results would stay closed" in line for line in said) == closed
    if companions == 4:
        assert any("as few as 12 may be left; of fewer than 20" in line for line in said)


@given(
    sites=st.lists(st.integers(1, 9), min_size=1, max_size=60),
    least=st.integers(5, 30),
)
def test_companions_leave_enough_and_leave_enough_behind_where_both_can_be(sites: list[int], least: int) -> None:
    """Never none where somebody may have left; and no larger number than would do where it would close the set."""
    count = SetCount(len(sites), sum(sites))
    each = companions_each(count, least)
    if count.patients < least:
        assert each == 0
        return
    assert each >= 1
    if count.patients - count.left_by(each) < least and each > 1:
        fewer = SetCount(count.sites, count.patients).left_by(each - 1)
        mean = count.patients / count.sites
        expected = count.sites * mean * (1 - (1 - 1 / mean) ** (each - 1))
        assert min(fewer, expected) < least or each == EVERYBODY, "one less of each hospital would have done"


def test_a_small_held_out_set_keeps_enough_patients() -> None:
    """Fifteen hospitals with sixty patients: three of each might leave fifteen, two of each leave thirty."""
    assert companions_each(SetCount(15, 60), 20) == 2
    assert companions_each(SetCount(37, 200), 20) == 1
    assert staying("test", SetCount(15, 60), {"hospital-40": "evaluation"}) == SetCount(14, 56)
