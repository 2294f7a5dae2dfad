"""The schemas of the server's WebSocket frames: the reference is generated from them, and tests compare the codec with them.

An event has a place in the conversation's sequence and is replayed to readers that lack it; a signal and an answer are not.
A field whose value is None is left out, unless its description says that it is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, Field, create_model

from salon.actors.events import KINDS, Created
from salon.actors.fields import Form

from ..http import Problem
from .schemas import (
    ActionName,
    MemberModel,
    Message,
    ParticipantView,
    ReceiptModel,
    Retention,
    RoleName,
    RunModel,
)

if TYPE_CHECKING:
    from salon.actors.events import Event

Sequence = int


class ServerFrame(BaseModel):
    """Any frame; clients ignore unknown fields and types."""

    sequenced: ClassVar[bool] = False


class EntrantView(ParticipantView):
    """A participant of the new conversation."""

    role: RoleName


class PresenceChange(BaseModel):
    """A participant who came online or went offline."""

    participant_id: str
    status: Literal["online", "offline"]


class ConnectedSignal(ServerFrame):
    """The first frame, and the answer to a `sync` that cannot be complete. When `epoch` changes, delete all kept events."""

    type: Literal["connected"]
    conversation_id: str
    participant_id: str
    connection_id: str
    mode: Literal["single", "multi"]
    input_timeout: Literal[100, 2000] = Field(description="Milliseconds to wait for more input.")
    head_sequence_id: int
    first_sequence_id: int = Field(description="The first of the events that follow, if any.")
    oldest_sequence_id: int = Field(
        description="The first event that you may read: there is nothing for you before it."
    )
    epoch: str
    resume: Literal["fresh", "complete", "reset"] = Field(
        description="fresh: the last events follow; complete: all missing events follow; reset: page back over HTTP."
    )
    heartbeat: float = Field(description="Seconds between two pings of the server; 0 for none.")
    max_message_size: int = Field(description="Unicode code points of content; 0 for no limit.")


class ParticipantListSignal(ServerFrame):
    """The participants: the first hundred; if there are more, those online first."""

    type: Literal["participant_list"]
    conversation_id: str
    participants: list[MemberModel] = Field(max_length=100)
    participant_count: int


class AckAnswer(ServerFrame, ReceiptModel):
    """The receipt of a stored message, for the socket that sent it. `client_message_id` is null if none was given."""

    type: Literal["message_ack"]


class CaughtUpSignal(ServerFrame):
    """Everything up to this sequence has been sent; later events are live."""

    type: Literal["caught_up"]
    sequence_id: int


class PresenceSignal(ServerFrame):
    """The participants who came online or went offline; by default at most one such frame a second."""

    type: Literal["presence"]
    changes: list[PresenceChange] = Field(min_length=1)


class TypingSignal(ServerFrame):
    """Another participant is typing, or has stopped."""

    type: Literal["typing"]
    participant_id: str
    is_typing: bool


class ReadSignal(ServerFrame):
    """A read position moved, by reading or sending: your own, or with `share_reads` that of any participant."""

    type: Literal["read"]
    participant_id: str
    sequence_id: int
    thread_id: str | None = Field(
        default=None, description="The root of the thread whose position it is; only your own."
    )


class HeldAnswer(ServerFrame):
    """The answer to a message or an edit that waits for a moderator's decision; nobody sees it yet. `held_decided` follows."""

    type: Literal["message_held"]
    conversation_id: str
    held_id: int
    timestamp: str
    client_message_id: str | None = None


class HeldDecidedSignal(ServerFrame):
    """What came of a message or an edit of yours that was held. refused: the conversation did not take it any more."""

    type: Literal["held_decided"]
    held_id: int
    outcome: Literal["approved", "denied", "refused"]
    reason: str | None = None
    client_message_id: str | None = None
    message_id: str | None = None


