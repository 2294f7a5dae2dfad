"""The data types of a conversation: participants, members, and the state that its events lead to.

Times are whole milliseconds since the Unix epoch, UTC. `metadata` is JSON text. It is checked at the edge and carried unopened.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Literal, NamedTuple

ParticipantType = Literal["human", "agent"]
Role = Literal["owner", "moderator", "member", "observer"]
JoinPolicy = Literal["open", "invite"]
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
    pinned: tuple[str, ...] = ()  # the ids of the pinned messages, in the order of pinning

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
        return State(*_FIELDS(self))


_FIELDS = attrgetter(*(each.name for each in fields(State)))  # copy.copy takes five times as long
