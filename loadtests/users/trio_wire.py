"""A client's socket on trio-websocket: code of another project, so that it shares no fault with salon's own frame code.

A thread runs trio. Each connection is a task there, joined to the worker by a socket pair. Every message received is one byte
in the pair, so the worker polls both kinds of wire in the same way, and a worker that stops reading also stops the task's
reading.
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
BELL = b"\0"  # stands for one message
RINGS = 4096  # messages taken at once


class Ended(NamedTuple):
    """The end of a connection: the close code and its reason."""

    code: int
    reason: str


Item = str | bytes | Ended | RunError


class Loop(Protocol):
    """Runs the tasks of connections."""

    def start(self, wire: TrioWire, path: str, token: str) -> None:
        """Start the task of a connection."""

    def soon(self, call: Callable[[], object]) -> None:
        """Call a function in the loop's thread, soon."""


class TrioThread:
    """The trio thread of one worker. It ends with the process."""

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
        """Start the task of a connection."""
        task = Connected(wire.target, path, token, wire.items, wire.there)
        wire.task = task
        self.soon(lambda: self._nursery.start_soon(task.run))

    def soon(self, call: Callable[[], object]) -> None:
        """Call a function in the thread, soon."""
        self._token.run_sync_soon(call)


class Connected:
    """One connection, as a task of the trio thread."""

    def __init__(
        self, target: Target, path: str, token: str, items: deque[Item], there: socket.socket
    ) -> None:
        self._target, self._path, self._token = target, path, token
        self._items = items
        self._there = there
        self._scope = trio.CancelScope()
        self._send, self._outgoing = trio.open_memory_channel[str](0x7FFFFFFF)

    def send(self, text: str) -> None:
        """Queue a message; it is sent once the handshake is over."""
        self._send.send_nowait(text)

    def cut(self) -> None:
        """End the connection without a close frame, as a lost network does."""
        self._scope.cancel()

    async def run(self) -> None:
        """Connect, and pass on received messages until the connection is over."""
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
            pass  # the reading task sees it, too


class TrioWire:
    """The successive connections of one user, as `Wire`."""

    unsent = b""  # unsent messages wait in the thread

    def __init__(self, target: Target, loop: Loop) -> None:
        self.target = target
        self.sock: socket.socket | None = None
        self.there: socket.socket
        self.items: deque[Item] = deque()
        self.task: Connected | None = None
        self._loop = loop

    def connect(self, path: str, token: str) -> socket.socket:
        """Begin a connection in place of the last one; return the socket that is readable when messages have arrived."""
        self.cut()
        here, self.there = socket.socketpair()
        here.setblocking(False)
        self.there.setblocking(False)
        self.sock, self.items = here, deque()
        self._loop.start(self, path, token)
        return here

    def cut(self) -> None:
        """End the connection without a close frame, as a lost network does."""
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
        """Do nothing: unsent messages wait in the thread."""


class TrioUser(User):
    """A simulated user whose frames are read and written by trio-websocket."""

    wire: TrioWire

    def readable(self, now: float) -> bool:
        """Take the messages that have arrived; False if the connection is over: `back_in` then says when to reconnect."""
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
            # trio-websocket has checked the frame. For the comparison of readers it is rebuilt as a server writes it.
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
