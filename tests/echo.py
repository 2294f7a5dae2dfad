"""An endpoint that sends back what it is sent, for tests of the protocol: salon's own HTTP stream, wire, connection and codec.

Only two things are another: who comes in needs no identity, and a message is answered with itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import trio
from wsproto.utilities import generate_accept_token

from salon.actors.model import Participant
from salon.web.api.handshake_lane import ANSWER, read_fields
from salon.web.http.stream import HttpStream
from salon.web.socket.connection import Connection
from salon.web.socket.websocket import text_header
from salon.web.socket.wire import Wire
from tests.unit.engine import Engine, open_engine

FIN_BINARY = b"\x82"


class EchoConnection(Connection):
    """A connection whose messages go back to where they came from."""

    __slots__ = ()

    def _frame(self, text: str) -> None:
        payload = text.encode()
        self.push(text_header(len(payload)) + payload)

    def _binary(self, payload: bytes) -> None:
        self.push(FIN_BINARY + text_header(len(payload))[1:] + payload)


@asynccontextmanager
async def echo_endpoint() -> AsyncIterator[str]:
    """The endpoint runs inside the block; its address, as `ws://…`. Messages may be of any size."""
    wire = Wire(heartbeat=0, chance=lambda: 0.5, now_ms=lambda: 0)
    async with open_engine() as engine, trio.open_nursery() as nursery:
        await nursery.start(wire.run)
        serve = partial(trio.serve_tcp, partial(_greet, engine, wire), 0, host="127.0.0.1")
        [listener] = await nursery.start(serve)
        yield f"ws://127.0.0.1:{listener.socket.getsockname()[1]}/"
        nursery.cancel_scope.cancel()


async def _greet(engine: Engine, wire: Wire, stream: trio.SocketStream) -> None:
    http_stream = HttpStream(stream, handshake_timeout=10)
    if not await http_stream.first_head():
        return
    fields = read_fields(http_stream.upgrade_lines)
    assert fields is not None, http_stream.upgrade_lines
    number = engine.sources.new_id()
    connection = EchoConnection(
        directory=engine.directory,
        connection_id=number,
        conversation_id="echo",
        participant=Participant(number, "Echo"),
        token_id=None,
        expires_at=None,
        address="",
        max_frame_size=0,
        frame_rate=0,
    )
    connection.hold(ANSWER % generate_accept_token(fields["sec-websocket-key"].encode()))
    early = http_stream.hand_over(connection, wire)
    connection.flush()
    if early:
        connection.received(early)
