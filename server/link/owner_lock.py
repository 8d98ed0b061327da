"""FH-758: another program of the coordinator holds a lock, and which one."""

from __future__ import annotations

from pathlib import Path

from site_config.file_lock import holder_of
from site_config.problems import federation
from site_config.problems.base import Problem


def held(path: Path, what: str) -> Problem:
    """FH-758, naming who holds a lock."""
    holder = holder_of(path)
    who = str(holder) if holder is not None else "a program that has just ended; try again"
    fix = f"Let it go on, or end it with `{holder.ended_by}` and try again." if holder is not None and holder.ended_by else None
    return federation.OFFICE_HELD.problem(f"Another program of the coordinator holds {what}: {who}", fix=fix)
