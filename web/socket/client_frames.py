"""The frames that a client may send over a WebSocket, parsed and validated in one pass over the text.

Some frames and fields are those of NLWeb's chat, whose clients can connect too; docs/nlweb.md lists them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from salon.actors.blank import is_blank
from salon.actors.files import Attachment
from salon.actors.mentions import MENTIONS
from salon.actors.refusals import Code, Refusal, about_run

from ..names import ID_LENGTH
from .change_frames import AnyChangeFrame, EditFrame
from .run_parts import (
    KEY_LENGTH,
    LAST_SEQUENCE,
    ApprovalId,
    DeltaText,
    EndOffset,
    EndReason,
    EndStatus,
    Results,
    RetryAfter,
    RunApproval,
    RunId,
    RunLabel,
    Usage,
)

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ALT_LENGTH = 1000  # characters of an alternative text: a paragraph
TOKEN_LENGTH = 4096  # characters, as over HTTP
MOST_FILES = 100  # files that a message may name, whatever limits.files_per_message is
# The text of a message. Blank text is refused in a separate check: a pydantic validator would be slower for every message.
Content = Annotated[
    str,
    Field(
        description="Refused if blank: only white space, controls and invisible characters.",
        json_schema_extra={"minLength": 1},
    ),
]
# The alias of `client_message_id`; both may be given if they are equal.
MessageId = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=KEY_LENGTH,
        description="NLWeb's name for `client_message_id`.",
        json_schema_extra={"deprecated": True},
    ),
]
ReplyTo = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=KEY_LENGTH,
        description="The `message_id` of a message of this conversation; other events cannot be replied to.",
    ),
]

Mentions = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=ID_LENGTH)]] | None,
    Field(
        max_length=MENTIONS,
        description="Ids of members who are mentioned. `@Name` in the text adds whoever alone has that name.",
    ),
]

ThreadId = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=KEY_LENGTH,
        description="The `message_id` of the message in whose thread this is a reply: of one that is no reply itself.",
    ),
]
AlsoInChannel = Annotated[
    bool, Field(description="Of a reply in a thread: whether the main log shows it, too.")
]


class FileRef(BaseModel):
    """A file that was uploaded to this conversation by the sender."""

    model_config = ConfigDict(strict=True, frozen=True)

    file_id: str = Field(min_length=1, max_length=KEY_LENGTH)
    alt: str | None = Field(
        default=None,
        max_length=ALT_LENGTH,
        description="What it shows, for those who do not see it.",
    )


Files = Annotated[
    list[FileRef] | None,
    Field(
        max_length=MOST_FILES,
        description="Files uploaded before, each in one message only. With files, `content` may be blank.",
    ),
]


class Frame(BaseModel):
    """Any frame; unknown fields are ignored, so that newer clients can talk to older servers."""

    model_config = ConfigDict(strict=True, frozen=True)


class MessageFrame(Frame):
    """Send a message. The answer is `message_ack`, or `error` with the same client_message_id."""

    type: Literal["message"] = "message"
    content: Content
    client_message_id: str | None = Field(default=None, min_length=1, max_length=KEY_LENGTH)
    message_id: MessageId = None
    reply_to: ReplyTo = None
    metadata: dict[str, Any] | None = None
    mentions: Mentions = None
    thread_id: ThreadId = None
    also_in_channel: AlsoInChannel = False
    files: Files = None


class TypingFrame(Frame):
    """Show or stop showing that the sender is typing; ends by itself, by default after five seconds."""

    type: Literal["typing"] = "typing"
    is_typing: bool = Field(
        validation_alias=AliasChoices("is_typing", "isTyping"),
        description="NLWeb's `isTyping` is accepted, too.",
    )


class ReadFrame(Frame):
    """Move the read position: everything up to this sequence has been read."""

    type: Literal["read"] = "read"
    sequence_id: int = Field(ge=0, le=LAST_SEQUENCE)
    thread_id: ThreadId = None
    force: bool = Field(
        default=False, description="Whether the position may move back: to mark as unread."
    )


class SyncFrame(Frame):
    """Request all events after this sequence again. The answer is the events and `caught_up`."""

    type: Literal["sync"] = "sync"
    last_sequence_id: int = Field(ge=0, le=LAST_SEQUENCE)


class RunStartFrame(Frame):
    """Begin a run, as an agent. The answer is `run_ack`; the same `run_id` again is the same run, wherever it is."""

    type: Literal["run_start"] = "run_start"
    run_id: RunId
    reply_to: ReplyTo = None


class DeltaFrame(Frame):
    """Say more in a run. There is no answer but `error`: OFFSET_MISMATCH names the `expected_offset` to go on from."""

    type: Literal["delta"] = "delta"
    run_id: RunId
    offset: int = Field(
        ge=0, le=LAST_SEQUENCE, description="Unicode code points of the run before `text`."
    )
    text: DeltaText


class RunStatusFrame(Frame):
    """Show what a run is doing while it says nothing. The answer is `run_ack`."""

    type: Literal["run_status"] = "run_status"
    run_id: RunId
    state: Literal["thinking", "tool", "waiting_for_approval"]
    label: RunLabel = None
    approval: RunApproval = None


class ApprovalFrame(Frame):
    """Allow the tool call that a run waits for, or refuse it: as the person it answers, or an owner. The answer is `run_ack`."""

    type: Literal["approval"] = "approval"
    run_id: RunId
    approval_id: ApprovalId
    approved: bool


class RunEndFrame(Frame):
    """End a run. What it has said becomes its message; if it has said nothing, it has failed. The answer is `run_ack`."""

    type: Literal["run_end"] = "run_end"
    run_id: RunId
    status: EndStatus = "complete"
    offset: EndOffset = None
    usage: Usage = None
    metadata: dict[str, Any] | None = None
    reason: EndReason = None
    retry_after: RetryAfter = None
    results: Results = None


class CancelFrame(Frame):
    """Cancel a run: for the person it answers, an owner, or its agent. The answer is `run_ack`."""

    type: Literal["cancel"] = "cancel"
    run_id: RunId


class PingFrame(Frame):
    """Test the connection. The answer is `pong`."""

    type: Literal["ping"] = "ping"


class AuthFrame(Frame):
    """Renew the identity of this socket, as the same participant, with a new token or ticket. The answer is `auth_ack`.

    After a refusal the former identity goes on until its end.
    """

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["auth"] = "auth"
    token: str | None = Field(default=None, min_length=1, max_length=TOKEN_LENGTH)
    ticket: str | None = Field(
        default=None,
        min_length=1,
        max_length=TOKEN_LENGTH,
        description="From `POST /auth/ticket`, in place of the token.",
    )


class JoinFrame(Frame):
    """NLWeb's request to get the events of a conversation. It has no effect: a socket gets them from the handshake on.

    The id of another conversation is refused.
    """

    type: Literal["join"] = "join"
    conversation_id: str | None = None


class LeaveFrame(Frame):
    """NLWeb's request to leave. Always refused: leaving is permanent here, with `DELETE /chat/ID/leave`."""

    type: Literal["leave"] = "leave"


