"""Zip archives as folders, for as long as they are looked at: bounded, into a private folder, nothing outside it."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal

from site_config.atomic_files import access_problem
from site_config.problems import which_scan
from site_config.problems.base import Problem

MOST_BYTES = 8 * 2**30
MOST_FILES = 20_000
MOST_RATIO = 200
CHUNK = 2**20
OTHER_ARCHIVES = (".7z", ".rar", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".gz", ".bz2", ".xz", ".iso", ".zipx", ".cab")
READ_BESIDE = (".nii.gz",)
NO_KIND = ("dat", "bin", "tmp", "part", "download", "img")
ZIP_BEGINNINGS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
OTHER_BEGINNINGS = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")
TAR_AT, TAR = 257, b"ustar"


def is_zip(path: Path) -> bool:
    """Whether a file begins as zip archives do."""
    try:
        with path.open("rb") as stream:
            return stream.read(4) in ZIP_BEGINNINGS
    except OSError:
        return False


def archive_kind(path: Path) -> Literal["zip", "other", ""]:
    """Whether a file is a zip archive, an archive of another kind, or none; by its content where its name says nothing."""
    name = path.name.lower()
    if path.suffix.lower() in (".zip", ".zipx"):
        return "zip"
    if name.endswith(OTHER_ARCHIVES) and not name.endswith(READ_BESIDE):
        return "other"
    if not nameless(path):
        return ""
    try:
        with path.open("rb") as stream:
            begin = stream.read(TAR_AT + len(TAR))
    except OSError:
        return ""
    other = begin.startswith(OTHER_BEGINNINGS) or begin[TAR_AT:] == TAR
    return "zip" if begin.startswith(ZIP_BEGINNINGS) else "other" if other else ""


def nameless(path: Path) -> bool:
    """Whether a file's name says nothing of its kind: no suffix, digits as at a UID's end, or a suffix of no meaning.

    >>> [nameless(Path(name)) for name in ("export", "1.2.840.113619", "study.dat", "notes.docx")]
    [True, True, True, False]
    """
    suffix = path.suffix.lower().removeprefix(".")
    return not suffix or suffix.isdigit() or suffix in NO_KIND


@contextmanager
def unpacked(path: Path, role: str) -> Iterator[Path]:
    """A zip archive's files in a private folder that goes away afterwards. Raises FH-363 or an access problem."""
    folder = Path(tempfile.mkdtemp(prefix="fedhcc-unpacked-"))
    try:
        _unpack(path, folder, role)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unpack(path: Path, folder: Path, role: str) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            _check(members, path, role)
            left = MOST_BYTES
            for number, member in enumerate(members):
                left = _take(archive, member, folder, number, left, role)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError):
        raise refused(role, "it is damaged, encrypted or packed in a way that is not read here") from None
    except OSError as error:
        raise access_problem(error, role) from None


def _check(members: list[zipfile.ZipInfo], path: Path, role: str) -> None:
    size = sum(one.file_size for one in members)
    if any(one.flag_bits & 1 for one in members):
        raise refused(role, "it is encrypted")
    if len(members) > MOST_FILES or size > MOST_BYTES or size > MOST_RATIO * max(path.stat().st_size, 1):
        raise refused(role, "it states more files or bytes than an examination has")


def _take(archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path, number: int, left: int, role: str) -> int:
    """Write one member below the folder; gives the bytes that are left of the limit."""
    if stat.S_ISLNK(member.external_attr >> 16):
        return left
    *parents, name = _parts(member.filename)
    if name.startswith("."):
        return left
    parent = folder.joinpath(*(part[:80] for part in parents))
    parent.mkdir(parents=True, exist_ok=True)
    with archive.open(member) as source, (parent / f"{number:05d}_{name[-80:]}").open("xb") as target:
        while chunk := source.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise refused(role, "it holds more bytes than it states")
            target.write(chunk)
    return left


def _parts(name: str) -> list[str]:
    """Folders and name of a member, all below one folder: exports hold whole paths, from a drive or from the root on.

    >>> _parts("C:\\\\PACS\\\\export\\\\IM1"), _parts("/data/../IM1"), _parts("..")
    (['C_', 'PACS', 'export', 'IM1'], ['data', 'IM1'], ['.'])
    """
    plain = PurePosixPath(name.replace("\\", "/").replace(":", "_").replace("\0", "_"))
    return [part for part in plain.parts if part not in ("/", "//", "..")] or ["."]


def refused(role: str, reason: str) -> Problem:
    """FH-363 with the reason."""
    return which_scan.ARCHIVE_UNREAD.problem(f"an archive of {role} was not read: {reason}", where=role)
