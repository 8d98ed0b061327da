"""A recorder between one site and the gateway: TLS ends here with the gateway's own certificate, and begins again.

Whoever holds the office's key sees exactly this of a hospital: the plaintext of both directions, connection by connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Sequence
from pathlib import Path

PIECE = 1 << 16
Pieces = Sequence[tuple[int, bytes]]
"""Plaintext of one direction as it passed: the number of the connection, and bytes."""


def joined(pieces: Pieces) -> list[bytes]:
    """The bytes of each connection."""
    found: dict[int, bytearray] = {}
    for number, data in pieces:
        found.setdefault(number, bytearray()).extend(data)
    return [bytes(one) for one in found.values()]


class Recorder:
    """Listens on `port` of this machine and forwards to the gateway at `target`; `tls` is the office's folder of certificates."""

    def __init__(self, target: int, tls: Path) -> None:
        self._target = target
        self._near = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._near.load_cert_chain(tls / "gateway.pem", tls / "gateway.key")
        self._far = ssl.create_default_context(cafile=str(tls / "ca.pem"))
        self.sent: list[tuple[int, bytes]] = []
        self.received: list[tuple[int, bytes]] = []
        self._connections = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="recorder")
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """Stop listening and drop what is open; what was recorded stays."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._near)

    async def _end(self) -> None:
        self._server.close()
        mine = asyncio.current_task()
        others = [task for task in asyncio.all_tasks() if task is not mine]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target, ssl=self._far, server_hostname="127.0.0.1")
        except OSError:
            writer.close()
            return
        try:
            await asyncio.gather(_pump(reader, far_writer, number, self.sent), _pump(far_reader, writer, number, self.received))
        finally:
            for one in (writer, far_writer):
                one.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, number: int, kept: list[tuple[int, bytes]]) -> None:
    """Copy until one side ends, then end the other."""
    with contextlib.suppress(OSError):
        while data := await source.read(PIECE):
            kept.append((number, data))
            sink.write(data)
            await sink.drain()
    sink.close()
