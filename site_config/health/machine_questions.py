"""What every machine has: processors, memory, shared memory, disk and a clock."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

from site_config.atomic_files import CONTAINER, read_limited, write_atomic
from site_config.health.doctor_finding import Checkup, DoctorFinding
from site_config.problems import host as host_problems
from site_config.words_of_messages import plural

GIB = 1 << 30
LITTLE_DISK, NO_DISK = 5 * GIB, GIB // 4
LITTLE_MEMORY, LITTLE_SHARED = 4 * GIB, GIB // 16
SKEW_S, NOTABLE_S = 240.0, 10.0
"""Seconds from which the office refuses a clock, and from which it is worth a look."""
PROBE_BYTES = 1 << 20
CHECKPOINT = ".rehearsal.bin"


def processors() -> int:
    """Processors that this process may use; all of them where the system does not say (macOS)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def host() -> str:
    """System, interpreter and processors."""
    place = "in a container, " if os.environ.get(CONTAINER) else ""
    many = plural(processors(), "processor")
    return f"{place}{platform.system()} {platform.release()}, Python {sys.version.split()[0]}, {many}"


def disk(folder: Path) -> DoctorFinding:
    """Free space where the program writes, and that a file can be written there."""
    place = next(path for path in (folder, *folder.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    words = f"{free / GIB:.1f} GiB free"
    if folder.is_dir():
        probe = folder / ".doctor"
        began = time.monotonic()
        write_atomic(probe, bytes(PROBE_BYTES))
        words += f", 1 MiB written in {time.monotonic() - began:.2f} s"
        probe.unlink()
    if free < NO_DISK:
        return DoctorFinding("disk", "wrong", words, "Free at least 5 GiB: a full disk stops every study of this place.", "FH-914")
    if free < LITTLE_DISK:
        return DoctorFinding("disk", "look", words, "Free at least 5 GiB before a long study.")
    return DoctorFinding("disk", "ok", words)


def memory(read: Callable[[], str] = lambda: Path("/proc/meminfo").read_text()) -> DoctorFinding:
    """What the system says is available."""
    lines = dict(line.split(":", 1) for line in read().splitlines() if ":" in line)
    available = int(lines.get("MemAvailable", "0 kB").split()[0]) * 1024
    words = f"{available / GIB:.1f} GiB available"
    if available < LITTLE_MEMORY:
        return DoctorFinding("memory", "look", words, "Networks and segmentation need 4 GiB and more; studies of tables alone need 1 GiB.")
    return DoctorFinding("memory", "ok", words)


def shared_memory(folder: Path = Path("/dev/shm")) -> DoctorFinding:  # noqa: S108 - a mount, not a temporary file
    """Processes of this program exchange arrays there; an engine's default of 64 MiB is enough."""
    if not folder.is_dir():
        return DoctorFinding("shared memory", "look", "there is no /dev/shm", "Give the container one: `--shm-size 256m`.")
    free = shutil.disk_usage(folder).free
    words = f"{free / (1 << 20):.0f} MiB free in /dev/shm"
    if free < LITTLE_SHARED:
        return DoctorFinding("shared memory", "look", words, "Give the container more: `--shm-size 256m`.")
    return DoctorFinding("shared memory", "ok", words)


def clock(offset_s: float | None) -> DoctorFinding:
    """This machine's clock beside the office's; None where the office could not be asked."""
    if offset_s is None:
        return DoctorFinding("clock", "not asked", "no office answered whose clock could be compared")
    words = f"this machine's clock is {abs(offset_s):.0f} s {'ahead of' if offset_s > 0 else 'behind'} the office's"
    if abs(offset_s) > SKEW_S:
        return DoctorFinding("clock", "wrong", words, "Set it: `timedatectl set-ntp true`.", "FH-711")
    if abs(offset_s) > NOTABLE_S:
        return DoctorFinding("clock", "look", words, "Let it be set by a time server: `timedatectl set-ntp true`.")
    return DoctorFinding("clock", "ok", words)


def look_at_machine(checkup: Checkup, folder: Path) -> None:
    """Every question that needs neither keys nor a network."""
    checkup.ask("host", host)
    checkup.ask("memory", memory)
    checkup.ask("shared memory", shared_memory)
    checkup.ask("disk", lambda: disk(folder))


def written_and_read(folder: Path, size: int, whose: str) -> str:
    """`size` random bytes written as a checkpoint is, flushed and read back; STATE_DAMAGED where they read as something else."""
    probe, data = folder / CHECKPOINT, os.urandom(size)
    began = time.perf_counter()
    write_atomic(probe, data)
    try:
        if read_limited(probe, size) != data:
            raise host_problems.STATE_DAMAGED.problem(f"what was written to {whose} reads as something else")
    finally:
        probe.unlink(missing_ok=True)
    return f"{size / 2**20:.0f} MiB written and read back in {time.perf_counter() - began:.2f} s"
