"""Looks for planted strings in captured bytes, however they are wrapped.

A string is looked for as it is (in any case), as UTF-16, in hexadecimal, in base64 at each of its three alignments, and as a plain digest;
in the bytes themselves, and in whatever zlib, gzip, base64 and hexadecimal text unpack to, three deep.
"""

from __future__ import annotations

import base64
import hashlib
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

DEPTH = 3
LIMIT = 64 << 20
SHORTEST = 8
PACKED = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b\x08")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
DIGESTS = ("md5", "sha1", "sha256")


@dataclass(frozen=True)
class FoundCanary:
    """One hit: where, as what, and through which wrappings."""

    where: str
    form: str
    through: str


class CaptureScanner:
    """Looks for `marks` (parts every planted string holds) in every form, and for digests of the whole `secrets`."""

    def __init__(self, marks: Iterable[str], secrets: Iterable[str] = ()) -> None:
        self._anycase: dict[str, bytes] = {}
        self._exact: dict[str, bytes] = {}
        for mark in marks:
            raw = mark.encode()
            self._anycase |= {f"{mark} plain": raw.lower(), f"{mark} hex": raw.hex().encode()}
            for form in ("utf-16-le", "utf-16-be"):
                self._anycase[f"{mark} {form}"] = mark.lower().encode(form)
            for shift in range(3):
                self._exact[f"{mark} base64+{shift}"] = _core(raw, shift)
        for number, secret in enumerate(secrets):
            for name in DIGESTS:
                digest = hashlib.new(name, secret.encode()).digest()
                self._exact[f"{name} of string {number}"] = digest
                self._anycase[f"{name} of string {number}, hex"] = digest.hex().encode()

    def search(self, where: str, data: bytes) -> list[FoundCanary]:
        """Every form found in some bytes."""
        found = []
        for through, view in _views(data, DEPTH, set()):
            lower = view.lower()
            found += [FoundCanary(where, form, through) for form, wanted in self._anycase.items() if wanted in lower]
            found += [FoundCanary(where, form, through) for form, wanted in self._exact.items() if wanted in view]
        return found

    def folder(self, root: Path) -> tuple[list[FoundCanary], int]:
        """Every form found in the files below a folder, in their names, and in the rows of databases; and the bytes looked at."""
        found: list[FoundCanary] = []
        size = 0
        for path in sorted(root.rglob("*")):
            name = path.relative_to(root).as_posix()
            found += self.search(name, name.encode())
            if not path.is_file() or path.is_symlink():
                continue
            data = path.read_bytes()
            size += len(data)
            found += self.search(name, data)
            if data.startswith(b"SQLite format 3\0"):
                found += [hit for row in database_rows(path) for hit in self.search(f"{name} (rows)", row)]
        return found, size


def database_rows(path: Path) -> Iterator[bytes]:
    """Every row of every table of an SQLite file: values that the file's pages may have cut in two."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
        tables = [name for (name,) in base.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            for row in base.execute(f'select * from "{table}"'):  # noqa: S608 - the database's own table names
                yield b"\0".join(value if isinstance(value, bytes) else str(value).encode() for value in row)


def _core(raw: bytes, shift: int) -> bytes:
    """The characters of base64 that `raw` fixes when it begins `shift` bytes into a group of three."""
    text = base64.b64encode(b"\0" * shift + raw)
    begin = (shift * 8 + 5) // 6
    return text[begin : (shift + len(raw)) * 8 // 6]


def _views(data: bytes, depth: int, seen: set[bytes]) -> Iterator[tuple[str, bytes]]:
    """The bytes, and what is packed in them, each only once."""
    yield "", data
    if depth == 0:
        return
    for name, inner in _unpacked(data, seen):
        for through, view in _views(inner, depth - 1, seen):
            yield f"{name} {through}".strip(), view


def _unpacked(data: bytes, seen: set[bytes]) -> Iterator[tuple[str, bytes]]:
    whole = memoryview(data)
    for match in PACKED.finditer(data):
        yield from _fresh("zlib", _inflate(whole[match.start() :], 47), seen)
    yield from _fresh("deflate", _inflate(data, -15), seen)
    for text in {match.group().rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/") for match in BASE64.finditer(data)}:
        cut = text[:-1] if len(text) % 4 == 1 else text
        yield from _fresh("base64", base64.b64decode(cut + b"=" * (-len(cut) % 4)), seen)
    for match in HEX.finditer(data):
        yield from _fresh("hex", bytes.fromhex(match.group().decode()), seen)


def _fresh(name: str, inner: bytes, seen: set[bytes]) -> Iterator[tuple[str, bytes]]:
    if len(inner) >= SHORTEST and inner not in seen:
        seen.add(inner)
        yield name, inner


def _inflate(data: bytes | memoryview, bits: int) -> bytes:
    try:
        return zlib.decompressobj(bits).decompress(data, LIMIT)
    except zlib.error:
        return b""
