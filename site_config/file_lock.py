"""A lock of the system on a file: held by one process, released when it ends, however that ends, and so never stale."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

from site_config.atomic_files import make_folder, read_limited
from site_config.problems.base import Problem


def take(path: Path) -> int | None:
    """The open handle of a lock file that nobody else holds; None where somebody does. Closing the handle gives it back.

    Raises OSError where the file cannot be opened.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle


def is_held(handle: int) -> bool:
    """Whether somebody holds the lock of an open file."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    return False


class LockHolder(BaseModel):
    """Who holds a lock: number, moment (local time, to the second), command line, and the machine's or container's name."""

    pid: int
    since: str
    command: str
    host: str = ""

    def __str__(self) -> str:
        elsewhere = f" on {self.host}" if self.host and self.host != socket.gethostname() else ""
        return f"process {self.pid}{elsewhere}, since {self.since}: {self.command}"

    @property
    def ended_by(self) -> str:
        """The command that ends the holder; '' where it runs on another machine or in another container."""
        return f"kill {self.pid}" if self.pid and self.host in ("", socket.gethostname()) else ""


class Lock:
    """A lock file; held from `take` until `release` or the end of the process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    @property
    def taken(self) -> bool:
        """Whether it is held here."""
        return self._handle is not None

    def take(self) -> bool:
        """Take the lock and write down who does; False while somebody else holds it."""
        handle = take(make_folder(self.path.parent) / self.path.name)
        if handle is None:
            return False
        holder = LockHolder(pid=os.getpid(), since=time.strftime("%Y-%m-%d %H:%M:%S"), command=command_line(), host=socket.gethostname())
        with suppress(OSError):  # a full disk hides who holds the lock, not that it is held
            os.ftruncate(handle, 0)
            os.pwrite(handle, holder.model_dump_json().encode(), 0)
        self._handle = handle
        return True

    def release(self) -> None:
        """Give it back."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.ftruncate(handle, 0)
            os.close(handle)


def holder_of(path: Path) -> LockHolder | None:
    """Who holds a lock; None where nobody does."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    held = is_held(handle)
    os.close(handle)
    if not held:
        return None
    try:
        return LockHolder.model_validate_json(read_limited(path, 1 << 14))
    except (ValidationError, Problem):
        return LockHolder(pid=0, since="just now", command="a program that is starting")


def command_line() -> str:
    """This program's command line as a person typed it."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
