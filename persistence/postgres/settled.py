"""Up to which place the log is settled: with several nodes a commit may come in at a lower place than one before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .view import LOCK

if TYPE_CHECKING:
    from .session import PostgresSession

_GIVEN = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM events_position_seq"
# Who commits has the lock from before its places are given until it has ended.
_COMMITTING = (
    "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock' "
    f"AND classid = {LOCK >> 32} AND objid = {LOCK & 0xFFFFFFFF} AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class Settled:
    """Asked by one thread, again and again. A place is settled once all have ended who were committing when it had been given."""

    def __init__(self) -> None:
        self._through = 0
        self._next = 0
        self._committing: frozenset[str] = frozenset()

    def through(self, session: PostgresSession) -> int:
        """No event comes any more at a place up to this one. A step behind at worst: ask again a moment later."""
        given = int(session.run(_GIVEN).fetchone()[0])
        committing = frozenset(row[0] for row in session.run(_COMMITTING))
        self._committing &= committing
        if not self._committing:
            self._through = max(self._through, self._next)
            self._next, self._committing = given, committing
        if not committing:
            self._through = max(self._through, given)
        return self._through
