"""Ctrl-C ends `fedhcc-sim` in one line, at any moment: while a module is imported, in a long computation, with processes running.

SIGINT is blocked in every thread, and a thread of its own waits for it; a process started later inherits the block, so Ctrl-C
reaches nobody else and nobody prints a traceback. What is on disk is whole at any moment (files are renamed into place, a
study's state is believed only with its digest), so the program ends at once, like a power cut that tidies its processes away.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STOPPED = "stopped; nothing was left half-written, and the same command goes on from here"
INTERRUPTED = 130
QUIET_TRACKER = "ignore:resource_tracker:UserWarning"
"""The tracker counts what it takes back when the program ends at once; nobody has to read that."""
SHOW_CURSOR = "\x1b[?25h"
_endings: list[Callable[[float], None]] = []
_waiting: list[threading.Thread] = []
_status = 0


def one_line() -> None:
    """From here on Ctrl-C ends this process with status 130; for the `main` of a command line, before anything is imported.

    Until the very end: Python ends its threads before it takes its modules apart, which can last seconds, so that is left out.
    """
    atexit.register(_leave)  # first here, so last of all
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, lambda _signal, _frame: _end())  # should a library lift the block
    _waiting.append(threading.Thread(target=_wait, name="ctrl-c", daemon=True))
    _waiting[0].start()


@contextmanager
def keeping_status() -> Iterator[None]:
    """Remember the status with which the block ends the program."""
    global _status
    _status = 1  # of whatever else ends the block
    try:
        yield
        _status = 0
    except SystemExit as end:
        _status = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise


def _leave() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_status)


def before_processes() -> None:
    """Call before processes of `multiprocessing` are started: its tracker lifts the block as it starts, so it starts first."""
    if not _waiting:
        return
    from multiprocessing import resource_tracker

    if QUIET_TRACKER not in sys.warnoptions:
        sys.warnoptions.append(QUIET_TRACKER)  # which the processes started from here on are given too
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def at_end(ending: Callable[[float], None]) -> None:
    """Call `ending` with the seconds it may take before the process ends; for processes that would outlive it."""
    _endings.append(ending)


def no_longer(ending: Callable[[float], None]) -> None:
    """Take an ending back once what it ends has ended by itself."""
    if ending in _endings:
        _endings.remove(ending)


def _wait() -> None:
    signal.sigwait({signal.SIGINT})
    _end()


def _end() -> None:
    cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
    # Whoever now misses the processes that end below says so to nobody, and does not decide the status; nor does progress still come.
    atexit.register(os._exit, INTERRUPTED)
    told, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    os.write(told, f"{cursor}\r{STOPPED}\n".encode() if cursor else f"{STOPPED}\n".encode())
    end = threading.Thread(target=_end_processes, daemon=True)
    end.start()
    end.join(1.5)
    os._exit(INTERRUPTED)


def _end_processes() -> None:
    pools = sys.modules.get("multiprocessing")
    if pools is not None:
        for child in pools.active_children():
            child.kill()
    for ending in list(_endings):
        ending(1.0)


def wait_until(over: Callable[[], bool], limit_s: float) -> None:
    """Wait until something is over, at most `limit_s` seconds."""
    end = time.monotonic() + limit_s
    while not over() and time.monotonic() < end:
        time.sleep(0.02)
