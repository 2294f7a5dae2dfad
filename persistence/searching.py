"""Searching the SQLite store: candidates from the index and from the events that it lacks, the newest first.

Many rows come as one JSON array, in one step of SQLite: each step gives up the GIL, and waits for a busy main thread.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from salon.actors.search import WINDOW, Found, Hit
from salon.actors.store import Record, SearchUnavailableError

from .queries import RECORD
from .ranking import Candidate, matches, page
from .search_index import MESSAGE, OF_ROOM, WITH_FILE, is_available, part_of, places_of, through
from .transaction import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from salon.actors.search import Sought

    from .connection import Connection
    from .ranking import Scored

NEAR = 20  # events on each side of a hit, among which its neighbour is looked for
# Events that the index lacks and a search looks at. Only of a store that was written before there was an index are there more.
TAIL = 8_192
EXAMINED = 20_000  # places of the index that a search looks at: about 30 ms
READ = 500  # texts that it reads: about 15 ms
ROOMS = 16  # conversations that are named to the index; of more, what others have said is left out afterwards
STEP = 256  # candidates that are fetched at once

# The conversations that a limited token is for, as a JSON array of their ids; NULL for all.
_ONLY = "(?3 IS NULL OR c.id IN (SELECT value FROM json_each(?3)))"
# What somebody may read: pairs of a conversation's number and its first sequence for them.
_READABLE = (
    "SELECT json_group_array(json_array(c.number, CASE c.history WHEN 'all' THEN 1 ELSE max(m.place, 1) END)) "
    "FROM members m JOIN conversations c ON c.number = m.conversation "
    f"WHERE m.participant = ?1 AND (?2 IS NULL OR c.id = ?2) AND {_ONLY}"
)
_ANY = (
    "SELECT json_group_array(json_array(number, 1)) FROM conversations "
    f"c WHERE id = ?2 AND ?1 IS NULL AND deleted_at IS NULL AND {_ONLY}"
)
_NEWEST = "SELECT position, at FROM events WHERE position <= ? ORDER BY position DESC LIMIT 1"
_PARTS = (
    "SELECT part FROM search_parts WHERE part <= ?1 AND (?2 IS NULL OR last_at >= ?2) "
    "AND (?3 IS NULL OR first_at < ?3) ORDER BY part DESC"
)
_INDEXED = (
    "SELECT json_group_array(rowid) FROM (SELECT rowid FROM search_{part} WHERE search_{part} MATCH ? "
    "AND rowid BETWEEN ? AND ? ORDER BY rowid DESC LIMIT ?)"
)
_WHERE = (
    "(?1 IS NULL OR e.sender_id = ?1) AND (?2 IS NULL OR e.at >= ?2) AND (?3 IS NULL OR e.at < ?3)"
)
_PASSING = (
    "SELECT json_group_array(json_array(e.position, e.conversation, e.sequence)) FROM json_each(?4) p "
    f"CROSS JOIN events e ON e.position = p.value WHERE {_WHERE}"
)
# A frame that is not ASCII only may have the word in another form.
_TAIL = (
    "SELECT json_group_array(json_array(position, conversation, sequence)) FROM (SELECT * FROM events e "
    f"WHERE position > ?4 AND position <= ?5 AND {MESSAGE} AND {_WHERE} AND (?6 IS NULL "
    "OR length(body) <> length(CAST(body AS TEXT)) OR CAST(body AS TEXT) LIKE ?6) ORDER BY position DESC)"
)
_RECORDS = f"SELECT e.position, e.conversation, {RECORD} FROM json_each(?) p CROSS JOIN events e ON e.position = p.value"
_PLACE = "SELECT id, title FROM conversations WHERE number = ?"
_BESIDE = (
    f"SELECT e.body FROM events e WHERE e.conversation = ? AND e.sequence BETWEEN ? AND ? AND {MESSAGE} "
    "ORDER BY e.sequence {order} LIMIT 1"
)


def find(connection: Connection, sought: Sought) -> Found:
    """A page of hits, as `Store.search` describes it."""
    if not is_available(connection):
        raise SearchUnavailableError
    return scan_with(Scan, connection, sought)


def scan_with(kind: type[Scan], connection: Connection, sought: Sought) -> Found:
    """The same with a scan of this kind, which knows what to ask its database."""
    with transaction(connection, "DEFERRED"):
        scan = kind(connection, sought)
        if not scan.readable or scan.top < 1:
            return Found((), None, scan.complete)
        found = matches(sought, scan.candidates(), scan.newest_at)
        floor = found[-1].position if len(found) == WINDOW else scan.floor
        shown, following = page(sought, found, scan.top, floor)
        return Found(tuple(scan.hit(each) for each in shown), following, scan.complete)


class Scan:
    """The candidates of one search. `floor` is the lowest place that it has looked at, 1 where it has looked at all."""

    records = _RECORDS  # for a JSON array of places

    def __init__(self, connection: Connection, sought: Sought) -> None:
        self._connection = connection
        self._sought = sought
        self._filters = (sought.sender_id, sought.after, sought.before)
        self.readable = self.may_read()
        place = sought.place
        newest = (connection.execute(_NEWEST, (2**62,)).fetchone() or (0, 0))[0]
        asked = newest if place is None else place.top
        row: tuple[int, int] | None = connection.execute(_NEWEST, (asked,)).fetchone()
        self.top, self.newest_at = row or (0, 0)
        self.floor = 1 if place is None or place.floor is None else place.floor
        self._bounded = place is None or place.floor is None
        self._through = through(connection)
        self._seen = max(self._through, newest - TAIL)  # what is after this is looked at
        self.complete = self._seen == self._through
        self._examined = self._read = 0

    def candidates(self) -> Iterator[Candidate]:
        """All candidates from the top to the floor, descending; fewer where they are too many, then the floor is moved up."""
        for positions in self._positions():
            for step in range(0, len(positions), STEP):
                chosen = positions[step : step + STEP]
                rows = self._connection.execute(self.records, (json.dumps(chosen),)).fetchall()
                for position, number, *record in rows:
                    yield Candidate(position, number, Record(*record))
                self._read += len(chosen)
                if self._bounded and self._read >= READ:
                    self.floor = chosen[-1]
                    return

    def hit(self, scored: Scored) -> Hit:
        """The hit with the messages beside it."""
        candidate = scored.candidate
        id, title = self._connection.execute(_PLACE, (candidate.number,)).fetchone()
        sequence, first = candidate.record.sequence, self.readable[candidate.number]
        before = (candidate.number, max(first, sequence - NEAR), sequence - 1)
        after = (candidate.number, sequence + 1, sequence + NEAR)
        return Hit(
            id,
            title,
            candidate.record.body,
            self._beside(_BESIDE.format(order="DESC"), before),
            self._beside(_BESIDE.format(order="ASC"), after),
        )

    def _beside(self, statement: str, bounds: tuple[int, int, int]) -> bytes | None:
        row: tuple[bytes] | None = self._connection.execute(statement, bounds).fetchone()
        return None if row is None else row[0]

    def _positions(self) -> Iterator[list[int]]:
        """Places of readable messages that may match, descending, in lists."""
        low = max(self._seen, self.floor - 1)
        if self.top > low:
            yield self._allowed(self.tail(low))
        highest = part_of(min(self.top, self._through))
        for (part,) in self._connection.execute(_PARTS, (highest, *self._filters[1:])).fetchall():
            bottom, high = places_of(part)
            bottom, high = max(bottom, self.floor), min(high, self.top)
            while high >= bottom:
                found = self.indexed(part, bottom, high, STEP)
                if found:
                    yield self._allowed(self.passing(found))
                if len(found) < STEP:
                    break
                self._examined += len(found)
                high = found[-1] - 1
                if self._bounded and self._examined >= EXAMINED:
                    self.floor = max(high + 1, 1)
                    return

    def may_read(self) -> dict[int, int]:
        """What may be searched: conversation's number -> the first sequence. Members at the time of the search decide."""
        sought = self._sought
        only = None if sought.only is None else json.dumps(sorted(sought.only))
        asked = (sought.reader, sought.conversation_id, only)
        statement = _ANY if sought.reader is None else _READABLE
        return dict(self._json(statement, asked))

    def tail(self, low: int) -> list[list[int]]:
        """Place, conversation and sequence of what may match after a place of the log, descending."""
        rows: list[list[int]] = self._json(_TAIL, (*self._filters, low, self.top, self._like()))
        return rows

    def indexed(self, part: int, bottom: int, high: int, count: int) -> list[int]:
        """The last places from `bottom` to `high` that the index of a part has, descending, up to `count`."""
        asked = (self._match(), bottom, high, count)
        found: list[int] = self._json(_INDEXED.format(part=part), asked)
        return found

    def passing(self, positions: list[int]) -> list[list[int]]:
        """Place, conversation and sequence of those at these places that pass the filters, in the same order."""
        rows: list[list[int]] = self._json(_PASSING, (*self._filters, json.dumps(positions)))
        return rows

    def _json(self, statement: str, asked: tuple[Any, ...]) -> Any:
        return json.loads(self._connection.execute(statement, asked).fetchone()[0])

    def _allowed(self, rows: list[list[int]]) -> list[int]:
        """Those of places, conversations and sequences that may be read."""
        first = self.readable.get
        return [position for position, number, sequence in rows if sequence >= first(number, 2**62)]

    def _match(self) -> str:
        """The expression of FTS5. Each word in it is quoted, and is of letters, digits and marks alone."""
        wanted = [
            f'"{word}" *' if prefix else f'"{word}"'
            for word, prefix in dict.fromkeys(
                each for term in self._sought.terms for each in term.index_words
            )
        ]
        if self._sought.with_file:
            wanted.append(f'"{WITH_FILE}"')
        if len(self.readable) <= ROOMS:
            rooms = " OR ".join(f'"{OF_ROOM.format(number)}"' for number in self.readable)
            wanted.append(f"({rooms})")
        return " AND ".join(wanted)

    def _like(self) -> str | None:
        """A pattern that the frame of each match has, if it is ASCII; its word is of letters and digits alone."""
        plain = [
            word for term in self._sought.terms for word, _ in term.index_words if word.isascii()
        ]
        return f"%{max(plain, key=len)}%" if plain else None
