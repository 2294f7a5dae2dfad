"""The rows about members and their rights: bans, mutes, invites, requests to join, and what an owner has set."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

from salon.actors.member_events import (
    ASK_AGAIN,
    Banned,
    InviteCreated,
    InviteRevoked,
    JoinDenied,
    JoinRequested,
    MemberEvent,
    Muted,
    Removed,
    RoleChanged,
    Unbanned,
    Unmuted,
)
from salon.actors.model import Invite, JoinRequest, Participant, Sanction

from .upsert import upsert

if TYPE_CHECKING:
    from salon.actors.events import Created, Joined, Updated
    from salon.actors.model import State

    from .connection import Connection

MEMBER_EVENTS = get_args(MemberEvent)
LEAVE = "DELETE FROM members WHERE conversation = ? AND participant = ?"
_ROLE = "UPDATE members SET role = ? WHERE conversation = ? AND participant = ?"
# Those that are over are forgotten, as the events do.
_PASSED = "DELETE FROM sanctions WHERE conversation = ? AND kind = ? AND until <= ?"
_SANCTION = upsert(
    "sanctions", "conversation, kind, participant", "name, type, by, at, until, reason"
)
_PARDON = "DELETE FROM sanctions WHERE conversation = ? AND kind = ? AND participant = ?"
# Invites stay after their end: a link is answered by what has become of it.
_INVITES_OVER = (
    "UPDATE invites SET ended = 1 WHERE conversation = ?1 AND ended = 0 "
    "AND (expires_at <= ?2 OR uses >= max_uses)"
)
_INVITE = (
    "INSERT INTO invites (id, conversation, role, by, at, expires_at, max_uses, place) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_REVOKE = "UPDATE invites SET ended = 1 WHERE id = ?"
_USE = "UPDATE invites SET uses = uses + 1 WHERE id = ?"
_FORGET_DENIED = "DELETE FROM join_requests WHERE conversation = ? AND denied_at <= ?"
# One that was denied asks anew.
_ASK = upsert(
    "join_requests", "conversation, participant", "name, type, at, reason, place, denied_at"
)
_DENY = "UPDATE join_requests SET denied_at = ? WHERE conversation = ? AND participant = ?"
ANSWERED = "DELETE FROM join_requests WHERE conversation = ? AND participant = ?"
_RULES = (
    "UPDATE conversations SET permissions = coalesce(?, permissions), "
    "history = coalesce(?, history), slow_mode = coalesce(?, slow_mode), "
    "retention = coalesce(?, retention) WHERE number = ?"
)

_SANCTIONS_OF = (
    "SELECT kind, participant, name, type, by, at, until, reason FROM sanctions "
    "WHERE conversation = ? ORDER BY at"
)
_INVITES_OF = (
    "SELECT id, role, by, at, expires_at, max_uses, uses FROM invites "
    "WHERE conversation = ? AND ended = 0 ORDER BY place"
)
_REQUESTS_OF = (
    "SELECT participant, name, type, at, reason, denied_at FROM join_requests "
    "WHERE conversation = ? ORDER BY place"
)
_CONVERSATION_OF = (
    "SELECT c.id FROM invites i JOIN conversations c ON c.number = i.conversation "
    "WHERE i.id = ? AND c.deleted_at IS NULL"
)


def rule_columns(event: Created) -> list[Any]:
    """What a new conversation's row has of permissions, history, slow mode, whether it is direct, and retention."""
    return [
        json.dumps(event.permissions or {}),
        event.history or "all",
        event.slow_mode or 0,
        bool(event.direct),
        event.retention or 0,
    ]


def write_rules(connection: Connection, number: int, event: Updated) -> None:
    """Write what an update changes of them."""
    permissions = None if event.permissions is None else json.dumps(event.permissions)
    changed = permissions, event.history, event.slow_mode, event.retention
    connection.execute(_RULES, (*changed, number))


def write_entry(connection: Connection, number: int, event: Joined) -> None:
    """Write what a member's coming in does besides their own row."""
    connection.execute(ANSWERED, (number, event.participant.id))
    if event.invite_id is not None:
        connection.execute(_USE, (event.invite_id,))


def write_member_event(connection: Connection, number: int, event: MemberEvent) -> None:
    """Write what an event changes of the members and their rights."""
    match event:
        case RoleChanged():
            connection.execute(_ROLE, (event.role, number, event.participant_id))
        case Removed(participant=who):
            connection.execute(LEAVE, (number, who.id))
        case Banned(participant=who):
            connection.execute(LEAVE, (number, who.id))
            connection.execute(ANSWERED, (number, who.id))
            _write_sanction(connection, number, "ban", event)
        case Muted():
            _write_sanction(connection, number, "mute", event)
        case Unbanned(participant_id=id):
            connection.execute(_PARDON, (number, "ban", id))
        case Unmuted(participant_id=id):
            connection.execute(_PARDON, (number, "mute", id))
        case InviteCreated():
            connection.execute(_INVITES_OVER, (number, event.at))
            made = event.invite_id, number, event.role, event.by, event.at
            connection.execute(_INVITE, (*made, event.expires_at, event.max_uses, event.sequence))
        case InviteRevoked():
            connection.execute(_REVOKE, (event.invite_id,))
        case JoinRequested(participant=who):
            connection.execute(_FORGET_DENIED, (number, event.at - ASK_AGAIN))
            connection.execute(_ASK, (number, *who, event.at, event.reason, event.sequence, None))
        case JoinDenied(participant_id=id):
            connection.execute(_DENY, (event.at, number, id))


def _write_sanction(connection: Connection, number: int, kind: str, event: Banned | Muted) -> None:
    connection.execute(_PASSED, (number, kind, event.at))
    terms = event.by, event.at, event.until, event.reason
    connection.execute(_SANCTION, (number, kind, *event.participant, *terms))


def load_rights(connection: Connection, number: int, state: State) -> None:
    """Fill a state with the bans, mutes, invites and requests of its conversation."""
    for kind, id, name, type_, *terms in connection.execute(_SANCTIONS_OF, (number,)):
        sanctions = state.bans if kind == "ban" else state.mutes
        sanctions[id] = Sanction(Participant(id, name, type_), *terms)
    for row in connection.execute(_INVITES_OF, (number,)):
        state.invites[row[0]] = Invite(*row)
    for id, name, type_, *asked in connection.execute(_REQUESTS_OF, (number,)):
        state.requests[id] = JoinRequest(Participant(id, name, type_), *asked)


def conversation_of(connection: Connection, invite_id: str) -> str | None:
    """The conversation of an invite, whatever has become of it."""
    row = connection.execute(_CONVERSATION_OF, (invite_id,)).fetchone()
    return None if row is None else str(row[0])
