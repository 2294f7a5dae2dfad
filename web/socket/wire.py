"""The wire: one loop over all WebSocket connections, instead of a task for each.

The wire's own selector (epoll, kqueue) watches every socket; trio watches the selector. Under load one poll finds many
sockets readable. The conversations' mailboxes then fill before their turns run, so one turn handles a batch of commands.
"""

from __future__ import annotations

import fcntl
import logging
import selectors
import socket
import sys
import termios
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

import trio

from .coalescing import MOMENT, CoalescingWait
from .connection import Connection, Phase
from .endings import Endings
from .read_throttle import ReadThrottle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Seconds after which a connection is closed when its peer takes no byte of the data waiting for it
STALL_TIMEOUT = 120.0
# Bytes read from one socket in one round; the rest waits for the next round, so that no other socket starves
READ_BYTES = 16_384
SIP = 512  # lower bound of that while most messages are refused: three short messages
SOCKETS_A_ROUND = 256  # sockets handled between two passes of trio's scheduler
FEW_SOCKETS = 32  # the same while most messages are refused
# Seconds that text of runs waits for that of other runs. Many sockets are then read in one pass, a fifth of what a gap between
# two deltas takes at least
TEXT_MOMENT = 0.004
TEXTS_A_ROUND = 16  # sockets with text of runs handled between two passes: about a millisecond
WAKING = 0.02  # seconds between two checks for connections whose rest is over, while any rests
# Refusals in one round above which less is read at once: turns wait for the end of the round, and refusals serve nobody
REFUSALS_A_ROUND = 64

NO_TURNS: AbstractContextManager[None] = nullcontext()

logger = logging.getLogger(__name__)


