"""The store for one server: an SQLite file; every append is on the disk before it is answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from salon.actors.store import StoreError

from .fault import explain
from .file import File
from .keys import Keys
from .ledger import Ledger
from .loop import Loop
from .reader import Readers
from .search_index import SearchIndex
from .snapshot import snapshot
from .sql_calls import SqlCalls
from .writer import Writer

if TYPE_CHECKING:
    import sqlite3

    from salon.actors.future import Future
    from salon.actors.sources import Sources

PREFIX = "sqlite:///"


class SqlStore(SqlCalls):
    """Implements `Store` on a file. Everything but `open` and `close` is called in the trio run and never blocks it."""

    def __init__(self, file: File, connection: sqlite3.Connection) -> None:
        self._file = file
        row = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        self.epoch: str = row[0]
        loop = Loop()
        keys = Keys(connection)
        search = SearchIndex(connection)
        ledger = self._ledger = Ledger(connection, file.path, keys, search)
        self._readers = Readers(file, loop)
        self._writer = Writer(connection, file, ledger, keys, search, loop)

    @classmethod
    def open(cls, url: str, sources: Sources) -> SqlStore:
        """Open the store at `sqlite:///PATH`, created if needed. Blocks; raises `StoreError`, whose text names the remedy."""
        file = File(path_of(url))
        connection = file.open(sources)
        try:
            return cls(file, connection)
        except Exception as error:
            file.leave(connection)
            file.release()
            raise explain(file.path, error) from error

    def backup(self, path: str | Path) -> Future[None]:
        """Copy the store as it is now to a new file, while it is in use."""
        return self._readers.ask(_snapshot, self._file, Path(path))

    def close(self) -> None:
        """Commit the appended changes, answer the waiting reads, end the threads. Blocks; a second call does nothing."""
        self._readers.close()
        self._writer.close()
        self._file.release()


def path_of(url: str) -> Path:
    """The path in `sqlite:///PATH`; raises `StoreError` where there is none."""
    path = url.removeprefix(PREFIX)
    if path in (url, "", ":memory:"):
        raise StoreError(f"{url}: an SQLite store is named {PREFIX}PATH")
    return Path(path)


def _snapshot(_: sqlite3.Connection, file: File, target: Path) -> None:
    snapshot(file, target)
