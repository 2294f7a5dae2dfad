"""Searching the store in PostgreSQL: as in SQLite, with what its index is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..queries import RECORD
from ..search_index import MESSAGE, OF_ROOM, WITH_FILE
from ..searching import ROOMS, Scan, scan_with
from .search_index import LONGEST, OF_PART

if TYPE_CHECKING:
    from salon.actors.search import Found, Sought

    from ..connection import Connection

_INDEXED = (
    "SELECT position FROM search_words WHERE words @@ CAST(? AS tsquery) AND position BETWEEN ? AND ? "
    "ORDER BY position DESC LIMIT ?"
)
_WHERE = "(?1 IS NULL OR sender_id = ?1) AND (?2 IS NULL OR at >= ?2) AND (?3 IS NULL OR at < ?3)"
_ROWS = "SELECT position, conversation, sequence FROM events WHERE "
_PASSING = (
    _ROWS + "position IN (SELECT CAST(json_array_elements_text(CAST(?4 AS json)) AS bigint)) "
    f"AND {_WHERE} ORDER BY position DESC"
)
# Bytes beyond ASCII, and escapes of JSON, are longer in this form: such a frame may have the word in another one.
_TEXT = "encode(body, 'escape')"
_TAIL = (
    _ROWS + f"position > ?4 AND position <= ?5 AND {MESSAGE} AND {_WHERE} "
    f"AND (?6 IS NULL OR length({_TEXT}) <> length(body) OR {_TEXT} ILIKE ?6) ORDER BY position DESC"
)
_RECORDS = (
    f"SELECT e.position, e.conversation, {RECORD} FROM events e WHERE e.position IN "
    "(SELECT CAST(json_array_elements_text(CAST(? AS json)) AS bigint)) ORDER BY e.position DESC"
)
_READABLE = (
    "SELECT c.number, CASE c.history WHEN 'all' THEN 1 ELSE max(m.place, 1) END "
    "FROM members m JOIN conversations c ON c.number = m.conversation "
    "WHERE m.participant = ?1 AND (?2 IS NULL OR c.id = ?2) AND (?3 IS NULL OR c.id IN (SELECT value FROM json_each(?3)))"
)
_ANY = (
    "SELECT number, 1 FROM conversations WHERE id = ?2 AND ?1 IS NULL AND deleted_at IS NULL "
    "AND (?3 IS NULL OR id IN (SELECT value FROM json_each(?3)))"
)


def find(connection: Connection, sought: Sought) -> Found:
    """A page of hits, as `Store.search` describes it."""
    return scan_with(_Scan, connection, sought)


class _Scan(Scan):
    records = _RECORDS

    def may_read(self) -> dict[int, int]:
        sought = self._sought
        only = None if sought.only is None else json.dumps(sorted(sought.only))
        statement = _ANY if sought.reader is None else _READABLE
        asked = (sought.reader, sought.conversation_id, only)
        return dict(self._connection.execute(statement, asked).fetchall())

    def tail(self, low: int) -> list[list[int]]:
        asked = (*self._filters, low, self.top, self._like())
        return self._connection.execute(_TAIL, asked).fetchall()

    def indexed(self, part: int, bottom: int, high: int, count: int) -> list[int]:
        asked = (self._query(part), bottom, high, count)
        return [row[0] for row in self._connection.execute(_INDEXED, asked)]

    def passing(self, positions: list[int]) -> list[list[int]]:
        asked = (*self._filters, json.dumps(positions))
        return self._connection.execute(_PASSING, asked).fetchall()

    def _query(self, part: int) -> str:
        """The expression of a tsquery. Each word in it is quoted, and is of letters, digits and marks alone."""
        wanted = [f"'{OF_PART.format(part)}'"]
        for word, prefix in dict.fromkeys(
            each for term in self._sought.terms for each in term.index_words
        ):
            cut = prefix or len(word) > LONGEST
            wanted.append(f"'{word[:LONGEST]}'{':*' if cut else ''}")
        if self._sought.with_file:
            wanted.append(f"'{WITH_FILE}'")
        if len(self.readable) <= ROOMS:
            rooms = " | ".join(f"'{OF_ROOM.format(number)}'" for number in self.readable)
            wanted.append(f"({rooms})")
        return " & ".join(wanted)
