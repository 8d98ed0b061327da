"""Every fault in its short form on a loopback federation of six site programs; seed 7, CPU, one thread.

A study that met a fault either completes and its ledger tells of it, or ends loudly with a code and the next command; in
both cases the final weights are, bit for bit, those of the undisturbed run. The long forms (a cut of 90 seconds, the
product's own patience) are evidence: `python -m evidence.faults.measure`.
"""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from evidence.faults.faults_of_machines import PLAYS
from evidence.faults.faulty_federation import SMOKE, Stage
from evidence.faults.observed_fault import RESUME, Observed, in_ledger

LIMIT_S = 1500
DEADLINE_S = 120.0
MACHINES = {
    "site-killed": {"FH-702"},
    "network-cut": {"FH-702"},
    "superlink-killed": {"FH-706"},
    "server-killed-between": {"FH-723"},
    "server-killed-inside": {"FH-723"},
    "gateway-restarted": {"FH-722"},
    "full-disk": {"FH-914"},
}
PEOPLE = {
    "clock-off": {"FH-711", "FH-702"},
    "wrong-kit": {"FH-714", "FH-702"},
    "wrong-lock": {"FH-410"},
    "other-version": {"FH-704"},
    "two-with-one-identity": {"FH-713"},
    "late-reply": {"FH-723"},
}
WANTED = MACHINES | PEOPLE
KILLED = {"server-killed-between", "server-killed-inside", "late-reply"}
AT_THE_SITE = {"clock-off": "timedatectl", "wrong-kit": "fedhcc-site join"}


@contextmanager
def small_stage(folder: Path) -> Iterator[Stage]:
    """A running federation, with the undisturbed run played on it."""
    stage = Stage(folder / "stage", replace(SMOKE, deadline_s=DEADLINE_S), seed=7)
    stage.federation.start()
    try:
        stage.undisturbed()
        yield stage
    finally:
        stage.close()


def play(stage: Stage, name: str) -> None:
    """Play one fault, and hold what was seen against what a user must notice."""
    stage.set_back()
    if name == "full-disk":
        threading.Thread(target=_space_in_time, args=(stage,), daemon=True).start()
    seen = PLAYS[name](stage)
    assert seen.label == "COMPLETE" and seen.weights_equal, seen
    assert WANTED[name] <= set(seen.codes), seen
    assert seen.detected_s is not None and seen.detected_s < 120, "nobody was told"
    assert (seen.first_end == "killed") == (name in KILLED), seen
    assert seen.resumed == (seen.first_end != "completed")
    assert AT_THE_SITE.get(name, "") in seen.next_command
    _ends_told(name, seen)


def _space_in_time(stage: Stage) -> None:
    """Somebody frees the disk once it is told, long before the deadline, so that a test need not wait for a stall."""
    stage.until(in_ledger(stage), limit_s=DEADLINE_S)
    for process in stage.processes():
        hard = resource.prlimit(process, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(process, resource.RLIMIT_FSIZE, (hard, hard))


def _ends_told(name: str, seen: Observed) -> None:
    """The ledger tells of the fault, unless nothing was asked; an end without completion names its code and what to do next."""
    assert seen.ledger or name == "wrong-lock", "the ledger tells nothing"
    if seen.first_end == "STALLED":
        assert "FH-716" in seen.codes and "fedhcc-coordinator resume" in seen.next_command
    elif seen.first_end == "killed":
        assert seen.next_command == RESUME
    elif seen.first_end != "completed":
        assert seen.codes and "fedhcc-coordinator" in seen.next_command
