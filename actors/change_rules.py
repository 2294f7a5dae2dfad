"""Who may change a message, and how: message + command -> event or refusal. Plain code without a clock or a store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .change_events import Deleted, Edited, Pinned, ReactionAdded, ReactionRemoved, Unpinned
from .change_messages import (
    AddReaction,
    DeleteMessage,
    EditMessage,
    PinMessage,
    RemoveReaction,
    UnpinMessage,
)
from .events import REMOVED
from .member_rules import silenced
from .mentions import mentioned
from .message import PARTICIPANTS_SHOWN
from .messages import Unchanged
from .refusals import Code, Refusal
from .rights import first_readable, may, outranks

if TYPE_CHECKING:
    from collections.abc import Callable

    from .change_events import ChangeEvent
    from .change_messages import ChangeCommand
    from .limits import Limits
    from .message import Message
    from .model import Member, State

    Decision = ChangeEvent | Unchanged | Refusal

MOST_REACTIONS = 20  # kinds of one message: a row that still fits under it
MOST_PINNED = 50  # messages of a conversation: what still can be overlooked at a glance
_SAYING = frozenset({EditMessage, AddReaction})  # what shows others something of who is muted


def change(
    state: State, message: Message | None, command: ChangeCommand, at: int, limits: Limits
) -> Decision:
    """The event, or why there is none. `message` is None where the command names no message of the conversation."""
    if state.head and isinstance(command, DeleteMessage) and command.by_operator:
        return _by_operator(state, message, command, at)
    member = state.members.get(command.sender.id)
    if not state.head or (member is None and state.direct):
        return Refusal(Code.NOT_FOUND, key=command.key)
    if member is None:
        return Refusal(Code.NOT_PARTICIPANT, key=command.key)
    if message is None or message.posted.sequence < first_readable(state, member):
        return Refusal(Code.NOT_FOUND, key=command.key)
    if state.mutes and type(command) in _SAYING:
        refusal = silenced(state, command.sender.id, at, command.key)
        if refusal is not None:
            return refusal
    decision: Decision = _DECIDE[type(command)](state, member, message, command, at, limits)
    return decision


def _edit(
    state: State, member: Member, message: Message, command: EditMessage, at: int, limits: Limits
) -> Decision:
    posted = message.posted
    if posted.sender.id != member.participant.id or not may(state, member, "edit_own"):
        return Refusal(Code.FORBIDDEN, key=command.key)
    if message.is_deleted:
        return _gone(command)
    if limits.edit_window and at - posted.at > limits.edit_window * 1000:
        return Refusal(Code.EDIT_WINDOW_CLOSED, {"limit": limits.edit_window}, key=command.key)
    if command.revision is not None and command.revision != message.revision:
        return Refusal(Code.REVISION_CONFLICT, {"revision": message.revision}, key=command.key)
    if limits.max_message_size and len(command.content) > limits.max_message_size:
        facts = {"actual_size": len(command.content), "max_size": limits.max_message_size}
        return Refusal(Code.MESSAGE_TOO_LARGE, facts, key=command.key)
    metadata = posted.metadata if command.metadata is None else command.metadata
    if metadata == REMOVED:
        metadata = None
    mentions = mentioned(state.members, command.content, command.mentions)
    if (command.content, metadata, mentions) == (posted.content, posted.metadata, posted.mentions):
        return Unchanged()
    return Edited(
        state.id,
        state.head + 1,
        at,
        command.message_id,
        message.revision + 1,
        member.participant.id,
        command.content,
        mentions or None,
        metadata,
        command.key,
    )


def _delete(
    state: State, member: Member, message: Message, command: DeleteMessage, at: int, limits: Limits
) -> Decision:
    sender_id = message.posted.sender.id
    if sender_id == member.participant.id:
        allowed = may(state, member, "delete_own")
    else:
        sender = state.members.get(sender_id)
        allowed = (sender is None or outranks(member, sender)) and may(state, member, "delete_any")
    if not allowed:
        return Refusal(Code.FORBIDDEN, key=command.key)
    return _deleted(state, message, command, at)


def _by_operator(
    state: State, message: Message | None, command: DeleteMessage, at: int
) -> Decision:
    if message is None:
        return Refusal(Code.NOT_FOUND, key=command.key)
    return _deleted(state, message, command, at)


def _deleted(state: State, message: Message, command: DeleteMessage, at: int) -> Decision:
    if message.is_deleted:
        return Unchanged()
    return Deleted(
        state.id,
        state.head + 1,
        at,
        command.message_id,
        command.sender.id,
        command.reason,
        message.posted.thread_id,
        command.key,
    )


def _react(
    state: State, member: Member, message: Message, command: AddReaction, at: int, limits: Limits
) -> Decision:
    if not may(state, member, "react"):
        return Refusal(Code.FORBIDDEN, key=command.key)
    if message.is_deleted:
        return _gone(command)
    there = message.reacted(command.emoji)
    if there is not None and member.participant.id in there:
        return Unchanged()
    if there is None and len(message.reactions) >= MOST_REACTIONS:
        return Refusal(Code.TOO_MANY_REACTIONS, {"limit": MOST_REACTIONS}, key=command.key)
    return ReactionAdded(
        state.id,
        state.head + 1,
        at,
        command.message_id,
        command.emoji,
        member.participant.id,
        command.key,
    )


def _unreact(
    state: State, member: Member, message: Message, command: RemoveReaction, at: int, limits: Limits
) -> Decision:
    taken = taken_back(state, message, command.emoji, member.participant.id, at)
    return Unchanged() if taken is None else replace(taken, key=command.key)


def taken_back(
    state: State, message: Message, emoji: str, participant_id: str, at: int
) -> ReactionRemoved | None:
    """The event that takes a reaction back, if there is such a reaction."""
    there = message.reacted(emoji)
    if there is None or participant_id not in there:
        return None
    shown, hidden = there[:PARTICIPANTS_SHOWN], there[PARTICIPANTS_SHOWN:]
    return ReactionRemoved(
        state.id,
        state.head + 1,
        at,
        message.posted.message_id,
        emoji,
        participant_id,
        successor=hidden[0] if hidden and participant_id in shown else None,
    )


def _pin(
    state: State, member: Member, message: Message, command: PinMessage, at: int, limits: Limits
) -> Decision:
    if not may(state, member, "pin"):
        return Refusal(Code.FORBIDDEN, key=command.key)
    if message.is_deleted:
        return _gone(command)
    if message.is_pinned:
        return Unchanged()
    if len(state.pinned) >= MOST_PINNED:
        return Refusal(Code.TOO_MANY_PINNED, {"limit": MOST_PINNED}, key=command.key)
    who = member.participant.id
    return Pinned(state.id, state.head + 1, at, command.message_id, who, command.key)


def _unpin(
    state: State, member: Member, message: Message, command: UnpinMessage, at: int, limits: Limits
) -> Decision:
    if not may(state, member, "pin"):
        return Refusal(Code.FORBIDDEN, key=command.key)
    if not message.is_pinned:
        return Unchanged()
    who = member.participant.id
    return Unpinned(state.id, state.head + 1, at, command.message_id, who, command.key)


def _gone(command: ChangeCommand) -> Refusal:
    return Refusal(Code.MESSAGE_DELETED, key=command.key)


_DECIDE: dict[type[ChangeCommand], Callable[[State, Member, Message, Any, int, Limits], Any]] = {
    EditMessage: _edit,
    DeleteMessage: _delete,
    AddReaction: _react,
    RemoveReaction: _unreact,
    PinMessage: _pin,
    UnpinMessage: _unpin,
}

# The event that each command leads to.
EVENTS: dict[type[ChangeCommand], type[ChangeEvent]] = {
    EditMessage: Edited,
    DeleteMessage: Deleted,
    AddReaction: ReactionAdded,
    RemoveReaction: ReactionRemoved,
    PinMessage: Pinned,
    UnpinMessage: Unpinned,
}
