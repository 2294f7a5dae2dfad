"""A simulated socket: two ends with bounded buffers, latency and faults.

The server's end is a `Transport` for its real `Connection`, the client's end a byte stream for its real `Socket`. Bytes arrive
in order, after a delay, split anywhere. A link can be slow, stand still for a time (a half-open peer), or be cut.
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING

import anyio
import trio

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from salon.web.socket.connection import Connection
    from salon.web.socket.wire import Wire

    from .agenda import Agenda

CUT = 0.2  # share of the writes that arrive in two pieces
SLOWEST = 0.25  # seconds that a piece takes without faults, at most
SIP = 200  # bytes that a slow reader takes at once


class Link:
    """The client's end, and the network between the two ends. `capacity` bounds the bytes that the client has not read."""

    def __init__(self, agenda: Agenda, chance: Random, *, capacity: int) -> None:
        self.server = ServerEnd(self)
        self.broken = False
        self.pause = 0.0  # seconds before each read of a slow reader; 0: none
        self.capacity = capacity
        self.unread = 0  # bytes sent to the client and not read yet, in flight or buffered
        self._agenda = agenda
        self._chance = chance
        self._still_until = 0.0
        self._arrives = {"in": 0.0, "out": 0.0}  # when the last piece sent arrives
        self._under_way: dict[str, deque[tuple[bytes, Callable[[bytes], object]]]] = {
            "in": deque(),
            "out": deque(),
        }
        self._inbox: deque[bytes] = deque()
        self._ended = False
        self._news = trio.lowlevel.ParkingLot()

    # --- faults -------------------------------------------------------------------------------

    def stand_still(self, seconds: float) -> None:
        """Delay all arrivals in both directions for so many seconds, unnoticed by the ends."""
        self._still_until = max(self._still_until, trio.current_time() + seconds)

    def cut(self) -> None:
        """End the link for both sides; bytes in flight are lost."""
        if not self.broken:
            self.broken = True
            self._inbox.clear()
            self.end()
            self.soon(self.server.ended)

    def end(self) -> None:
        """Signal the end of the stream to the client."""
        self._ended = True
        self._news.unpark_all()

    @property
    def under_way(self) -> int:
        """Bytes in flight to the client."""
        return sum(len(piece) for piece, _ in self._under_way["out"])

    # --- the network ----------------------------------------------------------------------------

    def carry(self, way: str, data: bytes, arrive: Callable[[bytes], object]) -> None:
        """Deliver bytes after a delay, in order: `arrive` is called with each piece. `way` is "in" or "out"."""
        pieces = [data]
        if len(data) > 1 and self._chance.random() < CUT:
            at = self._chance.randrange(1, len(data))
            pieces = [data[:at], data[at:]]
        for piece in pieces:
            moment = trio.current_time() + SLOWEST * self._chance.random() ** 3
            moment = max(moment, self._arrives[way])
            self._arrives[way] = moment
            self._under_way[way].append((piece, arrive))
            self._agenda.at(moment, partial(self._arrive, way))

    def _arrive(self, way: str) -> None:
        """Deliver the oldest piece in flight; there is one call for each piece."""
        if self.broken:
            return
        if self._still_until > trio.current_time():
            self._agenda.at(self._still_until, partial(self._arrive, way))
        else:
            piece, arrive = self._under_way[way].popleft()
            arrive(piece)

    def soon(self, call: Callable[[], object]) -> None:
        """Schedule a call for the current moment, after the running code."""
        self._agenda.after(0, call)

    def arrived(self, piece: bytes) -> None:
        """Take a piece for the client; an empty one is the end of the stream."""
        if piece:
            self._inbox.append(piece)
            self._news.unpark_all()
        else:
            self.end()

    # --- the client's end -----------------------------------------------------------------------

    async def send(self, item: bytes) -> None:
        """Write; the network takes all bytes at once."""
        await trio.lowlevel.checkpoint()
        if self.broken or self._ended:
            raise anyio.BrokenResourceError("the connection is cut")
        self.carry("in", item, self.server.arrived)

    async def receive(self) -> bytes:
        """Read all the bytes that have arrived, at this reader's pace."""
        await trio.lowlevel.checkpoint()
        if self.pause:
            await trio.sleep(self.pause)
        while not self._inbox:
            if self._ended:
                raise anyio.EndOfStream
            await self._news.park()
        data = b"".join(self._inbox)
        self._inbox.clear()
        if self.pause and len(data) > SIP:
            self._inbox.append(data[SIP:])
            data = data[:SIP]
        self.unread -= len(data)
        self.server.has_room()
        return data

    async def aclose(self) -> None:
        """Close; the server gets the end of the stream after a delay."""
        if not self.broken:
            self._ended = True
            self.carry("in", b"", self.server.arrived)
        await trio.lowlevel.checkpoint()


