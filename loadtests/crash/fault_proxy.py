"""A bad network: a TCP proxy that delays, slices, slows, resets or silently swallows traffic."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from random import Random

GONE = (trio.BrokenResourceError, trio.ClosedResourceError, OSError)
PIECE = 16_384  # bytes read at once, so the most that a slow line holds for each direction
TICK = 0.05  # seconds: the longest pause between two writes of a line with limited bandwidth
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER on with a timeout of 0: closing resets


@dataclass(frozen=True, slots=True)
class Faults:
    """The faults of one connection; 0 and None mean no such fault.

    `latency` is in seconds, each way and for each piece. `slice` is the most bytes passed on at once.
    `bandwidth` is in bytes a second, each way. After `reset_after` bytes towards the client both ends are
    reset. After `hole_after` bytes nothing passes any more, and neither end learns what the other does.
    """

    latency: float = 0.0
    slice: int = 0
    bandwidth: float = 0.0
    reset_after: int | None = None
    hole_after: int | None = None

    @property
    def names(self) -> list[str]:
        """The names of the faults that are set."""
        return [name for name in self.__slots__ if getattr(self, name) not in (0, None)]


CALM = Faults()


def drawn(random: Random) -> Faults:
    """Draw the faults of a connection: none for half of the connections, one or two for the others."""
    chosen = random.sample(Faults.__slots__, random.choice((0, 0, 1, 2)))
    return Faults(
        latency=random.uniform(0.001, 0.06) if "latency" in chosen else 0.0,
        slice=random.choice((2, 40, 700)) if "slice" in chosen else 0,
        bandwidth=random.uniform(20_000, 200_000) if "bandwidth" in chosen else 0.0,
        reset_after=random.randrange(200, 60_000) if "reset_after" in chosen else None,
        hole_after=random.randrange(200, 60_000) if "hole_after" in chosen else None,
    )


class FaultProxy:
    """A proxy for the server at `port` of this machine; clients connect to `url`.

    `faults` is called for each new connection. While the server is down, new clients are reset. A server that
    comes back at the same port is used again. Where there are several servers, `port` is called for each new connection, and
    gives their ports in the order in which they are tried.
    """

    def __init__(
        self, port: int | Callable[[], Sequence[int]], faults: Callable[[], Faults] = lambda: CALM
    ) -> None:
        self.url = ""
        self.lines = 0
        self.cuts = 0
        """Connections that were reset: by a fault, by `cut`, or because one end was gone."""
        self.befell: Counter[str] = Counter()
        """How many connections had each fault, by its name."""
        self._ports = port if callable(port) else lambda: (port,)
        self._faults = faults
        self._open: set[trio.CancelScope] = set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Accept connections until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        task_status.started()
        await trio.serve_listeners(self._carry, listeners)

    def cut(self) -> None:
        """Reset every open connection."""
        for scope in list(self._open):
            scope.cancel()

    async def _carry(self, client: trio.SocketStream) -> None:
        self.lines += 1
        faults = self._faults()
        self.befell.update(faults.names)
        with trio.CancelScope() as scope:
            self._open.add(scope)
            server = await self._reach()
            if server is None:
                _abort(client)
            else:
                await _Line(client, server, faults, scope).run()
        self._open.discard(scope)
        self.cuts += scope.cancelled_caught

    async def _reach(self) -> trio.SocketStream | None:
        for port in self._ports():
            with suppress(OSError):
                return await trio.open_tcp_stream("127.0.0.1", port)
        return None


class _Line:
    """One connection through the proxy."""

    def __init__(
        self,
        client: trio.SocketStream,
        server: trio.SocketStream,
        faults: Faults,
        scope: trio.CancelScope,
    ) -> None:
        self._client, self._server = client, server
        self._faults = faults
        self._scope = scope
        self._came_back = 0  # bytes from the server
        self._in_hole = False

    async def run(self) -> None:
        """Carry traffic until both ends have closed or the scope is cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, self._client, self._server)
                nursery.start_soon(self._pass_on, self._server, self._client)
        finally:
            if self._scope.cancel_called:
                _abort(self._client)
                _abort(self._server)
            self._server.socket.close()

    async def _pass_on(self, source: trio.SocketStream, target: trio.SocketStream) -> None:
        try:
            while not self._in_hole and (data := await source.receive_some(PIECE)):
                await self._deliver(data, source, target)
            if not self._in_hole:
                await target.send_eof()
        except GONE:
            if not self._in_hole:
                self._scope.cancel()
        with suppress(*GONE):
            while self._in_hole and await source.receive_some(PIECE):
                pass  # traffic into the hole is read and dropped

    async def _deliver(
        self, data: bytes | bytearray, source: trio.SocketStream, target: trio.SocketStream
    ) -> None:
        faults = self._faults
        if faults.latency:
            await trio.sleep(faults.latency)
        if source is self._server:
            data = self._spend(data)
        elif self._in_hole:
            return
        step = faults.slice or PIECE
        if faults.bandwidth:
            step = min(step, max(1, int(faults.bandwidth * TICK)))
        for at in range(0, len(data), step):
            piece = data[at : at + step]
            if faults.bandwidth:
                await trio.sleep(len(piece) / faults.bandwidth)
            await target.send_all(piece)
        if faults.reset_after is not None and self._came_back >= faults.reset_after:
            self._scope.cancel()

    def _spend(self, data: bytes | bytearray) -> bytes | bytearray:
        """The part of `data` that the client still receives before the reset or the hole."""
        before = self._came_back
        self._came_back += len(data)
        ends = [
            end for end in (self._faults.reset_after, self._faults.hole_after) if end is not None
        ]
        self._in_hole = self._faults.hole_after is not None and (
            self._came_back >= self._faults.hole_after
        )
        return data[: max(0, min(ends) - before)] if ends else data


def _abort(stream: trio.SocketStream) -> None:
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    stream.socket.close()


@asynccontextmanager
async def bad_network(
    url: str, faults: Callable[[], Faults] = lambda: CALM
) -> AsyncIterator[FaultProxy]:
    """A proxy for the server at this URL, for the length of the block."""
    async with trio.open_nursery() as nursery:
        proxy = FaultProxy(int(url.rpartition(":")[2]), faults)
        await nursery.start(proxy.run)
        yield proxy
        nursery.cancel_scope.cancel()
