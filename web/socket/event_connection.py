"""One connection that only listens: server-sent events over HTTP, with the outbox and the resuming of a WebSocket.

Conversations write WebSocket frames, encoded once for all sockets. They are turned into events once for all listeners.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import ClassVar

import trio

from salon.actors.events import KINDS

from .connection import CLOSE_TIMEOUT, Connection, Phase
from .event_json import compact

# How a frame begins that says how far its reader is, once they have it
PLACED = re.compile(rb'\{"type":"(\w+)","sequence_id":(\d+)[,}]')
PLACING = frozenset(KINDS) | {"caught_up"}
COMMENT = b": still here\n\n"
FIRST = b"retry: 2000\n\n"  # milliseconds that a browser waits after a lost connection
# Payloads that are kept as events: a payload is written to all its listeners in one go, of few conversations at once.
KEPT = 2


class EventConnection(Connection):
    """A participant's stream of events, subscribed to one conversation. What the peer sends is not looked at."""

    __slots__ = ()
    protocol: ClassVar[str] = "events"

    def received(self, data: bytes) -> None:
        """Note that the peer has gone; a client that sends more has nothing to say."""
        if not data:
            self.lost()

    def deliver(self, payload: bytes) -> bool:
        """Queue a payload of WebSocket frames as events; False if the outbox is full."""
        return super().deliver(as_events(payload))

    def push(self, payload: bytes) -> None:
        """Write a small payload of WebSocket frames as events, even if the outbox is full."""
        super().push(as_events(payload))

    def beat(self, now: float) -> None:
        """Send a comment, so that proxies keep the stream open, unless something waits to be sent anyway."""
        if self.phase is Phase.OPEN and not self.outbox_bytes:
            super().push(COMMENT)

    def close(self, code: int, reason: str = "") -> None:
        """Send a last event that says why; the socket is cut once the peer has it, or does not take it in time."""
        if self.phase is not Phase.OPEN:
            return
        super().push(closing(code, reason))
        self._end()

    def _end(self) -> None:
        if self.phase is not Phase.OPEN:  # writing may have detected that the peer has gone
            return
        self.phase = Phase.CLOSING
        self.close_deadline = trio.current_time() + CLOSE_TIMEOUT
        if self._transport is not None:
            self._transport.closing(self)
        self._detach()
        if not self.outbox_bytes:
            self.lost()

    def _drained(self) -> None:
        if self.phase is Phase.CLOSING:
            self.lost()
        else:
            super()._drained()


@lru_cache(maxsize=KEPT)
def as_events(payload: bytes) -> bytes:
    """A server's WebSocket text frames as server-sent events."""
    parts: list[bytes] = []
    at, end = 0, len(payload)
    while at < end:
        length, at = payload[at + 1], at + 2
        if length > 125:
            size = 2 if length == 126 else 8
            length, at = int.from_bytes(payload[at : at + size], "big"), at + size
        text = payload[at : at + length]
        at += length
        parts.append(_event(text))
    return b"".join(parts)


def _event(text: bytes) -> bytes:
    placed = PLACED.match(text)
    if placed is not None and placed[1].decode() in PLACING:
        return b"id: %b\ndata: %b\n\n" % (placed[2], text)
    return b"data: %b\n\n" % text


def closing(code: int, reason: str) -> bytes:
    """The last event: the code and reason of a WebSocket's close frame, and when to come back, where that is known."""
    fields = {"type": "closed", "code": code, "reason": reason}
    retry = b""
    if reason.startswith("{"):
        retry_after = json.loads(reason)["retry_after"]
        fields = {"type": "closed", "code": code, "reason": "", "retry_after": retry_after}
        retry = b"retry: %d\n" % round(retry_after * 1000)
    return b"%bdata: %b\n\n" % (retry, compact(fields).encode())