AnyFrame = (
    MessageFrame
    | TypingFrame
    | ReadFrame
    | SyncFrame
    | PingFrame
    | RunStartFrame
    | DeltaFrame
    | RunStatusFrame
    | ApprovalFrame
    | RunEndFrame
    | CancelFrame
    | AnyChangeFrame
    | AuthFrame
    | JoinFrame
    | LeaveFrame
)
ClientFrame = Annotated[AnyFrame, Field(discriminator="type")]
FRAMES: TypeAdapter[AnyFrame] = TypeAdapter(ClientFrame)
_read = (
    FRAMES.validator.validate_json
)  # the adapter's own method, a call more, only passes defaults
KNOWN_TYPES = (
    "message, typing, read, sync, ping, auth, run_start, delta, run_status, approval, run_end, cancel, "
    "message_edited, message_deleted, reaction_added, reaction_removed, message_pinned, message_unpinned"
)
# pydantic's error when the type of `content` is the only fault
NO_TEXT = (
    "string_type",
    ("message", "content"),
)


def parse(text: str) -> AnyFrame | Refusal:
    """The frame in the text, or the refusal that says why it is invalid."""
    try:
        frame: AnyFrame = _read(text)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        said = _with_query(text, details)
        return _refusal(text, details) if said is None else parse(said)
    if type(frame) is MessageFrame and is_blank(frame.content) and not frame.files:
        return blank_content(frame.client_message_id or frame.message_id)
    if type(frame) is EditFrame and is_blank(frame.content):
        return blank_content(frame.client_message_id)
    return frame


