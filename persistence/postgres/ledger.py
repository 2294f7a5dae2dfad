"""Group commit in PostgreSQL: the log itself knows the keys, and what became of a commit whose answer was lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.store import Appended, Changes, Record

from ..ledger import Ledger
from ..queries import RECORD
from .fault import FAULTS, Lost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..batch import Rewriting
    from ..ledger import Entry, Outcome
    from .session import PostgresSession

_KEYS_USED = (
    f"SELECT column1, {RECORD} FROM {{values}} JOIN events e ON e.conversation = column2 "
    "AND e.sender_id = column3 AND e.key = column4"
)
# Of changes the first event, whose salt no other has.
_STORED = (
    "SELECT column1, e.conversation FROM {values} JOIN events e ON e.conversation = column2 "
    "AND e.sequence = column3 AND e.salt = column4"
)
_BEGUN = (
    "SELECT column1, c.number FROM {values} JOIN conversations c ON c.id = column2 "
    "JOIN events e ON e.conversation = c.number AND e.sequence = column3 AND e.salt = column4"
)


class IndexedKeys:
    """The keys are an index of the log: nothing is kept of them here."""

    def __contains__(self, place: int, /) -> bool:
        return False

    def digest(self, sender_id: str | None, key: str) -> int:
        """A number that tells the keys of one batch apart."""
        return hash((sender_id, key)) & 2**63 - 1

    def sequences(self, number: int, hashed: int) -> list[int]:
        """None are known by their numbers."""
        return []

    def add(self, used: dict[int, int]) -> None:
        """The log has them."""

    def forget(self, number: int) -> None:
        """The log forgets them."""

    def merge_all(self) -> None:
        """The log has them."""


class PostgresLedger(Ledger):
    """Appends groups of changes. Raises `Lost` where it is not known what was stored: `outcomes_of` then finds out."""

    checks_keys = False

    def __init__(self, session: PostgresSession, name: object, search: Rewriting) -> None:
        super().__init__(session, name, IndexedKeys(), search, FAULTS)
        self._session = session

    def refresh(self) -> None:
        """Learn anew what the next conversation's number is."""
        self._next_number = self._newest_number() + 1

    def outcomes_of(self, entries: Sequence[Entry]) -> dict[int, Outcome]:
        """Those of the entries that are stored, by their places, with their outcomes. What can be stored twice is left out."""
        found: dict[int, Outcome] = {}
        old: list[Any] = []
        new: list[Any] = []
        for place, entry in enumerate(entries, 1):
            if isinstance(entry, Changes) and entry.records:
                first = entry.records[0]
                if entry.number:
                    old += (place, entry.number, first.sequence, first.salt)
                else:
                    new += (place, entry.conversation_id, first.sequence, first.salt)
        rows = self._session.execute_rows(_STORED, "iiib", old) if old else []
        rows += self._session.execute_rows(_BEGUN, "itib", new) if new else []
        for place, number in rows:
            found[place - 1] = Appended(number)
        return found

    def records_of(
        self, number: int, names: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], Record]:
        """The records of a conversation that used these (sender, key) pairs."""
        flat: list[Any] = []
        for place, (sender_id, key) in enumerate(names, 1):
            flat += (place, number, sender_id, key)
        rows = self._session.execute_rows(_KEYS_USED, "iitt", flat) if flat else []
        return {names[place - 1]: Record(*row) for place, *row in rows}

    def _keys_used(
        self, appends: Mapping[int, Changes]
    ) -> dict[int, dict[tuple[str, str], Record]]:
        used = {}
        for place, changes in appends.items():
            names = [
                (record.sender_id, record.key)
                for record in changes.records
                if record.key is not None and record.sender_id is not None
            ]
            found = self.records_of(changes.number, names) if names else {}
            if found:
                used[place] = found
        return used

    def _fail(self, group: Sequence[Entry], error: Exception) -> list[Outcome]:
        if isinstance(error, Lost):
            raise error
        return super()._fail(group, error)