class PreferencesSignal(ServerFrame):
    """You have archived, muted or pinned the conversation on another device: how you keep it now. Nobody else is told."""

    type: Literal["preferences"]
    archived: bool
    muted: bool | str = Field(description="True, false, or the time of its end.")
    pinned: bool


class ChangeAnswer(ServerFrame):
    """The answer to a frame that changes a message, for the socket that sent it."""

    type: Literal["change_ack"]
    conversation_id: str
    message_id: str
    sequence_id: int | None = Field(
        default=None, description="Of the event; left out where the message was so already."
    )
    timestamp: str
    client_message_id: str | None = None
    revision: int
    durability: Literal["committed", "memory"]
    event_hash: str | None = None


class ErrorAnswer(ServerFrame, Problem):
    """A frame was refused. The socket stays open unless a close frame follows."""

    type: Literal["error"]


class PongAnswer(ServerFrame):
    """The answer to `ping`."""

    type: Literal["pong"]


class AuthAnswer(ServerFrame):
    """The answer to `auth`: the socket goes on until the end of the new token, or without an end."""

    type: Literal["auth_ack"]
    expires_at: str | None = None


class AuthExpiringSignal(ServerFrame):
    """The identity of this socket ends in a minute at most, and the socket is closed with 4500 then: send `auth` before."""

    type: Literal["auth_expiring"]
    expires_at: str


class DeltaSignal(ServerFrame):
    """Text of an open run. Keep what you have of it up to `offset`, and add `text`: that is the text so far.

    After `caught_up` each open run is sent whole, with `offset` 0. The deltas of a run together are the content of its message.
    """

    type: Literal["delta"]
    run_id: str
    participant_id: str = Field(description="The agent.")
    offset: int = Field(ge=0, description="Unicode code points before `text`.")
    text: str
    reply_to: str | None = Field(
        default=None, description="With a whole text: the message that the run answers."
    )
    asked_by: str | None = Field(default=None, description="The sender of that message.")


class ToolCallView(BaseModel):
    """A tool call that waits until a person allows it."""

    approval_id: str
    tool: str
    arguments: dict[str, Any]


class RunStatusSignal(ServerFrame):
    """What an agent is doing while its run says nothing; over with the next `delta` of the run, or with its end."""

    type: Literal["run_status"]
    run_id: str
    state: Literal["thinking", "tool", "waiting_for_approval"]
    label: str | None = None
    approval: ToolCallView | None = Field(
        default=None,
        description="The tool call that waits until the person whom the run answers, or an owner, sends `approval`.",
    )


class RunRequestedSignal(ServerFrame):
    """For an agent: a message wants its answer. Start the run with this `run_id` and `reply_to` the message, or pass it over.

    An agent that connects gets again what it has not started yet.
    """

    type: Literal["run_requested"]
    run_id: str
    message_id: str
    mentions: list[str] = Field(description="Ids of the members whom the message mentions.")
    why: Literal["alone", "mention", "reply", "always", "regenerate"]


class ApprovalSignal(ServerFrame):
    """For an agent: a person has allowed the tool call that its run waits for, or has refused it."""

    type: Literal["approval"]
    run_id: str
    approval_id: str
    approved: bool
    participant_id: str = Field(description="The person.")


class CancelSignal(ServerFrame):
    """For an agent: its run was ended by somebody else, or its time was up. Stop the work on it."""

    type: Literal["cancel"]
    run_id: str


class RunAnswer(ServerFrame, RunModel):
    """The answer to `run_start`, `run_status`, `approval`, `run_end` and `cancel`, for the socket that sent it.

    A `delta` has no answer.
    """

    type: Literal["run_ack"]


class LaggingSignal(ServerFrame):
    """This reader is too slow for live delivery: later events come from the log at its own pace, until `caught_up`."""

    type: Literal["lagging"]
    sequence_id: int


