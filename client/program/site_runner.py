"""`fedhcc-site run`: the program of a hospital. It connects, answers, reports, pauses, and stops cleanly.

Threads: this one talks to the coordinator; one sends heartbeats; a few serve the control socket. The resident process
(`client.program.resident_worker`) computes.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from client.keys_kit_and_decisions import load_kit
from client.program.control_service import Board, ControlServer
from client.program.environment_variables import extra_ca
from client.program.flower_node import FleetNode, Interrupted, Pulse, answer
from client.program.gpu_watch import GpuWatch, require
from client.program.rehearsal_times import rehearsed
from client.program.resident_worker import FROZEN_S, GPU_LOST_STATUS, Worker, WorkerEnded, WorkerFrozen
from shared_model.flower.flower_connection import proxy_for
from shared_model.flower.flower_version import check_version
from shared_model.secure_sum.federation_messages import Message, Refusal, step_of
from site_config.console import note
from site_config.file_lock import Lock, holder_of
from site_config.health.gateway_probe import clock_offset_s
from site_config.heap_memory import keep_heap
from site_config.keys_and_signatures import Kit, SiteIdentity, private_folder
from site_config.problems import federation, model
from site_config.problems.base import Problem
from site_config.site_yaml import OpenHours, SiteConfig
from site_config.step_times import StepTimes
from site_config.study.flower_app_bundle import bundle_hash, software_version

if TYPE_CHECKING:
    from client.program.flower_node import Delivery

log = logging.getLogger("fedhcc.site")
FIRST_POLL_S, LAST_POLL_S, IDLE_POLL_S = 0.05, 0.4, 2.0
IDLE_S = 30.0
IDLE_BEATS_S = 120.0
"""Seconds without a question after which heartbeats are further apart."""
HELD_S = 1.5
PATIENCE_ACTIVE_S = 90.0
REPLY_PATIENCE_S = 180.0
wall_clock = time.time
BACKOFF_S = (0.5, 1.0, 2.0, 5.0)
PATIENT_S = (2.0, 5.0, 10.0, 20.0, 30.0)
MENDED_ELSEWHERE = frozenset({federation.GATEWAY_UNTRUSTED, federation.NODE_REFUSED, federation.CERTIFICATE_EXPIRED})
PERHAPS_THE_CLOCK = frozenset({federation.NODE_REFUSED, federation.CERTIFICATE_EXPIRED, federation.CLOCK_SKEW})
SKEW_S = 240.0
LOOK = "what it does: `fedhcc-site status`."
ASK = "`fedhcc-site doctor` says more."
FIRST_LOOK = {
    federation.NODE_ACTIVE: "Does a second program run with these keys, here or on another machine, from a copy of this folder? End one. ",
    federation.PROXY_SILENT: "Correct HTTPS_PROXY (`env | grep -i _proxy`), or name the coordinator's host in NO_PROXY. ",
}
"""Kind → what a person at the hospital looks at first."""
SILENT_S = 10.0
"""A working process is named as silent no earlier; it is ended by `client.program.resident_worker` after a minute."""
GRACE_S = 5.0
"""How long a computation may go on once the program was asked to end; a step is asked for again, so nothing is lost."""
HOUR_S, DAY_S = 3600.0, 86_400.0


@contextmanager
def sole_user(state: Path) -> Iterator[None]:
    """Hold the state folder's lock; FH-710 while another program does. The lock ends with the process, never stale."""
    lock = Lock(private_folder(state) / "run.lock")
    if not lock.take():
        holder = holder_of(lock.path)
        who = str(holder) if holder is not None else "one that has just ended; try again"
        end = f"Let it go on, or end it with `{holder.ended_by}`; " if holder is not None and holder.ended_by else "Let it go on; "
        raise federation.ALREADY_RUNNING.problem(f"Another program holds this state folder: {who}", fix=f"{end}{LOOK}")
    try:
        yield
    finally:
        lock.release()


