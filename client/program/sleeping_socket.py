"""A Unix socket that sleeps: a server is up behind it only while somebody is connected.

gRPC's own threads wake fourteen times a second for as long as a server lives, 3 CPU seconds an hour of a hospital's machine for
a service that is asked a few times a day. Here one thread blocks until somebody connects; then the server starts on a socket of
its own (8 ms), and bytes are carried between the two until the last caller has gone.
"""

from __future__ import annotations

import gc
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

Stop = Callable[[], None]
BACKLOG = 16
PIECE = 1 << 16


class SleepingSocket:
    """Listens on `path`, readable by this account alone; `serve(inner)` starts the server and gives what stops it."""

    def __init__(self, path: Path, inner: Path, serve: Callable[[Path], Stop]) -> None:
        self._path, self._inner, self._serve = path, inner, serve
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._listen, daemon=True, name="control")
        self._callers: set[socket.socket] = set()
        self._stop: Stop | None = None
        self._lock = threading.Lock()

    @property
    def awake(self) -> bool:
        """Whether the server is up."""
        return self._stop is not None

    def start(self) -> None:
        """Bind and listen."""
        self._path.unlink(missing_ok=True)
        with private_sockets():
            self._listener.bind(str(self._path))
        self._listener.listen(BACKLOG)
        self._thread.start()

    def stop(self) -> None:
        """Send every caller away, end the server and remove the sockets."""
        with suppress(OSError):  # it may never have listened
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for caller in list(self._callers):
            _hang_up(caller)
        self._thread.join(timeout=5)
        with self._lock:
            self._put_to_sleep()
        self._path.unlink(missing_ok=True)

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:  # the listener was closed
                return
            threading.Thread(target=self._carry, args=(caller,), daemon=True, name="control caller").start()

    def _carry(self, caller: socket.socket) -> None:
        with self._up(caller), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            try:
                server.connect(str(self._inner))
            except OSError:  # it ends just now; the caller may call again
                return
            back = threading.Thread(target=_pump, args=(server, caller), daemon=True, name="control answers")
            back.start()
            _pump(caller, server)
            back.join()

    @contextmanager
    def _up(self, caller: socket.socket) -> Iterator[None]:
        """The server is up while any caller is there."""
        with self._lock:
            self._callers.add(caller)
            if self._stop is None:
                self._stop = self._serve(self._inner)
        try:
            yield
        finally:
            with self._lock:
                caller.close()
                self._callers.discard(caller)
                if not self._callers:
                    self._put_to_sleep()

    def _put_to_sleep(self) -> None:
        stop, self._stop = self._stop, None
        if stop is None:
            return
        stop()
        del stop
        gc.collect()  # gRPC's threads end with its last object, and its objects name one another
        self._inner.unlink(missing_ok=True)


@contextmanager
def private_sockets() -> Iterator[None]:
    """Sockets that are bound meanwhile are for this account alone."""
    before = os.umask(0o177)
    try:
        yield
    finally:
        os.umask(before)


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way until either side hangs up; the other side is told."""
    with suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _hang_up(caller: socket.socket) -> None:
    with suppress(OSError):
        caller.shutdown(socket.SHUT_RDWR)
