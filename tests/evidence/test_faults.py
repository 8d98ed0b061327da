"""What the command says of faults, and how a play's observation is worded; the plays themselves run end to end."""

from __future__ import annotations

from typing import Any

import pytest

from evidence.faults import faults_of_machines as plays
from evidence.faults import faulty_federation
from evidence.faults.measure import page
from evidence.faults.observed_fault import Observed, commands, ledger_words
from server.study.study_results import LedgerEntry
from simulations.cli import app
from tests.support import run_cli

SEEN = Observed(
    detected_s=20.4,
    told="the coordinator's terminal",
    codes=("FH-702",),
    ledger="training.update retried without hospital-01 FH-702",
    first_end="completed",
    resumed=False,
    label="COMPLETE",
    weights_equal=True,
    next_command="none",
    seconds=60.0,
)


class Empty:
    """A stage on which nothing stands."""

    def __init__(self, *_: Any) -> None:
        self.federation = self
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return lambda: self.done.append(name) or 1.0


@pytest.fixture
def one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faulty_federation, "Stage", Empty)
    monkeypatch.setitem(plays.PLAYS, "site-killed", lambda _stage: SEEN)


@pytest.mark.usefixtures("one")
def test_one_fault_is_played_and_read() -> None:
    ran = run_cli(app, "faults", "site-killed")
    assert ran.status == 0
    for words in ("20.4", "FH-702", "COMPLETE", "equal", "the coordinator's terminal", "training.update retried"):
        assert words in ran.out
    assert run_cli(app, "faults", "site-killed", "--json").data["site-killed"]["weights_equal"] is True


@pytest.mark.usefixtures("one")
def test_different_weights_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    monkeypatch.setitem(plays.PLAYS, "site-killed", lambda _stage: dataclasses.replace(SEEN, weights_equal=False))
    ran = run_cli(app, "faults", "site-killed")
    assert ran.status == 1 and "DIFFER" in ran.out


def test_faults_are_named_and_a_wrong_name_is_answered() -> None:
    listed = run_cli(app, "faults", "--list", "--json").data
    assert set(listed) == set(plays.PLAYS) and all(listed.values())
    assert "site-kiled" in run_cli(app, "faults", "site-kiled").err


def entry(outcome: str, missing: dict[str, str], disturbed: dict[str, str] | None = None) -> LedgerEntry:
    return LedgerEntry(
        time="2026-11-24T18:00:00",
        phase="training",
        round=1,
        statistic="training.update",
        block=0,
        roster=["a", "b"],
        missing=missing,
        outcome=outcome,
        disturbed=disturbed or {},
    )


def test_the_ledger_is_worded_without_repetition() -> None:
    entries = [entry("retried", {"a": "FH-702"})] * 3 + [entry("opened", {}, {"gateway": "FH-722"}), entry("opened", {})]
    assert ledger_words(entries) == "training.update retried without a FH-702 (3×); training.update opened, meanwhile gateway FH-722"


def test_next_commands_are_what_was_printed() -> None:
    printed = "fix: Set the clock (`timedatectl set-ntp true`), then `fedhcc-site run` again.\n`fedhcc-site run`"
    assert commands(printed) == "timedatectl set-ntp true; fedhcc-site run"


def test_the_page_names_what_was_not_played() -> None:
    import dataclasses

    text = page({"site-killed": dataclasses.asdict(SEEN)}, 6, False)
    assert "| 20 s |" in text and "[FH-702](problems/FH-702.md)" in text and "6 site programs" in " ".join(text.split())
    assert any("late-reply" in line for line in text.splitlines() if line.startswith("Not played"))
