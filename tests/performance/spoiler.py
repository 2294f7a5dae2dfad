"""A proxy that is no better than it should be: it stands before a server and spoils what one socket is sent."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from urllib.parse import urlsplit

import trio

from salon.loadtests.users.frame import bounds, sequence_of

Spoil = Callable[
    [int, bytes], bytes
]  # from an event's sequence and its frame to what is sent in its place

BLANK = b"\r\n\r\n"


@asynccontextmanager
async def spoiled(url: str, spoil: Spoil, *, victim: int = 2) -> AsyncIterator[str]:
    """The URL of a proxy before a server; of its WebSockets, that with this number gets spoiled events."""
    parts = urlsplit(url)
    sockets = itertools.count(1)

    async def connect(client: trio.SocketStream) -> None:
        async with await trio.open_tcp_stream(parts.hostname or "", parts.port or 0) as server:
            first = bytes(await client.receive_some())
            await server.send_all(first)
            chosen = first.startswith(b"GET /chat/ws/") and next(sockets) == victim
            back = partial(_pass_spoiled, spoil=spoil) if chosen else _pass
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_closed, nursery.cancel_scope, _pass, client, server)
                nursery.start_soon(_until_closed, nursery.cancel_scope, back, server, client)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, connect, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def _until_closed(
    both: trio.CancelScope,
    pass_on: Callable[..., object],
    here: trio.SocketStream,
    there: trio.SocketStream,
) -> None:
    with suppress(trio.BrokenResourceError):
        await pass_on(here, there)  # type: ignore[misc]
    both.cancel()


async def _pass(here: trio.SocketStream, there: trio.SocketStream) -> None:
    async for data in here:
        await there.send_all(data)


async def _pass_spoiled(here: trio.SocketStream, there: trio.SocketStream, spoil: Spoil) -> None:
    data = b""
    while BLANK not in data:
        data += await here.receive_some()
    head, _, data = data.partition(BLANK)
    await there.send_all(head + BLANK)
    while True:
        while found := bounds(data, 0):
            start, end = found
            sequence = sequence_of(data[start:end])
            frame, data = data[:end], data[end:]
            await there.send_all(frame if sequence is None else spoil(sequence, frame))
        more = await here.receive_some()
        if not more:
            return
        data += more
