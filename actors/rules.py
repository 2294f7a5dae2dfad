"""One conversation's rules as plain synchronous code: state + command -> event or refusal; state + event -> state.

No clock, no store, no socket: all of it can be tested without an event loop.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from . import entry_rules, keeping_rules, member_rules, run_rules
from .entry_rules import barred, may_give
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
from .file_rules import attached
from .member_messages import OpenDirect
from .member_rules import silenced, too_soon
from .mentions import mentioned
from .messages import Create, Join, Leave, MarkRead, Post, ReadMarked, SetTyping, Unchanged, Update
from .model import Entrant
from .refusals import Code, Refusal
from .rights import first_readable, may
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
    from .files import StoredFile
    from .keeping_messages import Erased, PreferencesSet
    from .limits import Limits
    from .messages import Command
    from .model import Action, Member, Participant, Role, Run, State

    Decision = Erased | PreferencesSet | Event | ReadMarked | Run | Typing | Unchanged | Refusal

SEQUENCE = re.compile("[1-9][0-9]{0,14}")  # as it stands in a message's id


def _no_message(sequence: int) -> str | None:
    return None


def _no_file(file_id: str) -> StoredFile | None:
    return None


def decide(
    state: State,
    command: Command,
    at: int,
    limits: Limits,
    sender_of: Callable[[int], str | None] = _no_message,
    file_of: Callable[[str], StoredFile | None] = _no_file,
) -> Decision:
    """The event, refusal or other outcome of the command at time `at`. Nothing is changed; an event must still be applied.

    `sender_of` gives the sender's id of the message with a sequence; None for an event that is no message. `file_of` gives a
    file of this conversation.
    """
    if (not state.head and type(command) not in BEGINNING) or (
        state.direct and _knows_nothing(state, command)
    ):
        return Refusal(Code.NOT_FOUND, key=command.key if isinstance(command, Post) else None)
    decision = DECIDE[type(command)](state, command, at, limits)
    if type(command) is Post and command.files and type(decision) is Posted:
        files = attached(command, at, limits, file_of)
        decision = files if isinstance(files, Refusal) else decision._replace(files=files)
    if type(decision) is Posted and decision.reply_to is not None and decision.run_id is None:
        sender_id = _asker(state, command, decision.reply_to, sender_of)
        return _no_reply(decision.key) if sender_id is None else decision
    if type(decision) is RunStarted and decision.reply_to is not None:
        sender_id = _asker(state, command, decision.reply_to, sender_of)
        return _no_reply() if sender_id is None else replace(decision, asked_by=sender_id)
    return decision


def _knows_nothing(state: State, command: Command) -> bool:
    """Whether a direct conversation is none to the sender: its id follows from two people's, and must tell nothing of them."""
    by_operator = getattr(command, "by_operator", False)
    return command.sender.id not in state.members and not by_operator


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
    # An observer may post where the owner has said so: three comparisons are all that a message pays for its right.
    if (state.permissions or member.role == "observer") and not may(state, member, "post"):
        return Refusal(Code.FORBIDDEN, key=post.key)
    if state.mutes or state.slow_mode:
        refusal = silenced(state, post.sender.id, at, post.key)
        refusal = refusal or too_soon(state, member, at, post.key)
        if refusal is not None:
            return refusal
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


def _asker(
    state: State, command: Command, reply_to: str, sender_of: Callable[[int], str | None]
) -> str | None:
    """The sender's id of the message that is replied to; None where `reply_to` names none that the replying member may read."""
    sequence = named_sequence(state.id, reply_to)
    if sequence is None or sequence < first_readable(state, state.members[command.sender.id]):
        return None
    return sender_of(sequence)


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
    if not may(state, member, "post"):
        return Refusal(Code.FORBIDDEN)
    refusal = silenced(state, command.sender.id, at)
    if refusal is not None and command.is_typing:
        return refusal
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
        if not may(state, inviter, "invite") or not may_give(inviter, entrant.role):
            return Refusal(Code.FORBIDDEN)
    refusal = barred(state, entrant.participant.id, at, limits)
    if refusal is not None and refusal.code is not Code.CAPACITY_EXCEEDED:
        return refusal
    if not invited and state.join == "invite":
        return Refusal(Code.FORBIDDEN)
    if refusal is not None:
        return refusal
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
    if state.direct:
        return Refusal(Code.DIRECT_CONVERSATION)
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
        command.permissions,
        command.history,
        command.slow_mode,
        retention=command.retention,
    )


def _update(state: State, update: Update, at: int, limits: Limits) -> Updated | Unchanged | Refusal:
    member = state.members.get(update.sender.id)
    refusal = _not_theirs(state, member, update)
    if refusal is not None:
        return refusal
    metadata = update.metadata
    if metadata is not None and _same_json(metadata, state.metadata or REMOVED):
        metadata = None
    title = None if update.title == state.title else update.title
    permissions = None if update.permissions is None else _changed(state, update.permissions)
    history = None if update.history == state.history else update.history
    slow_mode = None if update.slow_mode == state.slow_mode else update.slow_mode
    retention = None if update.retention == state.retention else update.retention
    changes = title, metadata, permissions, history, slow_mode, retention
    if all(change is None for change in changes):
        return Unchanged()
    return Updated(state.id, state.head + 1, at, update.sender.id, *changes)


def _not_theirs(state: State, member: Member | None, update: Update) -> Refusal | None:
    """Why somebody may not change that; None where they may."""
    if update.by_operator:
        return None if state.head else Refusal(Code.NOT_FOUND)
    if member is None:
        return Refusal(Code.NOT_FOUND)
    named = update.title is not None or update.metadata is not None
    ruled = (update.permissions, update.history, update.retention) != (None, None, None)
    if (
        (ruled and member.role != "owner")
        or (named and not may(state, member, "rename"))
        or (update.slow_mode is not None and not may(state, member, "mute"))
    ):
        return Refusal(Code.FORBIDDEN)
    return None


def _changed(state: State, changes: dict[Action, Role | None]) -> dict[Action, Role] | None:
    """All changed permissions after some more changes; None where nothing is changed."""
    changed = {**state.permissions, **changes}
    kept = {action: role for action, role in changed.items() if role is not None}
    return None if kept == state.permissions else kept


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
    **member_rules.DECIDE,
    **entry_rules.DECIDE,
    **keeping_rules.DECIDE,
}
BEGINNING = frozenset({Create, OpenDirect})  # what may be asked of a conversation that is not there