class Wire:
    """Owns the sockets of all connections that have been handed over.

    `heartbeat` is in seconds, 0 for none. `chance` (0 to 1) spreads the first beats. `now_ms` is the wall clock in
    milliseconds; it decides when identities expire. `turns` is entered for each round of reading; the actor turns that the
    round causes run when it is left.
    """

    def __init__(
        self,
        *,
        heartbeat: float,
        chance: Callable[[], float],
        now_ms: Callable[[], int],
        turns: AbstractContextManager[None] = NO_TURNS,
    ) -> None:
        self._selector = selectors.DefaultSelector()
        # The sockets of agents in the middle of a run: people's messages never wait for all of them
        self._text_selector = selectors.DefaultSelector()
        self._in_text: set[Connection] = set()
        self._turns = turns
        self._patience = CoalescingWait()
        self._connections: dict[Connection, None] = {}
        self._closing: dict[Connection, None] = {}
        self.bite = READ_BYTES  # bytes read from one socket in one round
        self._refusals = 0  # in this round
        self._brake = ReadThrottle()
        self._resting: list[tuple[float, int, Connection]] = []  # heap of next reads
        self._rests = count()
        self._somebody_rests = trio.Event()
        self._heartbeat = heartbeat
        self._chance = chance
        self.endings = Endings(now_ms, heartbeat)
        self._beats: list[dict[Connection, None]] = [{} for _ in range(max(1, round(heartbeat)))]
        self._slots: dict[Connection, int] = {}
        self.addresses: Counter[str] = Counter()  # number of connections per network address

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._connections)

    def adopt(self, connection: Connection, sock: socket.socket) -> None:
        """Take over a connected socket: from now on the connection receives its bytes."""
        sock.setblocking(False)
        connection.bind(_Plain(self, sock))
        self._selector.register(sock, selectors.EVENT_READ, connection)
        self.enlist(connection)

    def enlist(self, connection: Connection) -> None:
        """Register a connection and assign it a heartbeat slot."""
        slot = int(self._chance() * len(self._beats))
        self._connections[connection] = None
        self.addresses[connection.address] += 1
        self._slots[connection] = slot
        self._beats[slot][connection] = None
        self.endings.look(connection)

    def forget(self, connection: Connection) -> None:
        """Remove a connection whose socket is closed."""
        self._connections.pop(connection, None)
        self._closing.pop(connection, None)
        self._in_text.discard(connection)
        self.endings.forget(connection)
        slot = self._slots.pop(connection, None)
        if slot is not None:
            del self._beats[slot][connection]
            self.addresses[connection.address] -= 1
            if not self.addresses[connection.address]:
                del self.addresses[connection.address]

    def expect_close(self, connection: Connection) -> None:
        """Cut the connection's socket at its `close_deadline`."""
        self._closing[connection] = None

    def refused(self, connection: Connection, retry_after: float) -> None:
        """Count a refusal; stop reading the connection for a while if the thread is overloaded and refusals are too many."""
        self._refusals += 1
        if not self._patience.overloaded:
            return
        now = trio.current_time()
        pause = self._brake.refused(retry_after, now)
        if pause and not connection.resting:
            connection.rest()
            heappush(self._resting, (now + pause, next(self._rests), connection))
            self._somebody_rests.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read, write and send heartbeats until cancelled; then close every socket."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._beat)
                nursery.start_soon(self._wake)
                nursery.start_soon(self._serve_text)
                task_status.started()
                await self._serve()
        finally:
            for connection in list(self._connections):
                connection.lost()
            self._selector.close()
            self._text_selector.close()

    async def _serve(self) -> None:
        ready: list[tuple[Any, int]] = []
        while True:
            if not ready:
                ready = await self._look()
            sockets = SOCKETS_A_ROUND if self.bite == READ_BYTES else FEW_SOCKETS
            with self._turns:
                for key, events in ready[:sockets]:
                    self._handle(key, events)
            ready = ready[sockets:]
            self._adapt()
            if ready:
                await trio.lowlevel.checkpoint()

    async def _serve_text(self) -> None:
        """The same for the sockets of agents in the middle of a run."""
        while True:
            await trio.lowlevel.wait_readable(self._text_selector)
            await trio.sleep(TEXT_MOMENT)
            ready = self._text_selector.select(0)
            while ready:
                with self._turns:
                    for key, events in ready[:TEXTS_A_ROUND]:
                        self._handle(key, events)
                ready = ready[TEXTS_A_ROUND:]
                self._adapt()
                if ready:
                    await trio.lowlevel.checkpoint()

    def _change_lane(self, connection: Connection, key: selectors.SelectorKey) -> None:
        """Have a socket watched by the other selector: its agent has begun or ended to send text."""
        if connection.phase is Phase.CLOSED:
            return
        before = self._lane(connection)
        self._in_text ^= {connection}
        if key.fd in before.get_map():  # else nothing of it is awaited now
            events = before.unregister(key.fileobj).events
            self._lane(connection).register(key.fileobj, events, connection)

    def _lane(self, connection: Connection) -> selectors.BaseSelector:
        return self._text_selector if connection in self._in_text else self._selector

    async def _look(self) -> list[tuple[Any, int]]:
        """Wait until sockets are readable or writable; the selector's list of them."""
        await trio.lowlevel.wait_readable(self._selector)
        ready = self._selector.select(0)
        if self._patience.pays(len(ready), trio.current_time(), time.thread_time()):
            await trio.sleep(MOMENT)
            before, ready = len(ready), self._selector.select(0)
            self._patience.learn(len(ready) - before, MOMENT)
        return ready

    def _adapt(self) -> None:
        """Lower the bytes read per socket while many messages are refused, and raise them again afterwards."""
        if not self._refusals and self.bite == READ_BYTES:
            return
        if self._refusals > REFUSALS_A_ROUND:
            self.bite = max(self.bite * REFUSALS_A_ROUND // self._refusals, SIP)
        elif self._refusals < REFUSALS_A_ROUND // 4:
            self.bite = min(self.bite * 2, READ_BYTES)
        self._refusals = 0

    def _handle(self, key: selectors.SelectorKey, events: int) -> None:
        connection: Connection = key.data
        try:
            if events & selectors.EVENT_WRITE:
                connection.writable()
            if events & selectors.EVENT_READ and connection.phase is not Phase.CLOSED:
                connection.received(key.fileobj.recv(self.bite))  # type: ignore[union-attr]
                if connection.in_text is not (connection in self._in_text):
                    self._change_lane(connection, key)
        except BlockingIOError:
            pass
        except OSError:
            connection.lost()
        except Exception as error:
            self._give_up(connection, error)

    def take(self, connection: Connection, step: Callable[..., None], *arguments: Any) -> None:
        """Run one step of a connection; an exception ends this connection and no other."""
        try:
            step(*arguments)
        except Exception as error:
            self._give_up(connection, error)

    def _give_up(self, connection: Connection, error: Exception) -> None:
        logger.error("connection %s failed", connection.connection_id, exc_info=error)
        connection.lost()

    async def _wake(self) -> None:
        """Resume reading connections whose rest is over."""
        resting = self._resting
        while True:
            await self._somebody_rests.wait()
            while resting:
                # Not until the first is due: a connection with a shorter rest may be added meanwhile.
                await trio.sleep(WAKING)
                now = trio.current_time()
                while resting and resting[0][0] <= now:
                    connection = heappop(resting)[2]
                    self.take(connection, connection.go_on)
            self._somebody_rests = trio.Event()

    async def _beat(self) -> None:
        slot = 0
        at = now = trio.current_time()
        while True:
            # After a pause of the process (a suspended VM, say) missed beats are not made up: the pongs are there, but unread.
            at = at + 1 if at + 1 > now else now + 1
            await trio.sleep_until(at)
            now = trio.current_time()
            self._patience.look(now, time.thread_time())
            for connection in [c for c in self._closing if c.close_deadline <= now]:
                self.take(connection, connection.lost)
            for connection in tuple(self._beats[slot]):
                self.take(connection, self._inspect, connection, now)
            for connection in self.endings.near():
                self.take(connection, self.endings.check, connection)
            slot = (slot + 1) % len(self._beats)

    def _inspect(self, connection: Connection, now: float) -> None:
        self.endings.look(connection)
        if connection.stalled_since is not None and now - connection.stalled_since > STALL_TIMEOUT:
            connection.close(4003, "lagged too long")
        elif self._heartbeat:
            connection.beat(now)

    def watch(self, sock: socket.socket, connection: Connection, before: int, events: int) -> None:
        """Change the events that the selector reports for a socket, from `before` to `events`; 0 is none."""
        selector = self._lane(connection)
        if not before:
            selector.register(sock, events, connection)
        elif not events:
            selector.unregister(sock)
        else:
            selector.modify(sock, events, connection)

    def close_socket(self, sock: socket.socket, connection: Connection, watched: int) -> None:
        """Close a socket of this wire and remove its connection."""
        if watched:
            self._lane(connection).unregister(sock)
        sock.close()
        self.forget(connection)


def unconfirmed(sock: socket.socket | trio.socket.SocketType) -> int:
    """Bytes in the kernel's send buffer that the peer has not acknowledged; 0 where the system does not report them."""
    try:
        return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return 0


class _Plain:
    """The transport of a plain TCP connection: a socket in the wire's own selector."""

    __slots__ = ("_sock", "_watched", "_wire")

    def __init__(self, wire: Wire, sock: socket.socket) -> None:
        self._wire = wire
        self._sock = sock
        self._watched = selectors.EVENT_READ

    def send(self, data: bytes | memoryview) -> int:
        try:
            return self._sock.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return -1

    def unconfirmed(self) -> int:
        return unconfirmed(self._sock)

    def watch(self, connection: Connection, *, reading: bool, writing: bool) -> None:
        events = reading * selectors.EVENT_READ | writing * selectors.EVENT_WRITE
        if events != self._watched:
            self._wire.watch(self._sock, connection, self._watched, events)
            self._watched = events

    def refused(self, connection: Connection, retry_after: float) -> None:
        self._wire.refused(connection, retry_after)

    def closing(self, connection: Connection) -> None:
        self._wire.expect_close(connection)

    def abandon(self, connection: Connection) -> None:
        self._wire.close_socket(self._sock, connection, self._watched)
