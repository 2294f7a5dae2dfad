"""The store as the nodes of a cluster share it: each commits what it has decided in the present view."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from salon.actors.log import PAGE, LogPage
from salon.actors.store import StoreError

from .. import common_log
from ..loop import Loop
from ..sql_calls import SqlCalls
from . import searching
from .cluster_writer import ClusterWriter
from .membership import KEEPER, PostgresMembership
from .readers import PostgresReaders
from .settled import Settled
from .store import epoch_of, fill_meta, patiently, prepared
from .view import LOCK

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.cluster.view import View
    from salon.actors.future import Future
    from salon.actors.sources import Sources

    from ..connection import Connection
    from .server import Server
    from .session import PostgresSession

T = TypeVar("T")


class ClusterStore(SqlCalls):
    """Implements `Store` for a node that joins by `membership`. Only `open` and `close` block."""

    _find = staticmethod(searching.find)
    _writer: ClusterWriter

    def __init__(self, server: Server, session: PostgresSession) -> None:
        self.epoch = epoch_of(session)
        self._loop = loop = Loop()
        self._settled = Settled()
        self._node_id = ""  # under which it is in
        self._told: list[Callable[[], None]] = []
        self._readers = PostgresReaders(server, loop)
        self._log_reader = PostgresReaders(server, loop, threads=1)
        self._writer = ClusterWriter(server, session, loop)
        self._ledger = self._writer.ledger
        self.membership = PostgresMembership(server, loop, self._see, self._stale)

    @classmethod
    def open(cls, url: str, sources: Sources) -> ClusterStore:
        """Open the store in the database at `postgresql://…`, whose tables are made if needed. No node is in by that.

        Blocks; raises `StoreError`, whose text names the remedy.
        """

        def opened() -> ClusterStore:
            with prepared(url) as (server, session):
                fill_meta(session, sources)
                return cls(server, session)

        return patiently(opened)

    def close(self) -> None:
        """Commit the appended changes, answer the waiting reads, end the threads. Blocks; a second call does nothing."""
        self.membership.close()
        self._log_reader.close()
        self._readers.close()
        self._writer.close()

    def common_log(self, after: int, *, limit: int = PAGE) -> Future[LogPage]:
        """Events of all conversations at places after `after`, as far as no other node can still fill one before them."""
        return self._log_reader.ask(self._page, after, limit)

    def log_end(self) -> Future[int]:
        """The newest place that no other comes before."""
        return self._log_reader.ask(self._settled.through)

    def on_commit(self, told: Callable[[], None]) -> None:
        """Have a function called in the trio run after each commit of this node, and once a second for those of others."""
        super().on_commit(told)
        self._told.append(told)

    def _do_for_all(self, job: Callable[[Connection], T], **how: bool) -> Future[T]:
        """Only the node that keeps house may do it: one that was given up and does not know it would spoil what another does."""
        node_id = self._node_id

        def fenced(connection: Connection) -> T:
            connection.execute(f"SELECT pg_advisory_xact_lock_shared({LOCK})")
            first = connection.execute(KEEPER).fetchone()
            if first is not None and first[0] != node_id:
                raise StoreError("another node does now what one does for all")
            return job(connection)

        return super()._do_for_all(fenced, **how)

    def _page(self, session: PostgresSession, after: int, limit: int) -> LogPage:
        settled = max(after, self._settled.through(session))
        found = common_log.page(session, after, limit)
        entries = tuple(entry for entry in found.entries if entry.position <= settled)
        return LogPage(entries, min(found.through, settled))

    def _stale(self) -> int:
        return self._writer.stale

    def _see(self, view: View, node_id: str) -> None:
        """Called in the membership's thread: the first node keeps house for all."""
        self._node_id = node_id
        self._writer.keeps_house = bool(view.nodes) and view.nodes[0].id == node_id
        for told in self._told:
            self._loop.call(told)
