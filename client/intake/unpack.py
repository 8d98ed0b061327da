"""Zip archives as folders, for as long as they are looked at: bounded, into a private folder, nothing outside it."""

from __future__ import annotations

import io
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Literal

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
LISTED, LISTED_BYTES, END_BYTES, MOST_TAIL = b"PK\x01\x02", 46, 22, 2**16 + 22
"""Of a zip archive's list of files: an entry's beginning and its length without names, the end's length, and where the end is sought."""
OF_UTF_8 = 0x08  # in the second byte of an entry's flags
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
        with _opened(path) as archive:
            members = [one for one in archive.infolist() if not one.is_dir()]
            _check(members, path, role)
            left = MOST_BYTES
            for number, member in enumerate(members):
                left = _take(archive, member, folder, number, left, role)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError):
        raise refused(role, "it is damaged, encrypted or packed in a way that is not read here") from None
    except OSError as error:
        raise access_problem(error, role) from None


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; one whose names are not the UTF-8 that they are said to be is read with its names byte by byte."""
    with path.open("rb") as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except UnicodeDecodeError:
            archive = zipfile.ZipFile(_names_as_bytes(stream))
        with archive:
            yield archive


class _Patched(io.BufferedIOBase):
    """A file of which some bytes read otherwise; what zipfile asks of a file."""

    def __init__(self, stream: IO[bytes], otherwise: Mapping[int, int]) -> None:
        super().__init__()
        self._stream, self._otherwise, self._places = stream, otherwise, sorted(otherwise)

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """As of the file."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """As of the file."""
        return self._stream.tell()

    def read(self, size: int | None = -1, /) -> bytes:
        """As of the file, with the bytes that read otherwise."""
        at = self._stream.tell()
        data = bytearray(self._stream.read(-1 if size is None else size))
        for place in self._places[bisect_left(self._places, at) : bisect_left(self._places, at + len(data))]:
            data[place - at] = self._otherwise[place]
        return bytes(data)


def _names_as_bytes(stream: IO[bytes]) -> _Patched:
    """The archive without the mark of UTF-8 at names that are none, in its list of files and before each file."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(size - MOST_TAIL, 0))
    tail = stream.read()
    at = tail.rfind(ZIP_BEGINNINGS[1])
    if at < 0 or len(tail) < at + END_BYTES:
        raise zipfile.BadZipFile
    length, start = struct.unpack_from("<II", tail, at + 12)
    if start + length > size:
        raise zipfile.BadZipFile
    stream.seek(start)
    listed = stream.read(length)
    otherwise: dict[int, int] = {}
    place = 0
    while listed[place : place + 4] == LISTED and place + LISTED_BYTES <= len(listed):
        name, extra, comment = struct.unpack_from("<HHH", listed, place + 28)
        try:
            listed[place + LISTED_BYTES : place + LISTED_BYTES + name].decode()
        except UnicodeDecodeError:
            flag = listed[place + 9] & ~OF_UTF_8
            otherwise |= {start + place + 9: flag, struct.unpack_from("<I", listed, place + 42)[0] + 7: flag}
        place += LISTED_BYTES + name + extra + comment
    stream.seek(0)
    return _Patched(stream, otherwise)


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
