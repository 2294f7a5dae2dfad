"""The used idempotency keys of each conversation: all but the newest in the table `keys`, the newest also in memory.

A key is random, so an index updated with every commit would write a page of its own for every message, most of the cost of a
commit of many conversations. The event is in the log with its key, in one transaction, and is authoritative; the table follows
some thousand messages behind and is updated in sorted pieces. Missing entries are found again in the log at the start.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol

from .rows import Rows
from .transaction import relaxed_transaction

if TYPE_CHECKING:
    import sqlite3

MERGE_AT = 20_000  # keys: about 3 MB of memory, and 40 ms to find again after a crash
PIECE = 1_024  # keys merged between two commits: about 2 ms

_DIGEST_BITS = 63  # SQLite's integers have 64 bits with the sign

_INSERT = Rows("INSERT OR IGNORE INTO keys SELECT * FROM {values} WHERE column1 > 0", "iii")

_SEQUENCES = "SELECT sequence FROM keys WHERE conversation = ? AND digest = ?"


class KeyBook(Protocol):
    """What a ledger asks of the keys that were used before, as `Keys` describes it."""

    def __contains__(self, place: int, /) -> bool: ...
    def digest(self, sender_id: str | None, key: str) -> int: ...
    def sequences(self, number: int, hashed: int) -> list[int]: ...
    def add(self, used: dict[int, int]) -> None: ...
    def forget(self, number: int) -> None: ...
    def merge_all(self) -> None: ...


def place_of(number: int, hashed: int) -> int:
    """A conversation's digest as one number: it needs far less memory than a tuple, and sorts as the table does."""
    return number << _DIGEST_BITS | hashed


class Keys:
    """The index of keys, owned by the writing connection's owner. In memory: place -> sequence."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        secret = connection.execute("SELECT value FROM meta WHERE name = 'key_secret'").fetchone()
        self._secret = bytes.fromhex(secret[0])
        self._young = self._find_unmerged()
        self._old: dict[int, int] = {}  # keys being merged,
        self._left: list[int] = []  # and their places still to be merged, in descending order
        self._old_through = 0

    def __contains__(self, place: int) -> bool:
        """Whether the key may have been used lately; the table has all older keys."""
        return place in self._young or place in self._old

    def sequences(self, number: int, hashed: int) -> list[int]:
        """The sequences of a conversation's events whose keys have this digest."""
        place = place_of(number, hashed)
        newest = [keys[place] for keys in (self._young, self._old) if place in keys]
        rows = self._connection.execute(_SEQUENCES, (number, hashed))
        return newest + [row[0] for row in rows]

    def digest(self, sender_id: str | None, key: str) -> int:
        """The number that stands for a sender's key in the index; a secret keeps clients from finding two keys that share one."""
        name = f"{sender_id}\0{key}".encode()
        hashed = blake2b(name, digest_size=8, salt=self._secret)
        return int.from_bytes(hashed.digest(), "little") >> 1

    def add(self, used: dict[int, int]) -> None:
        """Add committed keys."""
        self._young.update(used)

    def forget(self, number: int) -> None:
        """Forget the keys of a deleted conversation that the table may lack."""
        first, end = place_of(number, 0), place_of(number + 1, 0)
        for keys in (self._young, self._old):
            for place in [each for each in keys if first <= each < end]:
                del keys[place]
        self._left = [each for each in self._left if not first <= each < end]

    @property
    def due(self) -> bool:
        """Whether `merge_piece` should be called now."""
        return bool(self._left) or len(self._young) >= MERGE_AT

    @property
    def unmerged(self) -> int:
        """The number of keys that the table may lack."""
        return len(self._young) + len(self._old)

    def merge_piece(self) -> None:
        """Write the next keys to the table.

        This does not wait for the disk: the next commit of messages waits for all earlier writes, and until then nothing depends
        on these.
        """
        if not self._left:
            self._begin()
        with relaxed_transaction(self._connection):
            self._write(self._left[-PIECE:])
        del self._left[-PIECE:]
        if not self._left:
            self._old = {}

    def merge_all(self) -> None:
        """Write all keys to the table."""
        while self.unmerged:
            self.merge_piece()

    def _begin(self) -> None:
        self._old, self._young = self._young, {}
        self._left = sorted(self._old, reverse=True)
        newest = self._connection.execute("SELECT max(position) FROM events").fetchone()
        self._old_through = newest[0] or 0

    def _write(self, places: list[int]) -> None:
        mask = (1 << _DIGEST_BITS) - 1
        flat: list[int] = []
        for place in reversed(places):
            flat += (place >> _DIGEST_BITS, place & mask, self._old[place])
        _INSERT.execute(self._connection, flat)
        if len(places) == len(self._left):
            through = "UPDATE meta SET value = ? WHERE name = 'keys_through'"
            self._connection.execute(through, (self._old_through,))

    def _find_unmerged(self) -> dict[int, int]:
        rows = self._connection.execute(
            "SELECT conversation, sender_id, key, sequence FROM events WHERE key IS NOT NULL AND "
            "position > (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'keys_through')"
        )
        return {place_of(row[0], self.digest(row[1], row[2])): row[3] for row in rows}
