"""The stream of a connection over TLS, before its handover and after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .stream import WRITE_TIMEOUT, HttpStream
from .tls import TlsLine

if TYPE_CHECKING:
    import ssl

    from ..socket import Connection, Wire
    from .lane import RequestLane


class TlsHttpStream(HttpStream):
    """The same over TLS. After the handover, the accepting task reads the connection and writes its queued bytes."""

    def __init__(
        self,
        stream: trio.SocketStream,
        context: ssl.SSLContext,
        *,
        handshake_timeout: float,
        posts: RequestLane | None = None,
    ) -> None:
        super().__init__(stream, handshake_timeout=handshake_timeout, posts=posts)
        self._tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        self._stream = self._tls
        self.transport_stream = stream  # Hypercorn asks it for the addresses
        self._line: TlsLine | None = None

    async def do_handshake(self) -> None:
        """Do the TLS handshake. Hypercorn calls this first, and treats a stream with this method as TLS."""
        with trio.fail_after(self._handshake_timeout):
            await self._tls.do_handshake()

    def _write(self, data: bytes) -> int:
        return 0  # TLS cannot write without waiting

    async def _hang_up(self) -> None:
        # Closing TLS writes a close_notify, and the peer may not read.
        with trio.move_on_after(WRITE_TIMEOUT):
            await self._tls.aclose()

    def selected_alpn_protocol(self) -> str:
        """HTTP/1.1, the only protocol whose connections can be handed over."""
        return "http/1.1"

    def hand_over(self, connection: Connection, wire: Wire) -> bytes:
        """Hand over as for a plain connection; the bytes keep passing through this TLS session."""
        self._line = TlsLine(self._tls, connection, wire)
        connection.bind(self._line)
        wire.enlist(connection)
        return self._let_go()

    async def serve_on(self) -> None:
        """Read and write the handed-over connection until it ends."""
        if self._line is not None:
            await self._line.run()
