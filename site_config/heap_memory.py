"""Memory of a program that moves tens of megabytes again and again: freed blocks are kept for the next message.

The C library gives every large block back to the system and asks for a new one, whose pages are filled with zeros first. In
a round with 33 MB of weights that is a sixth of the CPU seconds of all programs.
"""

from __future__ import annotations

import ctypes
import sys

LARGEST_BLOCK = 32 << 20
"""Blocks up to this size come from the heap: the most the GNU C library takes."""
KEPT = 192 << 20
"""Free memory at the heap's end that is not given back, bytes."""
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep_heap() -> bool:
    """Keep freed blocks in this process from now on; False where the C library has no such setting (musl, macOS)."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        setting = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(setting(_MMAP_THRESHOLD, LARGEST_BLOCK)) and bool(setting(_TRIM_THRESHOLD, KEPT))
