"""Every command that an actor takes but those of runs, every control of the engine, and the outcomes of commands.

Times are whole milliseconds since the Unix epoch, UTC. `metadata` is JSON text. It is checked at the edge and carried unopened.

The types that travel once per message are named tuples: as frozen as the dataclasses here, and three times cheaper to make.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

from .change_messages import ChangeCommand
from .keeping_messages import KeepingCommand
from .member_messages import MemberCommand, OpenDirect
from .run_messages import (
    CancelRun,
    DecideApproval,
    EndRun,
    ExtendRun,
    RegenerateRun,
    SetRunState,
    StartRun,
    UpdateAgent,
)

if TYPE_CHECKING:
    from .files import Attachment
    from .future import Future
    from .model import (
        Action,
        Durability,
        Entrant,
        History,
        JoinPolicy,
        Mode,
        Participant,
        Role,
    )
    from .signals import Signal
    from .store import Page
    from .subscriber import Subscriber

Timer = Literal["presence", "typing", "reload", "deltas", "runs", "hosted"]


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
    permissions: dict[Action, Role] | None = None
    history: History | None = None
    slow_mode: int | None = None
    retention: int | None = None  # days


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
    thread_id: str | None = None
    in_channel: bool = False
    files: tuple[Attachment, ...] = ()


class Post(_Post):
    """Send a message. The same key from the same sender is the same message, for ever.

    `mentions` are the ids that the client named; names in the text are added. With `thread_id`, a message's id, it is a reply
    in that message's thread, and with `in_channel` the main log shows it, too.
    """

    __slots__ = ()
    is_command: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class MarkRead:
    """Move the sender's read position forward to `sequence`; back only with `force`.

    With `thread_id` it is the position in that message's thread, which never moves back.
    """

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    sequence: int
    thread_id: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class SetTyping:
    """Show or stop showing that the sender is typing."""

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    is_typing: bool


@dataclass(frozen=True, slots=True)
class Update:
    """Change the conversation. None leaves a field as it is; the metadata `null` removes it.

    `permissions` has the actions to change; None instead of a role takes an action back to the usual table.
    `by_operator` is true for an operator of the server, who need not be a member and has no rank.
    """

    is_command: ClassVar[bool] = True

    conversation_id: str
    sender: Participant
    title: str | None = None
    metadata: str | None = None
    permissions: dict[Action, Role | None] | None = None
    history: History | None = None
    slow_mode: int | None = None
    retention: int | None = None  # days
    by_operator: bool = False


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
    | ChangeCommand
    | MemberCommand
    | OpenDirect
    | KeepingCommand
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
class Inform:
    """Send a signal to a participant's connections in a conversation."""

    is_command: ClassVar[bool] = False

    conversation_id: str
    signal: Signal


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The outcome of a judgement has come for a participant's message, or for one before it."""

    is_command: ClassVar[bool] = False

    conversation_id: str


@dataclass(frozen=True, slots=True)
class Revoke:
    """Close the connections that were opened with a token which is no longer valid.

    Without a `token_id` all tokens of the person are meant; static ones, which have no id, only if the person is `blocked`.
    """

    is_command: ClassVar[bool] = False

    token_id: str | None = None
    blocked: bool = False

    def means(self, token_id: str | None) -> bool:
        """Whether a connection with this token is to be closed."""
        return self.blocked if token_id is None else self.token_id in (None, token_id)


Control = (
    Admit
    | Attach
    | Sync
    | Detach
    | Drained
    | Replay
    | Look
    | Rename
    | SaveRuns
    | Tick
    | Revoke
    | Inform
    | Reviewed
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


@dataclass(frozen=True, slots=True)
class Unchanged:
    """The conversation is already as the command wants it."""


@dataclass(frozen=True, slots=True)
class ReadMarked:
    """The sender's read position as it stands now. `root` is the sequence of the thread's root, where it is a thread's.

    `forced` is true where the position was moved back.
    """

    sequence: int
    root: int | None = None
    forced: bool = False
