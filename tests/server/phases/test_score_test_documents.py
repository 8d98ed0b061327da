"""The p beside a C-index: where it was opened, and why it was not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from scipy import stats

from server.phases.on_shares.evaluation_documents import score_p
from server.study.opened_analyses import OpenedAnalyses
from shared_model.analyses.scores.score_test_on_shares import ScoreTestModel

TESTS = {"CLN": np.array([3.9, np.nan, np.nan])}


def asked(name: str, s: int, deaths: float) -> tuple[float | None, OpenedAnalyses]:
    kept = OpenedAnalyses()
    model = SimpleNamespace(score_test=ScoreTestModel("concordance", ("CLN", "Rad-D"), 3), read=("train", "validation", "test"))
    found = score_p(kept, cast("Any", SimpleNamespace(score_tests=TESTS)), cast("Any", model), name, s, deaths)
    return found, kept


def test_an_open_test_is_its_p() -> None:
    found, kept = asked("CLN", 0, 50.0)
    assert found == pytest.approx(stats.chi2.sf(3.9, 1), rel=1e-6) and not kept.closed


@pytest.mark.parametrize(
    ("name", "s", "deaths", "reason", "words"),
    [
        ("CLN", 1, 9.0, "few_events", "fewer than 10 deaths"),
        ("CLN", 1, np.nan, "few_events", "fewer than 10 deaths"),
        ("CLN", 2, 12.0, "not_estimable", "hardly differ"),
        ("Rad-D", 0, 50.0, "not_estimable", "quarters"),
    ],
)
def test_a_closed_one_has_its_reason(name: str, s: int, deaths: float, reason: str, words: str) -> None:
    found, kept = asked(name, s, deaths)
    (one,) = kept.closed
    assert found is None and (one.analysis, one.reason, one.model) == ("score_test", reason, name)
    assert words in one.text and one.set == ("train", "validation", "test")[s]
