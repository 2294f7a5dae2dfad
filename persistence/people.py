"""What the SQLite store has about people: traces in the log, erasures, holds. Functions of a connection, and their calls."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from salon.actors.people import (
    TRACED,
    Expired,
    LegalHold,
    PersonErasure,
    PersonRows,
    Retained,
    Trace,
    Traces,
)
from salon.actors.person_erasure import ERASED_NAME
from salon.actors.store import Report

from . import files
from .search_index import MESSAGE
from .upsert import upsert

if TYPE_CHECKING:
    from salon.actors.future import Future

    from .connection import Connection
    from .reader import Readers
    from .writing import WritingThread

_IS_MESSAGE = MESSAGE.replace("sender_id", "e.sender_id").replace("relation", "e.relation")
_IS_THERE = "NOT EXISTS (SELECT 1 FROM deletions d WHERE d.conversation = e.conversation AND d.message = e.sequence)"
_NEWEST = "SELECT max(position) FROM events"
_LAST_OF_STEP = (
    "SELECT at FROM events WHERE position > ? AND position <= ? ORDER BY position DESC LIMIT 1"
)
_STEP = (
    "SELECT c.id, e.sequence FROM events e JOIN conversations c ON c.number = e.conversation "
    "WHERE e.position > ?1 AND e.position <= ?2 AND c.deleted_at IS NULL AND {condition} "
    "ORDER BY e.position"
)
# An id is a JSON string in a body; one that a text quotes is found too, and is then no trace.
_TRACES = _STEP.format(
    condition="(e.sender_id = ?3 OR (e.sender_id IS NULL AND instr(e.body, ?4) > 0))"
)
_EXPIRED = _STEP.format(condition=f"e.at < ?3 AND {_IS_MESSAGE} AND {_IS_THERE}")
_RETAINED = "SELECT id, number, retention FROM conversations WHERE retention > 0 ORDER BY number"
# What was deleted before is passed over by its rows in another table, at 2 us each.
_EXPIRED_IN = (
    "SELECT e.sequence FROM events e WHERE e.conversation = ?1 AND e.at < ?2 "
    f"AND {_IS_MESSAGE} AND {_IS_THERE} ORDER BY e.sequence LIMIT {TRACED}"
)
_GUEST = "SELECT name FROM guests WHERE id = ?"
_NAME = "SELECT name FROM names WHERE participant = ?"
_REPORTS = (
    f"SELECT {', '.join(Report._fields)} FROM reports WHERE reporter_id = ? ORDER BY position"
)
_FORGET = (
    "DELETE FROM guests WHERE id = ?1",
    "DELETE FROM names WHERE participant = ?1",
    "DELETE FROM accounts WHERE participant = ?1",
    "DELETE FROM held_messages WHERE sender_id = ?1",
    "DELETE FROM join_requests WHERE participant = ?1",
    "DELETE FROM thread_reads WHERE participant = ?1",
    f"UPDATE tokens SET name = '{ERASED_NAME}' WHERE participant = ?1",
    f"UPDATE sanctions SET name = '{ERASED_NAME}' WHERE participant = ?1",
    f"UPDATE members SET name = '{ERASED_NAME}' WHERE participant = ?1",
    "UPDATE reports SET reason = '' WHERE reporter_id = ?1",
    files.FORGET_UNSENT,
)
_ERASURE = ", ".join(PersonErasure._fields)
_HOLD = ", ".join(LegalHold._fields)
_SAVE_ERASURE = upsert("person_erasures", "id", ", ".join(PersonErasure._fields[1:]))
_SAVE_HOLD = upsert("legal_holds", "id", ", ".join(LegalHold._fields[1:]))


def traces(connection: Connection, participant_id: str, after: int) -> Traces:
    """The next step, as `PeopleStore.traces` describes it."""
    quoted = json.dumps(participant_id, ensure_ascii=False).encode()
    return Traces(*_step(connection, _TRACES, after, participant_id, quoted))


def expired(connection: Connection, before: int, after: int) -> Expired:
    """The next step, as `PeopleStore.expired` describes it."""
    found, end = _step(connection, _EXPIRED, after, before)
    row = connection.execute(_LAST_OF_STEP, (after, after + TRACED)).fetchone()
    return Expired(found, None if row is None or row[0] >= before else end)


def _step(
    connection: Connection, statement: str, after: int, *values: object
) -> tuple[tuple[Trace, ...], int | None]:
    newest = connection.execute(_NEWEST).fetchone()[0] or 0
    end = after + TRACED
    found = tuple(Trace(*row) for row in connection.execute(statement, (after, end, *values)))
    return found, end if end < newest else None


def retained(connection: Connection) -> tuple[Retained, ...]:
    """The conversations with days of their own."""
    return tuple(Retained(*row) for row in connection.execute(_RETAINED))


def expired_in(connection: Connection, number: int, before: int) -> tuple[int, ...]:
    """The first messages of a conversation that are too old."""
    return tuple(row[0] for row in connection.execute(_EXPIRED_IN, (number, before)))


def person(connection: Connection, participant_id: str) -> PersonRows:
    """What stands about a person outside of conversations."""
    guest = connection.execute(_GUEST, (participant_id,)).fetchone()
    name = connection.execute(_NAME, (participant_id,)).fetchone() or guest
    reports = connection.execute(_REPORTS, (participant_id,))
    return PersonRows(
        None if name is None else name[0],
        guest is not None,
        files.of(connection, participant_id),
        tuple(Report(*row) for row in reports),
    )


def forget(participant_id: str, connection: Connection) -> None:
    """Delete what stands about a person outside of the log."""
    for statement in _FORGET:
        connection.execute(statement, (participant_id,))


def save_erasure(erasure: PersonErasure, connection: Connection) -> None:
    """Store an erasure in place of what was stored of it."""
    connection.execute(_SAVE_ERASURE, erasure)


def erasures(connection: Connection) -> tuple[PersonErasure, ...]:
    """All erasures."""
    query = f"SELECT {_ERASURE} FROM person_erasures ORDER BY asked_at, id"
    return tuple(PersonErasure(*row) for row in connection.execute(query))


def save_hold(hold: LegalHold, connection: Connection) -> None:
    """Store a hold in place of what was stored of it."""
    connection.execute(_SAVE_HOLD, hold)


def holds(connection: Connection) -> tuple[LegalHold, ...]:
    """All holds."""
    query = f"SELECT {_HOLD} FROM legal_holds ORDER BY at, id"
    return tuple(LegalHold(*row) for row in connection.execute(query))


class SqlPeople:
    """Implements `PeopleStore` on the threads of a store."""

    _readers: Readers
    _writer: WritingThread

    def traces(self, participant_id: str, *, after: int) -> Future[Traces]:
        """The events after a place in the log that are by a person or name them, of the next places."""
        return self._readers.ask(traces, participant_id, after)

    def expired(self, before: int, *, after: int) -> Future[Expired]:
        """The messages sent before a time and not deleted since, of the next places after a place in the log."""
        return self._readers.ask(expired, before, after)

    def retained(self) -> Future[tuple[Retained, ...]]:
        """The conversations that keep their messages for a number of days of their own."""
        return self._readers.ask(retained)

    def expired_in(self, number: int, before: int) -> Future[tuple[int, ...]]:
        """The first messages of a conversation sent before a time and not deleted since."""
        return self._readers.ask(expired_in, number, before)

    def person(self, participant_id: str) -> Future[PersonRows]:
        """What stands about a person outside of conversations."""
        return self._readers.ask(person, participant_id)

    def forget_person(self, participant_id: str) -> Future[None]:
        """Delete what stands about a person outside of the log."""
        return self._writer.do(partial(forget, participant_id), erases=True)

    @property
    def erasing(self) -> bool:
        """Whether the file, or its log, may still have something of what was deleted before."""
        return self._writer.erasing

    def save_erasure(self, erasure: PersonErasure) -> Future[None]:
        """Store an erasure in place of what was stored of it."""
        return self._writer.do(partial(save_erasure, erasure))

    def erasures(self) -> Future[tuple[PersonErasure, ...]]:
        """All erasures."""
        return self._readers.ask(erasures)

    def save_hold(self, hold: LegalHold) -> Future[None]:
        """Store a hold in place of what was stored of it."""
        return self._writer.do(partial(save_hold, hold))

    def holds(self) -> Future[tuple[LegalHold, ...]]:
        """All holds."""
        return self._readers.ask(holds)
