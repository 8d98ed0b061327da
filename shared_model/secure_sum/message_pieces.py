"""The pieces in which Flower carries a message, counted while they arrive and before anything is put together.

Flower sends a message as objects named by their hash. An array is a list of the pieces that make it up, and the same piece
may stand in the list a million times: 5 MB on the line become 5 TB in memory. So every piece passes here on its way in.
Format (Flower 1.42, `flwr.supercore.inflatable`): `TYPE CHILDREN LENGTH`, a zero byte, the body; an array's body is JSON.
"""

from __future__ import annotations

import json
import threading

from shared_model.secure_sum.message_bytes import MAX_HEADER, NPY_HEAD, WireError

MOST_PIECES = 4096
PART = 5 << 20
LARGEST_PART = PART + (1 << 16)
MOST_ARRAYS = 64
SMALL = 1 << 16


class Pieces:
    """Counts one message's pieces against `room`, the most bytes its arrays may hold. Safe to use from several threads."""

    def __init__(self, room: int) -> None:
        self._left = room + MAX_HEADER + NPY_HEAD * MOST_ARRAYS + SMALL
        self._parts = room // PART + MOST_ARRAYS if room else 0
        self._count = 0
        self._lock = threading.Lock()

    def take(self, content: bytes) -> bytes:
        """The piece itself; `WireError` where it is one too many, too large, or repeats others beyond the room."""
        with self._lock:
            self._count += 1
            self._left -= len(content)
            large = content.startswith(b"ArrayChunk ") and len(content) > LARGEST_PART
            if self._count > MOST_PIECES or self._left < 0 or large:
                raise WireError("size of a message")
            if content.startswith(b"Array "):
                self._parts -= _repeated(content)
                if self._parts < 0:
                    raise WireError("pieces of an array")
        return content


def _repeated(content: bytes) -> int:
    """How many pieces an array's list names."""
    try:
        named = json.loads(content[content.index(b"\0") + 1 :])["arraychunk_ids"]
        if not isinstance(named, list):
            raise WireError("pieces of an array")
        return len(named)
    except (ValueError, TypeError, KeyError, RecursionError):
        raise WireError("pieces of an array") from None
