"""Every command that an actor takes, every control of the engine, and the outcomes of commands.

Times are whole milliseconds since the Unix epoch, UTC. `metadata` is JSON text. It is checked at the edge and carried unopened.

The types that travel once per message are named tuples: as frozen as the dataclasses here, and three times cheaper to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from .future import Future
    from .model import (
        Approval,
        Durability,
        Entrant,
        FailureReason,
        JoinPolicy,
        MessageStatus,
        Mode,
        Participant,
        RunState,
        Steering,
        Trigger,
    )
    from .store import Page
    from .subscriber import Subscriber

Timer = Literal["presence", "typing", "reload", "deltas", "runs"]


# --- commands: what a client asks; each counts against the mailbox, `sender` says whose share it takes -------------------


@dataclass(frozen=True, slots=True)
class Create:
    """Begin a conversation; the sender becomes its owner and first participant."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    title: str
    entrants: tuple[Entrant, ...] = ()
    mode: Mode = "list"
    sites: tuple[str, ...] = ()
    enable_ai: bool = False
    join: JoinPolicy = "open"
    members_invite: bool = True
    share_reads: bool = False
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class Join:
    """Add the entrant: the sender, or a participant whom the sender invites."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    entrant: Entrant


@dataclass(frozen=True, slots=True)
class Leave:
    """Remove the sender; when the last member leaves, the conversation is archived."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant


class _Post(NamedTuple):
    conversation_id: str
    sender: Participant
    content: str
    key: str | None = None
    reply_to: str | None = None
    metadata: str | None = None
    mentions: tuple[str, ...] = ()


class Post(_Post):
    """Send a message. The same key from the same sender is the same message, for ever.

    `mentions` are the ids that the client named; names in the text are added.
    """

    __slots__ = ()
    is_command: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class MarkRead:
    """Move the sender's read position forward to `sequence`; never back."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    sequence: int


@dataclass(frozen=True, slots=True)
class SetTyping:
    """Show or stop showing that the sender is typing."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    is_typing: bool


@dataclass(frozen=True, slots=True)
class Update:
    """Change the conversation's title or metadata. None leaves a field as it is; the metadata `null` removes it."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    title: str | None = None
    metadata: str | None = None


@dataclass(frozen=True, slots=True)
class StartRun:
    """Begin a run. The same `run_id` from the same agent is the same run, for ever; the answer says where it is."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    reply_to: str | None = None


class _ExtendRun(NamedTuple):
    conversation_id: str
    sender: Participant
    run_id: str
    offset: int
    text: str


class ExtendRun(_ExtendRun):
    """Say more in a run. `offset` counts the code points said before; what is there already changes nothing."""

    __slots__ = ()
    is_command: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class SetRunState:
    """Show what a run is doing while it says nothing."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    state: RunState
    label: str | None = None
    approval: Approval | None = None  # only with the state `waiting_for_approval`


@dataclass(frozen=True, slots=True)
class DecideApproval:
    """Allow the tool call that a run waits for, or refuse it: as the person whom the run answers, or an owner."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    approval_id: str
    approved: bool


@dataclass(frozen=True, slots=True)
class EndRun:
    """End a run: what it has said becomes the message, or it has failed, for `reason`, if nothing was said.

    `results` are what the answer points to, as JSON text; a message has them, a failure has not.
    `offset`, if given, counts the code points that were said: a run that lacks some of them does not end.
    """

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    status: MessageStatus = "complete"
    offset: int | None = None
    usage: str | None = None
    metadata: str | None = None
    reason: FailureReason | None = None
    retry_after: float | None = None
    results: str | None = None


@dataclass(frozen=True, slots=True)
class CancelRun:
    """End a run for the person it answers, or an owner; its agent may, too. What it has said becomes the message.

    `by_operator` is true for an operator of the server, who need not be a member.
    """

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    by_operator: bool = False


@dataclass(frozen=True, slots=True)
class RegenerateRun:
    """Ask the agent of a run for another answer to the same message."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    run_id: str
    new_run_id: str


@dataclass(frozen=True, slots=True)
class UpdateAgent:
    """Set which messages an agent is asked to answer, and how it is steered. None leaves a setting as it is."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    participant_id: str
    trigger: Trigger | None = None
    agents_may_call: int | None = None
    steering: Steering | None = None


