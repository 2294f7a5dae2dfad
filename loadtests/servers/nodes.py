"""Nodes of a cluster, each a process of its own, with the PostgreSQL and the NATS that they share."""

from __future__ import annotations

import secrets
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..users import RunError
from .nats import NatsServer
from .postgres import PostgresServer
from .process import SALON, own_server

if TYPE_CHECKING:
    from collections.abc import Iterator

START = 60.0  # seconds for all nodes to be in one view


class Node(NamedTuple):
    """A running node. `id` is the one under which it is in the view."""

    url: str
    pid: int
    id: str


class Services(NamedTuple):
    """What the nodes of a cluster need."""

    postgres: PostgresServer
    nats: NatsServer

    @contextmanager
    def nodes(self, count: int, **settings: object) -> Iterator[tuple[list[Node], str]]:
        """So many nodes over a new database; yield them, and the name of the database, with which their subjects begin, too.

        Raises `RunError`.
        """
        name = f"bench_{secrets.token_hex(4)}"
        store = self.database(name)
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="salon-nodes-")))
            shared = {
                "CLUSTER__NATS": self.nats.url,
                "CLUSTER__PREFIX": name,
                "CLUSTER__TIMEOUT": 30,  # nodes share a machine with those who load them
                "AUTH__KEY_FILE": folder / "session.key",
                "FILES__URL": f"file://{folder}/files",
                **settings,
            }
            first, *others = (
                own_server(store, SALON, CLUSTER__NAME=f"node-{number}", **shared)
                for number in range(1, count + 1)
            )
            started = [stack.enter_context(first)]  # it makes the tables
            with ThreadPoolExecutor() as pool:
                started += pool.map(stack.enter_context, others)
            ids = self._ids(name, count)
            yield [Node(url, pid, id) for (url, pid), id in zip(started, ids, strict=True)], name

    def database(self, name: str = "") -> str:
        """Make an empty database, with a name of its own if none is given; its URL."""
        name = name or f"bench_{secrets.token_hex(4)}"
        self.postgres.execute(f"CREATE DATABASE {name}")
        return self.postgres.url(name)

    def _ids(self, name: str, count: int) -> list[str]:
        """The ids of the nodes by their names, once all are in and none is given up for the busy start."""
        deadline = time.monotonic() + START
        while True:
            rows = self.postgres.execute("SELECT name, id FROM nodes ORDER BY name", database=name)
            if len(rows) == count:
                return [id for _, id in rows]
            if time.monotonic() > deadline:
                raise RunError(f"{len(rows)} of {count} nodes are in after {START:g} s")
            time.sleep(0.1)


@contextmanager
def services() -> Iterator[Services]:
    """A PostgreSQL and a NATS, which end with the block. Raises `RunError`."""
    with ExitStack() as stack:
        postgres = PostgresServer()
        stack.callback(postgres.close)
        nats = NatsServer()
        stack.callback(nats.close)
        yield Services(postgres, nats)
