"""One conversation's rules as plain synchronous code: state + command -> event or refusal; state + event -> state.

No clock, no store, no socket: all of it can be tested without an event loop.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import run_rules
from .events import (
    REMOVED,
    AgentUpdated,
    Created,
    Introduced,
    Joined,
    Left,
    Posted,
    RunStarted,
    Updated,
)
from .mentions import mentioned
from .messages import Create, Join, Leave, MarkRead, Post, ReadMarked, SetTyping, Unchanged, Update
from .model import Entrant
from .refusals import Code, Refusal
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
from .signals import Typing
from .store import READ_LAG

if TYPE_CHECKING:
    from collections.abc import Callable

    from .events import Event
    from .limits import Limits
    from .messages import Command
    from .model import Participant, Run, State

    Decision = Event | ReadMarked | Run | Typing | Unchanged | Refusal

SEQUENCE = re.compile("[1-9][0-9]{0,14}")  # as it stands in a message's id


def _no_message(sequence: int) -> str | None:
    return None


def decide(
    state: State,
    command: Command,
    at: int,
    limits: Limits,
    sender_of: Callable[[int], str | None] = _no_message,
) -> Decision:
    """The event, refusal or other outcome of the command at time `at`. Nothing is changed; an event must still be applied.

    `sender_of` gives the sender's id of the message with a sequence; None for an event that is no message.
    """
    if not state.head and not isinstance(command, Create):
        return Refusal(Code.NOT_FOUND, key=command.key if isinstance(command, Post) else None)
    decision = DECIDE[type(command)](state, command, at, limits)
    if type(decision) is Posted and decision.reply_to is not None and decision.run_id is None:
        sender_id = _asker(state, decision.reply_to, sender_of)
        return _no_reply(decision.key) if sender_id is None else decision
    if type(decision) is RunStarted and decision.reply_to is not None:
        sender_id = _asker(state, decision.reply_to, sender_of)
        return _no_reply() if sender_id is None else replace(decision, asked_by=sender_id)
    return decision


def introduce(
    state: State, participant: Participant, at: int, *, renamed: bool = False
) -> Introduced | None:
    """The event that corrects a member's shown name and type; None where they are right.

    A name given by others ends when the participant acts themselves. `renamed` is true where they have chosen another since.
    """
    member = state.members.get(participant.id)
    if member is None or member.participant == participant:
        return None
    # A new name may have come before its bearer, with the type that others gave: only the bearer's token says the type.
    if member.introduced and not renamed and member.participant.type == participant.type:
        return None
    return Introduced(state.id, state.head + 1, at, participant)


def apply(state: State, event: Event) -> None:
    """Fold the next event into a draft."""
    state.head = event.sequence
    state.updated_at = event.at
    event.apply(state)


def apply_read(state: State, participant_id: str, mark: ReadMarked) -> None:
    """Set a read position in a draft."""
    state.reads = {**state.reads, participant_id: mark.sequence}
    if mark.forced:
        # Only a later message of their own moves it forward again.
        state.saved = {**state.saved, participant_id: state.head}
    elif participant_id in state.saved:
        state.saved = {id: at for id, at in state.saved.items() if id != participant_id}


def read_by_sending(state: State, sender_id: str, sequence: int) -> bool:
    """Move a sender's read position to their message, in place; return whether the store must be told.

    The draft's `reads` and `saved` must be its own: copying them with each message would cost what delivering it does.
    """
    saved = state.saved.get(sender_id, state.reads.get(sender_id, 0))
    state.reads[sender_id] = sequence
    if sequence - saved > READ_LAG:
        state.saved.pop(sender_id, None)
        return True
    state.saved[sender_id] = saved
    return False


def _post(state: State, post: Post, at: int, limits: Limits) -> Posted | Refusal:
    member = state.members.get(post.sender.id)
    if member is None:
        return Refusal(Code.NOT_PARTICIPANT, key=post.key)
    if member.role == "observer":
        return Refusal(Code.FORBIDDEN, key=post.key)
    if limits.max_message_size and len(post.content) > limits.max_message_size:
        facts = {"actual_size": len(post.content), "max_size": limits.max_message_size}
        return Refusal(Code.MESSAGE_TOO_LARGE, facts, key=post.key)
    return Posted(
        state.id,
        state.head + 1,
        at,
        member.participant,
        post.content,
        post.key,
        post.reply_to,
        post.metadata,
        mentioned(state.members, post.content, post.mentions),
        None,  # by place: names would cost a tenth of the turn
        None,
        None,
        None,
        post.thread_id,
        post.in_channel,
    )


def _asker(state: State, reply_to: str, sender_of: Callable[[int], str | None]) -> str | None:
    """The sender's id of the message that is replied to; None where `reply_to` names no message of this conversation."""
    sequence = named_sequence(state.id, reply_to)
    return None if sequence is None else sender_of(sequence)


