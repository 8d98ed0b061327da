"""Messages through the pipe to the resident process arrive as they were sent, and an end in the middle is noticed."""

from __future__ import annotations

import multiprocessing
import os
import threading

import numpy as np
import pytest

from client.program.worker_pipe import give, take
from shared_model.secure_sum.federation_messages import Message


@pytest.mark.parametrize("sizes", [(), (0,), (1, 7), (3_000_000, 5)])
def test_arrays_arrive_whole_and_can_be_written_to(sizes: tuple[int, ...]) -> None:
    here, there = multiprocessing.Pipe()
    arrays = {f"a{number}": np.arange(size, dtype=np.float32) for number, size in enumerate(sizes)}
    arrays["turned"] = np.asfortranarray(np.arange(6, dtype=np.int64).reshape(2, 3))
    sender = threading.Thread(target=give, args=(here, (Message("release", {"n": 1}, arrays), "told")))
    sender.start()
    message, told = take(there)
    sender.join()
    assert told == "told" and message.body == {"n": 1} and list(message.arrays) == list(arrays)
    for name, array in arrays.items():
        assert message.arrays[name].dtype == array.dtype and np.array_equal(message.arrays[name], array)
        message.arrays[name][...] = 0


def test_an_end_in_the_middle_of_an_array_is_an_end_of_the_pipe() -> None:
    here, there = multiprocessing.Pipe()
    here.send((b"", [1000]))
    os.write(here.fileno(), b"x" * 10)
    here.close()
    with pytest.raises(EOFError):
        take(there)
