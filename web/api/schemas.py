"""The schemas of HTTP requests and answers. The reference at /openapi.json is generated from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, AliasChoices, BaseModel, ConfigDict, Field, model_validator

from salon.actors.message import PARTICIPANTS_SHOWN
from salon.actors.model import Action, Role
from salon.actors.triggers import AGENTS_MAY_CALL

from ..names import NAME_LENGTH, TITLE_LENGTH, normalise_name
from ..socket import (
    KEY_LENGTH,
    LAST_SEQUENCE,
    AlsoInChannel,
    ApprovalId,
    Content,
    DeltaText,
    EndOffset,
    EndReason,
    EndStatus,
    Files,
    Mentions,
    MessageId,
    ReplyTo,
    Results,
    RetryAfter,
    RunApproval,
    RunId,
    RunLabel,
    ThreadId,
    Usage,
)

# Participants that may be named when a conversation is created, the caller among them
AT_CREATION = 10
ID_LENGTH = 128  # characters of a participant's id: room for a UUID behind a provider's name
RETURN_LENGTH = 512  # characters of a path to come back to: it has to fit into a cookie
PAGE = 100  # the most that one page holds


def _name(text: str) -> str:
    name = normalise_name(text)
    if name is None:
        raise ValueError("is blank")
    if len(name) > NAME_LENGTH:
        raise ValueError(f"has {len(name)} characters; at most {NAME_LENGTH} are allowed")
    return name


def _title(text: str) -> str:
    title = normalise_name(text)
    if title is None:
        raise ValueError("is blank")
    if len(title) > TITLE_LENGTH:
        raise ValueError(f"has {len(title)} characters; at most {TITLE_LENGTH} are allowed")
    return title


def _visible(text: str) -> str:
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("holds white space or characters that do not print")
    return text


RoleName = Role
ActionName = Action
SLOWEST = 21_600  # seconds of slow mode: six hours
LONGEST = 36_500  # days of retention: a century
Name = Annotated[str, AfterValidator(_name)]
Title = Annotated[str, AfterValidator(_title)]
Id = Annotated[str, Field(min_length=1, max_length=ID_LENGTH), AfterValidator(_visible)]
Sequence = Annotated[int, Field(ge=0, le=LAST_SEQUENCE)]


class Body(BaseModel):
    """The body of a request; unknown fields are ignored."""

    model_config = ConfigDict(strict=True, frozen=True)


class ParticipantBody(Body):
    """A participant to add. Until they connect for the first time, they are shown with this name, or else the id."""

    user_id: Id = Field(validation_alias=AliasChoices("user_id", "participantId"))
    name: Name | None = Field(default=None, validation_alias=AliasChoices("name", "displayName"))
    type: Literal["human", "agent", "ai", "email", "oauth"] = Field(
        default="human",
        description="Ignored unless an admin gives it: the participant's own token decides. "
        "NLWeb's `ai` means `agent`; its `email` and `oauth` mean `human`.",
    )
    role: Literal["moderator", "member", "observer"] = "member"

    @property
    def kind(self) -> Literal["human", "agent"]:
        """The type under this server's own names."""
        return "agent" if self.type in ("agent", "ai") else "human"


class CreateBody(Body):
    """A new conversation. The caller is its first participant and its owner."""

    title: Title
    participants: list[ParticipantBody] = Field(default=[], max_length=AT_CREATION)
    mode: Literal["list", "summarize", "generate", "single", "multi"] = Field(
        default="list",
        description="NLWeb's clients send `single` or `multi`; the mode of the conversation is `list` then.",
    )
    sites: list[Annotated[str, Field(min_length=1, max_length=253)]] = Field(
        default=[], max_length=100
    )
    enable_ai: bool = Field(
        default=False,
        description="Whether the agents that the server hosts by default are members.",
    )
    join: Literal["open", "invite"] = "open"
    members_invite: bool = True
    share_reads: bool = False
    metadata: dict[str, Any] | None = None
    permissions: dict[ActionName, RoleName] = Field(
        default={}, description="The least role for these actions, where it differs from the usual."
    )
    history: Literal["all", "since_join"] = Field(
        default="all", description="What members may read: all, or what came after they joined."
    )
    slow_mode: int = Field(
        default=0, ge=0, le=SLOWEST, description="Seconds between two messages of one member."
    )
    retention: Retention | None = None


