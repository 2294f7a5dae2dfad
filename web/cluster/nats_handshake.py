"""A connection to a NATS server, made: TLS where it must be, and the server knows who this is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import trio

from .nats_address import NatsError
from .nats_protocol import PING, Info, Parser, Ponged, Refused, connect

if TYPE_CHECKING:
    from .nats_address import NatsAddress, Place

READ = 262_144  # bytes read at once

T = TypeVar("T", Info, Ponged)


class Opened(NamedTuple):
    """A connection. `limit` is how many bytes a message may have."""

    stream: trio.abc.Stream
    parser: Parser
    limit: int


async def open_connection(address: NatsAddress, place: Place, name: str) -> Opened:
    """Connect to a server and introduce this client, whose name operators of NATS see.

    Raises `NatsError` where the server refuses, and what a stream raises.
    """
    stream: trio.abc.Stream = await trio.open_tcp_stream(place.host, place.port)
    parser = Parser()
    try:
        info = await _expect(Info, stream, parser, place)
        if place.tls or info.tls_required:
            stream = await _begin_tls(address, place, info, stream)
        options = {
            "verbose": False,
            "pedantic": False,
            "lang": "python",
            "version": "1",
            "protocol": 1,
            "echo": False,
            "name": name,
            "tls_required": place.tls,
            **address.credentials(place, info.nonce),
        }
        await stream.send_all(connect(options) + PING)
        await _expect(Ponged, stream, parser, place)
    except BaseException:
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(stream)
        raise
    return Opened(stream, parser, info.max_payload)


async def _begin_tls(
    address: NatsAddress, place: Place, info: Info, stream: trio.abc.Stream
) -> trio.abc.Stream:
    if not (info.tls_required or info.tls_available):
        raise NatsError(
            f"{place}: the server has no TLS: configure it there, or name it with nats://"
        )
    secured = trio.SSLStream(stream, address.tls, server_hostname=place.host)
    try:
        await secured.do_handshake()
    except trio.BrokenResourceError as error:
        raise NatsError(f"{place}: TLS: {error.__cause__}: see cluster.nats_ca") from None
    return secured


async def _expect(kind: type[T], stream: trio.abc.Stream, parser: Parser, place: Place) -> T:
    """The first event of a kind. Raises `NatsError` where the server refuses instead."""
    while True:
        data = await stream.receive_some(READ)
        if not data:
            raise trio.BrokenResourceError("the server has closed the connection")
        for each in parser.feed(data):
            if isinstance(each, kind):
                return each
            if isinstance(each, Refused):
                raise NatsError(
                    f"{place}: {each.text}: see cluster.nats and cluster.nats_credentials"
                )
