"""The stream between Hypercorn and a connection, until a WebSocket is handed over to the wire.

After the handover this stream looks closed by the peer. Hypercorn's tasks and parsers therefore end and are freed, while the
socket stays open in the wire.
"""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from salon.actors.refusals import Code, Refusal

from .body_clock import BodyClock
from .refusal_pace import REFUSED, RefusalPace
from .request_heads import RequestHeads
from .tls import GONE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..socket import Connection, Wire
    from .denial import Denial
    from .lane import RequestLane

# These timeouts are needed because Hypercorn waits without limit for a peer to take its answer, and because Quart-Trio mostly
# cancels Hypercorn's idle timer.
WRITE_TIMEOUT = 20.0  # seconds for the peer to take one piece of an answer
KEEP_ALIVE = 30.0  # seconds between an answer and the next request: a connection holds about 40 KB
ANSWER_TIMEOUT = 90.0  # seconds between a request, or a piece of its body, and its answer
CONTINUE = b"HTTP/1.1 1"  # the beginning of an interim answer, which the final answer follows
# Hypercorn's own answer to a request that it cannot parse: it has no body.
WORDLESS = re.compile(rb"HTTP/1\.1 400 \r\ncontent-length: 0\r\nconnection: close\r\n")
LINGER = 2.0  # seconds in which bytes from the peer are read and dropped before closing
READ_BYTES = 65_536


