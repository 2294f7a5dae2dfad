"""The nodes of a cluster as the database keeps them, by its clock, on a connection of their own: no long commit delays a beat.

A view is installed under the lock that every commit shares, so after it no commit of an earlier view can happen. Clocks do not
decide about that; they only say when somebody is given up. A node that was itself away from the database waits as long as
others are given for their sign of life before it gives anybody up: after the database was away, all are late.
"""

from __future__ import annotations

import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from salon.actors.cluster.view import Node, View
from salon.actors.store import StoreError

from .readers import PostgresReaders
from .view import BEAT, LOCK, POLL, TIMEOUT, is_gone, machine, others

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.future import Future

    from ..loop import Loop
    from .server import Server
    from .session import PostgresSession

# Beats that came so late, in parts of the timeout, that others may have been late for the same reason.
LATE = 2 / 3

_BEAT = (
    "WITH former AS (SELECT heartbeat_at FROM nodes WHERE id = %s), "
    "given AS (SELECT salon_beat(%s, %s) AS is_in) "
    "SELECT given.is_in, EXTRACT(epoch FROM clock_timestamp() - former.heartbeat_at)::float8, "
    "EXTRACT(epoch FROM clock_timestamp())::float8 FROM given LEFT JOIN former ON true"
)
_VIEW = (
    "SELECT c.view, n.id, n.name, n.version FROM cluster c LEFT JOIN nodes n ON n.version IS NOT NULL "
    "ORDER BY n.joined_view, n.id"
)
_NODES = (
    "SELECT id, name, version, joined_view, EXTRACT(epoch FROM clock_timestamp() - heartbeat_at)::float8, figures "
    "FROM nodes WHERE version IS NOT NULL ORDER BY joined_view, id"
)
_IS_SILENT = "version IS NOT NULL AND id <> %s AND heartbeat_at < clock_timestamp() - make_interval(secs => %s)"
# Who keeps house for all: the one that is first in the view.
KEEPER = "SELECT id FROM nodes WHERE version IS NOT NULL ORDER BY joined_view, id LIMIT 1"
_SILENT = f"SELECT 1 FROM nodes WHERE {_IS_SILENT} LIMIT 1"
_GIVE_UP = f"DELETE FROM nodes WHERE {_IS_SILENT} RETURNING id"
_JOIN = (
    "INSERT INTO nodes (id, name, machine, process, joined_view, heartbeat_at, version, figures) "
    "VALUES (%s, %s, %s, %s, %s, clock_timestamp(), %s, %s)"
)
_RAISE = "UPDATE cluster SET view = view + 1 RETURNING view"


