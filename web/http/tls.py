"""A handed-over connection over TLS. A task empties its outbox, since TLS cannot be written to without waiting."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from ..socket import Phase, unconfirmed

if TYPE_CHECKING:
    from ..socket import Connection, Wire

WRITE_BYTES = 65_536  # taken from the outbox at once: four TLS records
GOODBYE = 1.0  # seconds to write the remaining bytes when the connection is over
GONE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)


class TlsLine:
    """The transport of one connection. The writer writes what `send` took before `send` takes more."""

    def __init__(
        self, stream: trio.SSLStream[trio.SocketStream], connection: Connection, wire: Wire
    ) -> None:
        self._stream = stream
        self._connection = connection
        self._wire = wire
        self._pending = b""
        self._wake = trio.Event()
        self._may_read = trio.Event()
        self._may_read.set()
        self._scope = trio.CancelScope()

    def send(self, data: bytes | memoryview) -> int:
        """Take bytes if the writer is idle; the number taken, see `Transport.send`."""
        if self._pending:
            return 0
        self._pending = bytes(data[:WRITE_BYTES])
        self._wake.set()
        return len(self._pending)

    def unconfirmed(self) -> int:
        """The number of bytes that the writer has not written or the peer's system has not acknowledged."""
        return len(self._pending) + unconfirmed(self._stream.transport_stream.socket)

    def watch(self, connection: Connection, *, reading: bool, writing: bool) -> None:
        """Choose whether to read; the writer always reports when there is room."""
        if reading:
            self._may_read.set()
        elif self._may_read.is_set():
            self._may_read = trio.Event()

    def refused(self, connection: Connection, retry_after: float) -> None:
        """Report a refusal to the wire, which counts those of the whole process."""
        self._wire.refused(connection, retry_after)

    def closing(self, connection: Connection) -> None:
        """Have the wire's timer cut the connection if the peer does not answer."""
        self._wire.expect_close(connection)

    def abandon(self, connection: Connection) -> None:
        """End the reader and the writer; the task that accepted the stream closes it."""
        self._wire.forget(connection)
        self._scope.cancel()

    async def run(self) -> None:
        """Read and write until the connection is over."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read()
        await self._say_goodbye()

    async def _read(self) -> None:
        while self._connection.phase is not Phase.CLOSED:
            await self._may_read.wait()
            try:
                data = bytes(await self._stream.receive_some(self._wire.bite))
            except GONE:
                data = b""
            self._wire.take(self._connection, self._connection.received, data)

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            try:
                await self._stream.send_all(self._pending)
            except GONE:
                self._wire.take(self._connection, self._connection.lost)
                return
            self._pending = b""
            self._wire.take(self._connection, self._connection.writable)

    async def _say_goodbye(self) -> None:
        """Write the remaining bytes: when the peer's close frame arrives, this side's may not be written yet."""
        with trio.move_on_after(GOODBYE, shield=True), suppress(*GONE):
            if self._pending:
                await self._stream.send_all(self._pending)
            await self._stream.aclose()
