"""The WebSocket protocol without I/O: bytes to messages, and messages to frames.

A whole, small, masked text frame takes the fast lane. Every other frame goes to wsproto, in order. wsproto is given whole
frames only, so that it never buffers bytes that the fast lane needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage
from wsproto.events import Ping as WsPing
from wsproto.events import Pong as WsPong

if TYPE_CHECKING:
    from collections.abc import Iterator

FIN_TEXT = 0x81
MASKED = 0x80
SMALL = 125  # the longest payload whose length fits the second byte
VERDICTS = {1002: "not the WebSocket protocol", 1007: "text that is not UTF-8"}


class Text(NamedTuple):
    """A whole text message."""

    text: str


class Binary(NamedTuple):
    """A whole binary message."""

    payload: bytes


class Ping(NamedTuple):
    """A ping, to be answered with `pong_frame`."""

    payload: bytes


class Pong(NamedTuple):
    """A pong."""

    payload: bytes


class Closed(NamedTuple):
    """The peer has closed or broken the protocol; no message follows. `code` is the close code to answer with."""

    code: int
    reason: str
    by_peer: bool


Received = Text | Binary | Ping | Pong | Closed


class Receiver:
    """Turns a client's bytes into messages. After `Closed` it ignores further bytes.

    `max_size` bounds a message in bytes (0: no bound). A longer one is answered with close code 1009 before it is read.
    """

    __slots__ = ("_buffer", "_closed", "_fragment_size", "_max_size", "_wsproto")

    def __init__(self, max_size: int) -> None:
        self._buffer = b""
        self._max_size = max_size
        self._fragment_size = 0  # bytes received of a fragmented message; 0 between messages
        self._wsproto: _SlowLane | None = None
        self._closed = False

    def feed(self, data: bytes) -> list[Received]:
        """The messages that these bytes complete."""
        if self._closed:
            return []
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        messages: list[Received] = []
        position, end = 0, len(data)
        while position < end:
            after = self._fast(data, position, end, messages)
            if not after:
                after = self._slow(data, position, end, messages)
            if not after:
                break
            position = after
        else:
            return messages
        if not (messages and isinstance(messages[-1], Closed)):
            self._buffer = data[position:]  # an incomplete frame
        return messages

    def _fast(self, data: bytes, position: int, end: int, messages: list[Received]) -> int:
        """The position after the frame, or 0 if the fast lane cannot read it."""
        if end - position < 6 or data[position] != FIN_TEXT or self._fragment_size:
            return 0
        length = data[position + 1] ^ MASKED
        if length <= SMALL:
            start = position + 6
        elif length == 126 and end - position >= 8:
            length = data[position + 2] << 8 | data[position + 3]
            if length <= SMALL:
                return 0
            start = position + 8
        else:
            return 0
        after = start + length
        if after > end or (self._max_size and length > self._max_size):
            return 0
        mask = data[start - 4 : start] * (length // 4 + 1)
        plain = int.from_bytes(data[start:after], "little") ^ int.from_bytes(
            mask[:length], "little"
        )
        try:
            messages.append(Text(plain.to_bytes(length, "little").decode()))
        except UnicodeDecodeError:
            return 0  # the slow lane reports the error
        return after

    def _slow(self, data: bytes, position: int, end: int, messages: list[Received]) -> int:
        """The position after one frame of any kind; 0 if it is not complete yet."""
        after, size = _frame_end(data, position, end)
        control = data[position] & 0x08
        if not control and self._max_size and self._fragment_size + size > self._max_size:
            self._close(messages, Closed(1009, "message too big", by_peer=False))
            return 0
        if after is None or after > end:
            return 0
        if self._wsproto is None:
            self._wsproto = _SlowLane()
        for message in self._wsproto.feed(data[position:after]):
            if isinstance(message, Closed):
                self._close(messages, message)
                return 0
            messages.append(message)
        if not control:
            finished = data[position] & 0x80
            self._fragment_size = 0 if finished else self._fragment_size + max(size, 1)
        return after

    def _close(self, messages: list[Received], closed: Closed) -> None:
        self._closed = True
        messages.append(closed)


class _SlowLane:
    """wsproto, with the fragments of a message joined."""

    __slots__ = ("_chunks", "_connection", "_parts")

    def __init__(self) -> None:
        self._connection = Connection(ConnectionType.SERVER)
        self._parts: list[str] = []
        self._chunks: list[bytes] = []

    def feed(self, frame: bytes) -> Iterator[Received]:
        self._connection.receive_data(frame)
        for event in self._connection.events():
            if isinstance(event, TextMessage):
                self._parts.append(event.data)
                if event.message_finished:
                    yield Text("".join(self._parts))
                    self._parts = []
            elif isinstance(event, WsPing):
                yield Ping(bytes(event.payload))
            elif isinstance(event, WsPong):
                yield Pong(bytes(event.payload))
            elif isinstance(event, CloseConnection):
                yield self._closed(int(event.code), event.reason or "")
            elif isinstance(event, BytesMessage):
                self._chunks.append(bytes(event.data))
                if event.message_finished:
                    yield Binary(b"".join(self._chunks))
                    self._chunks = []

    def _closed(self, code: int, reason: str) -> Closed:
        """The end of the connection. wsproto reports close frames and faults alike; its state tells them apart."""
        if self._connection.state is ConnectionState.REMOTE_CLOSING:
            return Closed(1000 if code == 1005 else code, reason, by_peer=True)
        return Closed(code, VERDICTS.get(code, ""), by_peer=False)


def _frame_end(data: bytes, position: int, end: int) -> tuple[int | None, int]:
    """The end of the frame at `position` (None if not known yet) and the size of its payload (0 if not known).

    For a header that no client may send, the end of the header is returned: wsproto then reports the error.
    """
    available = end - position
    if available < 2:
        return None, 0
    first, second = data[position], data[position + 1]
    length = second & 0x7F
    opcode = first & 0x0F
    forbidden = (
        not second & MASKED
        or first & 0x70
        or opcode not in (0, 1, 2, 8, 9, 10)
        or (opcode >= 8 and (length > SMALL or not first & 0x80))
    )
    if length == 126:
        header = 4
    elif length == 127:
        header = 10
    else:
        header = 2
    if forbidden:
        return (position + max(header, 2) if available >= header else None), 0
    if available < header:
        return None, 0
    if header > 2:
        length = int.from_bytes(data[position + 2 : position + header], "big")
        shortest = 126 if header == 4 else 65536
        if length < shortest or length >> 63:
            # Not the shortest form, or the top bit is set: wsproto reports the error.
            return position + header, 0
    return position + header + 4 + length, length


def text_header(length: int) -> bytes:
    """The header of a server's text frame with a payload of `length` bytes."""
    if length <= SMALL:
        return bytes((FIN_TEXT, length))
    if length <= 0xFFFF:
        return bytes((FIN_TEXT, 126, length >> 8, length & 0xFF))
    return bytes((FIN_TEXT, 127)) + length.to_bytes(8, "big")


def ping_frame(payload: bytes = b"") -> bytes:
    """A server's ping frame."""
    return bytes((0x89, len(payload))) + payload


def pong_frame(payload: bytes) -> bytes:
    """A server's pong frame, which answers a ping with the same payload."""
    return bytes((0x8A, len(payload))) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """A server's close frame; the reason is truncated to the size of a control frame."""
    text = reason.encode()
    if len(text) > SMALL - 2:
        text = text[: SMALL - 2].decode(errors="ignore").encode()
    return bytes((0x88, len(text) + 2)) + code.to_bytes(2, "big") + text
