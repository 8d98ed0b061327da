"""Tests write their files to memory where there is room: a study writes hundreds, and waits for the disk at each of them."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
PREFIX = "fedhcc-tests-"
ROOM_BYTES = 8 << 30


def usable(folder: Path) -> bool:
    """Whether a folder is there, has room for all that tests leave behind, and lets programs be started from it."""
    try:
        state = os.statvfs(folder)
    except OSError:
        return False
    return state.f_bavail * state.f_frsize >= ROOM_BYTES and not state.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


def made_in(folder: Path) -> tuple[Path, int]:
    """A folder of one's own, and the handle whose lock says as long as this process lives that it is in use."""
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder))
    handle = os.open(made.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    return made, handle


def remove(made: Path, handle: int) -> None:
    """The folder, and then its lock."""
    shutil.rmtree(made, ignore_errors=True)
    made.with_suffix(".lock").unlink(missing_ok=True)
    os.close(handle)


def remove_left(folder: Path) -> None:
    """What tests that were killed left: memory that nobody would free before the next start of the machine."""
    for lock in folder.glob(f"{PREFIX}*.lock"):
        try:
            handle = os.open(lock, os.O_RDWR)
        except OSError:  # another account's, or just removed
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
        else:
            remove(lock.with_suffix(""), handle)


def choose(config: pytest.Config) -> None:
    """Name the folder that `tmp_path` lies in, unless somebody named one; workers of xdist get theirs below it."""
    if config.option.basetemp is None and not hasattr(config, "workerinput") and usable(MEMORY):
        remove_left(MEMORY)
        made, handle = made_in(MEMORY)
        config.option.basetemp = str(made)
        config.add_cleanup(lambda: remove(made, handle))
