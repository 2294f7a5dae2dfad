"""What a delivery says: an envelope around the frame, which stands there as readers of the conversation get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..socket import compact, timestamp
from .lane import kind_of

if TYPE_CHECKING:
    from salon.actors.store import Record

TEST = "test"  # the type of the event that operators send; no event of the log has it


def delivery_id(conversation_id: str, sequence: int) -> str:
    """The same for every attempt, so that a subscriber can tell what it has had."""
    return f"{conversation_id}-{sequence}"


def delivery_body(conversation_id: str, record: Record) -> str:
    """The body for one event."""
    head = compact(
        {
            "type": kind_of(record.body),
            "conversation_id": conversation_id,
            "sequence_id": record.sequence,
            "timestamp": timestamp(record.at),
        }
    )
    return f'{head[:-1]},"data":{record.body.decode()}}}'


def test_body(webhook_id: str, at: int) -> str:
    """The body of a test."""
    return compact(
        {
            "type": TEST,
            "conversation_id": None,
            "sequence_id": None,
            "timestamp": timestamp(at),
            "data": {"type": TEST, "webhook_id": webhook_id},
        }
    )
