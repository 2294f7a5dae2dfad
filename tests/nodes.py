"""A cluster for tests: PostgreSQL, NATS and three nodes, each a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from salon.loadtests.servers import NatsServer, Relay, free_port
from tests.person import Person
from tests.postgres import UNSAFE, USER, Cluster
from tests.server import ServerProcess

NAMES = ("one", "two", "three")


CUT_OFF = "two"  # the node that reaches both through relays


class Relays(NamedTuple):
    """Between the node that can be cut off and what it needs."""

    postgres: Relay
    nats: Relay


class Nodes:
    """The nodes by name, and what they need."""

    def __init__(
        self, folder: Path, postgres: Cluster, nats: NatsServer, relays: Relays, **settings: str
    ) -> None:
        self.folder = folder
        self.postgres = postgres
        self.nats = nats
        self.relays = relays
        self._settings = {
            "CLUSTER__NATS": nats.url,
            "CLUSTER__TIMEOUT": "5",  # a busy machine keeps a process waiting for seconds
            "AUTH__KEY_FILE": f"{folder / 'session.key'}",
            "FILES__URL": f"file://{folder / 'files'}",
            **settings,
        }
        with ThreadPoolExecutor() as pool:
            started = list(pool.map(self._start, NAMES))
        self.by_name = dict(zip(NAMES, started, strict=True))

    def __iter__(self) -> Iterator[ServerProcess]:
        return iter(self.by_name.values())

    def _start(self, name: str) -> ServerProcess:
        folder = self.folder / name
        folder.mkdir()
        store, settings = self.postgres.url(), self._settings
        if name == CUT_OFF:
            store = f"postgresql://{USER}@127.0.0.1:{self.relays.postgres.port}/postgres"
            settings = {**settings, "CLUSTER__NATS": f"nats://127.0.0.1:{self.relays.nats.port}"}
        return ServerProcess(folder, store=store, CLUSTER__NAME=name, **settings)

    def names_in(self) -> list[str]:
        """The names of those who are in the view, in the order of joining."""
        rows = self.postgres.execute("SELECT name FROM nodes ORDER BY joined_view")
        return [name for (name,) in rows]

    def stop(self) -> None:
        """Stop all that still run."""
        for node in self:
            with suppress(Exception):
                if node.process.poll() is None:
                    node.kill()


def at(node: ServerProcess, person: Person) -> Person:
    """Somebody as a client of this node."""
    return replace(person, server=node)


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Nodes]:
    """Three nodes, until the block is left."""
    with ExitStack() as stack:
        postgres = Cluster(*UNSAFE, port=free_port(), listen="127.0.0.1")
        stack.callback(postgres.close)
        nats = NatsServer()
        stack.callback(nats.close)
        relays = Relays(Relay(postgres.port), Relay(nats.port))
        for relay in relays:
            stack.callback(relay.close)
        nodes = Nodes(folder, postgres, nats, relays, **settings)
        stack.callback(nodes.stop)
        yield nodes
