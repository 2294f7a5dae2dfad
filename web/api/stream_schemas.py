"""What a request for a stream of events may say."""

from __future__ import annotations

from pydantic import BaseModel, Field

from ..socket import LAST_SEQUENCE


class StreamQuery(BaseModel):
    """Where a stream begins, and who asks, where neither a header nor a cookie can say so."""

    last_sequence_id: int | None = Field(default=None, ge=0, le=LAST_SEQUENCE)
    ticket: str | None = None


class StreamHeaders(BaseModel):
    """The newest event that the client has: its `id`, which browsers send by themselves."""

    last_event_id: int | None = Field(default=None, ge=0, le=LAST_SEQUENCE, alias="Last-Event-ID")
