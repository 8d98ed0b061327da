"""Which software this is: version, and a digest of the code that a lock is bound to."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

SHARED_CODE = ("site_config", "shared_model", "client")
OFFICE_CODE = ("server",)


@cache
def software() -> str:
    """`fedhcc 0.1.0`; `fedhcc (source)` where it is not installed."""
    try:
        return f"fedhcc {version('fedhcc')}"
    except PackageNotFoundError:
        return "fedhcc (source)"


@cache
def code_digest() -> str:
    """SHA-256, hex, of every Python file of the packages a hospital runs, in order of their names.

    Equal at the coordinator and at every site that runs the same code, however it was installed.
    """
    return _digest(SHARED_CODE)


@cache
def office_digest() -> str:
    """The same of the packages only the coordinator runs; a hospital has none of them and does not ask for it."""
    return _digest(OFFICE_CODE)


def _digest(packages: tuple[str, ...]) -> str:
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted((root / package).rglob("*.py"), key=lambda p: p.relative_to(root).as_posix()):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
