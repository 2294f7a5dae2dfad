"""The stream that Hypercorn holds: it shakes hands over it, and then lets go of the connection.

Once a route hands a WebSocket over, this stream looks closed by the peer. So Hypercorn's tasks and parsers end and are freed,
while the socket lives on in the wire.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, Protocol

import trio

from salon.actors.refusals import Code, Refusal

from .request_heads import RequestHeads
from .tls import GONE, TlsLine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..socket import Connection, Wire

# Hypercorn waits for ever for a peer to take its answer, and Quart-Trio mostly cancels its idle timer.
WRITE_TIMEOUT = 20.0  # seconds to take one piece of an answer
KEEP_ALIVE = 30.0  # seconds between an answer and the next request: a connection holds about 40 KB
ANSWER_TIMEOUT = 90.0  # seconds between a request, or a piece of its body, and its answer
BODY_RATE = 4096  # bytes a second at least of a body that is on its way: half of what the slowest mobile network carries
CONTINUE = b"HTTP/1.1 1"  # how an interim answer begins: the answer is still to come
# Hypercorn's own refusal of what it cannot read: it has no words.
WORDLESS = re.compile(rb"HTTP/1\.1 400 \r\ncontent-length: 0\r\nconnection: close\r\n")
LINGER = 2.0  # seconds in which a peer may go on sending what nobody reads any more
READ_BYTES = 65_536


class Wanted(NamedTuple):
    """The head of a request that is for this lane, and how many bytes head and body have."""

    conversation_id: str
    token: str
    key: str | None
    head: int
    size: int


class RequestLane(Protocol):
    """What answers the plainest requests before Hypercorn sees them."""

    def read(self, data: bytes) -> Wanted | None:
        """The request that these bytes begin with; None where Hypercorn has to read it."""

    async def answer(self, wanted: Wanted, data: bytes) -> bytes | None:
        """The whole answer to a whole request; None where Hypercorn has to give it."""

    def refuse(self, refusal: Refusal) -> bytes:
        """The whole answer of a refusal."""


class BodyClock:
    """By when more of a body has to be there: no pause is longer than `grace` seconds, and the whole takes no longer than
    `grace` and its size at `BODY_RATE`.

    What has come counts, not what the head announces: else who announces much and sends nothing would be waited for long.
    """

    def __init__(self, begun: float, grace: float) -> None:
        self.begun = begun
        self.deadline = begun + grace
        self.answering = False  # an answer, or a part of it, was sent before the body had come
        self._grace = grace

    def has(self, size: int, now: float) -> None:
        """Take note that a piece has come, and how much there is now."""
        self.deadline = self._grace + min(self.begun + size / BODY_RATE, now)


class HttpStream(trio.abc.Stream):
    """A plain TCP connection before it is handed over. `handshake_timeout` is in seconds, for a whole request head.

    `posts` answers the requests that are for it, where Hypercorn has none to answer. `at_end` is awaited when there is nothing
    more to read.
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
        self._first = b""  # read before Hypercorn was there
        self._posts = posts
        self._begun = 0  # of the requests that Hypercorn has been given: their answers were begun
        self._answered = 0  # of those
        self._all_answered = trio.Event()
        self._body: BodyClock | None = None  # of the request whose body is on its way
        self._body_whole = False  # Hypercorn has found the end of the last request's body
        self.refusal: Refusal | None = None  # why the fast lane did not take the connection
        self._reading: trio.CancelScope | None = None
        self.at_end: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """What Hypercorn may read: heads and bodies of requests, and after a WebSocket request nothing more."""
        data, self._first = self._first, b""
        if not data:
            data = await self._next(max_bytes)
        if not data:
            await self.at_end()
        return data

    async def first_head(self) -> bool:
        """Wait for the first request's head, which Hypercorn may read later; False where none comes in time."""
        self._wait_no_longer_than(self._handshake_timeout)
        self._first = await self._next(READ_BYTES)
        return bool(self._first)

    @property
    def upgrade_lines(self) -> list[bytes]:
        """The lines of the WebSocket request that has come; none where it is another request."""
        return self._heads.lines if self.ready else []

    async def _next(self, max_bytes: int | None) -> bytes:
        while not (self.handed_over or self._closed):
            with trio.CancelScope(deadline=self._deadline) as self._reading:
                if self._upgrading:
                    await trio.sleep_forever()  # until it is handed over, or closed
                data = await self._read(max_bytes)
                if not data:
                    return b""
                if self._posts is not None and self._heads.between:
                    data = await self._answer(data, self._posts)
                passed = self._feed(data) if data else b""
                if passed:
                    return passed
            if self._reading.cancelled_caught:
                await self._give_up()
                break
        return b""

    async def _give_up(self) -> None:
        """Nothing has come for too long. Where a body was on its way and it is its answer's turn, say so."""
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
        """Take note that the next of the requests that Hypercorn was given is being answered: one at a time, in order."""
        self._begun += 1

    def answered(self) -> None:
        """Take note that Hypercorn has answered one of the requests it was given."""
        self._answered += 1
        if self._answered == self._heads.requests:
            self._all_answered.set()

    async def _answer(self, data: bytes, posts: RequestLane) -> bytes:
        """Answer the requests that are for the fast lane; what follows them is for Hypercorn."""
        while data:
            wanted = posts.read(data)
            if wanted is None:
                break
            self._wait_no_longer_than(ANSWER_TIMEOUT)
            if self._answered != self._heads.requests:  # answers keep the order of what was asked
                self._all_answered = trio.Event()
                await self._all_answered.wait()
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
            with suppress(*GONE):  # then there is nothing more to read either
                await self._send(answer)
            data = data[wanted.size :]
        return data

    async def _send(self, data: bytes) -> None:
        """Write as `send_all`, without a pass of the scheduler where the kernel takes all of it at once."""
        sent = self._write(data)
        if sent < len(data):
            await self.send_all(data[sent:])
        else:
            self._wait_no_longer_than(KEEP_ALIVE)

    def _write(self, data: bytes) -> int:
        """How many bytes the kernel takes now."""
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
        """Take note that Hypercorn has found the end of a body, which may be for it to find."""
        if self._begun == self._heads.requests:  # else it was that of a request before the last
            self._body_whole = True
            if self._body is not None:
                self._body = None
                self._wait_no_longer_than(ANSWER_TIMEOUT)

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
        """Write, or raise `BrokenResourceError` where the peer does not take it in time."""
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
        """Hypercorn's refusal as clients see all others, with what was wrong."""
        problem = self._heads.problem or (
            "its body is cut off, or its pieces are not marked as they should be"
            if self._heads.body_pending
            else "its head is not one of HTTP/1.1"
        )
        return _last(posts.refuse(Refusal(Code.MALFORMED_REQUEST, {"problem": problem})))

    async def wait_send_all_might_not_block(self) -> None:
        """Part of the interface; Hypercorn does not use it."""
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        """Close, unless the connection has gone on to somebody else.

        There is no `send_eof` on purpose: Hypercorn tries that first and, where Quart-Trio has just cancelled it, goes no
        further, so that a client which asked for `Connection: close` would wait for ever.
        """
        if not self.handed_over:
            self._closed = True
            if self._reading is not None:
                self._reading.cancel()  # it may wait for a WebSocket that was refused
            await self._hang_up()
        await trio.lowlevel.checkpoint()

    async def _hang_up(self) -> None:
        """Say that nothing more will be sent; `serve_on` does the rest."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """Close at once, also under a task that is shielded from cancellation."""
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
        """Whether the last request was for a WebSocket, read here from its first byte to its last."""
        return self._upgrading and not self.handed_over

    def hand_over(self, connection: Connection, wire: Wire) -> bytes:
        """Give the connection to the wire; what the client has sent since its request. Hypercorn sees it closed now."""
        trio.lowlevel.notify_closing(self.socket)
        wire.adopt(connection, socket.socket(fileno=self.socket.detach()))
        return self._let_go()

    async def serve_on(self) -> None:
        """What the accepting task has left to do once Hypercorn is gone; the socket is closed after that.

        Nothing, where the wire has the connection. Else to read on for a moment: a socket that is closed while its peer is
        still sending resets the connection, and the peer may lose the answer that says why.
        """
        if self._closed:
            with suppress(*GONE), trio.move_on_after(LINGER):
                while await self._stream.receive_some(READ_BYTES):
                    pass

    def _let_go(self) -> bytes:
        self.handed_over = True
        if self._reading is not None:
            self._reading.cancel()
        rest, self._heads = self._heads.rest, RequestHeads()
        return rest


def _last(answer: bytes) -> bytes:
    """The answer as the last one on its connection."""
    return answer.replace(b"\r\n", b"\r\nconnection: close\r\n", 1)


class TlsHttpStream(HttpStream):
    """The same with TLS. The task that accepted the connection goes on as its reader and, while something waits, writer."""

    def __init__(
        self,
        stream: trio.SocketStream,
        context: ssl.SSLContext,
        *,
        handshake_timeout: float,
        posts: RequestLane | None = None,
    ) -> None:
        super().__init__(stream, handshake_timeout=handshake_timeout, posts=posts)
        self._tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        self._stream = self._tls
        self.transport_stream = stream  # Hypercorn asks it for the addresses
        self._line: TlsLine | None = None

    async def do_handshake(self) -> None:
        """Hypercorn calls this first; it takes the presence of this method for TLS."""
        with trio.fail_after(self._handshake_timeout):
            await self._tls.do_handshake()

    def _write(self, data: bytes) -> int:
        return 0  # TLS has to wait for its turn

    async def _hang_up(self) -> None:
        with trio.move_on_after(
            WRITE_TIMEOUT
        ):  # a goodbye has to be written, and the peer may not read
            await self._tls.aclose()

    def selected_alpn_protocol(self) -> str:
        """The only one that can be handed over."""
        return "http/1.1"

    def hand_over(self, connection: Connection, wire: Wire) -> bytes:
        """As for a plain connection; the bytes go on through this TLS session."""
        self._line = TlsLine(self._tls, connection, wire)
        connection.bind(self._line)
        wire.enlist(connection)
        return self._let_go()

    async def serve_on(self) -> None:
        """Read and write until the connection ends."""
        if self._line is not None:
            await self._line.run()
