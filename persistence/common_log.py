"""The log of all conversations in the SQLite store: functions of a connection.

The writer has one connection and gives places in ascending order, so a reader's snapshot has every place below its newest one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.log import PAGE_BYTES, LogEntry, LogPage
from salon.actors.store import Record

from .queries import RECORD
from .transaction import transaction

if TYPE_CHECKING:
    from .connection import Connection

_END = "SELECT coalesce(max(position), 0) FROM events"
# Of a conversation that is being erased only empty rows may be left.
_PAGE = (
    f"SELECT e.position, e.conversation, c.id, {RECORD} FROM events e "
    "CROSS JOIN conversations c ON c.number = e.conversation "
    "WHERE e.position > ? AND c.deleted_at IS NULL ORDER BY e.position LIMIT ?"
)
_OWED = (
    f"SELECT {RECORD} FROM conversations c CROSS JOIN events e ON e.conversation = c.number "
    "WHERE c.number = ? AND c.deleted_at IS NULL AND e.sequence > ? ORDER BY e.sequence LIMIT ?"
)
_SEQUENCE = "SELECT sequence FROM events WHERE conversation = ? AND position <= ? ORDER BY sequence DESC LIMIT 1"


def page(connection: Connection, after: int, limit: int) -> LogPage:
    """A page, as `CommonLog.common_log` describes it."""
    entries: list[LogEntry] = []
    size = 0
    with transaction(connection, "DEFERRED"):
        newest = connection.execute(_END).fetchone()[0]
        for position, number, conversation_id, *record in connection.execute(_PAGE, (after, limit)):
            entries.append(LogEntry(position, number, conversation_id, Record(*record)))
            size += len(entries[-1].record.body)
            if size >= PAGE_BYTES or len(entries) == limit:
                return LogPage(tuple(entries), position)
    return LogPage(tuple(entries), max(after, newest))


def end(connection: Connection) -> int:
    """The newest place."""
    return int(connection.execute(_END).fetchone()[0])


def owed(connection: Connection, number: int, after: int, limit: int) -> tuple[Record, ...]:
    """Events of a conversation after a sequence; none of a deleted one."""
    return tuple(Record(*row) for row in connection.execute(_OWED, (number, after, limit)))


def sequence_at(connection: Connection, number: int, position: int) -> int:
    """The sequence of a conversation's newest event at a place up to `position`."""
    row = connection.execute(_SEQUENCE, (number, position)).fetchone()
    return row[0] if row else 0
