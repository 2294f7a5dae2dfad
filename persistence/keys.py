"""Which idempotency keys a conversation has seen: all but the newest in the table `keys`, the newest also in memory.

A key is random, so an index that were kept with every commit would write a page of its own for every message, most of the cost
of a commit of many conversations. Its event is in the log with its key, in one transaction, and is the truth; the table
follows some thousand messages behind and is brought up to date in sorted pieces. What it lacks is found again at the start.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

from .rows import Rows

if TYPE_CHECKING:
    import sqlite3

MERGE_AT = 20_000  # keys: about 4 MB of memory, and 40 ms to find again after a crash
PIECE = 1_024  # keys merged between two commits: 2 to 5 ms

_INSERT = Rows("INSERT OR IGNORE INTO keys SELECT * FROM {values} WHERE column1 > 0", 3)


def digest(sender_id: str | None, key: str) -> int:
    """The 64 bits that stand for a sender's key in the index."""
    name = f"{sender_id}\0{key}".encode()
    return int.from_bytes(blake2b(name, digest_size=8).digest(), "little", signed=True)


class Keys:
    """The index of keys, owned by whoever writes to the connection. (conversation, digest) -> sequence."""

    def __init__(self, connection: sqlite3.Connection, merge_at: int = MERGE_AT) -> None:
        self._connection = connection
        self._merge_at = merge_at
        self._young: dict[tuple[int, int], int] = {}
        self._old: dict[tuple[int, int], int] = {}  # those being merged,
        self._pieces: list[list[tuple[int, int, int]]] = []  # and what is left of them, last first
        self._old_through = 0
        self._find_unmerged()

    def __contains__(self, place: tuple[int, int]) -> bool:
        """Whether the key may have been used lately; the table answers for all the others."""
        return place in self._young or place in self._old

    def add(self, used: dict[tuple[int, int], int]) -> None:
        """Take note of keys that have been committed."""
        self._young.update(used)

    @property
    def due(self) -> bool:
        """Whether `merge_piece` has something to do now."""
        return bool(self._pieces) or len(self._young) >= self._merge_at

    @property
    def unmerged(self) -> int:
        """How many keys the table may lack."""
        return len(self._young) + len(self._old)

    def merge_piece(self) -> None:
        """Bring the next piece into the table, in a transaction of its own."""
        if not self._pieces:
            self._begin()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self._pieces:
                flat = [value for row in self._pieces[-1] for value in row]
                _INSERT.execute(self._connection, flat)
            if len(self._pieces) <= 1:
                self._connection.execute(
                    "UPDATE meta SET value = ? WHERE name = 'keys_through'", (self._old_through,)
                )
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        if self._pieces:
            self._pieces.pop()
        if not self._pieces:
            self._old = {}

    def merge_all(self) -> None:
        """Bring everything into the table."""
        while self._pieces or self._young:
            self.merge_piece()

    def _begin(self) -> None:
        self._old, self._young = self._young, {}
        rows = sorted((number, digest, at) for (number, digest), at in self._old.items())
        self._pieces = [rows[at : at + PIECE] for at in range(0, len(rows), PIECE)][::-1]
        newest = self._connection.execute("SELECT max(position) FROM events").fetchone()
        self._old_through = newest[0] or 0

    def _find_unmerged(self) -> None:
        rows = self._connection.execute(
            "SELECT conversation, sender_id, key, sequence FROM events WHERE position > "
            "(SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'keys_through') AND key IS NOT NULL"
        )
        self._young = {(number, digest(sender, key)): at for number, sender, key, at in rows}
