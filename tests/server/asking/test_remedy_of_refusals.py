"""A stall says what helps: who is away comes back, who refuses does not by waiting."""

from __future__ import annotations

import pytest

from server.asking.hospital_refusals import remedy_of_refusals
from site_config.problems import federation, privacy


@pytest.mark.parametrize("codes", [["FH-507"], ["FH-511", "FH-507", "FH-511"]])
def test_hospitals_that_refuse_are_not_to_be_brought_back(codes: list[str]) -> None:
    stalled = federation.STUDY_STALLED.problem("phase clinical: missing", **remedy_of_refusals(codes))
    assert all(f"`fedhcc-coordinator problem {code}`" in stalled.fix for code in codes)
    assert "waiting does not help" in stalled.why and "Bring" not in stalled.fix


@pytest.mark.parametrize("codes", [[], ["FH-703"], ["FH-511", "FH-703"], [privacy.ATTEMPT_SPENT.label]])
def test_where_one_is_away_it_is_brought_back_first(codes: list[str]) -> None:
    assert federation.STUDY_STALLED.problem("phase clinical: missing", **remedy_of_refusals(codes)).fix == federation.STUDY_STALLED.fix
