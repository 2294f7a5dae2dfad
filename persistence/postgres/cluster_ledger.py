"""Group commit of one node among several: in the view in which the changes were decided, with numbers that it has reserved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.store import Changes, StaleView

from .fault import STALE
from .ledger import PostgresLedger

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..ledger import Entry, Outcome

NUMBERS = 64  # of new conversations, reserved at once
# By itself, before the commit: a number that is not used is no harm. One that is used was reserved before, in the same log.
_RESERVE = (
    "UPDATE cluster SET numbers = greatest(numbers, (SELECT coalesce(max(number), 0) FROM conversations)) + %s "
    "RETURNING numbers"
)


class ClusterLedger(PostgresLedger):
    """Appends groups of changes, all of one view. Raises `Lost` where it is not known what was stored."""

    _last_number = 0  # the last one that is reserved

    def append_in(self, view: int, group: Sequence[Entry]) -> list[Outcome]:
        """Commit the group if this is the view still. Else its changes are not stored: `StaleView`."""
        self._session.view = view
        try:
            return self.append(group)
        finally:
            self._session.view = None

    def refresh(self) -> None:
        """Reserve other numbers: what was reserved last may be lost."""
        self._last_number = 0

    def _store(self, group: Sequence[Entry], *, checked: bool) -> list[Outcome]:
        new = sum(isinstance(entry, Changes) and not entry.number for entry in group)
        if new and self._next_number + new - 1 > self._last_number:
            wanted = max(new, NUMBERS)
            self._last_number = int(self._session.run(_RESERVE, (wanted,)).fetchone()[0])
            self._next_number = self._last_number - wanted + 1
        return super()._store(group, checked=checked)

    def _fail(self, group: Sequence[Entry], error: Exception) -> list[Outcome]:
        if getattr(error, "sqlstate", None) != STALE:
            return super()._fail(group, error)
        self._session.view = None  # what remains needs no view
        number = int(self._session.run("SELECT view FROM cluster").fetchone()[0])
        return [
            StaleView(number) if isinstance(entry, Changes) else self.append([entry])[0]
            for entry in group
        ]
