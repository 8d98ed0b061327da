"""Files: whole or not at all when written, limited and named by their role when read.

A path is never put into a message, since it can name a patient; `role` says which file is meant.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import tempfile
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from site_config.problems import host
from site_config.problems.base import Kind, Problem

SPOKEN = frozenset({".yaml", ".yml", ".csv", ".json", ".toml", ".md", ".html"})
JSON_LIMIT = 64 * 2**20


def role_of(path: Path) -> str:
    """How a message calls a file: its name where names are the program's own, else no more than `a file`."""
    return path.name if path.suffix.lower() in SPOKEN else "a file"


CONTAINER = "FEDHCC_CONTAINER"
"""Set in the environment of the project's own images, where a path of the host is easily taken for one of the container."""

IN_CONTAINER = {
    host.FILE_MISSING: (
        "Its folder is mounted and it is not in it, or the folder is not mounted: a path of the host means nothing inside a container.",
        "Look into the folder on the host: put it there where it is missing; else mount the folder, and use the path inside the container.",
    ),
    host.NOT_A_FILE: (
        "Docker creates an empty folder when a file it should mount does not exist on the host.",
        "Create the file on the host first, and remove the empty folder made in its place.",
    ),
    host.CANNOT_WRITE: (
        "The operating system refused to write: a container's own files are read-only. Nothing was left half-written.",
        "Mount a folder that the container's user may write, and name it by its path inside.",
    ),
}


TOO_LONG = (
    "This session or service may not write files longer than its limit (`ulimit -f`); the disk is not full. The former file is untouched.",
    "`ulimit -f unlimited` (for a service `LimitFSIZE=infinity`; where neither is allowed, ask the machine's administrator), then run the "
    "same command again; it continues where it stopped.",
)
"""Why, and the remedy, where a file grew beyond the limit of its writer."""


def path_problem(kind: Kind, what: str, where: str, fix: str | None = None, why: str | None = None) -> Problem:
    """A problem of a path, with a remedy of its own where one is given; in a container what is usually wrong there comes first."""
    if os.environ.get(CONTAINER) and kind in IN_CONTAINER:
        why, usual = IN_CONTAINER[kind]
        fix = f"{usual} {fix}" if fix else usual
    return kind.problem(what, why=why, fix=fix, where=where)


def access_problem(error: OSError, role: str) -> Problem:
    """The access problem behind an `OSError`; neither the path nor the error's own text is repeated."""
    kinds = {
        errno.ENOENT: (host.FILE_MISSING, "does not exist"),
        errno.ENOTDIR: (host.FILE_MISSING, "does not exist: a part of its path is a file"),
        errno.EACCES: (host.FILE_UNREADABLE, "may not be opened by this user"),
        errno.EPERM: (host.FILE_UNREADABLE, "may not be opened by this user"),
        errno.ENAMETOOLONG: (host.FILE_MISSING, "has a name longer than any file's"),
        errno.ELOOP: (host.FILE_MISSING, "is a symbolic link that leads to itself"),
        errno.EISDIR: (host.NOT_A_FILE, "is a folder"),
        errno.ENOSPC: (host.DISK_FULL, "does not fit on the disk"),
        errno.EDQUOT: (host.DISK_FULL, "does not fit into the user's quota"),
        errno.EFBIG: (host.DISK_FULL, "is longer than this user's files may become"),
        errno.EROFS: (host.CANNOT_WRITE, "lies on a read-only file system"),
    }
    kind, words = kinds.get(error.errno or 0, (host.SYSTEM_REFUSED, f"cannot be used ({errno.errorcode.get(error.errno or 0, 'unknown')})"))
    why, fix = TOO_LONG if error.errno == errno.EFBIG else (None, None)
    return path_problem(kind, f"{role} {words}", role, fix, why)


