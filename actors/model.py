"""The data types of a conversation: participants, members, and the state that its events lead to.

Times are whole milliseconds since the Unix epoch, UTC. `metadata` is JSON text. It is checked at the edge and carried unopened.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

ParticipantType = Literal["human", "agent"]
Role = Literal["owner", "moderator", "member", "observer"]
# What a role is needed for: `salon.actors.rights` has the table.
Action = Literal[
    "post",
    "edit_own",
    "delete_own",
    "delete_any",
    "react",
    "pin",
    "invite",
    "remove",
    "ban",
    "mute",
    "rename",
    "change_roles",
    "read_members",
]
JoinPolicy = Literal["open", "invite"]
History = Literal[
    "all", "since_join"
]  # what a member may read: everything, or what came after them
Trigger = Literal["auto", "mention", "always", "never"]
Steering = Literal["queue", "restart"]
Mode = Literal["list", "summarize", "generate"]
Durability = Literal["committed", "memory"]
RunState = Literal["thinking", "tool", "waiting_for_approval"]
# Why an agent is asked: it is alone with one person, it was mentioned, replied to, always answers, or a person asked again.
Why = Literal["alone", "mention", "reply", "always", "regenerate"]
MessageStatus = Literal["complete", "cancelled", "interrupted"]
FailureReason = Literal["timeout", "upstream", "budget", "cancelled", "interrupted"]


class Participant(NamedTuple):
    """A person or an agent, as shown in the conversation."""

    id: str
    name: str
    type: ParticipantType = "human"


class Entrant(NamedTuple):
    """A participant who is about to join, with their role."""

    participant: Participant
    role: Role = "member"


@dataclass(frozen=True, slots=True)
class Member:
    """A member of the conversation."""

    participant: Participant
    role: Role
    joined_at: int
    invited_by: str | None = None
    introduced: bool = (
        True  # False: name and type are what others have said of them, until they come themselves
    )
    trigger: Trigger = "auto"  # of an agent: which messages it is asked to answer
    agents_may_call: int = 0  # messages of agents without a person's between, that it still answers
    steering: Steering = (
        "queue"  # what a new question does to the answer that its sender is being given
    )
    since: int = 1  # the sequence with which they came in: with `history: since_join` the first that they may read


class Sanction(NamedTuple):
    """A ban or a mute. `until` is a time; None where it lasts until somebody ends it."""

    participant: Participant
    by: str
    at: int
    until: int | None = None
    reason: str | None = None

    def over(self, at: int) -> bool:
        """Whether it has ended by itself."""
        return self.until is not None and self.until <= at


FOR_EVER = 1  # instead of a time: until it is ended


class Preferences(NamedTuple):
    """How a member keeps a conversation for themselves; nobody else sees it. `muted` is 0, `FOR_EVER` or the time of its end."""

    archived: bool = False
    muted: int = 0
    pinned: bool = False


class Invite(NamedTuple):
    """A link by which people come in. The id is a hash of its code: it finds the invite, and does not give the code away."""

    id: str
    role: Role
    by: str
    at: int
    expires_at: int | None = None
    max_uses: int | None = None
    uses: int = 0

    def over(self, at: int) -> bool:
        """Whether it has expired or is used up."""
        used_up = self.max_uses is not None and self.uses >= self.max_uses
        return used_up or (self.expires_at is not None and self.expires_at <= at)


class JoinRequest(NamedTuple):
    """Somebody asks to be let in. `denied_at` is None while nobody has answered."""

    participant: Participant
    at: int
    reason: str | None = None
    denied_at: int | None = None


class Approval(NamedTuple):
    """A tool call that waits until a person allows it. `arguments` is JSON text; `approved` is None until somebody decides."""

    id: str
    tool: str
    arguments: str
    approved: bool | None = None
    decided_by: str | None = None


class Run(NamedTuple):
    """An open run: an agent's answer in the making. `text` is what has been said of it, `asked_by` the person it answers.

    `approval` is in memory only: after a restart its agent has to ask for it again.
    """

    id: str
    participant_id: str
    sequence: int  # of its `run_started`
    started_at: int
    reply_to: str | None = None
    asked_by: str | None = None
    text: str = ""
    approval: Approval | None = None
    thread_id: str | None = None  # where the message that it answers is a reply in a thread


@dataclass(slots=True)
class State:
    """The state of a conversation after its events.

    A published state is never changed: a turn works on a copy, which takes the place of the old state once it is committed.
    `number` is the store's own short name for the conversation, 0 before the first commit.
    """

    id: str
    number: int = 0
    title: str = ""
    mode: Mode = "list"
    sites: tuple[str, ...] = ()
    enable_ai: bool = False
    join: JoinPolicy = "open"
    members_invite: bool = True
    share_reads: bool = False
    metadata: str | None = None
    created_at: int = 0
    updated_at: int = 0
    ended_at: int | None = None
    head: int = 0
    messages: int = 0
    members: dict[str, Member] = field(default_factory=dict)  # in the order of joining
    reads: dict[str, int] = field(default_factory=dict)  # participant id -> sequence
    # Where a sender's stored read position is behind, see `salon.actors.store.READ_LAG`: participant id -> stored position.
    saved: dict[str, int] = field(default_factory=dict, compare=False)
    # Members whose name has changed, as the store knows: participant id -> name. The next turn makes events of them.
    renamed: dict[str, str] = field(default_factory=dict)
    # Messages of agents since the last one of a person; after a load from the newest events.
    hops: int = field(default=0, compare=False)
    agents: tuple[str, ...] = ()  # the ids of the members who are agents and may speak
    runs: dict[str, Run] = field(
        default_factory=dict
    )  # the open ones by id, in the order of their start
    # Of members who keep it otherwise than usual.
    preferences: dict[str, Preferences] = field(default_factory=dict)
    pinned: tuple[str, ...] = ()  # the ids of the pinned messages, in the order of pinning

    # Who may do what, see `salon.actors.rights` and `member_rules`.
    direct: bool = False  # of two people, whom nobody joins and neither leaves
    history: History = "all"
    slow_mode: int = 0  # seconds between two messages of one member; 0 for none
    retention: int = 0  # days that messages are kept; 0 for as long as the server keeps them
    permissions: dict[Action, Role] = field(
        default_factory=dict
    )  # where the owner changed the table
    bans: dict[str, Sanction] = field(default_factory=dict)
    mutes: dict[str, Sanction] = field(default_factory=dict)  # also of those who have left
    invites: dict[str, Invite] = field(default_factory=dict)  # those that may still be used
    requests: dict[str, JoinRequest] = field(default_factory=dict)
    # When each member last spoke, kept only in slow mode; after a load from the newest events.
    spoke: dict[str, int] = field(default_factory=dict, compare=False)

    def find_agents(self) -> None:
        """Set `agents` after the members have changed: a message must not look through all of them."""
        self.agents = tuple(
            [
                id
                for id, member in self.members.items()
                if member.participant.type == "agent" and member.role != "observer"
            ]
        )

    def draft(self) -> State:
        """A copy to decide on; what the copy shares with its original is replaced, never changed in place."""
        return _copy(self)


def _copier() -> Callable[[State], State]:
    """Copies a state field by field, without a loop. Every turn begins with it, and `State(...)` takes 2.5 times as long."""
    lines = [f"    copy.{each.name} = state.{each.name}" for each in fields(State)]
    source = "\n".join(["def copier(state):", "    copy = new(State)", *lines, "    return copy"])
    scope: dict[str, Any] = {"State": State, "new": object.__new__}
    exec(source, scope)
    copier: Callable[[State], State] = scope["copier"]
    return copier


_copy = _copier()
