"""The site's resident process: one agent, which answers messages one after another and keeps its keys in memory.

It is a process of its own so that a computation that is killed for memory takes neither the heartbeats nor the control
service with it; the node then tells the coordinator `SITE_CRASHED` and starts a new one.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Final

from client.program.worker_pipe import give, take
from shared_model.secure_sum.federation_messages import Message
from site_config.atomic_files import access_problem
from site_config.heap_memory import keep_heap
from site_config.problems.base import Problem

log = logging.getLogger("fedhcc.site")
Handle = Callable[[Message], Message]
Factory = Callable[[Path], Handle]
AGENT: Final = "client.program.make_agent:make_agent"
"""What makes the agent. Named, not imported: networks and segmentation are loaded by the process that computes alone, which keeps the
hospital's program at 100 instead of 650 MB."""
ENDED = (EOFError, BrokenPipeError, ConnectionResetError, OSError)


PULSE_S, FROZEN_S = 0.5, 60.0
"""How often a working process shows a sign of life, and after how long without one it counts as frozen."""
GPU_LOST_STATUS = 86
"""Exit status of a resident process whose GPU failed under it: no process that used it can go on."""


class WorkerEnded(Exception):
    """The resident process ended while it worked; `status` is its exit status, negative for a signal."""

    def __init__(self, status: int | None = None) -> None:
        super().__init__(f"status {status}")
        self.status = status


class WorkerFrozen(WorkerEnded):
    """The resident process gave no sign of life while it worked, and was ended."""


def serve(pipe: Connection, home: Path, factory: Factory | str, life: Any) -> None:
    """Answer messages until the other end closes the pipe; `life` is counted up meanwhile.

    An answer goes with the problem that the hospital's own people are told of, which says more than what leaves the hospital.
    """
    keep_heap()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    busy = threading.Event()
    busy.set()
    threading.Thread(target=_beat, args=(life, busy), daemon=True, name="life").start()
    try:
        handle = (resolve_name(factory) if isinstance(factory, str) else factory)(home)
    except Problem as problem:
        give(pipe, (problem.kind, problem.what, problem.why, problem.fix, problem.where))
        return
    except OSError as error:
        found = access_problem(error, "the site's state folder")
        give(pipe, (found.kind, found.what, found.why, found.fix, found.where))
        return
    give(pipe, "ready")
    while True:
        busy.clear()
        try:
            request = take(pipe)
        except ENDED:
            return
        busy.set()
        try:
            reply = handle(request)
        except Problem:  # the one an agent raises: its GPU is gone
            sys.exit(GPU_LOST_STATUS)
        agent = getattr(handle, "__self__", None)
        give(pipe, (reply, getattr(agent, "trouble", ""), dict(getattr(agent, "studies", {}))))


def _beat(life: Any, busy: threading.Event) -> None:
    """Signs of life while there is something to do: whoever waits for nothing looks for none."""
    while busy.wait():
        life.value += 1
        time.sleep(PULSE_S)


def _start_unheard(process: SpawnProcess) -> None:
    """Start a process that Ctrl-C never reaches, not even before its first own line: whoever started it ends it."""
    resource_tracker.ensure_running()  # which lifts the block as it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Worker:
    """Starts the resident process when it is first needed, and again after it ended."""

    def __init__(self, home: Path, factory: Factory | str = AGENT) -> None:
        self._home = home
        self._factory = factory
        self._context: SpawnContext = multiprocessing.get_context("spawn")
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._life: Any = None
        self._sign = 0.0
        self._awaited = False
        self.trouble = ""
        self.studies: dict[str, str] = {}

    @property
    def pid(self) -> int:
        """The process's number, 0 while there is none."""
        return (self._process.pid or 0) if self._process is not None else 0

    @property
    def silent_s(self) -> float:
        """Seconds since the process's last sign of life while an answer of it is awaited; 0 while none is."""
        return max(time.monotonic() - self._sign, 0.0) if self._awaited else 0.0

    def start(self) -> None:
        """Start the process and wait until its agent is there. Raises the `Problem` why it cannot be made, or `WorkerEnded`."""
        self.stop()
        mine, theirs = self._context.Pipe()
        self._life = self._context.Value("Q", 0, lock=False)
        words = (theirs, self._home, self._factory, self._life)
        self._process = self._context.Process(target=serve, args=words, daemon=True, name="agent")
        _start_unheard(self._process)
        theirs.close()
        self._pipe = mine
        first = self._receive()
        if isinstance(first, tuple):
            self.stop()
            raise Problem(*first)

    def handle(self, message: Message) -> Message:
        """The agent's reply; `trouble` then says what the hospital's own people are told.

        `WorkerEnded` when the process ended, `WorkerFrozen` when it stood still; the next call starts a new one.
        """
        if self._process is None or not self._process.is_alive():
            self.start()
        assert self._pipe is not None
        try:
            give(self._pipe, message)
        except ENDED:
            raise self._ended() from None
        answered = self._receive()
        assert isinstance(answered, tuple)
        reply, self.trouble, self.studies = answered
        assert isinstance(reply, Message)
        return reply

    def abandon(self) -> None:
        """End a computation that somebody waits for, at once; that caller gets `WorkerEnded`."""
        process = self._process
        if process is not None:
            process.kill()

    def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.join(timeout=2)
            if process.is_alive():
                os.kill(process.pid or 0, signal.SIGTERM)
                process.join(timeout=5)
            if process.is_alive():
                process.kill()
                process.join()

    def _receive(self) -> object:
        assert self._pipe is not None and self._life is not None
        seen, self._sign = self._life.value, time.monotonic()
        self._awaited = True
        try:
            while not self._pipe.poll(PULSE_S):
                if self._life.value != seen or not seen:  # before its first sign of life it is starting
                    seen, self._sign = self._life.value, time.monotonic()
                elif self.silent_s > FROZEN_S and self.pid:
                    self._end_frozen()
            return take(self._pipe)
        except ENDED:
            raise self._ended() from None
        finally:
            self._awaited = False

    def _end_frozen(self) -> None:
        log.error("the working process gave no sign of life for %.0f s and was ended", FROZEN_S)
        self.abandon()
        self._ended()
        raise WorkerFrozen

    def _ended(self) -> WorkerEnded:
        if self._process is not None:
            self._process.join(timeout=10)
        status = self._process.exitcode if self._process is not None else None
        log.error("the working process ended with status %s", status)
        self.stop()
        return WorkerEnded(status)
