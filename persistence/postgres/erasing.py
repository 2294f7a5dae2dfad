"""Erasing deleted conversations in PostgreSQL, piece by piece as in SQLite.

What is deleted leaves the tables at once, and the pages with the next vacuum: docs/postgresql.md says what that means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from ..erasing import PIECE, TABLES, Eraser, mentions_of

if TYPE_CHECKING:
    from ..keys import KeyBook
    from .search_index import PostgresIndex
    from .session import PostgresSession

_EVENTS = "SELECT position, sequence, length(body), body FROM events WHERE conversation = %s ORDER BY sequence LIMIT %s"
_UNMENTIONED = (
    "DELETE FROM mentions USING {values} WHERE conversation = column1 AND participant = column2 "
    "AND sequence = column3"
)


class PostgresEraser(Eraser):
    """Owned by the writing connection's owner."""

    tables: ClassVar[dict[str, str]] = {name: key for name, key in TABLES.items() if name != "keys"}

    def __init__(self, session: PostgresSession, keys: KeyBook, search: PostgresIndex) -> None:
        self._session = session
        self._index = search
        super().__init__(session, keys)

    def _first_events(self, number: int) -> list[Any]:
        rows = self._session.run(_EVENTS, (number, PIECE + 1)).fetchall()
        return [(*row[:3], row[3].decode(errors="replace")) for row in rows]

    def _forget_words(self, number: int, rows: list[Any], following: Any) -> None:
        self._index.forget([row[0] for row in rows])

    def _forget_mentions(self, number: int, rows: list[Any]) -> None:
        flat: list[Any] = []
        for participant, sequence in mentions_of(rows):
            flat += (number, participant, sequence)
        if flat:
            self._session.execute_rows(_UNMENTIONED, "iti", flat)
