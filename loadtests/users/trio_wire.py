"""A client's socket that is read and written by trio-websocket: code that is not ours, so that it shares no fault with ours.

A thread runs trio. Each connection is a task there, and a pair of sockets joins it to the worker: every message that has come
is one byte in it, so that the worker waits for both kinds of wire in the same way, and who does not read stops the reading here.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

import trio
from trio_websocket import (
    ConnectionClosed,
    ConnectionRejected,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from .api import RunError, refusal
from .frame import BadFrame, server_frame
from .user import CUT, User

if TYPE_CHECKING:
    from collections.abc import Callable

    from .api import Target

LARGEST = 1 << 24  # bytes of a message: more than any frame of a server
BELL = b"\0"  # one message
RINGS = 4096  # messages taken at once


class Ended(NamedTuple):
    """How a connection ended."""

    code: int
    reason: str


Item = str | bytes | Ended | RunError


class Loop(Protocol):
    """Where the tasks of connections run."""

    def start(self, wire: TrioWire, path: str, token: str) -> None:
        """Run a connection."""

    def soon(self, call: Callable[[], object]) -> None:
        """Call something there, soon."""


class TrioThread:
    """The thread of one worker. It ends with the process."""

    def __init__(self) -> None:
        ready = threading.Event()
        self._token: trio.lowlevel.TrioToken
        self._nursery: trio.Nursery
        threading.Thread(
            target=trio.run, args=(self._main, ready), name="trio-websocket", daemon=True
        ).start()
        ready.wait()

    async def _main(self, ready: threading.Event) -> None:
        async with trio.open_nursery() as self._nursery:
            self._token = trio.lowlevel.current_trio_token()
            ready.set()
            await trio.sleep_forever()

    def start(self, wire: TrioWire, path: str, token: str) -> None:
        """Run a connection."""
        task = Connected(wire.target, path, token, wire.items, wire.there)
        wire.task = task
        self.soon(lambda: self._nursery.start_soon(task.run))

    def soon(self, call: Callable[[], object]) -> None:
        """Call something there, soon."""
        self._token.run_sync_soon(call)


class Connected:
    """One connection, in the thread's trio."""

    def __init__(
        self, target: Target, path: str, token: str, items: deque[Item], there: socket.socket
    ) -> None:
        self._target, self._path, self._token = target, path, token
        self._items = items
        self._there = there
        self._scope = trio.CancelScope()
        self._send, self._outgoing = trio.open_memory_channel[str](0x7FFFFFFF)

    def send(self, text: str) -> None:
        """Send a message; before the handshake is over it waits."""
        self._send.send_nowait(text)

    def cut(self) -> None:
        """End it without a word, as a lost network does."""
        self._scope.cancel()

    async def run(self) -> None:
        """Connect, and pass on what comes until the connection is over."""
        bell = trio.socket.from_stdlib_socket(self._there)
        with bell, self._scope:
            ended = await self._play(bell)
            self._items.append(ended)
            await bell.send(BELL)

    async def _play(self, bell: trio.socket.SocketType) -> Item:
        sock = trio.socket.socket(self._target.family)
        try:
            await sock.connect(self._target.address)
        except OSError:
            sock.close()
            return Ended(CUT, "")
        stream = trio.SocketStream(sock)
        try:
            async with trio.open_nursery() as nursery:
                ended = await self._converse(nursery, stream, bell)
                nursery.cancel_scope.cancel()
        finally:
            await trio.aclose_forcefully(stream)
        return ended

    async def _converse(
        self, nursery: trio.Nursery, stream: trio.SocketStream, bell: trio.socket.SocketType
    ) -> Item:
        try:
            websocket = await wrap_client_stream(
                nursery,
                stream,
                self._target.host,
                self._target.path + self._path,
                extra_headers=[(b"Authorization", f"Bearer {self._token}".encode())],
                max_message_size=LARGEST,
            )
            nursery.start_soon(self._write, websocket)
            while True:
                self._items.append(await websocket.get_message())
                await bell.send(BELL)
        except ConnectionRejected as no:
            return _refused(no)
        except ConnectionClosed as closed:
            why = closed.reason
            return Ended(CUT, "") if why is None else Ended(why.code, why.reason or "")
        except HandshakeError as error:
            return RunError(f"the handshake was no good: {error!r}")

    async def _write(self, websocket: WebSocketConnection) -> None:
        try:
            async for text in self._outgoing:
                await websocket.send_message(text)
        except ConnectionClosed:
            pass  # who reads finds out, too


class TrioWire:
    """One connection after the other of one person, as `Wire`."""

    unsent = b""  # what waits does so in the thread

    def __init__(self, target: Target, loop: Loop) -> None:
        self.target = target
        self.sock: socket.socket | None = None
        self.there: socket.socket
        self.items: deque[Item] = deque()
        self.task: Connected | None = None
        self._loop = loop

    def connect(self, path: str, token: str) -> socket.socket:
        """Begin a connection in place of the one there was; what rings when something has come."""
        self.cut()
        here, self.there = socket.socketpair()
        here.setblocking(False)
        self.there.setblocking(False)
        self.sock, self.items = here, deque()
        self._loop.start(self, path, token)
        return here

    def cut(self) -> None:
        """End it without a word, as a lost network does."""
        if self.task is not None:
            self._loop.soon(self.task.cut)
        if self.sock is not None:
            self.sock.close()
        self.sock, self.task = None, None

    def send(self, text: bytes) -> None:
        """Send a text message."""
        if self.task is not None:
            task, words = self.task, text.decode()
            self._loop.soon(lambda: task.send(words))

    def flush(self) -> None:
        """Nothing waits here."""


class TrioUser(User):
    """A simulated person whose frames are read and written by trio-websocket."""

    wire: TrioWire

    def readable(self, now: float) -> bool:
        """Take what has come; False where the connection is over, and `back_in` says when to come back."""
        assert self.wire.sock is not None
        try:
            rung = len(self.wire.sock.recv(RINGS))
        except BlockingIOError:
            return True
        items = self.wire.items
        return all(self._item(items.popleft(), now) for _ in range(rung))

    def _item(self, item: Item, now: float) -> bool:
        match item:
            case str():
                text = item.encode()
                self.tally.bytes_read += len(text)
                return self._text(text, now)
            case Ended(code, reason):
                self.closed(code, reason)
            case RunError():
                self.turned_away(item)
            case _:
                self.anomaly("protocol", "a binary message")
        return False

    def _text(self, text: bytes, now: float) -> bool:
        try:
            # What the frame was is for trio-websocket to judge; who compares it sees it as a server writes it.
            self.text(text, server_frame(text), now)
        except (BadFrame, LookupError, TypeError, ValueError) as error:
            self.anomaly("protocol", f"{type(error).__name__}: {error}")
            return False
        return True


def _refused(no: ConnectionRejected) -> RunError:
    error = refusal("GET /chat/ws/", no.status_code, no.body or b"")
    if error.retry_after is None:
        for name, value in no.headers or ():
            if name.lower() == b"retry-after":
                error.retry_after = float(value)
    return error
