"""Freed memory goes back to the machine between two training steps.

The C library keeps what it was given in case it is needed again, in pieces that the next step does not always fit into: two
steps of a patient's activations held 300 MB more than one. A hospital's machine has other work between rounds.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None)


def give_back() -> None:
    """Return free pages to the operating system; does nothing where the C library has no `malloc_trim` (glibc has)."""
    trim = _trim()
    if trim is not None:
        trim(ctypes.c_size_t(0))
