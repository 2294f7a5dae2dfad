"""Members' reports of messages in the SQLite store: functions of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.store import Report, ReportPage

if TYPE_CHECKING:
    from .connection import Connection

_COLUMNS = ", ".join(Report._fields)
_GIVEN = Report._fields[1:6]
_INSERT = (
    f"INSERT INTO reports ({', '.join(_GIVEN)}) VALUES ({', '.join('?' * len(_GIVEN))}) "
    "ON CONFLICT (conversation_id, sequence, reporter_id) DO NOTHING"
)
_FIND = (
    f"SELECT {_COLUMNS} FROM reports WHERE conversation_id = ? AND sequence = ? AND reporter_id = ?"
)
_ONE = f"SELECT {_COLUMNS} FROM reports WHERE position = ?"
_CLOSE = (
    "UPDATE reports SET closed_at = ?, closed_by = ?, outcome = ? "
    "WHERE position = ? AND closed_at IS NULL"
)
# The condition stands as the index of open reports has it.
_PAGE = (
    f"SELECT {_COLUMNS} FROM reports WHERE closed_at IS {{state}} AND position < ? "
    "ORDER BY position DESC LIMIT ?"
)
_NEVER = 2**63 - 1


def save(report: Report, connection: Connection) -> Report:
    """Store a report, unless the same member has reported the message; the one that is stored."""
    connection.execute(_INSERT, report[1:6])
    return Report(*connection.execute(_FIND, report[1:4]).fetchone())


def close(position: int, by: str, outcome: str, at: int, connection: Connection) -> Report | None:
    """Close a report, unless it is closed; the report as it is then, None where there is none."""
    connection.execute(_CLOSE, (at, by, outcome, position))
    return find(connection, position)


def find(connection: Connection, position: int) -> Report | None:
    """The report at a position."""
    row = connection.execute(_ONE, (position,)).fetchone()
    return None if row is None else Report(*row)


def page(connection: Connection, is_open: bool, before: int | None, limit: int) -> ReportPage:
    """A page, as `Store.reports` describes it."""
    statement = _PAGE.format(state="NULL" if is_open else "NOT NULL")
    bounds = (_NEVER if before is None else before, limit + 1)
    rows = [Report(*row) for row in connection.execute(statement, bounds)]
    return ReportPage(tuple(rows[:limit]), rows[limit - 1].position if len(rows) > limit else None)
