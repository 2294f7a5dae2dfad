"""The view: a number, and the servers that are in. Every commit is refused whole whose view is no longer the present one.

A server installs a view when it starts, and again when it has lost its connection: that waits for the commits under way, and none
of an earlier view can follow. So a server that was paused or cut off cannot write into a database that another one has taken
over. It holds no lock between its transactions: PgBouncer may give it another connection for each.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from salon.actors.store import StoreError

from .fault import STALE

if TYPE_CHECKING:
    from .session import PostgresSession

TIMEOUT = (
    3.0  # seconds of the database's clock after which a server that says nothing may be replaced
)
BEAT = 1.0  # seconds between two signs of life
POLL = 0.25  # seconds between two looks whether another server is alive

LOCK = 0x5A10_0001  # the key of the advisory lock: shared by commits, taken alone by who installs a view
TABLES = (
    # `numbers` is the last number that a node of a cluster has reserved for conversations.
    "CREATE TABLE cluster (one bigint PRIMARY KEY CHECK (one = 1), view bigint NOT NULL, "
    "numbers bigint NOT NULL DEFAULT 0)",
    "INSERT INTO cluster (one, view) VALUES (1, 0)",
    # A node of a cluster has a version; the one server of a store without a cluster has none.
    "CREATE TABLE nodes (id text PRIMARY KEY, name text NOT NULL, machine text NOT NULL, process bigint NOT NULL, "
    "joined_view bigint NOT NULL, heartbeat_at timestamptz NOT NULL, version text, figures text)",
    # The view is read after the lock, in a statement of its own, which has a snapshot of its own.
    f"""CREATE FUNCTION salon_in_view(expected bigint) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
    DECLARE present bigint;
    BEGIN
        PERFORM pg_advisory_xact_lock_shared({LOCK});
        SELECT view INTO present FROM cluster;
        IF present IS DISTINCT FROM expected THEN
            RAISE EXCEPTION 'the view is %, and no longer %', present, expected USING ERRCODE = '{STALE}';
        END IF;
        RETURN true;
    END $$""",
    # That of a node, with what it says of itself.
    """CREATE FUNCTION salon_beat(node text, said text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM set_config('synchronous_commit', 'off', true);
        UPDATE nodes SET heartbeat_at = clock_timestamp(), figures = said WHERE id = node;
        RETURN FOUND;
    END $$""",
    # A sign of life need not wait for the disk.
    """CREATE FUNCTION salon_beat(node text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM set_config('synchronous_commit', 'off', true);
        UPDATE nodes SET heartbeat_at = clock_timestamp() WHERE id = node;
        RETURN FOUND;
    END $$""",
)
_OTHERS = (
    "SELECT id, name, machine, process, heartbeat_at::text, "
    "EXTRACT(epoch FROM clock_timestamp() - heartbeat_at)::float8, version FROM nodes WHERE id <> %s"
)


class Node(NamedTuple):
    """A server as the database knows it. `silent` is for how many seconds it has said nothing; only a cluster's has a version."""

    id: str
    name: str
    machine: str
    process: int
    heartbeat: str
    silent: float
    version: str | None


class View:
    """This server's place in the view, on the connection that writes."""

    def __init__(self, session: PostgresSession, name: str, node_id: str) -> None:
        self._session = session
        self._name = name  # of the database
        self._id = node_id

    def join(self) -> None:
        """Install a view with this server alone. Waits while a killed one may still live; raises `StoreError` if one does."""
        seen: dict[str, str] = {}
        began = time.monotonic()
        while True:
            alive = [node for node in others(self._session, self._id) if not is_gone(node)]
            if not alive or time.monotonic() - began > TIMEOUT + POLL:
                break
            for node in alive:
                if seen.setdefault(node.id, node.heartbeat) != node.heartbeat:
                    raise self._taken(node)
            time.sleep(POLL)
        with self._session.transaction("IMMEDIATE"):
            self._lock()
            for node in others(self._session, self._id):
                if node.heartbeat != seen.get(node.id, node.heartbeat):
                    raise self._taken(node)
            self._session.run("DELETE FROM nodes")
            view = self._raise()
            self._session.run(
                "INSERT INTO nodes (id, name, machine, process, joined_view, heartbeat_at) "
                "VALUES (%s, %s, %s, %s, %s, clock_timestamp())",
                (self._id, socket.gethostname(), machine(), os.getpid(), view),
            )
        self._session.view = view

    def renew(self) -> None:
        """Install another view with the same server: no commit of the former one is under way any more, or will follow.

        Raises `StoreError` where another server has come in meanwhile.
        """
        former, self._session.view = self._session.view, None
        try:
            with self._session.transaction("IMMEDIATE"):
                self._lock()
                here = self._session.run(
                    "SELECT 1 FROM nodes WHERE id = %s", (self._id,)
                ).fetchone()
                if here is None:
                    raise StoreError(
                        f"{self._name}: another server has taken this database over: stop one of the two"
                    )
                former = self._raise()
        finally:
            self._session.view = former

    def beat(self) -> bool:
        """Give a sign of life; whether the server is still in."""
        return bool(self._session.run("SELECT salon_beat(%s)", (self._id,)).fetchone()[0])

    def leave(self) -> None:
        """Have the next server start at once."""
        self._session.run("DELETE FROM nodes WHERE id = %s", (self._id,))

    def _lock(self) -> None:
        """Wait for the commits under way, but not for ever: one may be waiting for a standby that is gone."""
        self._session.run("SET LOCAL lock_timeout = '10s'")
        self._session.run(f"SELECT pg_advisory_xact_lock({LOCK})")

    def _raise(self) -> int:
        row = self._session.run("UPDATE cluster SET view = view + 1 RETURNING view").fetchone()
        return int(row[0])

    def _taken(self, node: Node) -> StoreError:
        return StoreError(
            f"{self._name}: another server uses this database (process {node.process} on {node.name}, which wrote "
            f"{max(node.silent, 0):.1f} s ago): stop that one first, or name another database with --store"
        )


def others(session: PostgresSession, node_id: str) -> list[Node]:
    """The servers that the database knows, but for one."""
    return [Node(*row) for row in session.run(_OTHERS, (node_id,))]


def machine() -> str:
    """What tells machines, and containers on them, apart: process numbers can be compared only within one."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def is_gone(node: Node) -> bool:
    """Whether a server has surely ended, or has said nothing for so long that it may be replaced."""
    if node.silent > TIMEOUT:
        return True
    if node.machine != machine():
        return False
    if node.process == os.getpid():
        return False  # another store of this process, as in tests, or the number is used again
    with suppress(PermissionError):
        try:
            os.kill(node.process, 0)
        except ProcessLookupError:
            return True
    return False
