"""Group commit: the changes of many conversations and accounts of runs in one transaction, and which to refuse if it fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from salon.actors.store import (
    Appended,
    Changes,
    KeysTaken,
    Record,
    RunAccount,
    StaleView,
    StoreError,
)

from .batch import Batch, Rewriting, SuspectedKeyError
from .fault import SQLITE, Faults
from .queries import RECORD
from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .connection import Connection
    from .keys import KeyBook


Entry = Changes | RunAccount
Outcome = Appended | KeysTaken | StaleView | StoreError | None  # None: the account is stored

_KEYS_USED = Rows(
    f"SELECT column1, {RECORD} FROM {{values}} "
    "CROSS JOIN keys k ON k.conversation = column2 AND k.digest = column3 "
    "CROSS JOIN events e ON e.conversation = k.conversation AND e.sequence = k.sequence "
    "WHERE column1 > 0",
    "iii",
)
_EVENT = f"SELECT {RECORD} FROM events e WHERE e.conversation = ? AND e.sequence = ?"
_SEQUENCES_USED = Rows(
    "SELECT column1 FROM {values} "
    "CROSS JOIN events e ON e.conversation = column2 AND e.sequence = column3 WHERE column1 > 0",
    "iii",
)


class Ledger:
    """Appends groups of changes. It is used by one thread, as its connection is."""

    checks_keys = True  # whether a statement that stores events looks for their keys

    def __init__(
        self,
        connection: Connection,
        path: object,
        keys: KeyBook,
        search: Rewriting | None = None,
        faults: Faults = SQLITE,
    ) -> None:
        self._connection = connection
        self._path = path
        self._keys = keys
        self._search = search
        self._faults = faults
        self._next_number = self._newest_number() + 1

    def _newest_number(self) -> int:
        row = self._connection.execute("SELECT max(number) FROM conversations").fetchone()
        return int(row[0] or 0)

    def append(self, group: Sequence[Entry]) -> list[Outcome]:
        """Commit the group; return one outcome for each, in the same order. A conflict affects only its own changes."""
        try:
            return self._store(group, checked=True)
        except Exception as error:
            if isinstance(error, SuspectedKeyError | self._faults.conflict):
                return self._sort_out(group)
            return self._fail(group, error)

    def records_of(
        self, number: int, names: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], Record]:
        """The records of a conversation that used these (sender, key) pairs."""
        found = {}
        for sender_id, key in names:
            for sequence in self._keys.sequences(number, self._keys.digest(sender_id, key)):
                row = self._connection.execute(_EVENT, (number, sequence)).fetchone()
                record = Record(*row)
                if (record.sender_id, record.key) == (sender_id, key):
                    found[sender_id, key] = record
        return found

    def _store(self, group: Sequence[Entry], *, checked: bool) -> list[Outcome]:
        batch = Batch(self._next_number, self._keys.digest)
        outcomes: list[Outcome] = []
        for entry in group:
            if isinstance(entry, Changes):
                outcomes.append(Appended(batch.add(entry)))
            else:
                batch.add_account(entry)
                outcomes.append(None)
        if checked and any(map(self._keys.__contains__, batch.keys)):
            raise SuspectedKeyError
        batch.write(self._connection, checked=checked and self.checks_keys, search=self._search)
        self._keys.add(batch.keys)
        for number in batch.erased:
            self._keys.forget(number)
        self._next_number = batch.next_number
        return outcomes

    def _sort_out(self, group: Sequence[Entry]) -> list[Outcome]:
        """Part of the group is in the log already: refuse those changes, and commit the rest."""
        try:
            self._keys.merge_all()
            outcomes = self._conflicts(group)
            rest = [place for place in range(len(group)) if place not in outcomes]
            stored = self._store([group[place] for place in rest], checked=False) if rest else []
        except Exception as error:
            return self._fail(group, error)
        outcomes.update(zip(rest, stored, strict=True))
        return [outcomes[place] for place in range(len(group))]

    def _fail(self, group: Sequence[Entry], error: Exception) -> list[Outcome]:
        """If the file is at fault, fail all; else commit by halves until only what cannot be stored is left."""
        faults = self._faults
        at_fault = isinstance(error, faults.of_driver) and not isinstance(error, faults.of_data)
        if len(group) == 1 or at_fault:
            return [faults.explain(self._path, error)] * len(group)
        half = len(group) // 2
        return self.append(group[:half]) + self.append(group[half:])

    def _conflicts(self, group: Sequence[Entry]) -> dict[int, Outcome]:
        """The places of the group whose records the log has already."""
        appends = {place: each for place, each in enumerate(group) if isinstance(each, Changes)}
        outcomes: dict[int, Outcome] = {}
        for place in self._sequences_used(appends):
            changes = appends[place]
            outcomes[place] = StoreError(
                f"{self._path}: conversation {changes.number} has a sequence "
                f"{changes.records[0].sequence} already; does something else write to the store?"
            )
        for place, records in self._keys_used(appends).items():
            outcomes[place] = KeysTaken(records)
        return outcomes

    def _keys_used(
        self, appends: Mapping[int, Changes]
    ) -> dict[int, dict[tuple[str, str], Record]]:
        sought: list[tuple[int, Record]] = []
        flat: list[Any] = []
        for place, changes in appends.items():
            for record in changes.records:
                if record.key is not None:
                    sought.append((place, record))
                    flat += (
                        len(sought),
                        changes.number,
                        self._keys.digest(record.sender_id, record.key),
                    )
        used: dict[int, dict[tuple[str, str], Record]] = {}
        for index, *row in _KEYS_USED.execute(self._connection, flat) if flat else ():
            place, record = sought[index - 1]
            found = Record(*row)
            # The key itself is equal, not only the hash.
            if (found.sender_id, found.key) == (record.sender_id, record.key):
                assert record.sender_id is not None
                assert record.key is not None
                used.setdefault(place, {})[record.sender_id, record.key] = found
        return used

    def _sequences_used(self, appends: Mapping[int, Changes]) -> set[int]:
        flat: list[Any] = []
        for place, changes in appends.items():
            for record in changes.records:
                flat += (place + 1, changes.number, record.sequence)
        rows = _SEQUENCES_USED.execute(self._connection, flat) if flat else ()
        return {row[0] - 1 for row in rows}
