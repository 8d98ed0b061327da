"""Containers that end: on request in the middle of training, by SIGKILL one after the other, and an office that goes away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Final

from evidence.containers.container_federation import COORDINATOR, SITES, ContainerStage
from evidence.containers.podman import Ended, until

STOP_BAR_S: Final = 10.0
UNHEALTHY_BAR_S: Final = 90.0
STUDY_S: Final = 1500.0
PROBES: Final = 3
"""Failed answers in a row, 20 s apart, after which an engine calls a container unhealthy, as the image declares."""


class EndedStudy:
    """`fedhcc-coordinator run` (or `resume`) in the office's container, in a thread of its own."""

    def __init__(self, stage: ContainerStage, command: str = "run") -> None:
        self.ended: Ended | None = None
        self._stage, self._command = stage, command
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.ended = self._stage.podman.inside(COORDINATOR, "fedhcc-coordinator", self._command, limit_s=STUDY_S)

    def wait(self) -> Ended:
        """How it ended."""
        self._thread.join(STUDY_S)
        return self.ended or Ended(-1, "did not end in time", STUDY_S)


def _round(stage: ContainerStage, number: int) -> bool:
    """Wait until so many rounds are done."""
    return until(lambda: stage.rounds_done() >= number, STUDY_S, 0.5) is not None


def undisturbed(stage: ContainerStage) -> tuple[dict[str, Any], str]:
    """The study from start to end."""
    stage.start_all()
    ended = EndedStudy(stage).wait()
    figures = {"complete": ended.said("COMPLETE"), "seconds": round(ended.seconds), "rounds": stage.rounds_done()}
    if not figures["complete"]:
        print(ended.output[-3000:], flush=True)
    return figures, stage.digest()


def disturbed(stage: ContainerStage, digest: str) -> dict[str, Any]:
    """The same study, with one hospital stopped in training and started again, then every container killed, one a round."""
    figures: dict[str, Any] = {}
    stage.start_all()
    study = EndedStudy(stage)
    _round(stage, 1)
    began = time.monotonic()
    stage.podman.call("stop", "--time", "30", SITES[0])
    figures["stop_seconds"] = round(time.monotonic() - began, 1)
    figures["stop_within_10_s"] = figures["stop_seconds"] <= STOP_BAR_S
    state = stage.podman.state(SITES[0])
    figures["stop_exit_status_0"] = state.get("ExitCode") == 0
    figures["rounds_done_when_stopped"] = stage.rounds_done()
    stage.podman.call("start", SITES[0])
    for number, name in enumerate((*SITES, COORDINATOR), 2):  # a round ends only with every hospital, so whoever was killed is back
        _round(stage, number)
        figures[f"{name}_killed_after_round"] = stage.rounds_done()
        figures[f"{name}_started_again_after_s"] = stage.kill(name)
    study.wait()
    until(lambda: all(stage.podman.healthy(name) for name in (COORDINATOR, *SITES)), 240)
    ended = EndedStudy(stage, "resume").wait()
    if not ended.said("COMPLETE"):
        print(ended.output[-3000:], flush=True)
    figures |= {"rounds": stage.rounds_done(), "complete": ended.said("COMPLETE"), "digest_equal": stage.digest() == digest}
    return figures


def health(stage: ContainerStage) -> dict[str, Any]:
    """The office goes away for a while: when would an engine call a hospital unhealthy, and is it healthy again by itself?"""
    name = SITES[0]
    healthy_before = stage.podman.healthy(name)
    stage.podman.call("stop", "--time", "30", COORDINATOR)
    began = time.monotonic()
    failed = 0
    while failed < PROBES and time.monotonic() - began < 2 * UNHEALTHY_BAR_S:
        failed = 0 if stage.podman.healthy(name) else failed + 1
        if failed < PROBES:
            time.sleep(20)
    unhealthy_s = round(time.monotonic() - began, 1)
    alive = bool(stage.podman.state(name).get("Running"))
    stage.podman.call("start", COORDINATOR)
    again = until(lambda: stage.podman.healthy(name), 180)
    return {
        "healthy_before": healthy_before,
        "process_lives": alive,
        "unhealthy_after_s": unhealthy_s,
        "unhealthy_within_90_s": failed == PROBES and unhealthy_s <= UNHEALTHY_BAR_S,
        "healthy_again_after_s": again,
        "healthy_again_by_itself": again is not None,
    }


def measure(stage: ContainerStage) -> Iterator[tuple[str, dict[str, Any]]]:
    """The undisturbed study, health, and the disturbed study from the same start, each as it is there."""
    calm, digest = undisturbed(stage)
    yield "undisturbed", calm
    yield "health", health(stage)
    stage.begin()
    yield "disturbed", disturbed(stage, digest)
