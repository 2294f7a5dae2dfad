"""Tokens that operators issued, and who is shut out, in the SQLite store: functions of a connection."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from salon.actors.model import Participant
from salon.actors.tokens import LISTED_FOR, IssuedToken, TokenPage

from .upsert import upsert

if TYPE_CHECKING:
    from .connection import Connection

_COLUMNS = (
    "position, token_id, participant, name, type, admin, conversations, issued_at, expires_at, issued_by, "
    "revoked_at"
)
_INSERT = (
    "INSERT INTO tokens (token_id, participant, name, type, admin, conversations, issued_at, expires_at, issued_by) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ONE = f"SELECT {_COLUMNS} FROM tokens WHERE token_id = ?"
_PAGE = f"SELECT {_COLUMNS} FROM tokens WHERE position < ? ORDER BY position DESC LIMIT ?"
_OF_ONE = (
    f"SELECT {_COLUMNS} FROM tokens WHERE position < ? AND participant = ? "
    "ORDER BY position DESC LIMIT ?"
)
_FORGET_OF_ONE = "DELETE FROM tokens WHERE participant = ? AND expires_at <= ?"
_FORGET = "DELETE FROM tokens WHERE expires_at <= ?"
_REVOKE = "UPDATE tokens SET revoked_at = ? WHERE token_id = ? AND revoked_at IS NULL"
_REVOKE_ALL = (
    "UPDATE tokens SET revoked_at = ? WHERE participant = ? AND revoked_at IS NULL "
    "AND expires_at > ?"
)
SHUT_OUT = upsert("revoked_tokens", "token_id", "expires_at")
_SET_BLOCKED = upsert("access", "participant", "blocked_at")
_SET_REVOKED = (
    "INSERT INTO access (participant, revoked_at) VALUES (?1, ?2) ON CONFLICT (participant) DO UPDATE "
    "SET revoked_at = max(coalesce(access.revoked_at, 0), excluded.revoked_at)"
)
_LET_IN = "DELETE FROM access WHERE participant = ? AND blocked_at IS NULL AND revoked_at IS NULL"
_NEVER = 2**63 - 1


def save(token: IssuedToken, connection: Connection) -> None:
    """Store a new token, and forget those of the same person that ended long ago."""
    connection.execute(_FORGET_OF_ONE, (token.participant.id, token.issued_at - LISTED_FOR))
    limit = None if token.conversations is None else json.dumps(token.conversations)
    row = (token.token_id, *token.participant, token.admin, limit, *token[5:8])
    connection.execute(_INSERT, row)


def forget(now: int, connection: Connection) -> None:
    """Forget the tokens that ended long ago. Looks at all of them."""
    connection.execute(_FORGET, (now - LISTED_FOR,))


def revoke(token_id: str, at: int, connection: Connection) -> IssuedToken | None:
    """Note that a token was revoked, unless it was; as it is then, None where there is none. It holds after a restart, too."""
    connection.execute(_REVOKE, (at, token_id))
    row = connection.execute(_ONE, (token_id,)).fetchone()
    if row is None:
        return None
    token = _token(row)
    connection.execute(SHUT_OUT, (token_id, token.expires_at))
    return token


def page(
    connection: Connection, participant_id: str | None, before: int | None, limit: int
) -> TokenPage:
    """A page, as `Store.tokens` describes it."""
    newest = _NEVER if before is None else before
    if participant_id is None:
        found = connection.execute(_PAGE, (newest, limit + 1))
    else:
        found = connection.execute(_OF_ONE, (newest, participant_id, limit + 1))
    rows = [_token(row) for row in found]
    return TokenPage(tuple(rows[:limit]), rows[limit - 1].position if len(rows) > limit else None)


def set_blocked(participant_id: str, blocked_at: int | None, connection: Connection) -> None:
    """Store who is blocked, as `Store.set_blocked` describes it."""
    connection.execute(_SET_BLOCKED, (participant_id, blocked_at))
    connection.execute(_LET_IN, (participant_id,))


def set_revoked(participant_id: str, revoked_at: int, connection: Connection) -> None:
    """Store whose tokens were all revoked, as `Store.set_revoked` describes it."""
    connection.execute(_SET_REVOKED, (participant_id, revoked_at))
    connection.execute(_REVOKE_ALL, (revoked_at, participant_id, revoked_at))


def all_access(
    connection: Connection,
) -> tuple[tuple[str, int | None, int | None], ...]:
    """Everybody who has an entry."""
    found = connection.execute(
        "SELECT participant, blocked_at, revoked_at FROM access ORDER BY participant"
    )
    return tuple(found.fetchall())


def _token(row: Any) -> IssuedToken:
    position, token_id, *who, admin, limit, issued_at, expires_at, issued_by, revoked_at = row
    only = None if limit is None else tuple(json.loads(limit))
    times = issued_at, expires_at, issued_by, revoked_at
    return IssuedToken(position, token_id, Participant(*who), bool(admin), only, *times)
