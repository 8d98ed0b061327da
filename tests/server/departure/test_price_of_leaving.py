"""What going on without some patients costs, as it is said before anything is done."""

from __future__ import annotations

import pytest

from server.departure.leave_study import Departure, SetCount
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
