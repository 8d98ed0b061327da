"""The long arrays of a kept file, each in a file of its own that is named by its digest.

What did not change since the last round is not written again. The kept file's entry in the ledger names the digests of all
its parts, so parts are believed with it; a part that no kept file names any more is not read by anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from site_config.atomic_files import make_folder, write_atomic

Parts = Mapping[str, memoryview]
"""SHA-256, hex → the bytes of a part."""
SUFFIX = ".array"


def part_folder(path: Path) -> Path:
    """Where the parts of a kept file lie: `training/Rad-D` for `training/Rad-D.safetensors`."""
    return path.with_suffix("")


def part_file(path: Path, digest: str) -> Path:
    """The file of one part."""
    return part_folder(path) / f"{digest}{SUFFIX}"


def write_with_parts(path: Path, data: bytes, parts: Parts) -> None:
    """Write the parts that are not there yet, then the file, then remove parts that only older files named.

    Whatever is cut short leaves a whole file, this one or the one before, with all its parts.
    """
    if parts:
        make_folder(part_folder(path))
    for digest, content in parts.items():
        if not part_file(path, digest).exists():
            write_atomic(part_file(path, digest), content)
    write_atomic(path, data)
    if parts:
        for old in part_folder(path).glob(f"*{SUFFIX}"):
            if old.stem not in parts:
                with suppress(OSError):  # what cannot be removed is not read either
                    old.unlink()


def parts_fault(path: Path, digests: Iterable[str]) -> str | None:
    """Why the parts of a kept file are not believed; None where all are."""
    for digest in digests:
        part = part_file(path, digest)
        if not part.exists():
            return "lacks an array"
        if hashlib.sha256(part.read_bytes()).hexdigest() != digest:
            return "names an array that is not the one that was written"
    return None
