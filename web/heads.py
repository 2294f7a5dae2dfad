"""What Hypercorn gets to see of a connection: every request head, without what must not reach it.

Hypercorn 0.18 negotiates permessage-deflate with whoever offers it, switches to HTTP/2 where asked, and dies of bytes
that follow an upgrade request. So each request's head is read here first; bodies are counted and passed through.
"""

from __future__ import annotations

import re
HEAD_BYTES = (
    65_536  # of one request's head: Hypercorn's own bound, so that it is the one that answers
)
END_OF_HEAD = re.compile(rb"\n\r?\n")  # as h11 sees it
DROPPED = (b"sec-websocket-extensions", b"http2-settings")


class HeadError(Exception):
    """The client speaks something that is not HTTP/1.1; the text says what."""


class Heads:
    """Cuts what a client sends into heads and bodies.

    With `upgrade` the head of a WebSocket request has been passed, nothing more is, and `rest` holds what came after it.
    """

    def __init__(self) -> None:
        self.upgrade = False
        self.rest = b""
        self._buffer = b""
        self._body = 0  # bytes of the current request's body that are still to come
        self._opaque = False  # no more heads: this request is the connection's last

    @property
    def pending(self) -> bool:
        """Whether a head has begun and not ended."""
        return bool(self._buffer)

    def feed(self, data: bytes) -> bytes:
        """What of these bytes Hypercorn may have now, perhaps nothing yet. Raises `HeadError`."""
        if self._opaque:
            return data
        data = self._buffer + data
        self._buffer = b""
        passed = []
        while data:
            if self._body:
                passed.append(data[: self._body])
                taken = len(passed[-1])
                self._body -= taken
                data = data[taken:]
                continue
            end = END_OF_HEAD.search(data)
            if end is None:
                if len(data) > HEAD_BYTES:
                    self._opaque = True
                    passed.append(data)
                else:
                    self._buffer = data
                break
            head, data = data[: end.end()], data[end.end() :]
            passed.append(self._read(head))
            if self.upgrade:
                self.rest = data
                break
            if self._last():
                passed.append(data)
                break
        return b"".join(passed)

    def _last(self) -> bool:
        return self._opaque

    def _read(self, head: bytes) -> bytes:
        """The head without what is dropped. Notes whether it asks for a WebSocket and how its body is framed."""
        start, *lines = head.rstrip(b"\r\n").split(b"\n")
        if start.startswith(b"PRI "):
            raise HeadError("HTTP/2 is not spoken here, only HTTP/1.1")
        kept, lengths = [start.rstrip(b"\r")], set()
        websocket = chunked = folded = dropping = False
        for line in (line.rstrip(b"\r") for line in lines):
            if line[:1] in (b" ", b"\t"):  # a folded line belongs to the one before
                folded = True
                if not dropping:
                    kept.append(line)
                continue
            name, _, value = line.partition(b":")
            name, value = name.strip().lower(), value.strip()
            dropping = name in DROPPED or (name == b"upgrade" and value.lower() != b"websocket")
            if dropping:
                continue
            kept.append(line)
            if name == b"upgrade":
                websocket = start.startswith(b"GET ")
            elif name == b"content-length":
                lengths.add(value)
            elif name == b"transfer-encoding":
                chunked = True
        self._frame_body(lengths, strange=chunked or folded, kept=kept)
        self.upgrade = websocket and not self._opaque and not self._body
        return b"\r\n".join(kept) + b"\r\n\r\n"

    def _frame_body(self, lengths: set[bytes], *, strange: bool, kept: list[bytes]) -> None:
        if strange or len(lengths) > 1 or not all(length.isdigit() for length in lengths):
            # A body whose end is not plain to see: let Hypercorn find it, and let it be the last on this connection.
            self._opaque = True
            kept.append(b"Connection: close")
        elif lengths:
            self._body = int(lengths.pop())
