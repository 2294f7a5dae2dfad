"""The store in a PostgreSQL database: every append is committed there before it is answered."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import psycopg

from salon.actors.store import StoreError

from ..loop import Loop
from ..migrations import NEWEST
from ..sql_calls import SqlCalls
from . import searching
from .fault import Lost, is_restarting
from .ledger import IndexedKeys, PostgresLedger
from .readers import PostgresReaders
from .revision import check_ours, revision_of
from .search_index import PostgresIndex
from .server import Server, warnings
from .view import View
from .writer import PostgresWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from salon.actors.sources import Sources

    from .session import PostgresSession

S = TypeVar("S")
STARTING = 10.0  # seconds for a database that starts together with this server, or restarts
RETRY = 0.1  # seconds between two tries to reach it

logger = logging.getLogger(__name__)


class PostgresStore(SqlCalls):
    """Implements `Store` on a database. Everything but `open` and `close` is called in the trio run and never blocks it."""

    _find = staticmethod(searching.find)

    def __init__(self, server: Server, session: PostgresSession, view: View) -> None:
        self.epoch = epoch_of(session)
        loop = Loop()
        search = PostgresIndex(session)
        self._ledger = ledger = PostgresLedger(session, server.name, search)
        self._readers = PostgresReaders(server, loop)
        self._writer = PostgresWriter(server, session, view, ledger, search, IndexedKeys(), loop)

    @classmethod
    def open(cls, url: str, sources: Sources) -> PostgresStore:
        """Open the store in the database at `postgresql://…`, whose tables are made if needed.

        Blocks; raises `StoreError`, whose text names the remedy.
        """

        def opened() -> PostgresStore:
            with prepared(url) as (server, session):
                view = View(session, server.name, sources.new_id())
                view.join()
                fill_meta(session, sources)
                return cls(server, session, view)

        return patiently(opened)

    def close(self) -> None:
        """Commit the appended changes, answer the waiting reads, end the threads. Blocks; a second call does nothing."""
        self._readers.close()
        self._writer.close()


class RestartingError(StoreError):
    """The database is just starting: a moment later it may answer."""


def patiently(opened: Callable[[], S]) -> S:
    """What opening a store gives. A database that is just starting is waited for, also one that restarts meanwhile.

    Blocks; raises `StoreError`.
    """
    deadline = time.monotonic() + STARTING
    while True:
        try:
            return opened()
        except RestartingError:
            if time.monotonic() > deadline:
                raise
            time.sleep(RETRY)


@contextmanager
def prepared(url: str) -> Iterator[tuple[Server, PostgresSession]]:
    """A database that is fit, with all tables, and a connection to it, which is closed where the block fails.

    Raises `StoreError`, also for what the database raises in the block; to be called by `patiently`.
    """
    server = Server(url)
    session = server.connect_reader()
    try:
        found = server.settings(session)
        server.refuse(found)
        for problem, remedy in warnings(found):
            logger.warning("%s: %s: %s", server.name, problem, remedy)
        prepare(server)
        yield server, session
    except (psycopg.Error, Lost, StoreError) as error:
        session.close()
        explained = server.explain(error)
        if is_restarting(error):
            raise RestartingError(str(explained)) from None
        raise explained from None


def prepare(server: Server) -> None:
    """Make or migrate the tables, on a connection of its own: Alembic wants the driver's."""
    with server.connect() as connection:
        check_ours(connection, server.name)
        revision = revision_of(connection)
        if revision == NEWEST:
            return
        from .tables import make, migrate  # noqa: PLC0415 - a third of a second, seldom needed

        if revision is None:
            make(connection)
        else:
            migrate(connection, server.name)


def epoch_of(session: PostgresSession) -> str:
    """The log's id."""
    return str(session.run("SELECT value FROM meta WHERE name = 'epoch'").fetchone()[0])


def fill_meta(session: PostgresSession, sources: Sources) -> None:
    """Set the values that a store gets once."""
    rows = (("epoch", sources.new_id()), ("created_at", str(sources.now())))
    for row in rows:
        session.run("INSERT INTO meta (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING", row)
