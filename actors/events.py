"""Every kind of event, declared once: its fields, its frame, and how it changes the state.

An event has a place in its conversation's sequence. `kind` is the frame's `type`; `frame` lists the frame's fields in the order
in which they are written. Rules, codec, stores and the AsyncAPI document follow these declarations. CONTRIBUTING.md says how to
add a kind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, get_args

from .change_events import (
    ChangeEvent,
    Deleted,
    Edited,
    Pinned,
    ReactionAdded,
    ReactionRemoved,
    Unpinned,
)
from .fields import CONVERSATION_ID, METADATA, RUN_ID, SEQUENCE_ID, TIMESTAMP, Field, Form
from .member_events import MemberEvent, remove_member, without
from .model import Member, Run
from .posted import Posted, close_run

if TYPE_CHECKING:
    from .model import (
        Action,
        Entrant,
        FailureReason,
        History,
        JoinPolicy,
        Mode,
        Participant,
        Role,
        State,
        Steering,
        Trigger,
    )


_PERMISSIONS = Field(
    "permissions",
    Form.PERMISSIONS,
    optional=True,
    description="The least role for each action where it differs from the usual; all of them.",
)
_HISTORY = Field(
    "history",
    Form.HISTORY,
    optional=True,
    description="What members may read: all, or what came after they joined.",
)
_SLOW_MODE = Field(
    "slow_mode",
    Form.COUNT,
    optional=True,
    description="Seconds between two messages of one member; 0 for none.",
)
_RETENTION = Field(
    "retention",
    Form.RETENTION,
    optional=True,
    description="How long messages are kept; 0 days for as long as the server keeps them.",
)


@dataclass(frozen=True, slots=True)
class Created:
    """The conversation began. Its first participants get no `participant_joined`."""

    kind: ClassVar[str] = "conversation_created"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        Field("title", Form.TEXT),
        Field("mode", Form.MODE),
        Field("participants", Form.ENTRANTS, "entrants"),
        Field("sites", Form.TEXTS),
        Field("enable_ai", Form.FLAG),
        Field("join", Form.JOIN_POLICY),
        Field("members_invite", Form.FLAG),
        Field("share_reads", Form.FLAG),
        TIMESTAMP,
        METADATA,
        _PERMISSIONS,
        _HISTORY,
        _SLOW_MODE,
        _RETENTION,
        Field(
            "direct",
            Form.FLAG,
            optional=True,
            description="True where it is of two people: nobody comes in, nobody leaves.",
        ),
    )

    conversation_id: str
    sequence: int  # always 1
    at: int
    title: str
    entrants: tuple[Entrant, ...]  # the owner first
    mode: Mode
    sites: tuple[str, ...] = ()
    enable_ai: bool = False
    join: JoinPolicy = "open"
    members_invite: bool = True
    share_reads: bool = False
    metadata: str | None = None
    permissions: dict[Action, Role] | None = None
    history: History | None = None
    slow_mode: int | None = None
    direct: bool | None = None
    retention: int | None = None

    def apply(self, state: State) -> None:
        """Begin the conversation."""
        state.permissions = self.permissions or {}
        state.history = self.history or "all"
        state.slow_mode = self.slow_mode or 0
        state.retention = self.retention or 0
        state.direct = bool(self.direct)
        state.title = self.title
        state.mode = self.mode
        state.sites = self.sites
        state.enable_ai = self.enable_ai
        state.join = self.join
        state.members_invite = self.members_invite
        state.share_reads = self.share_reads
        state.metadata = self.metadata
        state.created_at = self.at
        owner = self.entrants[0].participant.id
        state.members = {
            entrant.participant.id: Member(
                entrant.participant,
                entrant.role,
                self.at,
                None if entrant.participant.id == owner else owner,
                introduced=entrant.participant.id == owner,
            )
            for entrant in self.entrants
        }
        state.find_agents()


@dataclass(frozen=True, slots=True)
class Joined:
    """A participant became a member, on their own or by invitation."""

    kind: ClassVar[str] = "participant_joined"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        Field("participant", Form.PARTICIPANT),
        Field("role", Form.ROLE),
        Field("invited_by", Form.ID, optional=True),
        Field("participant_count", Form.COUNT),
        TIMESTAMP,
        Field("invite_id", Form.ID, optional=True, description="The invite that they used."),
    )

    conversation_id: str
    sequence: int
    at: int
    participant: Participant
    participant_count: int
    role: Role = "member"
    invited_by: str | None = None
    invite_id: str | None = None

    def apply(self, state: State) -> None:
        """Add the member; messages from before they joined do not count as unread."""
        id = self.participant.id
        member = Member(
            self.participant,
            self.role,
            self.at,
            self.invited_by,
            introduced=self.invited_by is None or self.invite_id is not None,
            since=self.sequence,
        )
        state.members = {**state.members, id: member}
        state.reads = {**state.reads, id: self.sequence}
        state.find_agents()
        if id in state.requests:
            state.requests = without(state.requests, id)
        if self.invite_id is not None:
            invite = state.invites[self.invite_id]
            used = invite._replace(uses=invite.uses + 1)
            state.invites = {**state.invites, invite.id: used}


@dataclass(frozen=True, slots=True)
class Left:
    """A participant is no longer a member. When no member is left, the conversation is archived."""

    kind: ClassVar[str] = "participant_left"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        Field("participant", Form.PARTICIPANT),
        Field("participant_count", Form.COUNT),
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant: Participant
    participant_count: int

    def apply(self, state: State) -> None:
        """Remove the member; where no owner is left, another member becomes the owner."""
        remove_member(state, self.participant.id, self.at)


@dataclass(frozen=True, slots=True)
class Introduced:
    """A member's name or type changed: to their own instead of those given by others, or to a newly chosen name."""

    kind: ClassVar[str] = "participant_updated"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        Field("participant", Form.PARTICIPANT),
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant: Participant

    def apply(self, state: State) -> None:
        """Change the member's name."""
        id = self.participant.id
        member = replace(state.members[id], participant=self.participant, introduced=True)
        state.members = {**state.members, id: member}
        state.find_agents()
        if id in state.renamed:
            state.renamed = {other: name for other, name in state.renamed.items() if other != id}


