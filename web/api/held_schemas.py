"""The schemas of held messages."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ..socket import LAST_SEQUENCE
from .member_schemas import Reason
from .schemas import PAGE, Body, ParticipantView


class HeldQuery(BaseModel):
    """The requested part of the queue: what was held before the page that gave `before`."""

    state: Literal["open", "closed"] = "open"
    before: Annotated[int, Field(ge=0, le=LAST_SEQUENCE)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 20


class HeldView(BaseModel):
    """A message or an edit that waits for a decision, or has had one; then its text is gone from the queue."""

    held_id: int
    conversation_id: str
    sender: ParticipantView
    kind: Literal["message", "edit"]
    content: str | None
    client_message_id: str | None
    reason: str | None = Field(description="Why it is held.")
    held_at: str
    closed_at: str | None
    closed_by: str | None
    outcome: Literal["approved", "denied", "refused"] | None = Field(
        description="refused: approved, but its conversation did not take it any more."
    )
    why: str | None = Field(description="What the decider, or the conversation, says.")


class HeldMessages(BaseModel):
    """Held messages, the newest first. `before` asks for the next page; null where this is the last."""

    held: list[HeldView]
    before: int | None


class HeldAnswer(BaseModel):
    """The message is stored, and waits for somebody to decide; nobody sees it yet."""

    conversation_id: str
    held_id: int
    timestamp: str
    client_message_id: str | None = None


class DenyBody(Body):
    """Why, for the sender."""

    reason: Reason | None = None
