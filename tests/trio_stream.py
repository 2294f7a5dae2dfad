"""A stream of trio's as the client takes it: one of anyio's kind."""

from __future__ import annotations

import anyio
import trio


class TrioStream:
    """The client's end of a connection that a test has made with trio, such as one in memory."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream

    async def receive(self) -> bytes:
        try:
            data = bytes(await self.stream.receive_some())
        except trio.ClosedResourceError as error:
            raise anyio.ClosedResourceError from error
        except trio.BrokenResourceError as error:
            raise anyio.BrokenResourceError from error
        if not data:
            raise anyio.EndOfStream
        return data

    async def send(self, item: bytes) -> None:
        try:
            await self.stream.send_all(item)
        except trio.ClosedResourceError as error:
            raise anyio.ClosedResourceError from error
        except trio.BrokenResourceError as error:
            raise anyio.BrokenResourceError from error

    async def aclose(self) -> None:
        await self.stream.aclose()
