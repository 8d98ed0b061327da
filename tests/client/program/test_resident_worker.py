"""The resident process: it keeps its memory between messages, and its end is a value."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest

from client.program.make_agent import make_agent
from client.program.resident_worker import AGENT, GPU_LOST_STATUS, Worker, WorkerEnded
from shared_model.secure_sum.federation_messages import Message
from site_config.problems import model
from tests.support import ROOT


def counting(home: Path) -> Callable[[Message], Message]:
    seen: list[int] = []

    def handle(message: Message) -> Message:
        seen.append(1)
        if message.body.get("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        return Message("status", {"count": len(seen), "pid": os.getpid()}, message.arrays)

    return handle


def unable(home: Path) -> Callable[[Message], Message]:
    raise SystemExit(3)


def test_the_hospitals_program_loads_neither_networks_nor_scans() -> None:
    """They would take 500 MB beside the process that computes, and seconds at every start."""
    code = "import sys, client.program.site_runner; print({'torch', 'scipy', 'pydicom', 'SimpleITK'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_agent_loads_networks_and_scipy_when_a_study_asks_for_them() -> None:
    """A hospital of tables alone never loads networks, and SciPy takes a third of the seconds of a start."""
    code = "import sys, client.program.make_agent; print({'torch', 'monai', 'nnunetv2', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_the_agent_that_is_named_is_there() -> None:
    assert resolve_name(AGENT) is make_agent


def test_one_process_answers_all_messages(tmp_path: Path) -> None:
    worker = Worker(tmp_path, counting)
    try:
        arrays = {"w": np.arange(100_000, dtype=np.float64)}
        first, second = worker.handle(Message("status", {}, arrays)), worker.handle(Message("status", {}))
        assert (first.body["count"], second.body["count"]) == (1, 2) and first.body["pid"] == second.body["pid"] == worker.pid
        assert np.array_equal(first.arrays["w"], arrays["w"])
        with pytest.raises(WorkerEnded):
            worker.handle(Message("status", {"die": True}))
        assert worker.handle(Message("status", {})).body["count"] == 1
    finally:
        worker.stop()
    assert worker.pid == 0


def test_ctrl_c_reaches_no_working_process_from_its_first_moment_on(tmp_path: Path) -> None:
    worker = Worker(tmp_path, counting)
    try:
        worker.start()
        status = Path(f"/proc/{worker.pid}/status").read_text()
        blocked = int(next(line for line in status.splitlines() if line.startswith("SigBlk")).split()[1], 16)
        assert blocked & 1 << (signal.SIGINT - 1), "also while it imports, before it could ignore the signal itself"
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ()), "whoever started it hears it"
    finally:
        worker.stop()


def test_an_agent_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(WorkerEnded):
        Worker(tmp_path, unable).start()


def gpu_gone(home: Path) -> Callable[[Message], Message]:
    def handle(_message: Message) -> Message:
        raise model.GPU_LOST.problem("gone")

    return handle


def stuck(home: Path) -> Callable[[Message], Message]:
    def handle(_message: Message) -> Message:
        time.sleep(600)
        raise AssertionError

    return handle


def test_a_lost_gpu_ends_the_process_with_a_status_of_its_own(tmp_path: Path) -> None:
    worker = Worker(tmp_path, gpu_gone)
    with pytest.raises(WorkerEnded) as ended:
        worker.handle(Message("status", {}))
    assert ended.value.status == GPU_LOST_STATUS


def test_a_computation_is_given_up_from_another_thread(tmp_path: Path) -> None:
    worker = Worker(tmp_path, stuck)
    worker.start()
    threading.Timer(0.3, worker.abandon).start()
    began = time.monotonic()
    with pytest.raises(WorkerEnded) as ended:
        worker.handle(Message("status", {}))
    assert ended.value.status == -signal.SIGKILL and time.monotonic() - began < 60
