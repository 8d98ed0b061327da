"""A folder of the program's that this account may not open: whose it is, and the command that mends it.

A command that once ran under `sudo`, or by another colleague, leaves files that nobody else can read. Asked before a command
begins, so that the answer is not that a program is not running, or that some file cannot be opened.
"""

from __future__ import annotations

import os
import pwd
import shlex
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from site_config.problems import host
from site_config.problems.base import Problem

PRIVATE: Final = ("state", "identity")
"""Private folders of a hospital and of an office, below their own folder."""
LOOKED_AT: Final = 200


def closed(folder: Path) -> Problem | None:
    """FH-911 where the folder, or what lies in its private folder, may not be opened by this account; None otherwise."""
    shut = next((one for one in islice(_parts(folder), LOOKED_AT) if not _opens(one)), None)
    if shut is None:
        return None
    owner, me, whole = _name(_owner(shut)), _name(os.geteuid()), shlex.quote(str(folder.absolute()))
    if owner == me:
        why, fix = "Its mode forbids it even to its own account.", f"`chmod -R u+rwX {whole}`, then the same command again."
    else:
        why = "A command ran here under another account, for example with `sudo`. One account keeps the folder and runs the program."
        account = f"'#{owner}'" if owner.isdigit() else owner
        fix = f"Run the command as {owner} (`sudo -u {account} ...`). If {me} is to run the program: `sudo chown -R {me} {whole}`."
    what = f"{shut.absolute()} belongs to {owner}; the account {me} may not open it"
    return host.FILE_UNREADABLE.problem(what, why=why, fix=fix)


def _parts(folder: Path) -> Iterator[Path]:
    yield folder
    for name in PRIVATE:
        private = folder / name
        yield private
        yield from _entries(private)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _opens(path: Path) -> bool:
    """Whether this account may read it, or it is not there at all."""
    try:
        path.lstat()
    except PermissionError:
        return False
    except OSError:
        return True
    wanted = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
    return path.is_symlink() or path.is_socket() or os.access(path, wanted) or not os.path.lexists(path)  # a file may go meanwhile


def _owner(path: Path) -> int:
    """Whose it is; of a file whose folder is shut, whose the folder is."""
    try:
        return path.stat().st_uid
    except PermissionError:
        return _owner(path.parent)


def _name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)