class ServerEnd:
    """The transport of one connection, from `adopt` on."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._wire: Wire | None = None
        self._connection: Connection | None = None
        self._ready: Callable[[ServerEnd], object] = lambda _: None
        self._reading, self._writing, self._closed = True, False, False
        self._unread: deque[bytes] = deque()

    def adopt(
        self, wire: Wire, connection: Connection, ready: Callable[[ServerEnd], object]
    ) -> None:
        """Pass the bytes to `connection` from now on; `ready` is called whenever `go_on` has work."""
        self._wire, self._connection, self._ready = wire, connection, ready
        connection.bind(self)
        wire.enlist(connection)

    # --- called by the connection ---------------------------------------------------------------

    def send(self, data: bytes | memoryview) -> int:
        """Send as many bytes as there is room for; return their number, -1 if the link is cut."""
        link = self._link
        if link.broken:
            return -1
        taken = bytes(data[: max(0, link.capacity - link.unread)])
        if taken:
            link.unread += len(taken)
            link.carry("out", taken, link.arrived)
        return len(taken)

    def unconfirmed(self) -> int:
        """The number of bytes sent that have not arrived."""
        return self._link.under_way

    def watch(self, connection: Connection, *, reading: bool, writing: bool) -> None:
        """Choose which readiness to report."""
        self._reading, self._writing = reading, writing
        if (reading and self._unread) or writing:
            self._ready(self)

    def refused(self, connection: Connection, retry_after: float) -> None:
        """Report a refusal to the wire, which throttles by the total."""
        assert self._wire is not None
        self._wire.refused(connection, retry_after)

    def closing(self, connection: Connection) -> None:
        """Report a closing handshake to the wire, whose timer cuts the connection if the peer does not answer."""
        assert self._wire is not None
        self._wire.expect_close(connection)

    def abandon(self, connection: Connection) -> None:
        """Close; the client gets the end of the stream after the bytes sent before."""
        assert self._wire is not None
        self._closed = True
        self._wire.forget(connection)
        if not self._link.broken:
            self._link.carry("out", b"", self._link.arrived)

    # --- called by the link -----------------------------------------------------------------------

    def arrived(self, piece: bytes) -> None:
        """Take a piece for the server; an empty one is the end of the stream."""
        self._unread.append(piece)
        self._ready(self)

    def ended(self) -> None:
        """Take the cut of the link."""
        self._unread.clear()
        self._reading = True
        self.arrived(b"")

    def has_room(self) -> None:
        """The client has read: there is room for more bytes."""
        if self._writing:
            self._ready(self)

    # --- called by the server's loop --------------------------------------------------------------

    def go_on(self) -> None:
        """Write as much as there is room for, and read all pieces that have arrived."""
        wire, connection, link = self._wire, self._connection, self._link
        assert wire is not None
        assert connection is not None
        if self._writing and not self._closed and (link.broken or link.unread < link.capacity):
            wire.take(connection, connection.writable)
        while self._unread and self._reading and not self._closed:
            wire.take(connection, connection.received, self._unread.popleft())