def write_problem(error: OSError, role: str) -> Problem:
    """Like `access_problem`, for a file that was to be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return access_problem(error, role)
    if error.errno == errno.EISDIR:
        what = f"{role} cannot be written: a folder has this name"
        return path_problem(host.NOT_A_FILE, what, role, "Name a file, for example one in this folder.")
    reason = "its folder does not exist" if error.errno == errno.ENOENT else errno.errorcode.get(error.errno or 0, "unknown")
    return path_problem(host.CANNOT_WRITE, f"{role} cannot be written ({reason})", role)


def read_limited(path: Path, limit_bytes: int, role: str | None = None, *, missing: str | None = None) -> bytes:
    """The whole of an ordinary file of at most `limit_bytes` bytes; `missing` is the remedy where it does not exist yet.

    Pipes, devices and folders are refused before they are opened, so that nothing blocks. Raises access problems
    (missing, no permission, not a file) apart from the content problem of a file that is too large.
    """
    called = role or role_of(path)
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise path_problem(host.NOT_A_FILE, f"{called} is not an ordinary file", called)
        with path.open("rb") as stream:
            data = stream.read(limit_bytes + 1)
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError) and missing is not None:
            raise path_problem(host.FILE_MISSING, f"{called} does not exist", called, _in_its_place(path) or missing) from None
        raise access_problem(error, called) if isinstance(error, OSError) else bad_path(called) from None
    if len(data) > limit_bytes:
        raise host.FILE_TOO_LARGE.problem(f"{called} has more than {limit_bytes:,} bytes", where=called)
    return data


def _in_its_place(path: Path) -> str:
    """What to do with a file beside it whose name is nearly the one expected; '' where there is none."""
    same = (f"{path.name}.txt", f"{path.stem}.yml", path.name)
    sheets = tuple(f"{path.stem}{ending}" for ending in (".xlsx", ".xls", ".ods"))
    with contextlib.suppress(OSError):
        for name in sorted(one.name for one in path.parent.iterdir()):
            if name.lower() in same and name != path.name and path.suffix in (".yaml", ".csv"):
                return f"`{name}` lies in its place: call it {path.name}."
            if name.lower() in sheets and path.suffix == ".csv":
                return f"`{name}` lies in its place: save it as {path.name} (CSV)."
    return ""


def is_file(path: Path) -> bool:
    """Whether an ordinary file lies there; False too where no file system takes such a path: too long, or with a NUL byte."""
    try:
        return path.is_file()
    except ValueError:
        return False
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise access_problem(error, role_of(path)) from None


def bad_path(role: str) -> Problem:
    """A path no file system takes, such as one with a NUL byte."""
    return path_problem(host.FILE_MISSING, f"{role} has a path that cannot exist", role)


@contextlib.contextmanager
def atomic_path(path: Path, mode: int = 0o600) -> Iterator[Path]:
    """A temporary path beside `path`; when the block ends well its file is flushed to disk and takes `path`'s place.

    When the block raises, the temporary file is removed and the former file stays as it was.
    """
    role = role_of(path)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.", suffix=f".part{path.suffix}")
        os.close(handle)
    except OSError as error:
        raise write_problem(error, role) from None
    temporary = Path(name)
    try:
        yield temporary
        try:
            temporary.chmod(mode)
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        except OSError as error:
            raise write_problem(error, role) from None
    finally:
        temporary.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Have the system write a file, or a folder's entries, to the disk now."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(handle)


def write_atomic(path: Path, data: bytes | memoryview, mode: int = 0o600) -> None:
    """Write a file whole or not at all: temporary name, flush, fsync, rename, fsync of the folder."""
    with atomic_path(path, mode) as temporary:
        try:
            temporary.write_bytes(data)
        except OSError as error:
            raise write_problem(error, role_of(path)) from None


def make_folder(path: Path, mode: int = 0o700) -> Path:
    """Create a folder with its parents, private by default; existing ones stay as they are."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise write_problem(error, f"the folder {path.name}") from None
    return path


def write_json(path: Path, obj: Any, mode: int = 0o600) -> None:
    """Write JSON (UTF-8, two spaces, final newline) atomically."""
    write_atomic(path, (json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(), mode)


def read_json(path: Path, role: str | None = None, limit_bytes: int = JSON_LIMIT) -> Any:
    """The value of a JSON file that this program wrote; a damaged one is a content problem."""
    called = role or role_of(path)
    data = read_limited(path, limit_bytes, called)
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise host.STATE_DAMAGED.problem(f"{called} is not valid JSON", where=called) from None


def readable_name(name: str) -> str:
    """A file's name as text that can be written: names in another encoding than UTF-8 are decoded by what their bytes look like.

    Wide spaces become plain ones; what cannot be printed, and the backslash, which tables take for a slash, become `_`.

    >>> readable_name(os.fsdecode("Müller".encode("latin-1"))), readable_name(os.fsdecode("门静脉".encode("gbk")))
    ('Müller', '门静脉')
    >>> readable_name("山田\u3000太郎"), readable_name("a\\nb"), readable_name("CT\\\\1")
    ('山田 太郎', 'a_b', 'CT_1')
    """
    return "".join(_printable(one) for one in _decoded_name(name))


def _printable(one: str) -> str:
    plain = " " if unicodedata.category(one) == "Zs" else one
    return plain if plain.isprintable() and plain != "\\" else "_"


def _decoded_name(name: str) -> str:
    try:
        name.encode()
        return unicodedata.normalize("NFC", name)
    except UnicodeEncodeError:
        raw = os.fsencode(name)
    alone = all(not (raw[k + 1 : k + 2] >= b"\x80" or (k and raw[k - 1] >= 0x80)) for k, byte in enumerate(raw) if byte >= 0x80)
    for encoding in ("cp1252",) if alone else ("gb18030", "euc_kr", "shift_jis"):
        try:
            return unicodedata.normalize("NFC", raw.decode(encoding))
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1")


def readable_path(path: Path, root: Path) -> str:
    """A path below a folder as text that can be written, with forward slashes; `real_path` finds it again."""
    return "/".join(readable_name(part) for part in path.relative_to(root).parts)


def real_path(folder: Path, plain: PurePosixPath) -> Path:
    """The path below a folder that a readable one names; a part that is not there by its own bytes is looked for by its reading."""
    here = folder
    for part in plain.parts:
        there = here / part
        if not os.path.lexists(there) and here.is_dir():
            wanted = unicodedata.normalize("NFC", part).strip()  # a table's cells end without spaces
            there = next((child for child in sorted(here.iterdir()) if readable_name(child.name).strip() == wanted), there)
        here = there
    return here
