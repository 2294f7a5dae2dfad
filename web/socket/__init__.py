"""Live traffic: the selector loop, one connection, the WebSocket protocol, clients' frames and the events' JSON."""

from .client_frames import (
    KEY_LENGTH,
    LAST_SEQUENCE,
    Content,
    JoinFrame,
    Mentions,
    MessageFrame,
    MessageId,
    PingFrame,
    ReadFrame,
    ReplyTo,
    SyncFrame,
    TypingFrame,
    blank_content,
    metadata_text,
    one_key,
    problem_of,
)
from .codec import (
    JsonCodec,
    error_fields,
    member_fields,
    message_of,
    receipt_json,
)
from .connection import Connection, Phase, retry_reason
from .event_json import compact, participant_fields, timestamp
from .wire import Wire, unconfirmed

__all__ = [
    "KEY_LENGTH",
    "LAST_SEQUENCE",
    "Connection",
    "Content",
    "JoinFrame",
    "JsonCodec",
    "Mentions",
    "MessageFrame",
    "MessageId",
    "Phase",
    "PingFrame",
    "ReadFrame",
    "ReplyTo",
    "SyncFrame",
    "TypingFrame",
    "Wire",
    "blank_content",
    "compact",
    "error_fields",
    "member_fields",
    "message_of",
    "metadata_text",
    "one_key",
    "participant_fields",
    "problem_of",
    "receipt_json",
    "retry_reason",
    "timestamp",
    "unconfirmed",
]
