"""Every fault in its short form on one loopback federation of six site programs; seed 7, CPU, one thread.

A study that met a fault either completes and its ledger tells of it, or ends loudly with a code and the next command; in
both cases the final weights are, bit for bit, those of the undisturbed run. The long forms (a cut of 90 seconds, the
product's own patience) are evidence: `python -m simulations.evidence.faults`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from simulations.faults.observed import RESUME, Observed
from simulations.faults.plays import PLAYS
from simulations.faults.stage import SMOKE, Stage

pytest.importorskip("grpc_health")
pytestmark = pytest.mark.timeout(1500)

WANTED = {
    "site-killed": {"FH-702"},
    "network-cut": {"FH-702"},
    "superlink-killed": {"FH-706"},
    "server-killed-between": {"FH-723"},
    "server-killed-inside": {"FH-723"},
    "gateway-restarted": {"FH-722"},
    "full-disk": {"FH-914", "FH-716"},
    "clock-off": {"FH-711", "FH-702"},
    "wrong-kit": {"FH-714", "FH-702"},
    "wrong-lock": {"FH-410"},
    "other-version": {"FH-704"},
    "two-with-one-identity": {"FH-713"},
    "late-reply": {"FH-723"},
}
KILLED = {"server-killed-between", "server-killed-inside", "late-reply"}
AT_THE_SITE = {"clock-off": "timedatectl", "wrong-kit": "fedhcc-site join"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The federation, with the undisturbed run played on it."""
    found = Stage(tmp_path_factory.mktemp("faults") / "stage", replace(SMOKE, deadline_s=45.0), seed=7)
    found.federation.start()
    try:
        found.undisturbed()
        yield found
    finally:
        found.close()


def test_every_fault_has_its_expectation() -> None:
    assert set(WANTED) == set(PLAYS)


def ends_told(name: str, seen: Observed) -> None:
    """The ledger tells of the fault, unless nothing was asked; an end without completion names its code and what to do next."""
    assert seen.ledger or name == "wrong-lock", "the ledger tells nothing"
    if seen.first_end == "STALLED":
        assert "FH-716" in seen.codes and "fedhcc-coordinator resume" in seen.next_command
    elif seen.first_end == "killed":
        assert seen.next_command == RESUME
    elif seen.first_end != "completed":
        assert seen.codes and "fedhcc-coordinator" in seen.next_command


@pytest.mark.parametrize("name", PLAYS)
def test_a_study_survives(stage: Stage, name: str) -> None:
    stage.set_back()
    seen = PLAYS[name](stage)
    assert seen.label == "COMPLETE" and seen.weights_equal, seen
    assert WANTED[name] <= set(seen.codes), seen
    assert seen.detected_s is not None and seen.detected_s < 120, "nobody was told"
    assert (seen.first_end == "killed") == (name in KILLED), seen
    assert seen.resumed == (seen.first_end != "completed")
    ends_told(name, seen)
    assert AT_THE_SITE.get(name, "") in seen.next_command
