"""Slices of a NIfTI file one after the other, so that a thin mask is never held whole: 157 MB for 600 slices of 512 × 512."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from site_config.atomic_files import access_problem
from site_config.problems import scans

GZIP = 31  # zlib's way to say: gzip header and check sum
CHUNK = 1 << 16


def plane_bytes(path: Path, offset: int, size: int, count: int, role: str) -> Iterator[bytes]:
    """`count` pieces of `size` bytes from `offset` on, of a plain or gzip file. Raises FH-302 or an access problem."""
    try:
        with path.open("rb") as stream:
            take = _Inflated(stream) if stream.read(2) == b"\x1f\x8b" else _Plain(stream)
            take.skip(offset)
            for _ in range(count):
                piece = take.next(size)
                if len(piece) != size:
                    raise EOFError
                yield piece
            take.finish()
    except OSError as error:
        raise access_problem(error, role) from None
    except (EOFError, zlib.error):
        raise scans.IMAGE_INCOMPLETE.problem(f"{role} ends before its data do", where=role) from None


class _Plain:
    """Bytes as they lie."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def skip(self, offset: int) -> None:
        self._stream.seek(offset)

    def next(self, size: int) -> bytes:
        return self._stream.read(size)

    def finish(self) -> None:
        """Nothing to check."""


class _Inflated:
    """Bytes of a gzip file; several members follow each other, as parallel writers leave them."""

    def __init__(self, stream: BinaryIO) -> None:
        stream.seek(0)
        self._stream = stream
        self._left = b""
        self._inflate = zlib.decompressobj(GZIP)

    def skip(self, offset: int) -> None:
        while offset:
            offset -= len(self._some(min(offset, CHUNK)))

    def next(self, size: int) -> bytes:
        pieces: list[bytes] = []
        missing = size
        while missing:
            piece = self._some(missing)
            missing -= len(piece)
            if missing == 0 and not pieces:
                return piece
            pieces.append(piece)
        return b"".join(pieces)

    def finish(self) -> None:
        """Read on to the check sum of this member, so that a damaged file is found."""
        while not self._inflate.eof:
            if not self._some(CHUNK, may_end=True):
                return

    def _some(self, most: int, may_end: bool = False) -> bytes:
        while True:
            if self._inflate.eof:
                if may_end:
                    return b""
                self._left = self._inflate.unused_data
                self._inflate = zlib.decompressobj(GZIP)
            data = self._left or self._stream.read(CHUNK)
            out = self._inflate.decompress(data, most)
            self._left = self._inflate.unconsumed_tail
            if out:
                return out
            if not data and not self._inflate.eof:
                raise EOFError
