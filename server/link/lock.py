"""Locks of the coordinator's programs: one owner an office, one program a study. The kernel ends a lock with its holder."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from pydantic import BaseModel, ValidationError

from site_config.files import read_limited
from site_config.identity import private_folder
from site_config.lock import is_held, take
from site_config.problems import federation
from site_config.problems.base import Problem


class LockHolder(BaseModel):
    """Who holds a lock: number, moment (local time, to the second), and command line."""

    pid: int
    since: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid}, since {self.since}: {self.command}"


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
        handle = take(private_folder(self.path.parent) / self.path.name)
        if handle is None:
            return False
        holder = LockHolder(pid=os.getpid(), since=time.strftime("%Y-%m-%d %H:%M:%S"), command=command_line())
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


def held(path: Path, what: str) -> Problem:
    """FH-758, naming who holds a lock."""
    holder = holder_of(path)
    who = str(holder) if holder is not None else "a program that has just ended; try again"
    fix = f"Let it go on, or end it with `kill {holder.pid}` and try again." if holder is not None and holder.pid else None
    return federation.OFFICE_HELD.problem(f"Another program of the coordinator holds {what}: {who}", fix=fix)
