"""The client's wire: one HTTP exchange, or one raw WebSocket, over a byte stream of anyio."""

from __future__ import annotations

import base64
import json
import math
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from typing import Protocol
from urllib.parse import urlsplit

import anyio
import h11
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.utilities import LocalProtocolError, generate_accept_token

from .loop import Waiters, primitives
from .rules import Closed, Frame, Refused, Unreachable

Headers = Sequence[tuple[str, str]]


class Stream(Protocol):
    """The connection: any byte stream of anyio. Its errors, and the end of what it receives, are those of anyio."""

    async def receive(self) -> bytes: ...

    async def send(self, item: bytes) -> None: ...

    async def aclose(self) -> None: ...


Dial = Callable[[], Awaitable[Stream]]

MAX_RECEIVED = 32 * 1024 * 1024  # bytes of a body or a frame: many times a page of 100 large events
LEAST_REFUSAL = 300  # status of HTTP
CLOSE_TIMEOUT = 1.0  # seconds for the server to answer a close frame
# What a stream raises that is at its end. OSError is TLS's word for bytes that are none of its own.
LOST = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError)
WHOLE_TEXT = 0x81  # first byte of an unfragmented text frame


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL. The repr omits the query, which may contain a ticket."""

    secure: bool
    host: str
    port: int
    path: str
    query: str = field(repr=False)

    @classmethod
    def of(cls, url: str) -> Target:
        """Parse a URL with http, https, ws or wss; raises ValueError for anything else."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https", "ws", "wss") or parts.hostname is None:
            raise ValueError("not an http, https, ws or wss URL with a host")
        secure = parts.scheme in ("https", "wss")
        port = parts.port or (443 if secure else 80)
        return cls(secure, parts.hostname, port, parts.path or "/", parts.query)

    @property
    def request_line(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.secure else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)

    def header(self, name: str) -> str | None:
        """The first header of this name, in any case; None if there is none."""
        return next((value for key, value in self.headers if key == name.lower()), None)

    def json(self) -> Frame:
        """The body as a JSON object, empty if there is no body; raises ValueError for anything else."""
        body = json.loads(self.body or b"{}")
        if not isinstance(body, dict):
            raise ValueError("the body is no JSON object")
        return body

    def answer(self) -> Frame:
        """The JSON object of a success; raises Refused from status 300 up, and Unreachable for what is no JSON object."""
        if self.status >= LEAST_REFUSAL:
            raise self.refused()
        try:
            return self.json()
        except ValueError:
            raise Unreachable("the answer is no JSON object") from None

    def refused(self) -> Refused:
        """This answer as an error; an answer without the server's JSON, such as a proxy's page, is judged by its status."""
        try:
            body = self.json()
        except ValueError:
            body = {}
        if body.get("retry_after") is None:
            body["retry_after"] = self.header("retry-after")
        return Refused(body, self.status)


@cache
def _default_ssl() -> ssl.SSLContext:
    return ssl.create_default_context()


@contextmanager
def reaching(target: Target, timeout: float) -> Iterator[None]:
    """Limit the block to `timeout` seconds; network errors and the timeout become Unreachable."""
    try:
        with anyio.fail_after(timeout):
            yield
    except (*LOST, h11.RemoteProtocolError) as error:  # OSError includes TimeoutError
        raise Unreachable(f"{target.authority}: {_why(error)}") from error