class Retention(BaseModel):
    """How long messages are kept."""

    days: int = Field(
        ge=0,
        le=LONGEST,
        description="0 for as long as the server keeps them, which may be shorter.",
    )


class UpdateBody(Body):
    """The changes; fields that are left out stay as they are."""

    title: Title | None = None
    metadata: dict[str, Any] | None = Field(
        default=None, description="Replaces all metadata; null removes it."
    )
    permissions: dict[ActionName, RoleName | None] | None = Field(
        default=None,
        description="Changes the least role for these actions; null takes one back to the usual. Owners only.",
    )
    history: Literal["all", "since_join"] | None = Field(default=None, description="Owners only.")
    slow_mode: int | None = Field(
        default=None, ge=0, le=SLOWEST, description="For those who may mute."
    )
    retention: Retention | None = Field(default=None, description="Owners only.")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(
                "says nothing to change: title, metadata, permissions, history, slow_mode or retention is wanted"
            )
        for name in ("title", "permissions", "history", "slow_mode", "retention"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise ValueError(f"{name} cannot be removed")
        return self


class JoinBody(Body):
    """The participant to add; by default the caller."""

    participant: ParticipantBody | None = None


class PostBody(Body):
    """A message. The header `Idempotency-Key` is another name for `client_message_id`."""

    content: Content
    client_message_id: str | None = Field(default=None, min_length=1, max_length=KEY_LENGTH)
    message_id: MessageId = None
    reply_to: ReplyTo = None
    metadata: dict[str, Any] | None = None
    mentions: Mentions = None
    thread_id: ThreadId = None
    also_in_channel: AlsoInChannel = False
    files: Files = None


class UploadQuery(Body):
    """The file's name, where the body is not a form that has it."""

    name: str | None = Field(default=None, max_length=1000)


class FileQuery(Body):
    """How to give the file out."""

    model_config = ConfigDict(strict=False, frozen=True)

    download: bool = Field(default=False, description="Have it saved, whatever it is.")


class PreviewQuery(Body):
    """The size of the preview."""

    model_config = ConfigDict(strict=False, frozen=True)

    size: int = Field(
        default=640,
        ge=1,
        le=4096,
        description="Pixels of the longer side that are wanted: the picture has the next of 160, 320, 640 and 1280, but never "
        "more than the original.",
    )


class RunBody(Body):
    """A new run of an agent. The same `run_id` again is the same run: the answer says where it is."""

    run_id: RunId
    reply_to: ReplyTo = None


class DeltaBody(Body):
    """More text of a run."""

    offset: Sequence = Field(description="Unicode code points of the run before `text`.")
    text: DeltaText


class RunStateBody(Body):
    """What a run is doing while it says nothing."""

    state: Literal["thinking", "tool", "waiting_for_approval"]
    label: RunLabel = None
    approval: RunApproval = None


class ApprovalBody(Body):
    """A person's decision about the tool call that a run waits for."""

    approval_id: ApprovalId
    approved: bool


class RunEndBody(Body):
    """The end of a run. What it has said becomes its message; if it has said nothing, it has failed, for `reason`."""

    status: EndStatus = "complete"
    offset: EndOffset = None
    usage: Usage = None
    metadata: dict[str, Any] | None = None
    reason: EndReason = None
    retry_after: RetryAfter = None
    results: Results = None


class AgentBody(Body):
    """Which messages an agent is asked to answer; fields that are left out stay as they are.

    `auto`: each message where it is alone with one person, else those that mention it or reply to it. `mention`: those that
    mention it. `always`: each. `never`: none. A message that mentions others and not this agent is never for it.
    """

    trigger: Literal["auto", "mention", "always", "never"] | None = None
    agents_may_call: int | None = Field(
        default=None,
        ge=0,
        le=AGENTS_MAY_CALL,
        description="Messages of agents, without one of a person between, that it still answers; 0: an agent's never.",
    )
    steering: Literal["queue", "restart"] | None = Field(
        default=None,
        description="What a new question does to the answer that its sender is being given: wait, or cancel it.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.trigger is None and self.agents_may_call is None and self.steering is None:
            raise ValueError(
                "says nothing to change: trigger, agents_may_call or steering is wanted"
            )
        return self


class ReadBody(Body):
    """The new read position: everything up to this sequence has been read."""

    sequence_id: Sequence
    thread_id: ThreadId = Field(
        default=None, description="The root of the thread whose position is meant."
    )
    force: bool = Field(
        default=False, description="Whether the position may move back: to mark as unread."
    )


class ProviderView(BaseModel):
    """A provider to sign in with: send the browser to `url?return_to=PATH`; it returns to that path."""

    name: str
    label: str
    url: str


class AgentName(BaseModel):
    """An agent that the server hosts."""

    id: str
    name: str


class WaysIn(BaseModel):
    """The ways to sign in, and the agents that a new conversation may have. A token always works."""

    guests: bool
    providers: list[ProviderView]
    agents: list[AgentName] = Field(
        description="The agents that are members of conversations created with `enable_ai`."
    )


class SignInQuery(Body):
    """The path of this server to which the browser returns."""

    model_config = ConfigDict(strict=False, frozen=True)

    return_to: str = Field(default="/", max_length=RETURN_LENGTH)
    keep_guest: bool = Field(
        default=False,
        description="Whether a guest who signs in for the first time stays who they are, with all their conversations.",
    )


class CallbackQuery(Body):
    """The query with which a provider redirects the browser back."""

    code: str | None = None
    state: str | None = None
    iss: str | None = None
    error: str | None = None


class GuestBody(Body):
    """The guest's name; by default the server chooses one."""

    name: Name | None = None


class RenameBody(Body):
    """The caller's new name."""

    name: Name


class RecoverBody(Body):
    """The recovery code of a guest."""

    recovery_code: str = Field(min_length=1, max_length=200)


class ParticipantView(BaseModel):
    """A participant as shown in events."""

    id: str
    name: str
    type: Literal["human", "agent"]


class MemberModel(BaseModel):
    """A member as shown in the conversation."""

    participantId: str  # noqa: N815  # the contract's spelling
    displayName: str  # noqa: N815
    type: Literal["human", "agent"]
    role: RoleName
    joinedAt: str  # noqa: N815
    isOnline: bool  # noqa: N815
    trigger: Literal["auto", "mention", "always", "never"] | None = Field(
        default=None, description="Of an agent: which messages it is asked to answer."
    )
    agentsMayCall: int | None = Field(  # noqa: N815
        default=None,
        description="Of an agent: the messages of agents, without one of a person between, that it still answers.",
    )
    steering: Literal["queue", "restart"] | None = Field(
        default=None,
        description="Of an agent: what a new question does to the answer that its sender is being given.",
    )


class ResultView(BaseModel):
    """Something that an answer points to: a page that it cites, a thing that it has found."""

    url: str
    name: str
    site: str | None = None
    description: str | None = None
    score: float | None = None
    schema_object: dict[str, Any] | None = None


class ReactionView(BaseModel):
    """One kind of reaction to a message."""

    count: int
    participants: list[str] = Field(
        max_length=PARTICIPANTS_SHOWN, description="Ids of the first who gave it."
    )


class ThreadView(BaseModel):
    """The replies in a message's thread; deleted ones do not count."""

    replies: int
    last_at: str


class FileView(BaseModel):
    """A file; `media_type` is what its bytes say. `GET /chat/{conversation_id}/files/{file_id}` gives it."""

    file_id: str
    name: str
    media_type: str
    size: int = Field(description="Bytes.")
    width: int | None = Field(
        default=None,
        description="Of a picture, in pixels, as it is shown; `…/preview` gives a small one.",
    )
    height: int | None = None
    alt: str | None = Field(
        default=None, description="Of a picture or the like in a message: what it shows, in words."
    )


class Message(BaseModel):
    """A message, as in `message` frames."""

    message_id: str
    conversation_id: str
    sequence_id: int
    sender_id: str
    sender_name: str
    sender_type: Literal["human", "agent"]
    content: str
    message_type: Literal["text"]
    timestamp: str
    client_message_id: str | None = None
    reply_to: str | None = None
    metadata: dict[str, Any] | None = None
    mentions: list[str] | None = None
    files: list[FileView] | None = None
    run_id: str | None = Field(default=None, description="The run that this message ends.")
    status: Literal["complete", "cancelled", "interrupted"] | None = Field(
        default=None, description="How the run ended; `content` is all that was said until then."
    )
    usage: dict[str, Any] | None = Field(
        default=None, description="What the run has used, as its agent says."
    )
    results: list[ResultView] | None = Field(
        default=None, description="What the answer points to, in the order of relevance."
    )
    thread_id: str | None = Field(
        default=None, description="The message in whose thread this is a reply."
    )
    also_in_channel: bool | None = Field(
        default=None, description="Of a reply: the main log shows it, too."
    )
    revision: int | None = Field(
        default=None, description="2 after the first edit; left out before."
    )
    edited_at: str | None = None
    reactions: dict[str, ReactionView] | None = Field(
        default=None, description="By emoji, in the order of the first of each kind."
    )
    thread: ThreadView | None = Field(default=None, description="The replies to this message.")
    pinned: bool | None = None
    deleted: bool | None = Field(
        default=None, description="Its content, former revisions and reactions are gone."
    )
    as_of: int | None = Field(
        default=None,
        description="The last event that is part of this: only later ones change it. Left out where there is none.",
    )


class Created(BaseModel):
    """The new conversation; `websocket_url` is a path on this server."""

    conversation_id: str
    title: str
    mode: Literal["list", "summarize", "generate"]
    created_at: str
    participants: list[ParticipantView]
    websocket_url: str


class PreferencesView(BaseModel):
    """How the caller keeps a conversation for themselves; nobody else sees it."""

    archived: bool
    muted: bool | str = Field(description="True, false, or the time of its end.")
    pinned: bool = Field(description="In the caller's list before what is not pinned.")


class Preferences(PreferencesView):
    """How the caller keeps this conversation now."""

    conversation_id: str


class Conversation(BaseModel):
    """A conversation with its last hundred messages, in ascending order."""

    id: str
    title: str
    mode: Literal["list", "summarize", "generate"]
    sites: list[str]
    enable_ai: bool
    join: Literal["open", "invite"]
    members_invite: bool
    share_reads: bool
    metadata: dict[str, Any] | None
    pinned: list[str] = Field(description="Ids of the pinned messages, in the order of pinning.")
    participants: list[MemberModel]
    messages: list[Message]
    head_sequence_id: int
    created_at: str
    updated_at: str
    ended_at: str | None
    participant_count: int
    message_count: int
    unread_count: int
    mention_count: int
    status: Literal["active", "inactive"]
    permissions: dict[ActionName, RoleName] = Field(description="The least role for each action.")
    may: list[ActionName] = Field(description="What the caller may do now.")
    history: Literal["all", "since_join"]
    oldest_sequence_id: int = Field(description="The first event that the caller may read.")
    slow_mode: int = Field(description="Seconds between two messages of one member; 0 for none.")
    retention: Retention
    direct: bool = Field(description="Whether it is of two people: nobody comes in, nobody leaves.")
    me: PreferencesView | None = Field(description="Null for an operator who is no member.")


class JoinAnswer(BaseModel):
    """The joined conversation."""

    success: Literal[True]
    conversation: Conversation


class DeleteAnswer(BaseModel):
    """The conversation is deleted: there is nothing of it any more for anybody."""

    success: bool
    conversation_id: str


class LeaveAnswer(BaseModel):
    """The number of remaining participants."""

    success: Literal[True]
    message: str
    conversation_id: str
    remaining_participants: int


class ReceiptModel(BaseModel):
    """The receipt of a stored message; `event_hash` is SHA-256 over the event's salt and its stored form."""

    conversation_id: str
    message_id: str
    sequence_id: int
    timestamp: str
    client_message_id: str | None
    durability: Literal["committed", "memory"]
    event_hash: str


class RunModel(BaseModel):
    """Where a run is. `sequence_id` is that of its newest event, `offset` the number of code points that it has said.

    `message_id` and `event_hash` are those of the message that ended it, `reason` says why it failed.
    """

    conversation_id: str
    run_id: str
    status: Literal["open", "complete", "cancelled", "interrupted", "failed"]
    offset: int
    sequence_id: int
    timestamp: str
    durability: Literal["committed", "memory"] | None = Field(
        default=None,
        description="Left out of the answer to more text, which is stored within a second.",
    )
    message_id: str | None = None
    event_hash: str | None = None
    reason: Literal["timeout", "upstream", "budget", "cancelled", "interrupted"] | None = None
    approved: bool | None = Field(
        default=None,
        description="What people have decided about the tool call that the run waits for, as long as it has not gone on.",
    )


class RunRequest(BaseModel):
    """The agent is asked to answer the message again, in a run of this id."""

    run_id: str
    message_id: str


class EventPage(BaseModel):
    """Events in ascending order; `has_more` says whether there are more in the requested direction."""

    events: list[dict[str, Any]]
    head_sequence_id: int
    has_more: bool
    oldest_sequence_id: int = Field(description="The first event that the caller may read.")


class ConversationLine(PreferencesView):
    """One conversation in the caller's list."""

    conversation_id: str
    title: str
    created_at: str
    last_message_at: str | None
    participant_count: int
    unread_count: int
    mention_count: int
    last_message_preview: str | None


class ConversationList(BaseModel):
    """The caller's conversations: pinned ones, then newest activity first; `total` counts all pages."""

    conversations: list[ConversationLine]
    total: int
    limit: int
    offset: int
    before: int | None = Field(description="Asks for the next page; null where this is the last.")


class ReadAnswer(BaseModel):
    """The read position, and the number of messages after it."""

    read_sequence_id: int
    unread_count: int
    mention_count: int


class GuestAnswer(BaseModel):
    """A guest's session. The recovery code is shown only once."""

    token: str
    participant: ParticipantView
    recovery_code: str


class Me(BaseModel):
    """The caller's identity."""

    id: str
    name: str
    admin: bool
    account: bool = Field(
        default=False,
        description="Whether one who came as a guest has signed in with a provider since; left out where not.",
    )


class TicketAnswer(BaseModel):
    """A ticket that opens one WebSocket within `expires_in` seconds."""

    ticket: str
    expires_in: int


class ListQuery(BaseModel):
    """The requested part of the list."""

    limit: Annotated[int, Field(ge=1, le=PAGE)] = 20
    offset: Annotated[int, Field(ge=0, le=LAST_SEQUENCE)] = 0


class ConversationListQuery(ListQuery):
    """The requested part of the caller's conversations: those after the page that gave `before`."""

    before: Annotated[int, Field(ge=0, le=LAST_SEQUENCE)] | None = None
    archived: Literal["true", "false", "all"] = "false"


class EventQuery(BaseModel):
    """The requested part of the log: events after or before a sequence; by default the newest."""

    after: Sequence | None = None
    before: Sequence | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE)] = 100
