"""One run of a published study at the office: the link, who is awaited, what is told, and how it ended.

The command line and tests call `run_published`; everything that a person reads goes through `tell`, everything that a program
reads stands in `events.jsonl` and in the office's log.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from server import hospital_register as enrol
from server.asking.clocks_and_waiting import Effects
from server.asking.incidents import COORDINATOR, Disturbances
from server.link.flower_grid import LOST, FlowerTransport, LinkEffects
from server.link.owner_lock import held
from server.link.process_supervisor import Supervisor, answering
from server.link.superlink import attach, link_of, online_nodes
from server.phases.phase_context import Event
from server.study.run_study import run_study
from server.study.study_results import StudyResult
from server.tracking.tracker import Following, Tracker
from server.watch import study_status
from server.watch.awaited_hospitals import NAME as AWAITED
from server.watch.awaited_hospitals import Awaited
from server.watch.study_events import Hook, StudyEvents
from site_config.file_lock import Lock
from site_config.log_lines import lines_to
from site_config.problems import federation
from site_config.problems.base import Problem

OFFICE_LOG_MEGABYTES = 50
STATES = {federation.STUDY_STALLED.label: "STALLED", federation.STUDY_STOPPED.label: "stopped", federation.LINK_LOST.label: "LOST"}


@dataclass(frozen=True)
class OfficeRun:
    """What is run: a study's whole id; `wait_s` seconds for hospitals to be seen first; `on_event` a command, or ''; `track` sinks."""

    home: Path
    study: str
    canary: bool = False
    wait_s: float = 60.0
    on_event: str = ""
    track: tuple[str, ...] = ()


def run_published(wish: OfficeRun, tell: Callable[[str], None], over: threading.Event) -> StudyResult:
    """Run or go on with a study until it ends or `over` is set; FH-758 while another program runs it."""
    lock = Lock(study_status.folder_of(wish.home, wish.study) / study_status.STUDY_LOCK)
    if not lock.take():
        raise held(lock.path, f"study {wish.study[:12]}")
    lines_to(wish.home / "logs" / "coordinator.jsonl", "fedhcc.office", "info", OFFICE_LOG_MEGABYTES)
    events = StudyEvents(lock.path.parent, wish.study, Hook(wish.on_event, tell) if wish.on_event else None)
    following: Following | None = None
    try:
        if wish.track and not wish.canary:
            following = Following(Tracker(wish.home, wish.study, wish.track, tell))
        events.state("running", "the canary began" if wish.canary else "the study began or went on")
        result = _run(wish, tell, over, events)
        events.state("canary passed" if wish.canary else result.label)
        return result
    except Problem as problem:
        study_status.note_end(wish.home, wish.study, problem.code)
        events.state(STATES.get(problem.code, "ended"), str(problem))
        raise
    finally:
        events.close()
        if following is not None:
            following.close()
        lock.release()


def _run(wish: OfficeRun, tell: Callable[[str], None], over: threading.Event, events: StudyEvents) -> StudyResult:
    home, study = wish.home, wish.study

    def notice(text: str) -> None:
        tell(text)
        events.write("notice", text)

    killed = study_status.was_killed(home, study)
    study_status.clear_stop(home, study)
    study_status.note_end(home, study, "")
    with Supervisor(home, notice):
        link = link_of(home)
        disturbances = Disturbances(home, notice, answering(home))
        if killed:
            kind = federation.COORDINATOR_ENDED
            words = f"the last run ended without a word ({kind.label}); going on from its last finished round"
            disturbances.keep(COORDINATOR, kind, words)
        stopped = lambda: over.is_set() or study_status.stop_asked(home, study)  # noqa: E731
        effects = Effects(time.monotonic, time.sleep, stopped, disturbed=disturbances.taken, notice=notice)
        folder = study_status.folder_of(home, study)
        awaited = Awaited(folder / AWAITED, lambda site, words: disturbances.keep(site, federation.SITE_SLOW, words), tell=notice)
        nodes = {site.name: site.node_id for site in enrol.load(home).active().values()}
        kept = folder / study_status.FLOWER_RUN
        transport = FlowerTransport(lambda: attach(link, kept=kept), nodes, LinkEffects(watch=awaited))
        disturbances.start()
        try:
            _wait_online(transport, study_status.hospitals(home, study), wish.wait_s, stopped, tell)
            return run_study(home, study, transport, effects=effects, tell=_teller(tell, events), canary=wish.canary)
        finally:
            awaited.over()
            disturbances.stop()
            transport.close()


def _teller(tell: Callable[[str], None], events: StudyEvents) -> Callable[[Event], None]:
    """A line at the terminal where it differs from the last, and every event to whoever reads events."""
    last = [""]

    def told(event: Event) -> None:
        events.write("progress", event.text, phase=event.phase, done=event.done, total=event.total, numbers=dict(event.numbers))
        line = f"{event.phase} {event.done}/{event.total} {event.text}"
        if line != last[0]:
            last[0] = line
            tell(line)

    return told


def _wait_online(
    transport: FlowerTransport, wanted: set[str], limit_s: float, should_stop: Callable[[], bool], tell: Callable[[str], None]
) -> None:
    """Give the study's hospitals a moment to be seen, and say who is not; who stays missing is the study's business."""
    end = time.monotonic() + limit_s
    said: set[str] = set()
    while time.monotonic() < end and not should_stop():
        missing = wanted - {name for name, online in transport.sites().items() if online}
        if not missing:
            return
        if missing != said:
            tell(f"not connected yet: {', '.join(sorted(missing))} (waiting up to {limit_s:.0f} s)")
            said = missing
        time.sleep(0.5)


def connected_hospitals(home: Path) -> set[str] | None:
    """The names of the hospitals whose heartbeats arrive now; None where no SuperLink answers."""
    try:
        online = online_nodes(link_of(home), patience_s=2.0)
    except LOST:
        return None
    return {site.name for site in enrol.load(home).active().values() if site.node_id in online}
