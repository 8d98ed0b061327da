"""Rows on shares: a hospital that says no is asked three times and not until the deadline; one that is silent is waited for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from server.asking.ask_on_shares import ROWS, SharedComputation
from server.link.transport import Failure
from server.study.resume_state import StudyFolder
from site_config.problems import federation, privacy
from site_config.problems import shares as problems
from site_config.problems.base import Problem

DEADLINE_S = 600.0


class Office:
    """An asker whose clock moves only when somebody waits, and what it wrote down."""

    def __init__(self) -> None:
        self.now, self.written = 0.0, list[tuple[str, str]]()
        self.effects = SimpleNamespace(monotonic=lambda: self.now, sleep=self._sleep, should_stop=lambda: False)
        study = SimpleNamespace(shares=SimpleNamespace(slots=8), deadlines=SimpleNamespace(pause=0.0))
        self.lock = SimpleNamespace(study=study, holders=("a", "b", "c"))

    def _sleep(self, seconds: float) -> None:
        self.now += seconds

    def exchange(self, *_words: Any) -> Any:
        raise AssertionError("nobody rests")

    def check_stop(self) -> None:
        return

    def write(self, _phase: str, what: str, _roster: Any, outcome: str, *_more: Any, **_named: Any) -> None:
        self.written.append((what, outcome))

    def stalled(self, missed: Any, phase: str) -> Problem:
        return federation.STUDY_STALLED.problem(f"{phase}: {missed.missing}")


def ask(tmp_path: Any, part: str, code: str) -> Office:
    """Ask for a part of which one hospital always answers with a code, until the study stalls."""
    office = Office()
    plan = SimpleNamespace(phase="clinical", parts=())
    what: Any = SimpleNamespace(plan=plan, sites=("a", "b"), state={}, earlier=())
    computation = SharedComputation(office, StudyFolder(tmp_path / "office" / "studies" / "s" / "run"), what)  # type: ignore[arg-type]
    with pytest.raises(Problem, match="FH-716"):
        computation._until(DEADLINE_S, part, ("a", "b"), lambda _left: {"b": Failure(code, part)})
    return office


@pytest.mark.parametrize("kind", [problems.ROW_OUT_OF_RANGE, privacy.SITE_CANNOT_RELEASE])
def test_a_hospital_that_says_no_three_times_is_not_asked_again(tmp_path: Any, kind: Any) -> None:
    office = ask(tmp_path, ROWS, kind.label)
    assert [outcome for _, outcome in office.written] == ["retried", "retried", "refused"]
    assert office.now < 10


@pytest.mark.parametrize(("part", "code"), [(ROWS, federation.SITE_SILENT.label), ("steps", problems.ROW_OUT_OF_RANGE.label)])
def test_who_is_silent_is_waited_for_and_holders_begin_anew(tmp_path: Any, part: str, code: str) -> None:
    office = ask(tmp_path, part, code)
    assert office.written[-1] == (f"shares.{part}", "missed") and office.now > DEADLINE_S - 10
