"""The tables of an SQLite file, to move them from it or into it."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from salon.actors.store import StoreError

from .erasing import erase_all
from .export_rows import insert_of, rows
from .fault import explain
from .file import File, sync
from .importing import complete, open_partial
from .migration import migrate
from .snapshot import give_name, snapshot
from .transaction import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from salon.actors.sources import Sources

    from .export_rows import Shape


class FileTables:
    """A connection to a file with this version's schema."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @property
    def created_at(self) -> str:
        """When the store was made."""
        row = self.connection.execute("SELECT value FROM meta WHERE name = 'created_at'").fetchone()
        return str(row[0])

    def rows(self, shape: Shape) -> Iterator[tuple[Any, ...]]:
        """The rows of a table."""
        return rows(self.connection, shape)

    def store(self, shape: Shape, given: list[tuple[Any, ...]]) -> None:
        """Store rows."""
        self.connection.executemany(insert_of(shape), given)

    def count_on(self, shapes: tuple[Shape, ...]) -> None:
        """SQLite counts on from the greatest place by itself."""


@contextmanager
def tables_of(path: Path, sources: Sources) -> Iterator[FileTables]:
    """The tables of a store as it is now, whatever version wrote it and whether or not a server has it open: those of a copy.

    Blocks; raises `StoreError`.
    """
    source = File(path)
    if not source.path.is_file():
        raise StoreError(f"{source.path}: there is no such store")
    with TemporaryDirectory(prefix=f".{source.path.name}.", dir=source.path.parent) as folder:
        copy = File(Path(folder, source.path.name))
        snapshot(source, copy.path)
        with closing(copy.open(sources)) as connection:
            try:
                erase_all(connection)
                yield FileTables(connection)
            finally:
                copy.release()


@contextmanager
def new_file(path: Path, sources: Sources, created_at: str) -> Iterator[FileTables]:
    """The tables of a new file, which is at `path` if the block ends well. Blocks; raises `StoreError`."""
    target = path.expanduser().absolute()
    if target.exists():
        raise StoreError(f"{target}: exists already: name a new file")
    partial = target.with_name(f".{target.name}.moving")
    try:
        partial.unlink(missing_ok=True)
        with closing(open_partial(partial)) as connection:
            migrate(connection, partial)
            with transaction(connection):
                yield FileTables(connection)
            complete(connection, created_at, sources)
        sync(partial)
        give_name(partial, target)
    except Exception as error:
        raise explain(target, error) from error
    finally:
        for part in ("", "-wal", "-shm"):
            Path(f"{partial}{part}").unlink(missing_ok=True)
