"""Messages that are held for somebody to decide, in the SQLite store: functions of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salon.actors.held import HeldMessage, HeldPage
from salon.actors.model import Participant

if TYPE_CHECKING:
    from salon.actors.held import HeldOutcome

    from .connection import Connection

_COLUMNS = (
    "position, conversation, conversation_id, sender_id, sender_name, sender_type, kind, content, details, "
    "key, reason, at, closed_at, closed_by, outcome, why"
)
_INSERT = (
    "INSERT INTO held_messages (conversation, conversation_id, sender_id, sender_name, sender_type, kind, "
    "content, details, key, reason, at) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 "
    "WHERE EXISTS (SELECT 1 FROM conversations WHERE number = ?1 AND deleted_at IS NULL) "
    "ON CONFLICT (conversation, sender_id, key) DO NOTHING"
)
_BY_KEY = (
    f"SELECT {_COLUMNS} FROM held_messages WHERE conversation = ? AND sender_id = ? AND key = ?"
)
_ONE = f"SELECT {_COLUMNS} FROM held_messages WHERE position = ?"
_CLOSE = (
    "UPDATE held_messages SET closed_at = ?1, closed_by = ?2, outcome = ?3, why = ?4, content = '', details = '' "
    "WHERE position = ?5 AND closed_at IS NULL AND (?3 <> 'denied' OR outcome IS NULL)"
)
_CLAIM = "UPDATE held_messages SET outcome = 'approved', closed_by = ? WHERE position = ? AND closed_at IS NULL"
_RELEASE = (
    "UPDATE held_messages SET outcome = NULL, closed_by = NULL "
    "WHERE position = ? AND closed_by = ? AND closed_at IS NULL"
)
# The condition stands as the index of open ones has it.
_PAGE = (
    f"SELECT {_COLUMNS} FROM held_messages WHERE closed_at IS {{state}} AND position < ?1 "
    "AND (?2 IS NULL OR conversation = ?2) AND (?3 IS NULL OR sender_id = ?3) "
    "AND conversation NOT IN (SELECT conversation FROM erasures) ORDER BY position DESC LIMIT ?4"
)
_COUNT = "SELECT count(*) FROM held_messages WHERE closed_at IS NULL AND sender_id = ?"
_NEVER = 2**63 - 1


def save(held: HeldMessage, connection: Connection) -> HeldMessage | None:
    """Store a held message, unless the sender's key has one; the one that is stored. None where the conversation is deleted."""
    row = (held.number, held.conversation_id, *held.sender, *held[4:10])
    inserted = connection.execute(_INSERT, row)
    if held.key is not None:
        place = held.number, held.sender.id, held.key
        found = connection.execute(_BY_KEY, place).fetchone()
        return None if found is None else _held(found)
    return find(connection, inserted.lastrowid or 0) if inserted.rowcount else None


def close(
    position: int,
    by: str,
    outcome: HeldOutcome,
    why: str | None,
    at: int,
    connection: Connection,
) -> HeldMessage | None:
    """Note what was decided, unless something was; as it is then."""
    connection.execute(_CLOSE, (at, by, outcome, why, position))
    return find(connection, position)


def claim(position: int, name: str, connection: Connection) -> HeldMessage | None:
    """Note that it is being posted, unless something was decided; as it is then."""
    connection.execute(_CLAIM, (name, position))
    return find(connection, position)


def release(position: int, name: str, connection: Connection) -> HeldMessage | None:
    """Note that it is not posted under this claim; as it is then."""
    connection.execute(_RELEASE, (position, name))
    return find(connection, position)


def find(connection: Connection, position: int) -> HeldMessage | None:
    """The held message at a position."""
    row = connection.execute(_ONE, (position,)).fetchone()
    return None if row is None else _held(row)


def count(connection: Connection, sender_id: str) -> int:
    """How many of a sender's messages wait."""
    return int(connection.execute(_COUNT, (sender_id,)).fetchone()[0])


def page(
    connection: Connection,
    is_open: bool,
    number: int | None,
    sender_id: str | None,
    before: int | None,
    limit: int,
) -> HeldPage:
    """A page, as `Store.held_messages` describes it."""
    statement = _PAGE.format(state="NULL" if is_open else "NOT NULL")
    bounds = (_NEVER if before is None else before, number, sender_id, limit + 1)
    rows = [_held(row) for row in connection.execute(statement, bounds)]
    return HeldPage(tuple(rows[:limit]), rows[limit - 1].position if len(rows) > limit else None)


def _held(row: Any) -> HeldMessage:
    return HeldMessage._make([*row[:3], Participant(*row[3:6]), *row[6:]])
