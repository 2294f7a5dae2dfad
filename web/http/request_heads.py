"""Filters the bytes that Hypercorn reads from a connection: removes headers and bytes that must not reach it.

Hypercorn 0.18 negotiates permessage-deflate with every client that offers it, switches to HTTP/2 on request, and crashes on
bytes that follow an upgrade request. Each request head is therefore parsed here first; bodies are counted and passed through.
For a head that is refused here, Hypercorn is given `BROKEN` and answers it, so that answers keep their order.
"""

from __future__ import annotations

import re

# Limit of one request head. Hypercorn's limit is one less, so that Hypercorn answers.
HEAD_BYTES = 16_384
COMPLETE = b"\r\n\r\n"  # the usual end of a head
END_OF_HEAD = re.compile(rb"\n\r?\n")  # the same rule as h11's
# A folded line, a bare CR and the like can hide a header from one of two parsers.
ILLEGAL = re.compile(rb"[\0\v\f]|\r(?!\n)|\n[ \t]")
START = re.compile(rb"[^ ]+ (?:(?i:https?)://[\w.:-]+)?/[^ ]* HTTP/1\.[01]")
TAKEN_OUT = {b"connection", b"http2-settings", b"sec-websocket-extensions", b"upgrade"}
BROKEN = b"\0\r\n\r\n"  # not a valid head for any parser: Hypercorn answers 400
NO_HTTP = "it does not begin as a request of HTTP/1.1 does"
LENGTH_DIGITS = 18  # of a Content-Length: enough for any body, and within Python's limit for int()


class RequestHeads:
    """Splits a client's bytes into request heads and bodies.

    `upgrade` is true once the head of a WebSocket request has been passed. Nothing is passed after that; `rest` holds the
    bytes that followed. `lines` are the lines of that head if it is the first on the connection.
    """

    def __init__(self) -> None:
        self.upgrade = False
        self.requests = 0  # number of heads passed
        self.rest = b""
        self.lines: list[bytes] = []
        self._read_before = False
        self._buffer = b""
        self.problem: str | None = None  # why Hypercorn was given `BROKEN`
        self.body_come = 0  # bytes received of the current request's body, including framing
        self._body = 0  # bytes missing of the current request's body
        self._opaque = False  # this request is the last, and Hypercorn has to find its end
        self._over = False  # no head may follow this one: further bytes are dropped

    @property
    def pending(self) -> bool:
        """Whether a head is incomplete."""
        return bool(self._buffer)

    @property
    def between(self) -> bool:
        """Whether the next byte begins a new request."""
        return not (self._buffer or self._body or self._opaque or self._over or self.upgrade)

    def completed(self, data: bytes) -> bytes:
        """`data` behind the beginning of its head, which is taken back, if it completes the head; otherwise `data` alone."""
        if self._buffer and COMPLETE in self._buffer[1 - len(COMPLETE) :] + data:
            data, self._buffer = self._buffer + data, b""
        return data

    @property
    def body_pending(self) -> bool:
        """Whether a body is expected or arriving, and its end has not been seen."""
        return bool(self._body) or self._opaque

    def feed(self, data: bytes) -> bytes:
        """The bytes that Hypercorn may read now; possibly none."""
        passed: list[bytes] = []
        searched = max(0, len(self._buffer) - 2)
        data, self._buffer = self._buffer + data, b""
        while data:
            if self.upgrade:
                self.rest += data
                break
            if self._opaque:
                self.body_come += len(data)
                passed.append(data)
                break
            if self._body:
                part, data = data[: self._body], data[self._body :]
                self._body -= len(part)
                self.body_come += len(part)
                passed.append(part)
                continue
            if self._over:
                break
            if data[0] <= 0x20:  # h11 rejects such a head at once, too
                passed.append(self._break(NO_HTTP))
                break
            end = END_OF_HEAD.search(data, searched)
            searched = 0
            length = len(data) if end is None else end.end()
            if length > HEAD_BYTES:
                self._over = True
                passed.append(data[:HEAD_BYTES])
            elif end is None:
                self._buffer = data
                break
            else:
                passed.append(self._read(data[:length]))
                data = data[length:]
        return b"".join(passed)

    def _read(self, head: bytes) -> bytes:
        """The head as Hypercorn may read it. Records whether it requests a WebSocket and how its body is framed."""
        start, *lines = (line.removesuffix(b"\r") for line in head.split(b"\n")[:-2])
        if not START.fullmatch(start):
            return self._break(NO_HTTP)
        if ILLEGAL.search(head):
            return self._break("a header is folded, or has a control character in it")
        kept = [start]
        fields: dict[bytes, list[bytes]] = {}
        for line in lines:
            name, colon, value = line.partition(b":")
            name = name.lower()
            fields.setdefault(name, []).append(value.strip(b" \t").lower())
            if not colon or name not in TAKEN_OUT:
                kept.append(line)
        problem = _unclear(fields, host=start.endswith(b"/1.1"))
        if problem is not None:
            return self._break(problem)
        options = {
            each.strip() for value in fields.get(b"connection", ()) for each in value.split(b",")
        }
        self._frame_body(fields)
        bare = not self._opaque and not self._body
        self.upgrade = bare and _asks_websocket(start, fields, options)
        self._over = b"close" in options or not start.endswith(b"/1.1")
        if self.upgrade:
            kept += b"Connection: Upgrade", b"Upgrade: websocket"
            self.lines = [] if self._read_before else kept
        elif self._opaque or self._over:
            kept.append(b"Connection: close")
        self._read_before = True
        self.requests += 1
        return b"\r\n".join(kept) + b"\r\n\r\n"

    def _break(self, problem: str) -> bytes:
        self._over = True
        self.problem = problem
        return BROKEN

    def _frame_body(self, fields: dict[bytes, list[bytes]]) -> None:
        self.body_come = 0
        lengths = set(fields.get(b"content-length", (b"0",)))
        length = lengths.pop()
        plain = length.isdigit() and len(length) <= LENGTH_DIGITS and not lengths
        if plain and b"transfer-encoding" not in fields:
            self._body = int(length)
        else:
            # Only Hypercorn can find the end of this body, so this request is the last on its connection.
            self._opaque = True


def _unclear(fields: dict[bytes, list[bytes]], *, host: bool) -> str | None:
    """Why the target host or the end of the body is missing or ambiguous; None if neither. `host`: a Host is required."""
    hosts = len(fields.get(b"host", ()))
    if not hosts and host:
        return "it has no Host header; send one"
    if hosts > 1:
        # RFC 9112, 3.2: several Host headers get 400, even equal ones: whoever added the second did not see the first.
        return f"it has {hosts} Host headers; send one"
    lengths = {
        each.strip() for value in fields.get(b"content-length", ()) for each in value.split(b",")
    }
    if len(lengths) > 1:
        return f"it has {len(lengths)} Content-Length headers that differ; send one"
    if lengths and not lengths.pop().isdigit():
        return "its Content-Length is no number of bytes"
    if b"content-length" in fields and b"transfer-encoding" in fields:
        return "it has a Content-Length and a Transfer-Encoding; send one of them"
    return None


def _asks_websocket(start: bytes, fields: dict[bytes, list[bytes]], options: set[bytes]) -> bool:
    """Whether Hypercorn will accept this head as a valid WebSocket request."""
    return (
        start[:4].upper() == b"GET "
        and start.endswith(b"/1.1")
        and b"upgrade" in options
        and fields.get(b"upgrade", [b""])[-1] == b"websocket"
        and fields.get(b"sec-websocket-version", [b""])[-1] == b"13"
        and b"sec-websocket-key" in fields
    )
