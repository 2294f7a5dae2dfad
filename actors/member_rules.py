"""The rules about members: who may change a role, remove, ban and mute whom.

Every command is judged against the state as it is now. Nobody acts on an equal or a higher rank.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .member_events import Banned, Muted, Removed, RoleChanged, Unbanned, Unmuted, lasting
from .member_messages import Ban, Mute, Remove, SetRole, Unban, Unmute
from .messages import Unchanged
from .model import Participant
from .refusals import Code, Refusal
from .rights import RANK, may, outranks

if TYPE_CHECKING:
    from collections.abc import Callable

    from .limits import Limits
    from .model import Action, Member, Sanction, State

# Each is in memory while the conversation is, and is loaded with it: a thousand are about 300 KB
MOST_SANCTIONS = 1000  # bans, and as many mutes


# --- what others ask ------------------------------------------------------------------------------------------------------


def silenced(state: State, participant_id: str, at: int, key: str | None = None) -> Refusal | None:
    """Why a member may say nothing now, or None. For every command that shows something of them to others."""
    mute = state.mutes.get(participant_id)
    return None if mute is None or mute.over(at) else _sanctioned(Code.MUTED, mute, key)


def banned(state: State, participant_id: str, at: int) -> Refusal | None:
    """Why somebody may not come in, or None."""
    ban = state.bans.get(participant_id)
    return None if ban is None or ban.over(at) else _sanctioned(Code.BANNED, ban)


def too_soon(state: State, member: Member, at: int, key: str | None) -> Refusal | None:
    """In slow mode: why a member may not speak again yet, or None. Moderators may."""
    last = state.spoke.get(member.participant.id)
    wait = 0 if last is None else last + state.slow_mode * 1000 - at
    if wait <= 0 or RANK[member.role] >= RANK["moderator"]:
        return None
    facts = {"seconds": state.slow_mode}
    return Refusal(Code.SLOW_MODE, facts, retry_after=wait / 1000, scope="participant", key=key)


def _sanctioned(code: Code, sanction: Sanction, key: str | None = None) -> Refusal:
    if sanction.until is None:
        return Refusal(code, {"lasting": "until a moderator ends it"}, key=key)
    until = datetime.fromtimestamp(sanction.until / 1000, UTC).isoformat(timespec="milliseconds")
    until = until.replace("+00:00", "Z")
    return Refusal(code, {"lasting": f"until {until}", "until": until}, key=key)


# --- what one member does to another --------------------------------------------------------------------------------------


def entitled(state: State, sender: Participant, action: Action) -> Member | Refusal:
    """The member who sends a command, if their role is enough for it."""
    member = state.members.get(sender.id)
    if member is None:
        return Refusal(Code.NOT_FOUND)
    return member if may(state, member, action) else Refusal(Code.FORBIDDEN)


def _target(state: State, command: Any, action: Action) -> Member | Refusal:
    """The member on whom a command acts, if its sender may and outranks them; an operator has no rank."""
    if getattr(command, "by_operator", False):
        return state.members.get(command.participant_id) or Refusal(Code.NOT_FOUND)
    member = entitled(state, command.sender, action)
    if isinstance(member, Refusal):
        return member
    target = state.members.get(command.participant_id)
    if target is None:
        return Refusal(Code.NOT_FOUND)
    return target if outranks(member, target) else Refusal(Code.FORBIDDEN)


def _set_role(
    state: State, command: SetRole, at: int, limits: Limits
) -> RoleChanged | Unchanged | Refusal:
    target: Member | Refusal
    if command.participant_id == command.sender.id:
        target = state.members.get(command.sender.id) or Refusal(Code.NOT_FOUND)
    else:
        target = _target(state, command, "change_roles")
    if isinstance(target, Refusal):
        return target
    if state.direct:
        return Refusal(Code.DIRECT_CONVERSATION)
    if RANK[command.role] > RANK[state.members[command.sender.id].role]:
        return Refusal(Code.FORBIDDEN)  # nobody gives more than they have, themselves included
    if command.role == target.role:
        return Unchanged()
    owners = sum(member.role == "owner" for member in state.members.values())
    if target.role == "owner" and owners == 1:
        return Refusal(Code.LAST_OWNER)
    return RoleChanged(
        state.id,
        state.head + 1,
        at,
        command.participant_id,
        command.role,
        command.sender.id,
        command.reason,
    )


def _remove(state: State, command: Remove, at: int, limits: Limits) -> Removed | Refusal:
    target = _target(state, command, "remove")
    if isinstance(target, Refusal):
        return target
    count = len(state.members) - 1
    who, by = target.participant, command.sender.id
    return Removed(state.id, state.head + 1, at, who, count, by, command.reason)


def _ban(state: State, command: Ban, at: int, limits: Limits) -> Banned | Unchanged | Refusal:
    target: Member | Refusal | None = _target(state, command, "ban")
    if isinstance(target, Refusal):
        known = command.by_operator or command.sender.id in state.members
        if target.code is not Code.NOT_FOUND or not known:
            return target
        target = None  # somebody who is no member is kept from becoming one
    if state.direct:
        return Refusal(Code.DIRECT_CONVERSATION)
    before = state.bans.get(command.participant_id)
    if _same(before, command, at):
        return Unchanged()
    if before is None and len(lasting(state.bans, at)) >= MOST_SANCTIONS:
        return Refusal(Code.LIMIT_REACHED, {"limit": MOST_SANCTIONS, "what": "bans"})
    who = target.participant if target is not None else _known(state, command.participant_id)
    return Banned(
        state.id,
        state.head + 1,
        at,
        who,
        len(state.members) - (target is not None),
        command.sender.id,
        command.until,
        command.reason,
    )


def _unban(state: State, command: Unban, at: int, limits: Limits) -> Unbanned | Unchanged | Refusal:
    member = entitled(state, command.sender, "ban")
    if isinstance(member, Refusal):
        return member
    id = command.participant_id
    if id not in state.bans:
        return Unchanged()
    return Unbanned(state.id, state.head + 1, at, id, command.sender.id, command.reason)


def _mute(state: State, command: Mute, at: int, limits: Limits) -> Muted | Unchanged | Refusal:
    target = _target(state, command, "mute")
    if isinstance(target, Refusal):
        return target
    before = state.mutes.get(command.participant_id)
    if _same(before, command, at):
        return Unchanged()
    if before is None and len(lasting(state.mutes, at)) >= MOST_SANCTIONS:
        return Refusal(Code.LIMIT_REACHED, {"limit": MOST_SANCTIONS, "what": "mutes"})
    return Muted(
        state.id,
        state.head + 1,
        at,
        target.participant,
        command.sender.id,
        command.until,
        command.reason,
    )


def _unmute(
    state: State, command: Unmute, at: int, limits: Limits
) -> Unmuted | Unchanged | Refusal:
    id = command.participant_id
    there = _target(state, command, "mute")
    if isinstance(there, Refusal):
        gone = there.code is Code.NOT_FOUND and command.sender.id in state.members
        if not (gone and id in state.mutes):
            return there
    if id not in state.mutes:
        return Unchanged()
    return Unmuted(state.id, state.head + 1, at, id, command.sender.id, command.reason)


def _same(before: Sanction | None, command: Ban | Mute, at: int) -> bool:
    """Whether the same sanction is there already."""
    return (
        before is not None
        and not before.over(at)
        and (before.until, before.reason) == (command.until, command.reason)
    )


def _known(state: State, participant_id: str) -> Participant:
    """Somebody who is no member, by the name that the conversation has for them, or else by their id."""
    for entries in (state.bans, state.mutes, state.requests):
        if participant_id in entries:
            return entries[participant_id].participant
    return Participant(participant_id, participant_id)


DECIDE: dict[Any, Callable[[State, Any, int, Limits], Any]] = {
    SetRole: _set_role,
    Remove: _remove,
    Ban: _ban,
    Unban: _unban,
    Mute: _mute,
    Unmute: _unmute,
}