class PostgresMembership:
    """Implements `Membership`. `seen` is called in the thread with each view and the id of the node that asked."""

    def __init__(
        self,
        server: Server,
        loop: Loop,
        seen: Callable[[View, str], None],
        stale: Callable[[], int],
    ) -> None:
        self.figures: Callable[[], str] | None = None  # what this node says of itself
        self._server = server
        self._seen = seen
        self._stale = stale
        self._thread = PostgresReaders(server, loop, threads=1)
        self._since = 0.0  # of the database's clock: the node has beaten in time since then

    def join(self, node: Node) -> Future[View]:
        """Install a view with the node in it.

        Fails where a server that is no node of a cluster writes to the database, and where a node is in that this one does not
        go together with.
        """
        said = None if self.figures is None else self.figures()
        return self._thread.ask(self._join, node, said)

    def leave(self, node_id: str) -> Future[View]:
        """Install a view without the node; if it is not in, that is the view which there is."""
        return self._thread.ask(self._leave, node_id)

    def beat(self, node_id: str, timeout: float) -> Future[View]:
        """Give a sign of life, and give up every node whose last one is older than `timeout` seconds; the view now."""
        said = None if self.figures is None else self.figures()
        return self._thread.ask(self._beat, node_id, timeout, said)

    def nodes(self) -> Future[tuple[tuple[Any, ...], ...]]:
        """The nodes that are in, in the order of joining.

        Of each: id, name, version, the view that it came with, seconds since its last sign of life, and what it said then.
        """
        return self._thread.ask(_nodes)

    def stale(self) -> int:
        """How many changes of this process were refused since they were decided in another view."""
        return self._stale()

    def close(self) -> None:
        """Answer what was asked, and close the connection. Blocks."""
        self._thread.close()

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _join(self, session: PostgresSession, node: Node, said: str | None) -> View:
        self._await_single(session, node.id)
        with session.transaction("IMMEDIATE"):
            lock(session)
            for other in others(session, node.id):
                if other.version is None and not is_gone(other):
                    raise self._single(other.name, other.process)
            session.run("DELETE FROM nodes WHERE version IS NULL")
            view = view_of(session)
            self._refuse_others(view, node)
            self._refuse_strangers(session, said)
            if all(each.id != node.id for each in view.nodes):  # else an answer was lost before
                number = int(session.run(_RAISE).fetchone()[0])
                here = (socket.gethostname(), machine(), os.getpid(), number, node.version, said)
                session.run(_JOIN, (node.id, node.name or here[0], *here[1:]))
                view = view_of(session)
        self._since = 0.0
        return self._told(view, node.id)

    def _await_single(self, session: PostgresSession, node_id: str) -> None:
        """Wait while a server that was killed may still live. Raises `StoreError` where it does."""
        deadline = time.monotonic() + TIMEOUT + POLL
        while alive := [
            each for each in others(session, node_id) if each.version is None and not is_gone(each)
        ]:
            if time.monotonic() > deadline:
                raise self._single(alive[0].name, alive[0].process)
            time.sleep(POLL)

    def _refuse_others(self, view: View, node: Node) -> None:
        """Raise `StoreError` where a node is in whose messages have another form: the number after the version and a plus."""
        for each in view.nodes:
            if each.version.rpartition("+")[2] != node.version.rpartition("+")[2]:
                raise StoreError(
                    f"{self._server.name}: node {each.name} is of version {each.version}, and this one of {node.version}: "
                    "this one joins once nodes of other versions have left"
                )

    def _refuse_strangers(self, session: PostgresSession, said: str | None) -> None:
        """Raise `StoreError` where a node has nothing in common with this one of what all must share.

        That is in what nodes say: `{"shares": {SETTING: [DIGEST, ...]}}`.
        """
        own = _shares(said)
        for _, name, *_, figures in session.run(_NODES):
            theirs = _shares(figures)
            for setting in own.keys() & theirs.keys():
                if not set(own[setting]) & set(theirs[setting]):
                    raise StoreError(
                        f"{self._server.name}: node {name} has another {setting} than this one: all nodes need the same; "
                        "this one joins once they agree"
                    )

    def _single(self, name: str, process: int) -> StoreError:
        return StoreError(
            f"{self._server.name}: a server that is no node of a cluster uses this database (process {process} on {name}): "
            "stop that one first, or give it the same `cluster` settings"
        )

    def _leave(self, session: PostgresSession, node_id: str) -> View:
        with session.transaction("IMMEDIATE"):
            lock(session)
            if session.run("DELETE FROM nodes WHERE id = %s RETURNING id", (node_id,)).fetchone():
                session.run(_RAISE)
            view = view_of(session)
        return self._told(view, node_id)

    def _beat(
        self, session: PostgresSession, node_id: str, timeout: float, said: str | None
    ) -> View:
        is_in, gap, now = session.run(_BEAT, (node_id, node_id, said)).fetchone()
        # The gap is null where the node joined after the statement began.
        if not is_in or gap is None or gap > max(LATE * timeout, BEAT * 1.5):
            self._since = 0.0
        self._since = self._since or now
        view = view_of(session)
        if (
            is_in
            and now - self._since >= timeout
            and session.run(_SILENT, (node_id, timeout)).fetchone() is not None
        ):
            with session.transaction("IMMEDIATE"):
                lock(session)
                if session.run(_GIVE_UP, (node_id, timeout)).fetchone() is not None:
                    session.run(_RAISE)
                view = view_of(session)
        return self._told(view, node_id)

    def _told(self, view: View, node_id: str) -> View:
        self._seen(view, node_id)
        return view


def _shares(said: str | None) -> dict[str, list[str]]:
    """What a node says that it shares with all others."""
    shares: dict[str, list[str]] = json.loads(said or "{}").get("shares", {})
    return shares


def lock(session: PostgresSession) -> None:
    """Wait for the commits under way, but not for ever: one may be waiting for a standby that is gone."""
    session.run("SET LOCAL lock_timeout = '10s'")
    session.run(f"SELECT pg_advisory_xact_lock({LOCK})")


def _nodes(session: PostgresSession) -> tuple[tuple[Any, ...], ...]:
    return tuple(session.run(_NODES))


def view_of(session: PostgresSession) -> View:
    """The view at the moment of the question."""
    rows: list[Any] = session.run(_VIEW).fetchall()
    nodes = tuple(Node(*each) for _, *each in rows if each[0] is not None)
    return View(int(rows[0][0]), nodes)


def renew(session: PostgresSession, number: int) -> int:
    """Install a view with the same nodes, unless there is a newer one than `number` already; the number of the view now.

    No commit that was decided in view `number` is under way then, or will follow.
    """
    with session.transaction("IMMEDIATE"):
        lock(session)
        now = int(session.run("SELECT view FROM cluster").fetchone()[0])
        return now if now > number else int(session.run(_RAISE).fetchone()[0])
