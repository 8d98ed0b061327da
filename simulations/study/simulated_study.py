"""A whole study on one machine: cohort, enrolment, scans to slices, federation, report.

Every step looks for what an earlier run left and goes on from there, so that the same command resumes. Hospitals are real
site homes and are enrolled, prepared and asked through the code a hospital runs; only the carrier of messages differs.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from client.app import forget_agents
from server.asking.clocks_and_waiting import Effects
from server.link.transport import Transport
from server.phases.phase_context import Event
from server.study.run_study import run_study
from server.study.study_results import StudyResult
from simulations.cohort.write_cohort import make_cohort as make
from simulations.engines.local_engine import local_transport
from simulations.engines.loopback_engine import Loopback
from simulations.engines.ray_engine import ray_transport
from simulations.study.pooled_twin import compare_with_pooled
from simulations.study.prepare_all_hospitals import prepare
from simulations.study.site_folders import Homes, adopt, approve_everywhere, enrol, publish
from simulations.study.study_outputs import write_out
from simulations.threads import one_thread
from site_config.study.plan_and_lock import StudyLock

Engine = Literal["local", "loopback", "ray"]
Tell = Callable[[Event], None]


@dataclass(frozen=True)
class FinishedRun:
    """Where a finished run left its report, and what it found."""

    homes: Homes
    lock: StudyLock
    result: StudyResult
    report: Path


@dataclass(frozen=True)
class Options:
    """What a run is asked: a preset or a folder with `study.yaml` and `sites/`, the engine, the seed, processes."""

    out: Path
    preset: str = "demo"
    folder: Path | None = None
    engine: Engine = "local"
    seed: int = 7
    workers: int = 2
    pooled: bool = True


def run(options: Options, tell: Tell = lambda _event: None, should_stop: Callable[[], bool] = lambda: False) -> FinishedRun:
    """Run or resume; raises the problems of its parts. A finished run is found finished and only its report is written again."""
    homes = Homes(options.out)
    make_cohort(options, homes, tell)
    lock = ready(options, homes, tell)
    beside = compare_with_pooled(homes, lock) if options.pooled and lock.study.simulated else None
    result = federate(options, homes, lock, tell, should_stop)
    report = write_out(homes, lock, result, beside, tell)
    return FinishedRun(homes, lock, result, report)


def make_cohort(options: Options, homes: Homes, tell: Tell) -> None:
    """The cohort, unless it is there: written beside and renamed, so that an interrupted one is made again.

    An own folder is only read: its documents are laid out anew each time, so that a corrected one counts.
    """
    if options.folder is not None:
        adopt(options.folder, homes)
        return
    if (homes.cohort / "study.yaml").exists():
        return
    homes.root.mkdir(parents=True, exist_ok=True)

    part = homes.root / ".cohort.part"
    shutil.rmtree(part, ignore_errors=True)
    tell(Event("phantoms", 0, 1, "simulated patients and their CT"))
    make(
        options.preset,
        part,
        options.seed,
        workers=options.workers,
        progress=lambda done, total: tell(Event("phantoms", done, total, "patients")),
    )
    part.rename(homes.cohort)


def ready(options: Options, homes: Homes, tell: Tell) -> StudyLock:
    """Enrol, publish, approve and prepare at every hospital."""
    enrol(homes, options.seed)
    lock = publish(homes)
    approve_everywhere(homes, lock)
    prepare(homes, lock, options.workers, tell)
    return lock


@contextmanager
def carrier(options: Options, homes: Homes) -> Iterator[Transport]:
    """The engine's transport, ended with the block."""
    sites = homes.sites()
    if options.engine == "loopback":
        with Loopback(homes.coordinator, sites) as loopback:
            yield loopback.transport()
        return
    if options.engine == "ray":
        with ray_transport(sites) as transport:
            yield transport
        return
    one_thread()
    try:
        yield local_transport(sites)
    finally:
        forget_agents()


def federate(options: Options, homes: Homes, lock: StudyLock, tell: Tell, should_stop: Callable[[], bool]) -> StudyResult:
    """The study itself, by the coordinator's own code."""
    effects = Effects(time.monotonic, time.sleep, should_stop)
    with carrier(options, homes) as transport:
        return run_study(homes.coordinator, lock.study_id, transport, effects=effects, tell=tell)
