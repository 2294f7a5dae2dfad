"""The tables of a PostgreSQL database, to move them from it or into it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg

from salon.actors.store import StoreError

from ..transaction import transaction
from .fault import Lost
from .server import Server
from .store import fill_meta, prepare
from .view import View

if TYPE_CHECKING:
    from collections.abc import Iterator

    from salon.actors.sources import Sources

    from ..export_rows import Shape
    from .session import PostgresSession

FETCH = 2_000  # rows that are read at once
_KINDS = {int: "i", str: "t", bytes: "b"}


class DatabaseTables:
    """A session within a transaction."""

    def __init__(self, session: PostgresSession) -> None:
        self._session = session
        self._cursors = 0

    @property
    def created_at(self) -> str:
        """When the store was made."""
        row = self._session.run("SELECT value FROM meta WHERE name = 'created_at'").fetchone()
        return str(row[0])

    def needs(self, content: str) -> bool:
        """Whether a file that is not gone has this content."""
        asked = "SELECT EXISTS (SELECT 1 FROM files WHERE content = %s AND gone = 0)"
        return bool(self._session.run(asked, (content,)).fetchone()[0])

    def rows(self, shape: Shape) -> Iterator[tuple[Any, ...]]:
        """The rows of a table."""
        columns = ", ".join(f'"{name}"' for name in shape.columns)
        self._cursors += 1
        name = f"moved_{self._cursors}"
        self._session.run(f"DECLARE {name} CURSOR FOR SELECT {columns} FROM {shape.name}")
        while rows := self._session.run(f"FETCH {FETCH} FROM {name}").fetchall():
            yield from rows
        self._session.run(f"CLOSE {name}")

    def store(self, shape: Shape, given: list[tuple[Any, ...]]) -> None:
        """Store rows."""
        columns = ", ".join(f'"{name}"' for name in shape.columns)
        taken = ", ".join(f"column{n}" for n in range(1, len(shape.columns) + 1))
        statement = f"INSERT INTO {shape.name} ({columns}) SELECT {taken} FROM {{values}}"
        flat = [value for row in given for value in row]
        self._session.execute_rows(statement, _types(shape), flat)

    def count_on(self, shapes: tuple[Shape, ...]) -> None:
        """Have the places that the database gives follow those that are there."""
        for shape in shapes:
            if shape.key == ("position",):
                self._session.run(
                    f"SELECT setval(pg_get_serial_sequence('{shape.name}', 'position'), max(position)) "
                    f"FROM {shape.name} HAVING max(position) IS NOT NULL"
                )


@contextmanager
def tables_of(url: str) -> Iterator[DatabaseTables]:
    """The tables of a store as it is now, whether or not a server uses it. Blocks; raises `StoreError`."""
    with _session(url, writes=False) as (server, session):
        if server.look_at_revision() is None:
            raise StoreError(f"{server.name}: there is no store in this database")
        with transaction(session, "DEFERRED"):
            yield DatabaseTables(session)


@contextmanager
def new_tables(url: str, sources: Sources, created_at: str) -> Iterator[DatabaseTables]:
    """The tables of a database that no server uses, in one transaction: it is committed if the block ends well.

    Blocks; raises `StoreError`.
    """
    with _session(url, writes=True) as (server, session):
        prepare(server)
        view = View(session, server.name, sources.new_id())
        view.join()
        try:
            with transaction(session):
                tables = DatabaseTables(session)
                yield tables
                session.run("DELETE FROM meta WHERE name IN ('created_at', 'search_through')")
                session.run(
                    "INSERT INTO meta (name, value) VALUES ('created_at', %s)", (created_at,)
                )
            fill_meta(session, sources)
        finally:
            view.leave()


@contextmanager
def _session(url: str, *, writes: bool) -> Iterator[tuple[Server, PostgresSession]]:
    server = Server(url)
    session = server.connect_reader()
    try:
        found = server.settings(session)
        if writes:
            server.refuse(found)
        yield server, session
    except (psycopg.Error, Lost) as error:
        raise server.explain(error) from None
    finally:
        session.close()


def _types(shape: Shape) -> str:
    from ..schema import metadata  # noqa: PLC0415 - a tenth of a second, seldom needed

    columns = metadata.tables[shape.name].columns
    return "".join(_KINDS[columns[name].type.python_type] for name in shape.columns)