def blank_content(key: str | None) -> Refusal:
    """The refusal of a blank message, the same over HTTP and in a frame."""
    return Refusal(Code.INVALID_FORMAT, {"problem": "content: is blank"}, key=key)


def attachments(files: list[FileRef] | None) -> tuple[Attachment, ...]:
    """The files of a message for the engine."""
    return tuple([Attachment(each.file_id, each.alt or None) for each in files]) if files else ()


def one_key(key: str | None, message_id: str | None) -> str | None:
    """The key of a message, given under either name. Raises `ValueError` if the two differ."""
    if None not in (key, message_id) and key != message_id:
        raise ValueError("client_message_id and message_id name different keys")
    return key or message_id


def problem_of(details: list[ErrorDetails]) -> str:
    """The first validation error in words, for the developer of the client."""
    first = details[0]
    place = ".".join(str(part) for part in first["loc"])
    problem = first["msg"].removeprefix("Value error, ")
    return f"{place}: {problem}" if place else problem


def _refusal(text: str, details: list[ErrorDetails]) -> Refusal:
    kind = details[0]["type"]
    if kind == "json_invalid":
        if _holds_lone_surrogate(text):
            problem = "a text holds half of a surrogate pair, which is no character"
            refusal = Refusal(Code.INVALID_FORMAT, {"problem": problem}, key=_key_in(text))
            run_id = _name_in(text, "run_id")
            return refusal if run_id is None else about_run(refusal, run_id)
        return Refusal(
            Code.INVALID_JSON, {"problem": details[0]["msg"].removeprefix("Invalid JSON: ")}
        )
    if kind == "union_tag_invalid":
        return Refusal(Code.UNKNOWN_TYPE, {"known": KNOWN_TYPES})
    if kind == "union_tag_not_found":
        return Refusal(Code.INVALID_FORMAT, {"problem": "it has no type"})
    if not details[0]["loc"]:
        return Refusal(Code.INVALID_FORMAT, {"problem": "it is no JSON object"})
    details[0]["loc"] = details[0]["loc"][1:]  # without the tag that the discriminator adds
    refusal = Refusal(Code.INVALID_FORMAT, {"problem": problem_of(details)}, key=_key_in(text))
    run_id = _name_in(text, "run_id")
    return refusal if run_id is None else about_run(refusal, run_id)


def _with_query(text: str, details: list[ErrorDetails]) -> str | None:
    """A message whose content is NLWeb's `{"query": TEXT}`, rewritten with TEXT as its content; None for any other frame."""
    if [(each["type"], each["loc"]) for each in details] != [NO_TEXT]:
        return None
    try:
        fields = json.loads(text)
        content = fields["content"]
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(content.get("query"), str):
        return None
    return json.dumps(fields | {"content": content["query"]})


def _holds_lone_surrogate(text: str) -> bool:
    """Whether a lone surrogate, which Python's own parser accepts, is the text's only fault."""
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False
    return False


def _key_in(text: str) -> str | None:
    """The client's key in an invalid frame, so that the client learns which message was refused."""
    return _name_in(text, "client_message_id") or _name_in(text, "message_id")


def _name_in(text: str, field: str) -> str | None:
    """A short text in a field of an invalid frame."""
    try:
        name: str = json.loads(text).get(field)
        name.encode()  # a lone surrogate could not be sent back
    except (ValueError, RecursionError, AttributeError):
        return None
    return name if len(name) <= KEY_LENGTH else None