RunCommand = (
    StartRun | ExtendRun | SetRunState | DecideApproval | EndRun | CancelRun | RegenerateRun
)
RUN_COMMANDS = frozenset(get_args(RunCommand))
Command = (
    Create
    | Join
    | Leave
    | Post
    | MarkRead
    | SetTyping
    | Update
    | StartRun
    | ExtendRun
    | SetRunState
    | DecideApproval
    | EndRun
    | CancelRun
    | RegenerateRun
    | UpdateAgent
)


# --- controls: what the engine tells itself; few by construction, so no mailbox refuses them ----------------------------


@dataclass(frozen=True, slots=True)
class Admit:
    """Ask a participant for a place for one more connection; answered with None or a refusal."""

    is_command: ClassVar[bool] = False

    connection_id: str


@dataclass(frozen=True, slots=True)
class Attach:
    """Subscribe a connection, from the events after `last_sequence` on; None asks for the most recent ones.

    Told with the subscriber as `reply_to`, so that the subscriber learns of it if an actor dies before it is attached.
    """

    is_command: ClassVar[bool] = False

    conversation_id: str
    subscriber: Subscriber
    last_sequence: int | None = None


@dataclass(frozen=True, slots=True)
class Sync:
    """Send a subscriber again everything after `last_sequence`."""

    is_command: ClassVar[bool] = False

    conversation_id: str
    subscriber: Subscriber
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Detach:
    """Forget a connection that has closed, or that was admitted and will not be attached."""

    is_command: ClassVar[bool] = False

    conversation_id: str
    subscriber: Subscriber


@dataclass(frozen=True, slots=True)
class Drained:
    """A lagging subscriber has written its waiting payloads and can take more."""

    is_command: ClassVar[bool] = False

    subscriber: Subscriber


@dataclass(frozen=True, slots=True)
class Replay:
    """The page of the log after sequence `after` has come, or has failed, for a subscriber that is being replayed to."""

    is_command: ClassVar[bool] = False

    subscriber: Subscriber
    after: int
    page: Future[Page]


@dataclass(frozen=True, slots=True)
class Rename:
    """A participant has another name from now on."""

    is_command: ClassVar[bool] = False

    participant: Participant


@dataclass(frozen=True, slots=True)
class Look:
    """Activate the conversation; answered with its state, or None where there is none."""

    is_command: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class SaveRuns:
    """Store now what the open runs have said: the server is about to stop."""

    is_command: ClassVar[bool] = False


@dataclass(frozen=True, slots=True)
class Tick:
    """A timer that the actor set for the time `at` has run out."""

    is_command: ClassVar[bool] = False

    what: Timer
    at: float


@dataclass(frozen=True, slots=True)
class Revoke:
    """Close the connections that were opened with a token which is no longer valid."""

    is_command: ClassVar[bool] = False

    token_id: str


Control = (
    Admit | Attach | Sync | Detach | Drained | Replay | Look | Rename | SaveRuns | Tick | Revoke
)


# --- outcomes: what a command is answered with, besides the event itself and a Refusal -----------------------------------


class Receipt(NamedTuple):
    """The promise that a message is in the log. `duplicate` is true where the key had been used before."""

    conversation_id: str
    message_id: str
    sequence: int
    at: int
    key: str | None
    durability: Durability
    event_hash: str
    duplicate: bool = False


class RunReceipt(NamedTuple):
    """Where a run is. `offset` counts the code points that it has said, `sequence` is that of its newest event.

    `duplicate` is true where the command changed nothing. `approved` is what people have decided about the tool call that the run
    waits for, as long as it has not gone on. `message_id` and `event_hash` are those of a message that ended it.
    """

    conversation_id: str
    run_id: str
    status: Literal["open", "complete", "cancelled", "interrupted", "failed"]
    offset: int
    sequence: int
    at: int
    durability: Durability
    message_id: str | None = None
    event_hash: str | None = None
    reason: FailureReason | None = None
    duplicate: bool = False
    approved: bool | None = None


class RunExtended(RunReceipt):
    """The receipt of more text. Over HTTP it is the answer; a socket hears only of refusals, or each token would have an echo."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The conversation is already as the command wants it."""


@dataclass(frozen=True, slots=True)
class ReadMarked:
    """The sender's read position as it stands now."""

    sequence: int
