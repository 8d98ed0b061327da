"""Messages between a hospital's program and its resident process: arrays go through the pipe as they lie in memory, uncopied."""

from __future__ import annotations

import os
import pickle
from multiprocessing.connection import Connection
from typing import Any

import numpy as np


def give(pipe: Connection, value: object) -> None:
    """Send a value; the arrays in it follow it byte for byte. Raises what the pipe raises when the other end is gone."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    pipe.send((head, [view.nbytes for view in views]))
    for view in views:
        sent = 0
        while sent < view.nbytes:
            sent += os.write(pipe.fileno(), view[sent:])


def take(pipe: Connection) -> Any:
    """The value that `give` sent. Raises EOFError when the other end is gone."""
    head, sizes = pipe.recv()
    filled = [np.empty(size, dtype=np.uint8) for size in sizes]
    for array in filled:
        view, came = array.data, 0
        while came < view.nbytes:
            count = os.readv(pipe.fileno(), [view[came:]])
            if not count:
                raise EOFError("the pipe ended inside an array")
            came += count
    return pickle.loads(head, buffers=filled)  # noqa: S301 - of our own process
