"""Connections in memory, of anyio's kind: with room for everything, or for what the other end takes at once."""

from __future__ import annotations

import anyio

RECEIVED = 4096  # bytes at most of one receive: less than a large frame


class Pipe:
    """One direction. In `lockstep`, sending lasts until all has been taken."""

    def __init__(self, lockstep: bool) -> None:
        self.is_closed = False
        self._lockstep = lockstep
        self._data = bytearray()
        self._changed = anyio.Event()

    def change(self) -> None:
        """Wake whoever waits at either end."""
        self._changed.set()
        self._changed = anyio.Event()

    async def put(self, data: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        if self.is_closed:
            raise anyio.BrokenResourceError
        self._data += data
        self.change()
        try:
            while self._lockstep and self._data:
                await self._changed.wait()
                if self.is_closed:
                    raise anyio.BrokenResourceError
        finally:
            if self._lockstep:
                self._data.clear()  # a cancelled write is torn

    async def take(self) -> bytes:
        await anyio.lowlevel.checkpoint()
        while not (self._data or self.is_closed):
            await self._changed.wait()
        if not self._data:
            raise anyio.EndOfStream
        taken = bytes(self._data[:RECEIVED])
        del self._data[:RECEIVED]
        self.change()
        return taken


class MemoryStream:
    """One end of a connection in memory."""

    def __init__(self, incoming: Pipe, outgoing: Pipe) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self.is_closed = False

    async def receive(self) -> bytes:
        if self.is_closed:
            raise anyio.ClosedResourceError
        return await self._incoming.take()

    async def send(self, item: bytes) -> None:
        if self.is_closed:
            raise anyio.ClosedResourceError
        await self._outgoing.put(item)

    async def aclose(self) -> None:
        self.is_closed = True
        for pipe in (self._incoming, self._outgoing):
            pipe.is_closed = True
            pipe.change()
        await anyio.lowlevel.checkpoint()

    def end(self) -> None:
        """Send no more, and go on receiving."""
        self._outgoing.is_closed = True
        self._outgoing.change()


def stream_pair(lockstep: bool = False) -> tuple[MemoryStream, MemoryStream]:
    """Both ends of a connection."""
    one, other = Pipe(lockstep), Pipe(lockstep)
    return MemoryStream(one, other), MemoryStream(other, one)


def lockstep_pair() -> tuple[MemoryStream, MemoryStream]:
    """Both ends of a connection that holds nothing itself."""
    return stream_pair(lockstep=True)
