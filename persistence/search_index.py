"""The index of what messages say: full-text tables of SQLite (FTS5), one for every 16,384 places of the log.

The tables follow behind the log and are written between commits in whole pieces. The events that they lack are looked at by every
search, so nothing is missed. Words that an index keeps do not prove that a message has them: its stored text decides.

What is deleted has to leave the file at once. FTS5 only marks it, until it merges the segments of a table; the `secure-delete`
that would do better needs SQLite 3.42, and Python's is often older. So a table is merged with each change of a message that it
has, in the same transaction. A table of this size takes about 10 ms for that, one of all messages would take seconds.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from salon.actors.words import index_words

from .ranking import said
from .rows import Rows
from .transaction import relaxed_transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from .connection import Connection

MODULE = "fts5"
PART = 16_384  # places of the log in a table
PIECE = 512  # places indexed between two commits: about 4 ms. It divides `PART`
LAG = 2_048  # places that the index may be behind while the writer has other work; a search looks at them in about 3 ms
OF_ROOM, WITH_FILE = "·{}", "·file"  # words that no text has

_CREATE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS search_{part} "
    "USING fts5(words, content='', columnsize=0, detail=none, tokenize='ascii')"
)
# A frame of ASCII only, without escapes of other characters, needs no Python: only its case is folded, which FTS5 does.
_PLAIN = "length(body) = length(CAST(body AS TEXT)) AND CAST(body AS TEXT) NOT LIKE '%\\u%'"
_INSERT_PLAIN = (
    "INSERT INTO search_{part} (rowid, words) SELECT position, "
    f"'{OF_ROOM.format('')}' || conversation || "
    f"CASE WHEN json_array_length(text, '$.message.files') THEN ' {WITH_FILE} ' ELSE ' ' END "
    "|| json_extract(text, '$.message.content') "
    "FROM (SELECT position, conversation, CAST(body AS TEXT) AS text FROM events "
    "WHERE position > ?1 AND position <= ?2 AND {message} AND " + _PLAIN + ") "
    "WHERE CASE WHEN json_valid(text) THEN json_extract(text, '$.message.content') IS NOT NULL "
    "AND json_extract(text, '$.message.deleted') IS NULL END"
)
_OTHERS = (
    "SELECT json_group_array(json_array(position, conversation, CAST(body AS TEXT))) FROM events "
    "WHERE position > ?1 AND position <= ?2 AND {message} AND NOT (" + _PLAIN + ")"
)
MESSAGE = "sender_id IS NOT NULL AND (relation IS NULL OR relation = 'reply')"  # of a row of `events`: it is a message
_PIECE = "SELECT sum({message}), min(at), max(at) FROM events WHERE position > ? AND position <= ?"
_NOTE = (
    "INSERT INTO search_parts (part, first_at, last_at) VALUES (?, ?, ?) "
    "ON CONFLICT (part) DO UPDATE SET first_at = min(first_at, excluded.first_at), "
    "last_at = max(last_at, excluded.last_at)"
)
_INDEXED = (
    "SELECT position, body FROM events WHERE conversation = ? AND sequence = ? AND position <= ?"
)
_THROUGH = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'search_through'"


class SearchIndex:
    """The tables, owned by the writing connection's owner."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._available = is_available(connection)
        self._through = through(connection)
        self._inserts: dict[int, Rows] = {}
        self._deletes: dict[int, Rows] = {}
        self._waiting = 0  # places of the log that the tables lack, when `is_due` was asked
        self._pieces = 1  # to be indexed then, so that the tables never fall behind for good
        self.is_due(idle=False)
        self._pieces = 1  # a store from before the index is indexed piece by piece

    @property
    def ready(self) -> bool:
        """Whether there was something to index when `is_due` was asked."""
        return self._waiting >= PIECE

    @property
    def late(self) -> bool:
        """Whether there was so much of it that it should not wait until the connection has no other work."""
        return self._waiting >= LAG

    def is_due(self, *, idle: bool) -> bool:
        """Whether `merge` should be called now; `idle` says that the connection has no other work."""
        if not self._available:
            return False
        newest = self._connection.execute("SELECT max(position) FROM events").fetchone()[0] or 0
        grown = self._through + self._waiting
        self._pieces = 1 + (newest - grown) // PIECE
        self._waiting = newest - self._through
        return self.late or (idle and self.ready)

    def merge(self) -> None:
        """Index the next piece, or as many as the log has grown by."""
        for _ in range(self._pieces if self.late else 1):
            if self.ready:
                self._merge_piece()

    def _merge_piece(self) -> None:
        """Index a piece. As with the keys, this does not wait for the disk."""
        low, high = self._through, self._through + PIECE
        with relaxed_transaction(self._connection):
            self._write(low, high)
        self._through = high
        self._waiting -= PIECE

    def rewrite(self, rewrites: Sequence[Any]) -> None:
        """Index what messages will say, and leave no byte of what they say still: in the transaction that rewrites them, before.

        The flat list has a conversation's number, a sequence, the new stored form and its hash for each, as `Batch` keeps them.
        Where text and files stay as they are, as with a reaction, nothing is written.
        """
        if not self._available:
            return
        tables = set()
        for number, sequence, after in zip(*(rewrites[at::4] for at in range(3)), strict=True):
            row = self._connection.execute(_INDEXED, (number, sequence, self._through)).fetchone()
            if row is None:
                continue
            position, before = row
            old, new = document(number, before), document(number, after)
            if old != new:
                table = f"search_{part_of(position)}"
                tables.add(table)
                self._replace(table, position, old, new)
        for table in tables:
            self._connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")

    def forget(self, number: int, messages: Sequence[tuple[int, str]], *, last: bool) -> None:
        """Leave no word of what events at these places of one part say, who are about to be deleted; in the same transaction.

        `last` says that no more are to be forgotten of this part now: only then it is merged, which overwrites its former words.
        """
        part = part_of(messages[0][0])
        if not self._available or places_of(part)[0] > self._through:
            return
        rows: list[Any] = []
        for position, body in messages:
            words = document(number, body) if position <= self._through else None
            if words is not None:
                rows += (position, words)
        table = f"search_{part}"
        if rows:
            if part not in self._deletes:
                delete = (
                    f"INSERT INTO {table} ({table}, rowid, words) "
                    "SELECT 'delete', column1, column2 FROM {values} WHERE column1 > 0"
                )
                self._deletes = {part: Rows(delete, "it")}
            self._deletes[part].execute(self._connection, rows)
        if last:
            self._connection.execute(_CREATE.format(part=part))
            self._connection.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")

    def _replace(self, table: str, position: int, old: str | None, new: str | None) -> None:
        if old is not None:
            forget = f"INSERT INTO {table} ({table}, rowid, words) VALUES ('delete', ?, ?)"
            self._connection.execute(forget, (position, old))
        if new is not None:
            insert = f"INSERT INTO {table} (rowid, words) VALUES (?, ?)"
            self._connection.execute(insert, (position, new))

    def _write(self, low: int, high: int) -> None:
        connection, part = self._connection, part_of(high)
        asked = _PIECE.format(message=MESSAGE)
        messages, *times = connection.execute(asked, (low, high)).fetchone()
        if messages is not None:  # else all that was here belonged to deleted conversations
            connection.execute(_CREATE.format(part=part))
            insert = _INSERT_PLAIN.format(part=part, message=MESSAGE)
            if connection.execute(insert, (low, high)).rowcount < messages:
                self._write_others(part, low, high)
            connection.execute(_NOTE, (part, *times))
        passed = "INSERT OR REPLACE INTO meta (name, value) VALUES ('search_through', ?)"
        connection.execute(passed, (str(high),))

    def _write_others(self, part: int, low: int, high: int) -> None:
        rows = self._others(low, high)
        if not rows:
            return
        if part not in self._inserts:
            insert = f"INSERT INTO search_{part} (rowid, words) SELECT * FROM {{values}} WHERE column1 > 0"
            self._inserts = {part: Rows(insert, "it")}
        self._inserts[part].execute(self._connection, rows)

    def _others(self, low: int, high: int) -> list[Any]:
        """Position and words of each message that Python has to fold, in one list. One step: see `rows`."""
        with as_text(self._connection):
            asked = _OTHERS.format(message=MESSAGE)
            found = self._connection.execute(asked, (low, high)).fetchone()[0]
        rows: list[Any] = []
        for position, number, body in json.loads(found):
            words = document(number, body)
            if words is not None:
                rows += (position, words)
        return rows


