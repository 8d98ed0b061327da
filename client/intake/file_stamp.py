"""What a file or folder looked like from outside: enough to notice that it changed, without reading it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

Stamp = list[list[str | int]]


def stamp(path: Path, root: Path) -> Stamp:
    """Name below the images folder, size and time of change of a file, or of every file of a folder; unreadable ones count as such."""
    try:
        if not path.is_dir():
            info = path.stat()
            return [[_name(path, root), info.st_size, info.st_mtime_ns]]
        found: Stamp = []
        for parent, _, names in sorted(os.walk(path)):
            for name in sorted(names):
                child = Path(parent) / name
                info = child.lstat() if child.is_symlink() else child.stat()
                found.append([_name(child, root), info.st_size, info.st_mtime_ns, stat.S_IFMT(info.st_mode)])
    except OSError as error:
        return [[_name(path, root), "unreadable", error.errno or 0]]
    return found


def _name(path: Path, root: Path) -> str:
    return os.fsencode(os.path.relpath(path, root)).decode("utf-8", "backslashreplace")