def hours_begin(schedule: OpenHours, now: float) -> float | None:
    """When the schedule's hours begin next, seconds since 1970; None inside them. `now` is a time on this machine's clock."""
    moment = datetime.fromtimestamp(now).astimezone()
    if schedule.includes_at(moment):
        return None
    local = schedule.local(moment)
    hour = now - local.minute * 60 - local.second - local.microsecond / 1e6
    hours = (hour + HOUR_S * ahead for ahead in range(1, 8 * 24 + 1))
    return next((begin for begin in hours if schedule.includes_at(datetime.fromtimestamp(begin).astimezone())), None)


@dataclass(frozen=True)
class Waiting:
    """Clock and waiting, passed in so that tests do not sleep."""

    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic


class SiteProgram:
    """Runs one site until `stop` is called or a problem that waiting does not mend."""

    def __init__(self, site: SiteConfig, worker: Worker | None = None, waiting: Waiting | None = None) -> None:
        self.site = site
        self.identity = SiteIdentity.load(site.state, site.site)
        kit = load_kit(site.state)
        self.kit: Kit = kit.model_copy(update={"ca": kit.ca + extra_ca(os.environ)})
        self.board = Board(site.site, software_version())
        self._worker = worker or Worker(site.home)
        self._waiting = waiting or Waiting()
        self._over = threading.Event()
        self._ended = threading.Event()
        self._gpu_lost: Problem | None = None
        self._goodbye: threading.Thread | None = None
        self._steps = StepTimes(rehearsed(site.state))
        self._node: FleetNode | None = None
        self._asked = self._waiting.clock()

    def stop(self) -> None:
        """Ask the program to end: after the present message, or without it where that takes more than a few seconds.

        A question that the coordinator keeps open ends at once.
        """
        self._over.set()
        node = self._node
        if node is not None and not self.board.status.working:
            self._goodbye = threading.Thread(target=node.deactivate, daemon=True, name="goodbye")
            self._goodbye.start()

    def _hurry(self) -> None:
        """Once asked to end, give up a computation that goes on for more than a few seconds."""
        self._over.wait()
        if not self._ended.wait(GRACE_S):
            self._worker.abandon()

    def _lose_gpu(self, problem: Problem) -> None:
        """End: a process that used a GPU which went away cannot get it back, a new one in a restarted container can."""
        log.error("%s", problem)
        self._gpu_lost = problem
        self.board.tell(problem=problem.code)
        self.stop()

    def run(self, connecting: Callable[[], None] = lambda: None) -> None:
        """Serve until stopped; raises the `Problem` that ends it (FH-605, FH-616, FH-710 to FH-714).

        `connecting` is called once, when nothing on this machine stands in the way.
        """
        check_version()
        keep_heap()
        watch = GpuWatch(require(self.site.compute.device), self._lose_gpu)
        with sole_user(self.site.state):
            control = ControlServer(self.site.state, self.board)
            control.start()
            node = self._node = FleetNode(self.kit, self.identity, bundle_hash())
            pulse = Pulse(node, self._heard, self._lives, self._idle)
            try:
                self._worker.start()
                connecting()
                self._connect(node)
                pulse.start()
                watch.start()
                threading.Thread(target=self._hurry, daemon=True, name="end").start()
                self._serve(node)
            except WorkerEnded:
                raise federation.SITE_CRASHED.problem("The working process cannot start", where="logs/site.log") from None
            finally:
                self._ended.set()
                watch.stop()
                with suppress(RuntimeError):
                    pulse.stop()
                self.board.tell(connection="stopped")
                node.deactivate()
                if self._goodbye is not None:
                    self._goodbye.join(GRACE_S)
                node.close()
                self._worker.stop()
                control.stop()
        if self._gpu_lost is not None:
            raise self._gpu_lost

    def _lives(self) -> bool:
        """Whether the working process shows signs of life, as often as the step at hand lets expect."""
        silent = self._worker.silent_s
        if silent <= self._steps.patience(self.board.status.working, SILENT_S, FROZEN_S):
            return True
        self._tell_trouble(f"{federation.SITE_FROZEN.label} {federation.SITE_FROZEN.title} (no sign of life for {silent:.0f} s)")
        return False

    def _idle(self) -> bool:
        """Whether nothing was asked for a while: no round of a study is that far from the next."""
        return not self.board.status.working and self._waiting.clock() - self._asked > IDLE_BEATS_S

    def _heard(self, error: Exception | None) -> None:
        if error is None:
            waited = self.board.status.connection == "disconnected"
            self.board.tell(connection="registered", problem="", **({"trouble": ""} if waited else {}))
        else:
            self.board.tell(connection="disconnected", problem=_code_of(error))

    def _connect(self, node: FleetNode) -> None:
        started = self._waiting.clock()
        tries = 0
        while not self._over.is_set():
            try:
                node.activate()
            except Interrupted as error:
                if self.board.status.problem != error.kind.label:
                    what = FIRST_LOOK.get(error.kind, "")
                    note(f"not connected yet: {error.kind.label} {error.kind.title} ({error.detail}); it keeps trying. {what}{ASK}")
                self.board.tell(connection="disconnected", problem=error.kind.label)
                log.warning("not connected: %s %s", error.kind.label, error.detail)
                if error.kind == federation.NODE_ACTIVE and self._waiting.clock() - started > PATIENCE_ACTIVE_S:
                    raise federation.NODE_ACTIVE.problem("The coordinator still sees this key connected") from None
                self._pause(tries)
                tries += 1
            except Problem as error:
                problem = self._explained(error)
                if problem.kind != federation.CERTIFICATE_EXPIRED:
                    raise problem from None
                self._wait_for(problem, tries)
                tries += 1
            else:
                self.board.tell(connection="registered", problem="")
                if tries:
                    note(f"registered with the coordinator as {self.site.site}")
                log.info("registered with the coordinator as %s", self.site.site)
                return

    def _explained(self, problem: Problem) -> Problem:
        """A refusal, or a certificate of another time, is this machine's clock more often than anything else, so the clock is asked."""
        self.board.tell(connection="disconnected", problem=problem.code)
        if problem.kind not in PERHAPS_THE_CLOCK:
            return problem
        offset = clock_offset_s(self.kit.address, self.kit.ca, proxy_for(f"https://{self.kit.address}"), wall_clock)
        if offset is not None and abs(offset) > SKEW_S:
            return federation.CLOCK_SKEW.problem(
                f"This machine's clock is {_long(abs(offset))} {'ahead of' if offset > 0 else 'behind'} the coordinator's"
            )
        return problem

    def _wait_for(self, problem: Problem, failures: int) -> None:
        """Wait where the coordinator or the network can mend it; raise where only somebody at the hospital can.

        A program that was registered knows that its kit and its key are right. A minute of TLS inspection, an office that was
        restored from a copy, an expired certificate: all that passes, and a person at the hospital can do nothing about it.
        """
        if problem.kind not in MENDED_ELSEWHERE:
            raise problem
        if self.board.status.trouble != str(problem):
            note(f"{problem}; waiting for it to pass")
            log.warning("waiting: %s", problem)
        self.board.tell(connection="disconnected", problem=problem.code, trouble=str(problem))
        self._over.wait(PATIENT_S[min(failures, len(PATIENT_S) - 1)])

    def _serve(self, node: FleetNode) -> None:
        pause, failures = FIRST_POLL_S, 0
        while not self._over.is_set():
            until = self._resting_until()
            if until is None and self.board.paused():
                self.board.wait(1.0)
                continue
            asked = self._waiting.clock()
            try:
                delivery = node.receive()
                failures = 0
            except Interrupted as error:
                self.board.tell(problem=error.kind.label)
                log.warning("receiving: %s %s", error.kind.label, error.detail)
                self._pause(failures)
                failures += 1
                continue
            except Problem as problem:
                self._wait_for(self._explained(problem), failures)
                failures += 1
                continue
            if delivery is None:
                if self._waiting.clock() - asked > HELD_S:
                    continue  # the coordinator has waited for us
                self._over.wait(pause)
                idle = self._waiting.clock() - self._asked > IDLE_S
                pause = min(pause * 1.25, IDLE_POLL_S if idle else LAST_POLL_S)
                continue
            while self._resting_until() is None and self.board.paused() and not self._over.is_set():
                self.board.wait(1.0)
            self._answer(node, delivery, self._resting_until())
            pause, self._asked = FIRST_POLL_S, self._waiting.clock()

    def _resting_until(self) -> float | None:
        """When the present planned pause ends: one somebody asked for, or the hours outside the policy's schedule."""
        planned = self.board.planned_pause()
        return planned if planned is not None else hours_begin(self.site.policy.schedule, wall_clock())

    def _answer(self, node: FleetNode, delivery: Delivery, resting_until: float | None = None) -> None:
        if not delivery.allowed:
            log.error("%s: the run's bundle is not the one of this version; nothing was fetched or run", federation.BUNDLE_REFUSED.label)
            self.board.tell(refused=self.board.status.refused + 1, problem=federation.BUNDLE_REFUSED.label)
            self._send(node, node.refuse_bundle(delivery))
            return
        if not delivery.whole:
            log.error("%s: the pieces of a message do not fit together", federation.MESSAGE_MALFORMED.label)
            self._send(node, node.not_understood(delivery))
            return
        if resting_until is not None:
            refusal = Refusal(code=federation.SITE_PAUSED.label, until=int(resting_until))
            self._send(node, answer(delivery.flower, lambda _request: Message("refusal", refusal.model_dump())))
            return
        try:
            reply = answer(delivery.flower, self._handle)
            self._tell_trouble(self._worker.trouble)
        except WorkerFrozen:
            self._tell_trouble(f"{federation.SITE_FROZEN.label} {federation.SITE_FROZEN.title}")
            reply = node.frozen(delivery)
        except Problem as problem:  # the process was started again, and cannot be
            self.board.tell(problem=problem.code)
            raise
        except WorkerEnded as ended:
            if self._over.is_set():  # given up at our own end; the coordinator asks again
                return
            self.board.tell(problem=model.GPU_LOST.label if ended.status == GPU_LOST_STATUS else federation.SITE_CRASHED.label)
            reply = node.crashed(delivery)
        self._send(node, reply)
        self.board.tell(working="", answered=self.board.status.answered + 1)

    def _handle(self, message: Message) -> Message:
        """The working process's answer; how long it took is learned."""
        step, began = step_of(message), self._waiting.clock()
        self.board.tell(working=step)
        reply = self._worker.handle(message)
        self._steps.learn(step, self._waiting.clock() - began)
        self.board.tell(studies=dict(self._worker.studies))
        return reply

    def _tell_trouble(self, trouble: str) -> None:
        """Say on the hospital's own screen why a question could not be answered, once."""
        if trouble and trouble != self.board.status.trouble:
            note(f"cannot answer: {trouble}")
        self.board.tell(trouble=trouble)

    def _send(self, node: FleetNode, reply: object) -> None:
        """Send a reply; a cut line is waited for, a run that is over is not."""
        end = self._waiting.clock() + REPLY_PATIENCE_S
        tries = 0
        while not self._over.is_set():
            try:
                node.reply(reply)
            except Interrupted as error:
                log.warning("replying: %s %s", error.kind.label, error.detail)
                if error.kind == federation.LINK_LOST or self._waiting.clock() > end:
                    return
                self._pause(tries)
                tries += 1
            except Problem as problem:
                self._wait_for(self._explained(problem), tries)
                tries += 1
                if self._waiting.clock() > end:
                    return
            else:
                return

    def _pause(self, failures: int) -> None:
        self._over.wait(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])


def _long(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds < 2 * DAY_S else f"{seconds / DAY_S:,.0f} days"


def _code_of(error: Exception) -> str:
    kind = getattr(error, "kind", None)
    return kind.label if kind is not None else ""
