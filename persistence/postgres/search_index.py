"""The index of what messages say, in PostgreSQL: the words of each message as a tsvector, in one table with a GIN index.

As in SQLite the table follows behind the log and is written between commits, and the stored text decides. A word that names the
part of the log, of 16,384 places, keeps a search for a frequent word from reading all messages that have it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from salon.actors.words import fold, is_run, pairs

from ..ranking import said
from ..search_index import LAG, MESSAGE, OF_ROOM, PIECE, WITH_FILE, part_of, through
from ..transaction import relaxed_transaction
from .settled import Settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .session import PostgresSession

OF_PART = "·p{}"  # a word that no text has
LONGEST = 500  # characters of a word that the index keeps: PostgreSQL takes 2,046 bytes
_WORD = re.compile(r"[0-9a-z]+")
_NOTE = (
    "INSERT INTO search_parts (part, first_at, last_at) VALUES (%s, %s, %s) "
    "ON CONFLICT (part) DO UPDATE SET first_at = least(search_parts.first_at, excluded.first_at), "
    "last_at = greatest(search_parts.last_at, excluded.last_at)"
)
_PASSED = (
    "INSERT INTO meta (name, value) VALUES ('search_through', %s) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)
_PIECE = f"SELECT position, conversation, body, at FROM events WHERE position > %s AND position <= %s AND {MESSAGE}"
_ADD = (
    "INSERT INTO search_words (position, words) SELECT column1, array_to_tsvector(string_to_array(column2, ' ')) "
    "FROM {values} ON CONFLICT (position) DO "
)
# What was rewritten before is indexed anew.
_INSERT = f"{_ADD}UPDATE SET words = excluded.words"
_PLACES = "SELECT column1, e.position FROM {values} JOIN events e ON e.conversation = column2 AND e.sequence = column3"


class PostgresIndex:
    """The table, written by the writing connection's owner."""

    merges = _INSERT  # how a piece of the log comes into the table

    def __init__(self, session: PostgresSession) -> None:
        self._session = session
        self._through = through(session)
        self._waiting = 0
        self._grown = PIECE  # at most so many places since `is_due` has looked at the log

    def note(self, records: int) -> None:
        """Note that the log has grown by so many records."""
        self._grown += records

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
        if self._waiting + self._grown >= PIECE:
            self._waiting, self._grown = self._newest() - self._through, 0
        return self.late or (idle and self.ready)

    def merge(self) -> None:
        """Index the next piece. This does not wait for the disk."""
        low, high = self._through, self._through + PIECE
        rows: list[Any] = []
        times: list[int] = []
        with relaxed_transaction(self._session):
            for position, number, body, at in self._session.run(_PIECE, (low, high)):
                times.append(at)
                words = document(position, number, body)
                if words is not None:
                    rows += (position, words)
            if rows:
                self._session.execute_rows(self.merges, "it", rows)
            if times:
                self._session.run(_NOTE, (part_of(high), min(times), max(times)))
            self._session.run(_PASSED, (str(high),))
        self._through = high
        self._waiting -= PIECE

    def rewrite(self, rewrites: Sequence[Any], /) -> None:
        """Index what messages will say, and nothing that they say still: in the transaction that rewrites them."""
        given = list(zip(*(rewrites[at::4] for at in range(3)), strict=True))
        flat: list[Any] = []
        for place, (number, sequence, _) in enumerate(given, 1):
            flat += (place, number, sequence)
        rows: list[Any] = []
        for place, position in self._session.execute_rows(_PLACES, "iii", flat):
            if self._may_have(position):
                number, _, body = given[place - 1]
                rows += (position, document(position, number, bytes(body)) or "")
        if rows:
            self._session.execute_rows(_INSERT, "it", rows)

    def forget(self, positions: Sequence[int]) -> None:
        """Leave no word of what events at these places say; in the transaction that deletes them."""
        self._session.run("DELETE FROM search_words WHERE position = ANY(%s)", (list(positions),))

    def _newest(self) -> int:
        """The newest place of the log."""
        return self._session.run("SELECT max(position) FROM events").fetchone()[0] or 0

    def _may_have(self, position: int) -> bool:
        """Whether the table may have a row for an event at a place."""
        return position <= self._through


class SharedIndex(PostgresIndex):
    """The same table, of which one node indexes the log while others rewrite messages: no merge replaces what a rewrite left."""

    merges = f"{_ADD}NOTHING"

    def __init__(self, session: PostgresSession) -> None:
        self._settled = Settled()
        super().__init__(session)

    def look(self) -> None:
        """See how far another node has come, and have `is_due` look at the log: others let it grow."""
        self._through, self._grown = through(self._session), PIECE

    def _newest(self) -> int:
        return self._settled.through(self._session)

    def _may_have(self, position: int) -> bool:
        return True


def document(position: int, number: int, body: bytes) -> str | None:
    """The words that the index keeps of a message; None where it says nothing any more."""
    message = said(body)
    if message is None:
        return None
    words = {OF_ROOM.format(number), OF_PART.format(part_of(position)), *words_of(message.text)}
    if message.with_file:
        words.add(WITH_FILE)
    return " ".join(words)


def words_of(text: str) -> set[str]:
    """The words of a text, as `salon.actors.search` looks for them."""
    if text.isascii():
        return {word[:LONGEST] for word in _WORD.findall(text.lower())}
    kept: set[str] = set()
    for part in fold(text).split():
        if is_run(part):
            kept.update(pairs(part))
        else:
            kept.add(part[:LONGEST])
    return kept