def _why(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    return str(cause) or "no answer in time"


async def open_stream(target: Target, dial: Dial | None, tls: ssl.SSLContext | None) -> Stream:
    """A connection to the server. Raises what `reaching` handles."""
    if dial is not None:
        return await dial()
    if not target.secure:
        return await anyio.connect_tcp(target.host, target.port)
    tls = tls or _default_ssl()
    return await anyio.connect_tcp(
        target.host, target.port, ssl_context=tls, tls_standard_compatible=False
    )


async def next_bytes(stream: Stream) -> bytes:
    """The next bytes; none at the end of the stream."""
    try:
        return await stream.receive()
    except anyio.EndOfStream:
        return b""


async def close_at_once(stream: Stream) -> None:
    """Close without a word to the peer, as `anyio.aclose_forcefully` does."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await stream.aclose()


async def _exchange(
    stream: Stream, method: str, target: Target, headers: Headers, body: bytes
) -> tuple[Response, bytes]:
    """Send one request; the answer, and the bytes after it if the answer switches protocols."""
    connection = h11.Connection(h11.CLIENT)
    try:
        named = [("Host", target.authority), *headers]
        request = h11.Request(method=method, target=target.request_line, headers=named)
        events = (request, h11.Data(body), h11.EndOfMessage())
        data = b"".join(connection.send(event) or b"" for event in events)
    except h11.LocalProtocolError:
        raise ValueError("the path or a header holds what HTTP cannot carry") from None
    with suppress(*LOST):  # the server may answer and close before reading all
        await stream.send(data)
    head: h11.Response | h11.InformationalResponse | None = None
    received = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await next_bytes(stream))
        elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
            return _response(event, b""), connection.trailing_data[0]
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            received += event.data
            if len(received) > MAX_RECEIVED:
                raise h11.RemoteProtocolError("the answer is too large")
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            return _response(head, bytes(received)), b""


def _response(head: h11.Response | h11.InformationalResponse, body: bytes) -> Response:
    headers = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers)
    return Response(head.status_code, tuple(headers), body)


async def fetch(
    method: str,
    url: str,
    *,
    headers: Headers = (),
    body: bytes = b"",
    dial: Dial | None = None,
    ssl_context: ssl.SSLContext | None = None,
    answer_timeout: float = 30.0,
) -> Response:
    """One HTTP exchange on a new connection; returns the answer whatever its status.

    `answer_timeout` is in seconds. Raises Unreachable; the server may have carried out the request even so.
    """
    target = Target.of(url)
    length = [("Content-Length", str(len(body)))] if body or method not in ("GET", "HEAD") else []
    own = [*headers, *length, ("Connection", "close")]
    with reaching(target, answer_timeout):
        stream = await open_stream(target, dial, ssl_context)
        try:
            return (await _exchange(stream, method, target, own, body))[0]
        finally:
            await close_at_once(stream)


class Codec:
    """The client's side of WebSocket after the handshake, without I/O.

    `texts` are the messages received. `closed` says how the connection ended, None while it is open. Unfragmented text frames,
    which are nearly all, are parsed here. All others go to wsproto, one whole frame at a time.
    """

    def __init__(self, *, answer_pings: bool = True) -> None:
        self.texts: deque[str] = deque()
        self.closed: Closed | None = None
        self._answer_pings = answer_pings
        self._protocol = Connection(ConnectionType.CLIENT)
        self._buffer = bytearray()
        self._parts: list[str] = []

    def receive(self, data: bytes) -> bytes:
        """Handle received bytes (empty: the end of the stream); the bytes to write in answer."""
        if not data:
            self.end(1006)
        self._buffer += data
        buffer, at, replies = self._buffer, 0, b""
        while self.closed is None and (span := _frame(buffer, at)) is not None:
            start, end = span
            if end - at > MAX_RECEIVED:
                replies += self.close(1009)
                self.end(1006, "the server sent a frame too large")
            if end > len(buffer) or self.closed:
                break
            if buffer[at] == WHOLE_TEXT and not self._parts and not buffer[at + 1] & 0x80:
                replies += self._text(buffer[start:end])
            else:
                replies += self._any(bytes(buffer[at:end]))
            at = end
        del buffer[:at]
        return replies

    def encode(self, texts: Iterable[str]) -> bytes:
        """The frames to write, one for each text; raises Closed."""
        if self.closed is not None:
            raise copy(self.closed)
        try:
            return b"".join(self._protocol.send(TextMessage(data=text)) for text in texts)
        except LocalProtocolError:
            raise Closed(1006, "closing") from None

    def close(self, code: int, reason: str = "") -> bytes:
        """The close frame to write; empty if one was sent already."""
        if self._protocol.state not in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            return b""
        return self._protocol.send(CloseConnection(code=code, reason=reason))

    def end(self, code: int, reason: str = "") -> None:
        if self.closed is None:
            self.closed = Closed(code, reason)

    def _text(self, payload: bytearray) -> bytes:
        try:
            self.texts.append(payload.decode())
        except UnicodeDecodeError:
            self.end(1007, "text that is not UTF-8")
            return self.close(1007)
        return b""

    def _any(self, frame: bytes) -> bytes:
        self._protocol.receive_data(frame)
        return b"".join([self._handle(event) for event in self._protocol.events()])

    def _handle(self, event: Event) -> bytes:
        match event:
            case TextMessage():
                self._parts.append(event.data)
                if sum(map(len, self._parts)) > MAX_RECEIVED:
                    self.end(1006, "the server sent a message too large")
                    return self.close(1009)
                if event.message_finished:
                    self.texts.append("".join(self._parts))
                    self._parts.clear()
            case Ping() if self._answer_pings and self._protocol.state is ConnectionState.OPEN:
                return self._protocol.send(event.response())  # nothing may follow a close frame
            case CloseConnection():
                self.end(int(event.code), event.reason or "")
                return self.close(event.code, event.reason or "")
            case BytesMessage():
                self.end(1003, "a binary frame")
                return self.close(1003)
        return b""


def _frame(buffer: bytearray, at: int) -> tuple[int, int] | None:
    """The start and end of the payload of the frame at `at`; None while its header is incomplete."""
    if len(buffer) < at + 2:
        return None
    length = buffer[at + 1] & 0x7F
    wide = {126: 2, 127: 8}.get(length, 0)
    start = at + 2 + wide + (4 if buffer[at + 1] & 0x80 else 0)
    if len(buffer) < start:
        return None
    if wide:
        length = int.from_bytes(buffer[at + 2 : at + 2 + wide], "big")
    return start, start + length


class Socket:
    """One raw WebSocket: it sends and receives JSON text frames, and resumes or resends nothing.

    One task may receive, and any number of tasks may send. Sending and receiving raise Closed. Pings are answered only while
    a task receives, and never if `connect` was given `answer_pings=False`. `stream` is the underlying byte stream, for tests
    that cut it or write invalid bytes. `idle_timeout` (seconds) ends a connection on which nothing arrives.

    `on_sent` and `on_received`, if set, are called with each text: before it is written, and when it is handed out. `closed`
    says how the connection ended, None while it is open. `token` is the one that `Client.socket` has opened it with.

    If `on_owed` is set, receiving never writes. `on_owed` is then called when an answer is `owed`, and the next send writes it.
    A server that stops reading therefore cannot block the receiver.
    """

    def __init__(self, stream: Stream, codec: Codec) -> None:
        self.stream = stream
        self.token: str | None = None
        self.idle_timeout = math.inf
        self.on_owed: Callable[[], object] | None = None
        self.on_sent: Callable[[str], object] | None = None
        self.on_received: Callable[[str], object] | None = None
        self.owed = b""  # a pong or the answer to a close; only the latest is needed
        self._codec = codec
        self._queue = b""
        self._writing = False
        self._loop = primitives()
        self._written = Waiters()
        self._broken = False

    async def send_json(self, *frames: Frame) -> None:
        """Send frames in one write."""
        await self.send_text(*(json.dumps(frame, separators=(",", ":")) for frame in frames))

    async def send_text(self, *texts: str) -> None:
        """Send text frames with any content in one write."""
        data = self._codec.encode(texts)
        if self.on_sent is not None:
            for text in texts:
                self.on_sent(text)
        await self._write(data)

    async def receive_json(self) -> Frame:
        """The next frame; raises ValueError if it is not a JSON object."""
        frame = json.loads(await self.receive_text())
        if not isinstance(frame, dict):
            raise ValueError("the frame is no JSON object")
        return frame

    async def receive_text(self) -> str:
        """The next text frame. Raises Closed."""
        await self._loop.checkpoint_if_cancelled()
        while not self._codec.texts:
            if self._codec.closed is not None:
                raise copy(self._codec.closed)
            await self._read()
        text = self._codec.texts.popleft()
        if self.on_received is not None:
            self.on_received(text)
        return text

    @property
    def closed(self) -> Closed | None:
        """How the connection ended, None while it is open."""
        return self._codec.closed

    async def aclose(self, code: int = 1000, reason: str = "") -> None:
        """Close, and wait a second at most for the server's answer. Do not call it while a task receives."""
        self.on_owed = None
        try:
            with anyio.move_on_after(CLOSE_TIMEOUT, shield=True), suppress(Closed):
                await self._write(b"" if self._codec.closed else self._codec.close(code, reason))
                while self._codec.closed is None:
                    await self._read()
                    self._codec.texts.clear()
        finally:
            await close_at_once(self.stream)

    async def _read(self) -> None:
        data = b""
        with self._loop.move_on_after(self.idle_timeout) as bound, suppress(*LOST):
            data = await self.stream.receive()
        if bound.cancelled_caught:
            self._codec.end(1006, "nothing arrived for too long")
        await self.take(data)

    async def take(self, data: bytes) -> None:
        """Handle received bytes; empty `data` is the end of the stream."""
        self.owed = self._codec.receive(data) or self.owed
        if self.owed and self.on_owed is not None:
            self.on_owed()
        elif self.owed and not (self._writing or self._broken):
            await self._flush()

    async def _write(self, data: bytes) -> None:
        """Write; if another task is writing, pass the bytes to it and wait until they are written."""
        if not self._broken:
            self._queue += data
            await (self._written.park() if self._writing else self._flush())
        if self._broken:
            raise copy(self._codec.closed or Closed(1006, "the connection is lost"))

    async def _flush(self) -> None:
        self._writing, written = True, False
        try:
            while self._queue or self.owed:
                data, self._queue, self.owed = self._queue + self.owed, b"", b""
                await self.stream.send(data)
            written = True
        except LOST:
            pass
        finally:
            self._broken = self._broken or not written  # cancelling may tear a frame
            self._writing = False
            self._written.unpark_all()


@asynccontextmanager
async def connect(
    url: str,
    *,
    headers: Headers = (),
    dial: Dial | None = None,
    ssl_context: ssl.SSLContext | None = None,
    answer_pings: bool = True,
    handshake_timeout: float = 30.0,
) -> AsyncIterator[Socket]:
    """A raw WebSocket, closed at the end of the block; nothing is resumed, resent or kept.

    `url` may be http(s) or ws(s), and includes `?ticket=` and `last_sequence_id`. `headers` are sent unchanged.
    `handshake_timeout` is in seconds. Raises Refused for an HTTP answer other than 101, Unreachable for no answer.
    """
    target = Target.of(url)
    with reaching(target, handshake_timeout):
        stream = await open_stream(target, dial, ssl_context)
        try:
            leftover = await _upgrade(stream, target, headers)
        except BaseException:
            await close_at_once(stream)
            raise
    socket = Socket(stream, Codec(answer_pings=answer_pings))
    try:
        if leftover:
            await socket.take(leftover)
        yield socket
    finally:
        await socket.aclose()


async def _upgrade(stream: Stream, target: Target, headers: Headers) -> bytes:
    """Do the opening handshake; the bytes received after it."""
    key = base64.b64encode(os.urandom(16))
    own = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", key.decode()),
        ("Sec-WebSocket-Version", "13"),
    ]
    response, leftover = await _exchange(stream, "GET", target, [*own, *headers], b"")
    if response.status != 101:
        raise response.refused()
    if response.header("sec-websocket-accept") != generate_accept_token(key).decode():
        raise h11.RemoteProtocolError("the server did not accept the WebSocket key")
    return leftover
