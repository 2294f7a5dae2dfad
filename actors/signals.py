"""Every signal: sent to connected subscribers, never sequenced, never replayed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .model import Approval, Participant, Role, RunState, Steering, Trigger, Why

Resume = Literal["fresh", "complete", "reset"]


@dataclass(frozen=True, slots=True)
class Connected:
    """The first signal that a subscriber gets."""

    conversation_id: str
    participant_id: str
    connection_id: str
    several: bool
    head: int
    first_sequence: int
    epoch: str
    resume: Resume
    oldest: int = 1


@dataclass(frozen=True, slots=True)
class MemberView:
    """One member as shown to other members."""

    participant: Participant
    role: Role
    joined_at: int
    is_online: bool
    trigger: Trigger | None = None  # of an agent only
    agents_may_call: int | None = None
    steering: Steering | None = None


@dataclass(frozen=True, slots=True)
class ParticipantList:
    """The members of the conversation; `members` may hold fewer than `participant_count`."""

    conversation_id: str
    members: tuple[MemberView, ...]
    participant_count: int


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Everything up to `sequence` has been sent; later events are live."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Presence:
    """The participants who came online or went offline since the last such signal."""

    changes: tuple[tuple[str, bool], ...]


@dataclass(frozen=True, slots=True)
class Typing:
    """A participant types, or has stopped."""

    participant_id: str
    is_typing: bool


@dataclass(frozen=True, slots=True)
class ReadMoved:
    """A participant has read up to `sequence`, in the main log or in the thread under `thread_id`."""

    participant_id: str
    sequence: int
    thread_id: str | None = None


@dataclass(frozen=True, slots=True)
class PreferencesMoved:
    """For somebody's own devices: how they keep the conversation now. `muted` is 0, `FOR_EVER` or a time."""

    archived: bool
    muted: int
    pinned: bool


@dataclass(frozen=True, slots=True)
class HeldDecided:
    """For the sender of a held message or edit: what came of it. `message_id` is that of the message which it is now."""

    held_id: int
    outcome: Literal["approved", "denied", "refused"]
    reason: str | None = None
    key: str | None = None
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Lagging:
    """Live delivery has stopped; the log is replayed at the reader's own pace."""

    sequence: int = field(default=0)


@dataclass(frozen=True, slots=True)
class Delta:
    """Text of a run from `offset` on, in code points. With what a reader has up to there it is the text so far.

    A reader that comes late may not have `run_started`: the whole text comes with what is in it.
    """

    run_id: str
    participant_id: str
    offset: int
    text: str
    reply_to: str | None = None
    asked_by: str | None = None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """What a run is doing while it says nothing."""

    run_id: str
    state: RunState
    label: str | None = None
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class ApprovalDecided:
    """For the agent of a run: a person has allowed the tool call that it asked for, or has refused it."""

    run_id: str
    approval_id: str
    approved: bool
    participant_id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """For the agent of a run: the run was ended by somebody else, or its time was up."""

    run_id: str


@dataclass(frozen=True, slots=True)
class RunRequested:
    """For an agent: a message wants its answer, in a run of this id. `why` says which rule asks for it."""

    run_id: str
    message_id: str
    mentions: tuple[str, ...]
    why: Why


Signal = (
    Connected
    | ParticipantList
    | CaughtUp
    | Presence
    | Typing
    | ReadMoved
    | PreferencesMoved
    | HeldDecided
    | Lagging
    | Delta
    | RunStatus
    | RunRequested
    | ApprovalDecided
    | Cancel
)
