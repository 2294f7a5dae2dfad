"""One conversation's rules as plain synchronous code: state + command -> event or refusal; state + event -> state.

No clock, no store, no socket: everything here can be tried without an event loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import TYPE_CHECKING, assert_never

from .messages import (
    Command,
    Create,
    Created,
    Entrant,
    Event,
    Join,
    Joined,
    Leave,
    Left,
    MarkRead,
    Post,
    Posted,
    ReadMarked,
    SetTyping,
    Typing,
)
from .refusals import Code, Refusal

if TYPE_CHECKING:
    from .limits import Limits
    from .messages import JoinPolicy, Mode, Participant, Role

Decision = Event | ReadMarked | Typing | Refusal


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who is in the conversation."""

    participant: Participant
    role: Role
    joined_at: int
    invited_by: str | None = None


@dataclass(slots=True)
class State:
    """A conversation as its events left it.

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

    def draft(self) -> State:
        """A copy to decide on; what the copy shares with its original is replaced, never changed in place."""
        return State(*_FIELDS(self))


_FIELDS = attrgetter(*(each.name for each in fields(State)))  # copy.copy takes five times as long


def decide(state: State, command: Command, at: int, limits: Limits) -> Decision:
    """What the command comes to at time `at`. Nothing is changed; an event still has to be applied."""
    if not state.head and not isinstance(command, Create):
        return Refusal(Code.NOT_FOUND, key=command.key if isinstance(command, Post) else None)
    match command:
        case Post():
            return _post(state, command, at, limits)
        case SetTyping():
            return _set_typing(state, command)
        case MarkRead():
            return _mark_read(state, command)
        case Join():
            return _join(state, command, at, limits)
        case Leave():
            return _leave(state, command, at)
        case Create():
            return _create(state, command, at, limits)
        case _:
            assert_never(command)


def apply(state: State, event: Event) -> None:
    """Fold the next event into a draft."""
    state.head = event.sequence
    state.updated_at = event.at
    match event:
        case Posted():
            state.messages += 1
        case Joined():
            member = Member(event.participant, event.role, event.at, event.invited_by)
            state.members = {**state.members, event.participant.id: member}
        case Left():
            _apply_left(state, event)
        case Created():
            _apply_created(state, event)
        case _:
            assert_never(event)


def apply_read(state: State, participant_id: str, mark: ReadMarked) -> None:
    """Fold a read position into a draft."""
    state.reads = {**state.reads, participant_id: mark.sequence}


def _post(state: State, post: Post, at: int, limits: Limits) -> Posted | Refusal:
    member = state.members.get(post.sender.id)
    if member is None:
        return Refusal(Code.NOT_PARTICIPANT, key=post.key)
    if member.role == "observer":
        return Refusal(Code.FORBIDDEN, key=post.key)
    if limits.max_message_size and len(post.content) > limits.max_message_size:
        facts = {"actual_size": len(post.content), "max_size": limits.max_message_size}
        return Refusal(Code.MESSAGE_TOO_LARGE, facts, key=post.key)
    if post.reply_to is not None and not _names_event(state, post.reply_to):
        facts_reply = {"problem": "reply_to names no message of this conversation"}
        return Refusal(Code.INVALID_FORMAT, facts_reply, key=post.key)
    return Posted(
        state.id,
        state.head + 1,
        at,
        member.participant,
        post.content,
        post.key,
        post.reply_to,
        post.metadata,
    )


def _names_event(state: State, message_id: str) -> bool:
    conversation_id, _, sequence = message_id.rpartition("-")
    return (
        conversation_id == state.id
        and sequence.isascii()
        and sequence.isdecimal()
        and len(sequence) < 16
        and 1 < int(sequence) <= state.head
    )


def _set_typing(state: State, command: SetTyping) -> Typing | Refusal:
    member = state.members.get(command.sender.id)
    if member is None:
        return Refusal(Code.NOT_PARTICIPANT)
    if member.role == "observer":
        return Refusal(Code.FORBIDDEN)
    return Typing(command.sender.id, command.is_typing)


def _mark_read(state: State, command: MarkRead) -> ReadMarked | Refusal:
    if command.sender.id not in state.members:
        return Refusal(Code.NOT_PARTICIPANT)
    so_far = state.reads.get(command.sender.id, 0)
    return ReadMarked(max(so_far, min(command.sequence, state.head)))


def _join(state: State, command: Join, at: int, limits: Limits) -> Joined | Refusal:
    if state.ended_at is not None:
        return Refusal(Code.NOT_FOUND)
    entrant, sender = command.entrant, command.sender
    invited = entrant.participant.id != sender.id
    if invited:
        inviter = state.members.get(sender.id)
        if inviter is None:
            return Refusal(Code.NOT_FOUND)
        if inviter.role == "observer" or (inviter.role == "member" and not state.members_invite):
            return Refusal(Code.FORBIDDEN)
    if entrant.participant.id in state.members:
        return Refusal(Code.ALREADY_PARTICIPANT)
    if not invited and state.join == "invite":
        return Refusal(Code.FORBIDDEN)
    if limits.max_participants and len(state.members) >= limits.max_participants:
        return Refusal(Code.CAPACITY_EXCEEDED, {"limit": limits.max_participants})
    return Joined(
        state.id,
        state.head + 1,
        at,
        entrant.participant,
        len(state.members) + 1,
        entrant.role if invited else "member",
        sender.id if invited else None,
    )


def _leave(state: State, command: Leave, at: int) -> Left | Refusal:
    member = state.members.get(command.sender.id)
    if member is None:
        return Refusal(Code.NOT_PARTICIPANT)
    return Left(state.id, state.head + 1, at, member.participant, len(state.members) - 1)


def _create(state: State, command: Create, at: int, limits: Limits) -> Created | Refusal:
    if state.head:
        return Refusal(Code.FORBIDDEN)
    owner = Entrant(command.sender, "owner")
    entrants = {owner.participant.id: owner}
    for entrant in command.entrants:
        entrants.setdefault(entrant.participant.id, entrant)
    if limits.max_participants and len(entrants) > limits.max_participants:
        return Refusal(Code.CAPACITY_EXCEEDED, {"limit": limits.max_participants})
    return Created(
        state.id,
        1,
        at,
        command.title,
        tuple(entrants.values()),
        command.mode,
        command.sites,
        command.enable_ai,
        command.join,
        command.members_invite,
        command.share_reads,
        command.metadata,
    )


def _apply_created(state: State, event: Created) -> None:
    state.title = event.title
    state.mode = event.mode
    state.sites = event.sites
    state.enable_ai = event.enable_ai
    state.join = event.join
    state.members_invite = event.members_invite
    state.share_reads = event.share_reads
    state.metadata = event.metadata
    state.created_at = event.at
    owner = event.entrants[0].participant.id
    state.members = {
        entrant.participant.id: Member(
            entrant.participant,
            entrant.role,
            event.at,
            None if entrant.participant.id == owner else owner,
        )
        for entrant in event.entrants
    }


def _apply_left(state: State, event: Left) -> None:
    gone = state.members[event.participant.id]
    state.members = {id: member for id, member in state.members.items() if member is not gone}
    state.reads = {id: mark for id, mark in state.reads.items() if id != event.participant.id}
    if not state.members:
        state.ended_at = event.at
    elif not any(member.role == "owner" for member in state.members.values()):
        # Somebody must be able to invite and remove: the longest-standing member takes over, an observer only if alone.
        heir = next(
            (m for m in state.members.values() if m.role == "member"),
            next(iter(state.members.values())),
        )
        owner = Member(heir.participant, "owner", heir.joined_at, heir.invited_by)
        state.members = {**state.members, heir.participant.id: owner}