ANNOTATIONS: dict[Form, Any] = {
    Form.COUNT: int,
    Form.ENTRANTS: Annotated[list[EntrantView], Field(min_length=1)],
    Form.FLAG: bool,
    Form.HISTORY: Literal["all", "since_join"],
    Form.ID: str,
    Form.JOIN_POLICY: Literal["open", "invite"],
    Form.MESSAGE: Message,
    Form.METADATA: dict[str, Any],
    Form.MODE: Literal["list", "summarize", "generate"],
    Form.PARTICIPANT: ParticipantView,
    Form.PERMISSIONS: dict[ActionName, RoleName],
    Form.REASON: Literal["timeout", "upstream", "budget", "cancelled", "interrupted"],
    Form.RETENTION: Retention,
    Form.ROLE: RoleName,
    Form.SECONDS: float,
    Form.SEQUENCE: Annotated[int, Field(ge=2)],
    Form.STEERING: Literal["queue", "restart"],
    Form.TEXT: str,
    Form.TEXTS: list[str],
    Form.TIME: str,
    Form.TRIGGER: Literal["auto", "mention", "always", "never"],
}


def event_model(kind: type[Event]) -> type[ServerFrame]:
    """The schema of an event's frame, from the declaration of its kind."""
    fields: dict[str, Any] = {"type": (Literal[kind.kind], ...)}
    for field in kind.frame:
        annotation = ANNOTATIONS[field.form]
        if kind is Created and field.form is Form.SEQUENCE:
            annotation = Literal[1]
        options: dict[str, Any] = {}
        if field.description:
            options["description"] = field.description
        if field.nullable:
            options["json_schema_extra"] = _or_null
        if field.optional:
            fields[field.name] = (annotation | None, Field(default=None, **options))
        else:
            fields[field.name] = (annotation, Field(**options))
    name = f"{kind.__name__}Event"
    model = create_model(name, __base__=ServerFrame, __doc__=kind.__doc__, **fields)
    model.sequenced = True
    return model


def _or_null(schema: dict[str, Any]) -> None:
    about: dict[str, Any] = {
        name: schema.pop(name) for name in ("title", "description") if name in schema
    }
    inner = dict(schema)
    schema.clear()
    schema.update(about, anyOf=[inner, {"type": "null"}])


EVENT_FRAMES = {kind: event_model(each) for kind, each in KINDS.items()}
SERVER_FRAMES: tuple[type[ServerFrame], ...] = (
    ConnectedSignal,
    ParticipantListSignal,
    *EVENT_FRAMES.values(),
    AckAnswer,
    ChangeAnswer,
    CaughtUpSignal,
    PresenceSignal,
    TypingSignal,
    ReadSignal,
    PreferencesSignal,
    HeldAnswer,
    HeldDecidedSignal,
    ErrorAnswer,
    PongAnswer,
    AuthAnswer,
    AuthExpiringSignal,
    LaggingSignal,
    DeltaSignal,
    RunStatusSignal,
    RunRequestedSignal,
    ApprovalSignal,
    CancelSignal,
    RunAnswer,
)


class Closing(NamedTuple):
    """A close code, and whether the client should reconnect by itself."""

    code: int
    come_back: bool
    meaning: str


CLOSINGS = (
    Closing(1000, False, "The participant left (reason: Left conversation), or the client closed."),
    Closing(1002, False, "The client violated the WebSocket protocol."),
    Closing(1003, False, "Only text frames are accepted."),
    Closing(1007, False, "A text frame was not UTF-8."),
    Closing(1009, True, "A frame was larger than the limit: reconnect, and do not send it again."),
    Closing(4000, True, 'The server restarts; the reason is {"retry_after": seconds}.'),
    Closing(4001, True, "Two pings were not answered."),
    Closing(4002, True, "Resume on a new socket."),
    Closing(4003, True, "The client read nothing for too long."),
    Closing(4500, False, "The identity has expired or was revoked: get a new one first."),
    Closing(4501, False, "Too many invalid frames."),
    Closing(4502, False, "Too many connections."),
    Closing(4503, False, "No longer a participant, or the conversation was deleted."),
)
