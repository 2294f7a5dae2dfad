"""What the streams of server-sent events have besides the frames of a WebSocket, for the AsyncAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from .schemas import ConversationLine
from .server_frames import (
    AckAnswer,
    AuthAnswer,
    ChangeAnswer,
    ErrorAnswer,
    HeldAnswer,
    PongAnswer,
    RunAnswer,
    ServerFrame,
)


class ListConnectedEvent(ServerFrame):
    """The first event about the caller's list: ask for the list now, since nothing from before is repeated."""

    type: Literal["connected"]
    participant_id: str


class ConversationEvent(ServerFrame):
    """A line of the caller's list as it is now, of a conversation that is new or has changed; at most one a second for each."""

    type: Literal["conversation"]
    conversation: ConversationLine


class ConversationGoneEvent(ServerFrame):
    """The caller is no longer a member of this conversation, or it was deleted."""

    type: Literal["conversation_gone"]
    conversation_id: str


class ClosedEvent(ServerFrame):
    """The last event: the code and the reason of a WebSocket's close frame."""

    type: Literal["closed"]
    code: int = Field(examples=[4000], description="A close code.")
    reason: str = Field(examples=["identity revoked"])
    retry_after: float | None = Field(
        default=None, description="Seconds after which to come back, if the server restarts."
    )


# Of one who only listens, nothing is to be answered.
ANSWERS: frozenset[type[ServerFrame]] = frozenset(
    {AckAnswer, HeldAnswer, ChangeAnswer, ErrorAnswer, PongAnswer, AuthAnswer, RunAnswer}
)
LIST_EVENTS = (ListConnectedEvent, ConversationEvent, ConversationGoneEvent)
STREAM_EVENTS: tuple[type[ServerFrame], ...] = (*LIST_EVENTS, ClosedEvent)
