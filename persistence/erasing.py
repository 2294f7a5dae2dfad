"""Erasing deleted conversations. Each is hidden in the transaction that deletes it, then erased in pieces between commits.

A row of the conversation stays, so that neither its number nor its id is used again, and its last event as an empty row: places
in the log must not be used again either, since the indexes say how far they have come by them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from . import files
from .keys import Keys
from .search_index import SearchIndex, as_text, part_of
from .transaction import relaxed_transaction

if TYPE_CHECKING:
    import sqlite3

    from .connection import Connection
    from .keys import KeyBook

PIECE = 256  # rows erased between two commits: about 5 ms
# How the conversation is found by what refers to it is gone at once, and what would be shown of it.
_HIDE = (
    "UPDATE conversations SET deleted_at = ?2, title = '', mode = 'list', sites = '[]', enable_ai = 0, "
    "join_policy = 'invite', metadata = NULL, permissions = '{}', history = 'all', slow_mode = 0, retention = 0 "
    "WHERE number = ?1",
    "INSERT INTO erasures (conversation) VALUES (?1)",
    "DELETE FROM members WHERE conversation = ?1",
    "DELETE FROM run_texts WHERE conversation = ?1",
    *files.DELETE_ALL,
)
_NEXT = "SELECT min(conversation) FROM erasures"
_EVENTS = (
    "SELECT json_group_array(json_array(position, sequence, length(body), CAST(body AS TEXT))) FROM ("
    "SELECT position, sequence, body FROM events WHERE conversation = ? ORDER BY sequence LIMIT ?)"
)
_DELETE = "DELETE FROM events WHERE conversation = ? AND sequence <= ?"
_EMPTY = (
    "UPDATE events SET messages = 0, sender_id = NULL, key = NULL, salt = x'', body = x'', "
    "hash = NULL, target = NULL, relation = NULL WHERE conversation = ? AND sequence = ?"
)
_UNMENTIONED = (
    "DELETE FROM mentions WHERE (participant, conversation, sequence) IN ("
    "SELECT CAST(json_extract(value, '$[0]') AS TEXT), CAST(?1 AS INTEGER), "
    "CAST(json_extract(value, '$[1]') AS INTEGER) FROM json_each(?2))"
)
# What else stands about a conversation, by table: the rest of the primary key.
TABLES = {
    "keys": "digest, sequence",
    "reactions": "message, emoji, participant",
    "pins": "message",
    "deletions": "message",
    "thread_reads": "root, participant",
    "runs": "run_id",
    "sanctions": "kind, participant",
    "join_requests": "participant",
    "invites": "id",
    "held_messages": "position",
    "webhook_lags": "webhook",
}
_DELETE_FROM = (
    "DELETE FROM {table} WHERE (conversation, {key}) IN "
    "(SELECT conversation, {key} FROM {table} WHERE conversation = ? LIMIT ?)"
)
_DONE = "DELETE FROM erasures WHERE conversation = ?"


def hide(connection: Connection, number: int, at: int) -> None:
    """Have a conversation be in nobody's reach from now on, and be erased."""
    for statement in _HIDE:
        parameters = (number, at) if "?2" in statement else (number,)
        connection.execute(statement, parameters)


class Eraser:
    """Erases hidden conversations, owned by the writing connection's owner. One that a killed server has begun goes on.

    What depends on the database stands in the classes that derive from it.
    """

    tables: ClassVar[dict[str, str]] = TABLES

    def __init__(self, connection: Connection, keys: KeyBook) -> None:
        self._connection = connection
        self._keys = keys
        self._number: int | None = None
        self.look()

    @property
    def due(self) -> bool:
        """Whether there is anything to erase."""
        return self._number is not None

    def look(self) -> None:
        """See which conversation is to be erased next: to be called when one has been hidden."""
        self._number = self._connection.execute(_NEXT).fetchone()[0]

    def erase_piece(self) -> bool:
        """Erase the next piece, which does not wait for the disk; return whether it was the last of a conversation."""
        number = self._number
        assert number is not None, "something is due"
        with relaxed_transaction(self._connection):
            erased = not (self._erase_events(number) or self._erase_others(number))
            if erased:
                self._connection.execute(_DONE, (number,))
        if erased:
            self._keys.forget(number)
            self.look()
        return erased

    def _erase_events(self, number: int) -> bool:
        """Erase the first events, all of one part of the search index; False where there are none any more."""
        rows = self._first_events(number)
        if not rows or (len(rows) == 1 and not rows[0][2]):
            return False
        part = part_of(rows[0][0])
        piece = [row for row in rows[:PIECE] if part_of(row[0]) == part]
        following = rows[len(piece)] if len(rows) > len(piece) else None
        messages = [(position, sequence, body) for position, sequence, _, body in piece]
        self._forget_words(number, messages, following)
        self._forget_mentions(number, messages)
        end = piece[-1][1]
        if following is None:
            self._connection.execute(_EMPTY, (number, end))
            end -= 1
        self._connection.execute(_DELETE, (number, end))
        return True

    def _first_events(self, number: int) -> list[Any]:
        """Of the first events, one more than a piece: place, sequence, size and stored form."""
        raise NotImplementedError

    def _forget_words(self, number: int, rows: list[Any], following: Any) -> None:
        """Leave no word of these events, place, sequence and stored form; `following` is the row after them, if any."""
        raise NotImplementedError

    def _forget_mentions(self, number: int, rows: list[Any]) -> None:
        """Forget who is mentioned in these events."""
        raise NotImplementedError

    def _erase_others(self, number: int) -> bool:
        """Erase some of what else stands about the conversation; False where there is nothing any more."""
        self._keys.forget(number)
        left = PIECE
        for table, key in self.tables.items():
            statement = _DELETE_FROM.format(table=table, key=key)
            left -= self._connection.execute(statement, (number, left)).rowcount
            if left <= 0:
                return True
        return False


class SqliteEraser(Eraser):
    """Erases in a file. Many rows come and go as one JSON array, in one step: see `rows`."""

    def __init__(self, connection: sqlite3.Connection, keys: KeyBook, search: SearchIndex) -> None:
        self._file = connection
        self._search = search
        super().__init__(connection, keys)

    def _first_events(self, number: int) -> list[Any]:
        with as_text(self._file):
            found = self._file.execute(_EVENTS, (number, PIECE + 1)).fetchone()[0]
        return list(json.loads(found))

    def _forget_words(self, number: int, rows: list[Any], following: Any) -> None:
        # The last rows of a part take the words of all of them out of the file: a killed server may have erased the first.
        last = following is None or part_of(following[0]) != part_of(rows[0][0])
        self._search.forget(number, [(row[0], row[2]) for row in rows], last=last)

    def _forget_mentions(self, number: int, rows: list[Any]) -> None:
        self._file.execute(_UNMENTIONED, (number, json.dumps(mentions_of(rows))))


def erase_all(connection: sqlite3.Connection) -> None:
    """Erase what was deleted from a file and is not erased yet."""
    eraser = SqliteEraser(connection, Keys(connection), SearchIndex(connection))
    while eraser.due:
        eraser.erase_piece()


def mentions_of(messages: list[tuple[int, int, str]]) -> list[tuple[str, int]]:
    """Who is mentioned where, as the stored messages say."""
    found = []
    for _, sequence, body in messages:
        if '"mentions"' in body:
            message = json.loads(body).get("message", {})
            found += [(participant, sequence) for participant in message.get("mentions", ())]
    return found
