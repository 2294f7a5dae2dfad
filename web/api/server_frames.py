"""What the server sends over a WebSocket, as shapes: the reference is made from them, and tests hold the codec to them.

An event has a place in the conversation's sequence and is sent again to whoever lacks it; a signal and an answer are not.
A field that may be None is left out then, unless its description says that it is null.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, Field

from ..http import Problem
from .schemas import MemberModel, Message, ParticipantView, ReceiptModel

Sequence = int


class ServerFrame(BaseModel):
    """Any frame; clients pass over fields and types that they do not know."""

    sequenced: ClassVar[bool] = False


class EntrantView(ParticipantView):
    """A participant who was in the conversation from its beginning."""

    role: Literal["owner", "member", "observer"]


class PresenceChange(BaseModel):
    """Somebody who came or went."""

    participant_id: str
    status: Literal["online", "offline"]


class ConnectedSignal(ServerFrame):
    """The first frame, and the answer to a `sync` that cannot be complete. `epoch` names the log: when it changes, forget all."""

    type: Literal["connected"]
    conversation_id: str
    participant_id: str
    connection_id: str
    mode: Literal["single", "multi"]
    input_timeout: Literal[100, 2000] = Field(description="Milliseconds to wait for more input.")
    head_sequence_id: int
    first_sequence_id: int = Field(description="The first event that follows, if any does.")
    epoch: str
    resume: Literal["fresh", "complete", "reset"] = Field(
        description="fresh: the last events follow; complete: all that were missing; reset: page back over HTTP."
    )
    heartbeat: float = Field(description="Seconds between two pings of the server; 0 for none.")
    max_message_size: int = Field(description="Unicode code points of content; 0 for no bound.")


class ParticipantListSignal(ServerFrame):
    """Who is in: the first hundred, those online first where there are more."""

    type: Literal["participant_list"]
    conversation_id: str
    participants: list[MemberModel] = Field(max_length=100)
    participant_count: int


class CreatedEvent(ServerFrame):
    """The conversation began. Those named here get no `participant_joined`."""

    sequenced: ClassVar[bool] = True

    type: Literal["conversation_created"]
    sequence_id: Literal[1]
    conversation_id: str
    title: str
    mode: Literal["list", "summarize", "generate"]
    participants: list[EntrantView] = Field(min_length=1)
    sites: list[str]
    enable_ai: bool
    join: Literal["open", "invite"]
    members_invite: bool
    share_reads: bool
    timestamp: str
    metadata: dict[str, Any] | None = None


class MessageEvent(ServerFrame):
    """A message, to every member, the sender too."""

    sequenced: ClassVar[bool] = True

    type: Literal["message"]
    sequence_id: int = Field(ge=2)
    message: Message


class JoinedEvent(ServerFrame):
    """Somebody became a member, by themselves or invited."""

    sequenced: ClassVar[bool] = True

    type: Literal["participant_joined"]
    sequence_id: int = Field(ge=2)
    conversation_id: str
    participant: ParticipantView
    role: Literal["owner", "member", "observer"]
    invited_by: str | None = None
    participant_count: int
    timestamp: str


class LeftEvent(ServerFrame):
    """Somebody is no member any more."""

    sequenced: ClassVar[bool] = True

    type: Literal["participant_left"]
    sequence_id: int = Field(ge=2)
    conversation_id: str
    participant: ParticipantView
    participant_count: int
    timestamp: str


class AckAnswer(ServerFrame, ReceiptModel):
    """The receipt of a message, to the socket that sent it: it is stored. `client_message_id` is null where none was given."""

    type: Literal["message_ack"]


class CaughtUpSignal(ServerFrame):
    """Everything up to here has been sent; what follows is live."""

    type: Literal["caught_up"]
    sequence_id: int


class PresenceSignal(ServerFrame):
    """Who came online or went offline; gathered, at most one a second."""

    type: Literal["presence"]
    changes: list[PresenceChange] = Field(min_length=1)


class TypingSignal(ServerFrame):
    """Somebody else types, or has stopped."""

    type: Literal["typing"]
    participant_id: str
    is_typing: bool


class ReadSignal(ServerFrame):
    """A read position moved: the same person's on another socket, or anybody's where the conversation shares reading."""

    type: Literal["read"]
    participant_id: str
    sequence_id: int


class ErrorAnswer(ServerFrame, Problem):
    """A frame was refused; the socket stays open unless a close follows."""

    type: Literal["error"]


class PongAnswer(ServerFrame):
    """The answer to `ping`."""

    type: Literal["pong"]


class LaggingSignal(ServerFrame):
    """This reader is too slow for live push: events after here come from the log at its own pace, until `caught_up`."""

    type: Literal["lagging"]
    sequence_id: int


SERVER_FRAMES: tuple[type[ServerFrame], ...] = (
    ConnectedSignal,
    ParticipantListSignal,
    CreatedEvent,
    MessageEvent,
    JoinedEvent,
    LeftEvent,
    AckAnswer,
    CaughtUpSignal,
    PresenceSignal,
    TypingSignal,
    ReadSignal,
    ErrorAnswer,
    PongAnswer,
    LaggingSignal,
)


class Closing(NamedTuple):
    """A close code, and whether a client that gets it should connect again by itself."""

    code: int
    come_back: bool
    meaning: str


CLOSINGS = (
    Closing(1000, False, "Left conversation, or the answer to the client's own close."),
    Closing(1002, False, "The client broke the WebSocket protocol."),
    Closing(1003, False, "Only text frames are understood."),
    Closing(1007, False, "A text frame was not UTF-8."),
    Closing(1009, False, "A frame was larger than the server takes."),
    Closing(4000, True, 'The server restarts; the reason is {"retry_after": seconds}.'),
    Closing(4001, True, "Two pings went unanswered."),
    Closing(4002, True, "Resume on a fresh socket."),
    Closing(4003, True, "Nothing was read for too long."),
    Closing(4500, False, "The identity has expired or was revoked: get a new one first."),
    Closing(4501, False, "Too many frames that are not understood."),
    Closing(4502, False, "Too many connections."),
    Closing(4503, False, "No longer a participant."),
)
