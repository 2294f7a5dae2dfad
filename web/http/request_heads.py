"""What Hypercorn gets to see of a connection: every request head, without what must not reach it.

Hypercorn 0.18 negotiates permessage-deflate with whoever offers it, switches to HTTP/2 where asked, and dies of bytes
that follow an upgrade request. So each request's head is read here first; bodies are counted and passed through.
What is refused here is answered by Hypercorn, which is given `BROKEN` instead: so the answers keep their order.
"""

from __future__ import annotations

import re

HEAD_BYTES = 16_384  # of one request's head: Hypercorn's bound is one less, so that it is the one that answers
END_OF_HEAD = re.compile(rb"\n\r?\n")  # as h11 sees it
# A folded line, a bare CR and the like can hide a header from one of two readers.
ILLEGAL = re.compile(rb"[\0\v\f]|\r(?!\n)|\n[ \t]")
START = re.compile(rb"[^ ]+ (?:(?i:https?)://[\w.:-]+)?/[^ ]* HTTP/1\.[01]")
TAKEN_OUT = {b"connection", b"http2-settings", b"sec-websocket-extensions", b"upgrade"}
BROKEN = b"\0\r\n\r\n"  # what nobody takes for a head: answered with 400
NO_HTTP = "it does not begin as a request of HTTP/1.1 does"
LENGTH_DIGITS = 18  # of a body: more than anybody has, and what Python reads without complaint


class RequestHeads:
    """Cuts what a client sends into heads and bodies.

    With `upgrade` the head of a WebSocket request has been passed, nothing more is, and `rest` holds what came after it;
    `lines` are those of that head, where it is the first on the connection.
    """

    def __init__(self) -> None:
        self.upgrade = False
        self.requests = 0  # whose heads have been passed
        self.rest = b""
        self.lines: list[bytes] = []
        self._read_before = False
        self._buffer = b""
        self.problem: str | None = None  # why Hypercorn was given `BROKEN`
        self.body_come = 0  # bytes of the current request's body that have come, with their framing
        self._body = 0  # bytes of the current request's body that are still to come
        self._opaque = False  # this request is the last, and where it ends is for Hypercorn to find
        self._over = False  # no head comes after this one: the rest is dropped

    @property
    def pending(self) -> bool:
        """Whether a head has begun and not ended."""
        return bool(self._buffer)

    @property
    def between(self) -> bool:
        """Whether the next byte would begin a request."""
        return not (self._buffer or self._body or self._opaque or self._over or self.upgrade)

    @property
    def body_pending(self) -> bool:
        """Whether a body has begun, or is to begin, and is not known to have ended."""
        return bool(self._body) or self._opaque

    def feed(self, data: bytes) -> bytes:
        """What of these bytes Hypercorn may have now, perhaps nothing yet."""
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
            if data[0] <= 0x20:  # h11 does not wait for the rest of such a head either
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
        """The head as Hypercorn may have it. Notes whether it asks for a WebSocket and how its body is framed."""
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
            # A body whose end is not plain to see: let Hypercorn find it, and let it be the last on this connection.
            self._opaque = True


def _unclear(fields: dict[bytes, list[bytes]], *, host: bool) -> str | None:
    """What is not said, or in two ways, of whom a request is for, or of where its body ends. `host`: it has to be said."""
    hosts = len(fields.get(b"host", ()))
    if not hosts and host:
        return "it has no Host header; send one"
    if hosts > 1:
        # RFC 9112, 3.2: more than one is 400, were they equal too, since who wrote the second did not see the first.
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
    """Whether Hypercorn will take this for the beginning of a WebSocket, and nothing will be wrong with it."""
    return (
        start[:4].upper() == b"GET "
        and start.endswith(b"/1.1")
        and b"upgrade" in options
        and fields.get(b"upgrade", [b""])[-1] == b"websocket"
        and fields.get(b"sec-websocket-version", [b""])[-1] == b"13"
        and b"sec-websocket-key" in fields
    )