@contextmanager
def as_text(connection: sqlite3.Connection) -> Iterator[None]:
    """Have stored forms come as text; one that is none must not keep all others from being indexed."""
    factory, connection.text_factory = connection.text_factory, _text
    try:
        yield
    finally:
        connection.text_factory = factory


def _text(stored: bytes) -> str:
    return stored.decode(errors="replace")


def document(number: int, body: bytes | str) -> str | None:
    """What the index keeps of a message in a conversation; None where it says nothing any more."""
    message = said(body)
    if message is None:
        return None
    file = f" {WITH_FILE}" if message.with_file else ""
    return f"{OF_ROOM.format(number)}{file} {index_words(message.text)}"


def part_of(position: int) -> int:
    """The number of the table that has a place of the log."""
    return (position - 1) // PART


def places_of(part: int) -> tuple[int, int]:
    """The first and the last place of the log that a table has."""
    return part * PART + 1, (part + 1) * PART


def through(connection: Connection) -> int:
    """The place up to which the log is indexed."""
    row = connection.execute(_THROUGH).fetchone()
    return 0 if row is None else int(row[0])


def is_available(connection: Connection) -> bool:
    """Whether this SQLite has FTS5."""
    sought = "SELECT 1 FROM pragma_module_list WHERE name = ?"
    return connection.execute(sought, (MODULE,)).fetchone() is not None