@dataclass(frozen=True, slots=True)
class Updated:
    """The title, the metadata or the rules were changed; unchanged fields are left out."""

    kind: ClassVar[str] = "conversation_updated"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        Field("title", Form.TEXT, optional=True),
        METADATA._replace(nullable=True, description="All of it; null where it was removed."),
        Field("by", Form.ID, description="The participant who changed it."),
        TIMESTAMP,
        _PERMISSIONS,
        _HISTORY,
        _SLOW_MODE,
        _RETENTION,
    )

    conversation_id: str
    sequence: int
    at: int
    by: str
    title: str | None = None
    metadata: str | None = None  # the text `null` removes it
    permissions: dict[Action, Role] | None = None
    history: History | None = None
    slow_mode: int | None = None
    retention: int | None = None

    def apply(self, state: State) -> None:
        """Set the changed fields."""
        if self.retention is not None:
            state.retention = self.retention
        if self.title is not None:
            state.title = self.title
        if self.metadata is not None:
            state.metadata = None if self.metadata == REMOVED else self.metadata
        if self.permissions is not None:
            state.permissions = self.permissions
        if self.history is not None:
            state.history = self.history
        if self.slow_mode is not None:
            state.slow_mode = self.slow_mode
            state.spoke = {}


@dataclass(frozen=True, slots=True)
class RunStarted:
    """An agent has begun an answer. Its text comes in `delta` frames; it ends in one `message` or one `run_failed`."""

    kind: ClassVar[str] = "run_started"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        RUN_ID,
        Field("participant_id", Form.ID, description="The agent."),
        Field("reply_to", Form.ID, optional=True, description="The message that it answers."),
        Field("asked_by", Form.ID, optional=True, description="The sender of that message."),
        Field("thread_id", Form.ID, optional=True, description="The thread that it answers in."),
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    run_id: str
    participant_id: str
    reply_to: str | None = None
    asked_by: str | None = None
    thread_id: str | None = None

    def apply(self, state: State) -> None:
        """Open the run."""
        run = Run(
            self.run_id,
            self.participant_id,
            self.sequence,
            self.at,
            self.reply_to,
            self.asked_by,
            thread_id=self.thread_id,
        )
        state.runs = {**state.runs, run.id: run}


@dataclass(frozen=True, slots=True)
class RunFailed:
    """A run has ended without a word. `temporary`: the same run may succeed if it is asked for again, after `retry_after`."""

    kind: ClassVar[str] = "run_failed"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        RUN_ID,
        Field("participant_id", Form.ID, description="The agent."),
        Field("reason", Form.REASON),
        Field("temporary", Form.FLAG),
        Field("retry_after", Form.SECONDS, optional=True, description="Seconds."),
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    run_id: str
    participant_id: str
    reason: FailureReason
    temporary: bool
    retry_after: float | None = None

    def apply(self, state: State) -> None:
        """Close the run."""
        close_run(state, self.run_id)


@dataclass(frozen=True, slots=True)
class AgentUpdated:
    """An owner has set which messages an agent is asked to answer, and what a new one does to an answer that is being given."""

    kind: ClassVar[str] = "agent_updated"
    frame: ClassVar[tuple[Field, ...]] = (
        SEQUENCE_ID,
        CONVERSATION_ID,
        Field("participant_id", Form.ID, description="The agent."),
        Field("trigger", Form.TRIGGER),
        Field(
            "agents_may_call",
            Form.COUNT,
            description="Messages of agents, without one of a person between, that it still answers.",
        ),
        Field("steering", Form.STEERING),
        Field("by", Form.ID, description="The participant who set it."),
        TIMESTAMP,
    )

    conversation_id: str
    sequence: int
    at: int
    participant_id: str
    trigger: Trigger
    agents_may_call: int
    steering: Steering
    by: str

    def apply(self, state: State) -> None:
        """Set it."""
        member = replace(
            state.members[self.participant_id],
            trigger=self.trigger,
            agents_may_call=self.agents_may_call,
            steering=self.steering,
        )
        state.members = {**state.members, self.participant_id: member}


REMOVED = "null"  # the metadata of an update that removes it

# Every kind but a message: what a store's tables follow.
StateEvent = (
    Created
    | Joined
    | Left
    | Introduced
    | Updated
    | AgentUpdated
    | RunStarted
    | RunFailed
    | Edited
    | Deleted
    | ReactionAdded
    | ReactionRemoved
    | Pinned
    | Unpinned
    | MemberEvent
)
Event = Posted | StateEvent
KINDS: dict[str, type[Event]] = {each.kind: each for each in get_args(Event)}

__all__ = [
    "KINDS",
    "REMOVED",
    "AgentUpdated",
    "ChangeEvent",
    "Created",
    "Deleted",
    "Edited",
    "Event",
    "Introduced",
    "Joined",
    "Left",
    "Pinned",
    "Posted",
    "ReactionAdded",
    "ReactionRemoved",
    "RunFailed",
    "RunStarted",
    "StateEvent",
    "Unpinned",
    "Updated",
    "close_run",
]