def _no_reply(key: str | None = None) -> Refusal:
    facts = {"problem": "reply_to names no message of this conversation"}
    return Refusal(Code.INVALID_FORMAT, facts, key=key)


def named_sequence(conversation_id: str, message_id: str) -> int | None:
    """The sequence of the message with this id; None where it is no message id of this conversation."""
    prefix, _, sequence = message_id.rpartition("-")
    return int(sequence) if prefix == conversation_id and SEQUENCE.fullmatch(sequence) else None


def _set_typing(state: State, command: SetTyping, at: int, limits: Limits) -> Typing | Refusal:
    member = state.members.get(command.sender.id)
    if member is None:
        return Refusal(Code.NOT_PARTICIPANT)
    if member.role == "observer":
        return Refusal(Code.FORBIDDEN)
    return Typing(command.sender.id, command.is_typing)


def _mark_read(state: State, command: MarkRead, at: int, limits: Limits) -> ReadMarked | Refusal:
    if command.sender.id not in state.members:
        return Refusal(Code.NOT_PARTICIPANT)
    so_far = state.reads.get(command.sender.id, 0)
    wanted = min(command.sequence, state.head)
    if command.force and wanted < so_far:
        return ReadMarked(wanted, forced=True)
    return ReadMarked(max(so_far, wanted))


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


def _leave(state: State, command: Leave, at: int, limits: Limits) -> Left | Refusal:
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


def _update(state: State, update: Update, at: int, limits: Limits) -> Updated | Unchanged | Refusal:
    member = state.members.get(update.sender.id)
    if member is None:
        return Refusal(Code.NOT_FOUND)
    if member.role != "owner":
        return Refusal(Code.FORBIDDEN)
    metadata = update.metadata
    if metadata is not None and _same_json(metadata, state.metadata or REMOVED):
        metadata = None
    title = None if update.title == state.title else update.title
    if title is None and metadata is None:
        return Unchanged()
    return Updated(state.id, state.head + 1, at, member.participant.id, title, metadata)


def _update_agent(
    state: State, command: UpdateAgent, at: int, limits: Limits
) -> AgentUpdated | Unchanged | Refusal:
    member = state.members.get(command.sender.id)
    if member is None:
        return Refusal(Code.NOT_FOUND)
    if member.role != "owner":
        return Refusal(Code.FORBIDDEN)
    agent = state.members.get(command.participant_id)
    if agent is None or agent.participant.type != "agent":
        return Refusal(Code.NOT_FOUND)
    trigger = agent.trigger if command.trigger is None else command.trigger
    calls = agent.agents_may_call if command.agents_may_call is None else command.agents_may_call
    steering = agent.steering if command.steering is None else command.steering
    if (trigger, calls, steering) == (agent.trigger, agent.agents_may_call, agent.steering):
        return Unchanged()
    return AgentUpdated(
        state.id,
        state.head + 1,
        at,
        command.participant_id,
        trigger,
        calls,
        steering,
        member.participant.id,
    )


def _same_json(one: str, other: str) -> bool:
    """Whether two texts stand for the same value: the order of an object's keys says nothing, 1 is not true and not 1.0."""

    def plain(text: str) -> str:
        return json.dumps(json.loads(text), sort_keys=True)

    return one == other or plain(one) == plain(other)


# Each command and its decision function; a test checks that none is missing.
DECIDE: dict[type[Command], Callable[[State, Any, int, Limits], Decision]] = {
    Post: _post,
    SetTyping: _set_typing,
    MarkRead: _mark_read,
    Join: _join,
    Leave: _leave,
    Create: _create,
    Update: _update,
    StartRun: run_rules.start,
    ExtendRun: run_rules.extend,
    SetRunState: run_rules.note,
    DecideApproval: run_rules.approve,
    EndRun: run_rules.end,
    CancelRun: run_rules.cancel,
    RegenerateRun: run_rules.not_ended,
    UpdateAgent: _update_agent,
}
