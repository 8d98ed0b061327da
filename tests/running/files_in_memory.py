"""Tests write their files to memory where there is room: a study writes hundreds, and waits for the disk at each of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
ROOM_BYTES = 8 << 30


def usable(folder: Path = MEMORY) -> bool:
    """Whether a folder is there, has room for all that tests leave behind, and lets programs be started from it."""
    try:
        state = os.statvfs(folder)
    except OSError:
        return False
    return state.f_bavail * state.f_frsize >= ROOM_BYTES and not state.f_flag & os.ST_NOEXEC and os.access(folder, os.W_OK)


def choose(config: pytest.Config) -> None:
    """Name the folder that `tmp_path` lies in, unless somebody named one; workers of xdist get theirs below it."""
    if config.option.basetemp is None and not hasattr(config, "workerinput") and usable():
        made = tempfile.mkdtemp(prefix="fedhcc-tests-", dir=MEMORY)
        config.option.basetemp = made
        config.add_cleanup(lambda: shutil.rmtree(made, ignore_errors=True))
