"""The store in a PostgreSQL database: every append is committed there before it is answered."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import psycopg

from salon.actors.store import StoreError

from ..loop import Loop
from ..migrations import NEWEST
from ..reader import Readers
from ..sql_calls import SqlCalls
from . import searching
from .fault import Lost, is_restarting
from .ledger import IndexedKeys, PostgresLedger
from .revision import check_ours, revision_of
from .search_index import PostgresIndex
from .server import Server, warnings
from .view import View
from .writer import PostgresWriter

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from salon.actors.sources import Sources

    from .session import PostgresSession

PATIENCE = 10.0  # seconds for which reads wait for a server that is away
STARTING = 10.0  # seconds for a database that starts together with this server, or restarts
RETRY = 0.1  # seconds between two tries to reach it

logger = logging.getLogger(__name__)


class PostgresReaders(Readers):
    """Answer reads, which wait for a server that is away as commits do."""

    _away_since: float | None = None  # of whichever thread has noticed it first

    def _answer(
        self, connection: Any, question: Callable[..., Any], args: tuple[Any, ...]
    ) -> object:
        is_new = False  # the connection: an old one says nothing of a server that is back
        while True:
            try:
                answer = question(connection, *args)
            except Lost:
                now = time.monotonic()
                self._away_since = since = self._away_since or now
                if is_new and now - since > PATIENCE:
                    raise
                is_new = True
                time.sleep(RETRY)
            else:
                self._away_since = None
                return answer


class PostgresStore(SqlCalls):
    """Implements `Store` on a database. Everything but `open` and `close` is called in the trio run and never blocks it."""

    _find = staticmethod(searching.find)

    def __init__(self, server: Server, session: PostgresSession, view: View) -> None:
        row = session.run("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        self.epoch: str = row[0]
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
        server = Server(url)
        deadline = time.monotonic() + STARTING
        while True:
            session = server.connect_reader()
            try:
                return cls._open(server, session, sources)
            except (psycopg.Error, Lost, StoreError) as error:
                session.close()
                if time.monotonic() > deadline or not is_restarting(error):
                    raise server.explain(error) from None
                time.sleep(RETRY)

    @classmethod
    def _open(cls, server: Server, session: PostgresSession, sources: Sources) -> PostgresStore:
        found = server.settings(session)
        server.refuse(found)
        for problem, remedy in warnings(found):
            logger.warning("%s: %s: %s", server.name, problem, remedy)
        prepare(server)
        view = View(session, server.name, sources.new_id())
        view.join()
        fill_meta(session, sources)
        return cls(server, session, view)

    def close(self) -> None:
        """Commit the appended changes, answer the waiting reads, end the threads. Blocks; a second call does nothing."""
        self._readers.close()
        self._writer.close()


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


def fill_meta(session: PostgresSession, sources: Sources) -> None:
    """Set the values that a store gets once."""
    rows = (("epoch", sources.new_id()), ("created_at", str(sources.now())))
    for row in rows:
        session.run("INSERT INTO meta (name, value) VALUES (%s, %s) ON CONFLICT DO NOTHING", row)
