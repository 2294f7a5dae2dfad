"""WebSocket frames in a byte stream, and the few fields of their text that the load tool reads.

Nearly every field is found by a search for a few bytes. JSON that salon would write differently is parsed.
"""

from __future__ import annotations

import json
from typing import Any

TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A  # the first byte of an unfragmented frame
ACK = b'{"type":"message_ack",'
EVENTS = (
    "message",
    "conversation_created",
    "conversation_updated",
    "participant_joined",
    "participant_left",
    "participant_updated",
    "agent_updated",
    "run_started",
    "run_failed",
    "message_edited",
    "message_deleted",
    "reaction_added",
    "reaction_removed",
    "message_pinned",
    "message_unpinned",
    "participant_role_changed",
    "participant_removed",
    "participant_banned",
    "participant_unbanned",
    "participant_muted",
    "participant_unmuted",
    "invite_created",
    "invite_revoked",
    "join_requested",
    "join_denied",
)
SEQUENCE = b'"sequence_id":'
KEY = b'"client_message_id":"'
CONTENT = b'"content":"'
_PREFIXES = tuple(b'{"type":"%b",%b' % (kind.encode(), SEQUENCE) for kind in EVENTS)


class BadFrame(Exception):
    """The bytes are no valid frame of a server."""


def bounds(data: bytes, at: int) -> tuple[int, int] | None:
    """The start and end of the payload of the frame at a position; None if the frame is incomplete. Raises `BadFrame`."""
    if len(data) - at < 2:
        return None
    length, start = data[at + 1], at + 2
    if length == 126:
        start = at + 4
        length = int.from_bytes(data[at + 2 : start], "big")
    elif length == 127:
        start = at + 10
        length = int.from_bytes(data[at + 2 : start], "big")
    elif length > 127:
        raise BadFrame("a frame of the server is masked")
    end = start + length
    return None if end > len(data) or start > len(data) else (start, end)


def client_frame(payload: bytes, first: int = TEXT) -> bytes:
    """A client's frame with a mask of zero: the load tool need not mask, and the server does its full work."""
    size = len(payload)
    if size < 126:
        return b"%c%c\0\0\0\0%b" % (first, 0x80 | size, payload)
    if size < 65536:
        return b"%c\xfe%b\0\0\0\0%b" % (first, size.to_bytes(2, "big"), payload)
    return b"%c\xff%b\0\0\0\0%b" % (first, size.to_bytes(8, "big"), payload)


def server_frame(payload: bytes) -> bytes:
    """A server's text frame, unmasked."""
    size = len(payload)
    if size < 126:
        return b"%c%c%b" % (TEXT, size, payload)
    if size < 65536:
        return b"%c\x7e%b%b" % (TEXT, size.to_bytes(2, "big"), payload)
    return b"%c\x7f%b%b" % (TEXT, size.to_bytes(8, "big"), payload)


def sequence_of(text: bytes) -> int | None:
    """The sequence of an event; None if the frame is no event, or is written differently than salon writes it."""
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            return int(text[len(prefix) : text.index(b",", len(prefix))])
    return None


def receipt_of(text: bytes) -> tuple[bytes | None, int]:
    """The key, None if there is none, and the sequence of a receipt. Raises `BadFrame`."""
    at, key = text.find(SEQUENCE), text.find(KEY)
    if at < 0 or key < 0:
        receipt = parse(text)
        given = receipt["client_message_id"]
        return None if given is None else str(given).encode(), int(receipt["sequence_id"])
    at, key = at + len(SEQUENCE), key + len(KEY)
    sequence = int(text[at : text.index(b",", at)])
    return text[key : text.index(b'"', key)] or None, sequence


def parse(text: bytes) -> dict[str, Any]:
    """A frame's text as an object. Raises `BadFrame` if it is no JSON object with a `type`."""
    try:
        frame = json.loads(text)
        if isinstance(frame, dict) and isinstance(frame.get("type"), str):
            return frame
    except ValueError:
        pass
    raise BadFrame(f"not a frame of the protocol: {text[:80]!r}")


def compact(event: Any) -> bytes:
    """An object serialized as salon serializes it on the wire."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
