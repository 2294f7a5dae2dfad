"""The protocol of core NATS as a client speaks it: what came as events, what goes out as bytes. No input and no output here."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

LINE = 65_536  # bytes of a line; a server's INFO with its list of servers is a few thousand
PING = b"PING\r\n"
PONG = b"PONG\r\n"


class Info(NamedTuple):
    """What a server says of itself."""

    max_payload: int
    tls_required: bool
    tls_available: bool
    nonce: str | None
    lame_duck: bool  # it is about to stop


class Delivered(NamedTuple):
    """A message: `reply` is the subject that its sender has given, "" for none."""

    subject: str
    reply: str
    payload: bytes


class Refused(NamedTuple):
    """What a server did not do, in its words."""

    text: str


class Pinged(NamedTuple):
    """The server wants a sign of life."""


class Ponged(NamedTuple):
    """The server gives a sign of life; everything sent before the PING has been taken."""


Received = Info | Delivered | Refused | Pinged | Ponged


class ProtocolError(Exception):
    """Whoever is at the other end is no NATS server, or the stream is damaged."""


class Parser:
    """Takes the bytes of a stream, cut anyhow."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._at = 0  # so far it is read
        self._due: tuple[str, str, int] | None = (
            None  # subject, reply and size of the payload that follows
        )
        self.largest = 64 * 1024 * 1024  # of a payload: what a server may allow at most

    def feed(self, data: bytes | bytearray) -> list[Received]:
        """What is complete now. Raises `ProtocolError`."""
        self._bytes += data
        found: list[Received] = []
        while (each := self._next()) is not None:
            if not isinstance(each, str):
                found.append(each)
        if self._at:
            del self._bytes[: self._at]
            self._at = 0
        return found

    def _next(self) -> Received | str | None:
        """The next event; "" for a line that says nothing, None where more bytes are needed."""
        if self._due is not None:
            return self._payload(*self._due)
        end = self._bytes.find(b"\r\n", self._at)
        if end < 0:
            if len(self._bytes) - self._at > LINE:
                raise ProtocolError("a line that does not end")
            return None
        line = self._bytes[self._at : end].decode("utf-8", "replace")
        self._at = end + 2
        return self._line(line)

    def _payload(self, subject: str, reply: str, size: int) -> Received | None:
        end = self._at + size
        if len(self._bytes) < end + 2:
            return None
        if self._bytes[end : end + 2] != b"\r\n":
            raise ProtocolError("a payload of another size than was said")
        payload = bytes(self._bytes[self._at : end])
        self._at, self._due = end + 2, None
        return Delivered(subject, reply, payload)

    def _line(self, line: str) -> Received | str:
        word, _, rest = line.partition(" ")
        match word.upper():
            case "MSG":
                return self._head(rest)
            case "PING":
                return Pinged()
            case "PONG":
                return Ponged()
            case "+OK":
                return ""
            case "-ERR":
                return Refused(rest.strip().strip("'"))
            case "INFO":
                return _info(rest)
        raise ProtocolError("no line of NATS")

    def _head(self, rest: str) -> str:
        words = rest.split()
        if len(words) not in {3, 4} or not words[-1].isdigit() or int(words[-1]) > self.largest:
            raise ProtocolError("no head of a message")
        self._due = (words[0], words[2] if len(words) == 4 else "", int(words[-1]))
        return ""


def _info(text: str) -> Info:
    try:
        said = json.loads(text)
    except ValueError:
        raise ProtocolError("INFO is not JSON") from None
    if not isinstance(said, dict) or not isinstance(said.get("max_payload"), int):
        raise ProtocolError("INFO without max_payload")
    nonce = said.get("nonce")
    return Info(
        said["max_payload"],
        bool(said.get("tls_required")),
        bool(said.get("tls_available")),
        nonce if isinstance(nonce, str) else None,
        bool(said.get("ldm")),
    )


def connect(options: dict[str, Any]) -> bytes:
    """The line with which a client introduces itself."""
    return f"CONNECT {json.dumps(options, separators=(',', ':'))}\r\n".encode()


def subscribe(subject: str, number: int) -> bytes:
    """Have what is sent to a subject delivered."""
    return f"SUB {subject} {number}\r\n".encode()


def unsubscribe(number: int) -> bytes:
    """Have it delivered no more."""
    return f"UNSUB {number}\r\n".encode()


def publish(subject: str, reply: str, payload: bytes) -> tuple[bytes, bytes, bytes]:
    """Send a message; `reply` is the subject of who sends it."""
    return f"PUB {subject} {reply} {len(payload)}\r\n".encode(), payload, b"\r\n"