class HttpStream(trio.abc.Stream):
    """A plain TCP connection before it is handed over.

    `handshake_timeout` bounds the time for a complete request head, in seconds. `posts` is the fast lane; it answers its
    requests while Hypercorn has none to answer. `at_end` is awaited when there is nothing more to read.
    """

    def __init__(
        self,
        stream: trio.SocketStream,
        *,
        handshake_timeout: float,
        posts: RequestLane | None = None,
    ) -> None:
        self._stream: trio.abc.Stream = stream
        self.socket = stream.socket  # Hypercorn asks it for the addresses
        self.handed_over = False
        self._heads = RequestHeads()
        self._deadline = trio.current_time() + KEEP_ALIVE
        self._handshake_timeout = handshake_timeout or float("inf")
        self._upgrading = False
        self._closed = False
        self._first = b""  # bytes read before Hypercorn was started
        self._posts = posts
        self.pace: RefusalPace | None = None  # slows down the refusals of nobody
        self.proxied = False  # the peer is a trusted proxy
        self._begun = 0  # requests passed to Hypercorn whose answers have begun
        self._answered = 0  # requests passed to Hypercorn whose answers are complete
        self._all_answered = trio.Event()
        self._body: BodyClock | None = None  # the clock of the request body that is arriving
        self._body_whole = False  # Hypercorn has found the end of the last request's body
        self.linger = LINGER
        self._left_at = trio.current_time()  # when Hypercorn got the last bytes
        self._reading: trio.CancelScope | None = None
        self.at_end: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """The next bytes for Hypercorn: heads and bodies of requests, and nothing after a WebSocket request."""
        data, self._first = self._first, b""
        if not data:
            self._body_goes_on()
            data = await self._next(max_bytes)
        if not data:
            await self.at_end()
        self._left_at = trio.current_time()
        return data

    async def first_head(self) -> bool:
        """Wait for the first request's head and keep it for Hypercorn; False if none arrives in time."""
        self._wait_no_longer_than(self._handshake_timeout)
        self._first = await self._next(READ_BYTES)
        return bool(self._first)

    @property
    def upgrade_lines(self) -> list[bytes]:
        """The header lines of the WebSocket request; empty if the request is not one."""
        return self._heads.lines if self.ready else []

    async def _next(self, max_bytes: int | None) -> bytes:
        while not (self.handed_over or self._closed):
            with trio.CancelScope(deadline=self._deadline) as self._reading:
                if self._upgrading:
                    await trio.sleep_forever()  # until it is handed over, or closed
                data = await self._read(max_bytes)
                if not data:
                    return b""
                if self._posts is not None:
                    data = self._heads.completed(data)
                    if data and self._heads.between:
                        data = await self._answer(data, self._posts)
                passed = self._feed(data) if data else b""
                if passed:
                    return passed
            if self._reading.cancelled_caught:
                await self._give_up()
                break
        return b""

    async def _give_up(self) -> None:
        """Handle a read timeout. If a body was arriving and its answer is next in order, answer with the refusal."""
        body = self._body
        in_turn = self._begun == self._heads.requests
        if body is None or body.answering or not in_turn or self._posts is None or self._closed:
            return
        limit = round(body.deadline - body.begun, 1)
        refusal = Refusal(Code.REQUEST_TIMEOUT, {"limit": limit}, retry_after=1.0, scope="server")
        with suppress(*GONE):
            await self.send_all(_last(self._posts.refuse(refusal)))
        await self.aclose()

    def begins(self) -> None:
        """Record that Hypercorn begins its next answer: it answers one request at a time, in order."""
        self._begun += 1

    def answered(self) -> None:
        """Record that Hypercorn has completed an answer."""
        self._answered += 1
        if self._answered == self._heads.requests:
            self._all_answered.set()

    async def _answer(self, data: bytes, posts: RequestLane) -> bytes:
        """Answer the requests for the fast lane; the bytes after them, which are for Hypercorn."""
        while data:
            wanted = posts.read(data)
            if wanted is None:
                self._wait_no_longer_than(ANSWER_TIMEOUT)
                denial = await posts.deny(data)
                if denial is None:
                    break
                data = await self._deny(denial, data[denial.head :])
                continue
            self._wait_no_longer_than(ANSWER_TIMEOUT)
            await self._in_turn()
            if len(data) < wanted.size:
                while len(data) < wanted.size:
                    self._expect_body(len(data) - wanted.head)
                    more = await self._read(READ_BYTES)
                    if not more:
                        return data
                    data += more
                self._body = None
                self._wait_no_longer_than(ANSWER_TIMEOUT)
            answer = await posts.answer(wanted, data)
            if answer is None:
                break
            await self._send_answer(answer)
            data = data[wanted.size :]
        return data

    async def _in_turn(self) -> None:
        """Wait until all earlier requests are answered: answers keep the order of the requests."""
        if self._answered != self._heads.requests:
            self._all_answered = trio.Event()
            await self._all_answered.wait()

    async def _deny(self, denial: Denial, data: bytes) -> bytes:
        """Answer with a refusal. `data` has come after the head; what of it is for the next request is returned."""
        await self._in_turn()
        rest: bytes | None = None
        if denial.interim:
            with suppress(*GONE):
                await self._send(denial.interim)
        if denial.body.size is not None:
            rest = await self._skip(denial.body.size, data, denial.body.patience)
        await self._send_answer(denial.answer(whole=rest is not None))
        if rest is not None and not denial.ends:
            return rest
        if denial.body.linger is not None and rest is None:
            self.linger = denial.body.linger
        await self.aclose()
        return b""

    async def _skip(self, size: int, data: bytes, patience: float) -> bytes | None:
        """Drop a body, of which `data` has come; what follows it, or None if the rest does not come in time."""
        come = len(data)
        if come >= size:
            return data[size:]
        with trio.move_on_after(patience):
            while come < size:
                self._expect_body(come)
                data = await self._read(READ_BYTES)
                if not data:
                    break
                come += len(data)
        self._body = None
        return data[len(data) - (come - size) :] if come >= size else None

    async def _send_answer(self, answer: bytes) -> None:
        """Write an answer of the fast lane; to an address that asks as nobody all the time, after a pause."""
        if self.pace is not None and answer.startswith(REFUSED):
            seconds = self.pace.pause(None if self.proxied else self.address)
            if seconds:
                await trio.sleep(seconds)
        with suppress(*GONE):  # the next read finds the connection closed
            await self._send(answer)

    async def _send(self, data: bytes) -> None:
        """Write like `send_all`, but without a scheduler pass if the kernel takes all bytes at once."""
        sent = self._write(data)
        if sent < len(data):
            await self.send_all(data[sent:])
        else:
            self._deadline = trio.current_time() + KEEP_ALIVE  # of the next read

    def _write(self, data: bytes) -> int:
        """Write without waiting; the number of bytes that the kernel took."""
        try:
            return os.write(self.socket.fileno(), data)
        except BlockingIOError:
            return 0

    async def _read(self, max_bytes: int | None) -> bytes:
        with suppress(*GONE):
            return bytes(await self._stream.receive_some(max_bytes))
        return b""

    def _feed(self, data: bytes) -> bytes:
        begun, requests = self._heads.pending, self._heads.requests
        passed = self._heads.feed(data)
        self._upgrading = self._heads.upgrade
        if self._heads.requests != requests:
            self._body, self._body_whole = None, False
        if self._heads.body_pending and not self._body_whole:
            self._expect_body(self._heads.body_come)
            return passed
        self._body = None
        if not self._heads.pending and not self._upgrading:
            self._wait_no_longer_than(ANSWER_TIMEOUT)
        elif passed or not begun:
            self._wait_no_longer_than(self._handshake_timeout)
        return passed

    def body_read(self) -> None:
        """Record that Hypercorn has found the end of a body; for some bodies only Hypercorn can."""
        if self._begun == self._heads.requests:  # else it was the body of an earlier request
            self._body_whole = True
            if self._body is not None:
                self._body = None
                self._wait_no_longer_than(ANSWER_TIMEOUT)

    def _body_goes_on(self) -> None:
        """Add the time in which nothing was read, since the server was busy with what had come, to the client's."""
        if self._body is not None:
            self._body.wait(trio.current_time() - self._left_at)
            self._wait_until(self._body.deadline)

    def _expect_body(self, come: int) -> None:
        now = trio.current_time()
        if self._body is None:
            self._body = BodyClock(now, self._handshake_timeout)
        self._body.has(come, now)
        self._wait_until(self._body.deadline)

    def _wait_no_longer_than(self, seconds: float) -> None:
        self._wait_until(trio.current_time() + seconds)

    def _wait_until(self, deadline: float) -> None:
        self._deadline = deadline
        if self._reading is not None:
            self._reading.deadline = self._deadline

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Write all bytes; raises `BrokenResourceError` if the peer does not take them in time."""
        if self.handed_over:
            await trio.lowlevel.checkpoint()
            return
        if self._posts is not None and WORDLESS.match(data):
            data = self._in_words(self._posts)
        try:
            with trio.fail_after(WRITE_TIMEOUT):
                await self._stream.send_all(data)
            if self._body is not None:
                if self._begun == self._heads.requests and data[:10] != CONTINUE:
                    self._body.answering = True
            elif not self._heads.pending:
                self._wait_no_longer_than(KEEP_ALIVE)
        except trio.TooSlowError:
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("the peer takes nothing") from None

    def _in_words(self, posts: RequestLane) -> bytes:
        """Hypercorn's empty refusal in the format of all other refusals, with the problem named."""
        problem = self._heads.problem or (
            "its body is cut off, or its pieces are not marked as they should be"
            if self._heads.body_pending
            else "its head is not one of HTTP/1.1"
        )
        return _last(posts.refuse(Refusal(Code.MALFORMED_REQUEST, {"problem": problem})))

    async def wait_send_all_might_not_block(self) -> None:
        """Required by the interface; Hypercorn does not use it."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close the connection, unless it has been handed over.

        This class has no `send_eof`, on purpose: Hypercorn calls `send_eof` before `aclose`. If Quart-Trio has just cancelled
        the task, Hypercorn stops there, and a client that asked for `Connection: close` would wait for ever.
        """
        if not self.handed_over:
            self._closed = True
            if self._reading is not None:
                self._reading.cancel()  # it may be waiting on a WebSocket that was refused
            await self._hang_up()
        await trio.lowlevel.checkpoint()

    async def _hang_up(self) -> None:
        """Shut down the sending side; `serve_on` completes the close."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Close the socket at once, even if a task that uses it is shielded from cancellation."""
        self.socket.close()

    @property
    def address(self) -> str:
        """The peer's network address."""
        try:
            name = self.socket.getpeername()
        except OSError:  # it has gone already
            return ""
        return str(name[0]) if isinstance(name, tuple) else ""

    @property
    def ready(self) -> bool:
        """Whether the last request was for a WebSocket and its head was read here completely."""
        return self._upgrading and not self.handed_over

    def hand_over(self, connection: Connection, wire: Wire) -> bytes:
        """Hand the connection over to the wire; the bytes received after the request. Hypercorn now sees the stream closed."""
        trio.lowlevel.notify_closing(self.socket)
        wire.adopt(connection, socket.socket(fileno=self.socket.detach()))
        return self._let_go()

    async def turn_down(self, answer: bytes) -> None:
        """Answer a request for a WebSocket with a refusal, which is the end of the connection."""
        await self._send_answer(answer)
        await self.aclose()

    async def serve_on(self) -> None:
        """Complete the accepting task once Hypercorn has ended; the socket is closed afterwards.

        If the wire has the connection, there is nothing to do. Otherwise read on for a moment: closing a socket while its
        peer is still sending resets the connection, and the peer may lose the answer that gives the reason.
        """
        if self._closed:
            with suppress(*GONE), trio.move_on_after(self.linger):
                while await self._stream.receive_some(READ_BYTES):
                    pass

    def _let_go(self) -> bytes:
        self.handed_over = True
        if self._reading is not None:
            self._reading.cancel()
        rest, self._heads = self._heads.rest, RequestHeads()
        return rest


def _last(answer: bytes) -> bytes:
    """The answer with `Connection: close`: it is the last on its connection."""
    return answer.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)
