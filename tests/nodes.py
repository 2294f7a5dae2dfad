"""A cluster for tests: PostgreSQL, NATS and three nodes, each a process of its own."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import trio

from salon.actors.cluster.view import Node, View, owner_of
from salon.loadtests.servers import NatsServer, Relay, free_port
from tests import processes
from tests.person import Person, admin, guest
from tests.postgres import UNSAFE, USER, Cluster
from tests.server import CONFIG, ServerProcess

NAMES = ("one", "two", "three")


CUT_OFF = "two"  # the node that reaches both through relays
AHEAD = "three"  # the node whose clock is an hour ahead


SLOW = (
    "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
    "'BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END'",
    "CREATE TRIGGER slow AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION slow()",
)


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
        self._standby = free_port()
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
        port, settings = self.postgres.port, self._settings
        if name == CUT_OFF:
            port = self.relays.postgres.port
            settings = {**settings, "CLUSTER__NATS": f"nats://127.0.0.1:{self.relays.nats.port}"}
        if name == AHEAD:
            settings = {**settings, "TEST_CLOCK": "3600"}
        hosts = f"host=127.0.0.1,127.0.0.1&port={port},{self._standby}"
        store = f"postgresql://{USER}@/postgres?{hosts}"
        return ServerProcess(folder, store=store, CLUSTER__NAME=name, **settings)

    @contextmanager
    def stranger(self, **settings: str) -> Iterator[Path]:
        """One more that may not come in, with other settings; what it says."""
        log = self.folder / "stranger.log"
        said = {**self._settings, "CLUSTER__NAME": "stranger", **settings}
        words = ["serve", "--config", f"{CONFIG}", "--port", "0", "--store", self.postgres.url()]
        with log.open("a") as stderr:
            environment = {f"SALON_{name}": text for name, text in said.items()}
            process = processes.start(words, stderr=stderr, env={**os.environ, **environment})
        try:
            yield log
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    async def newcomers(self) -> list[Person]:
        """A newcomer at each node."""
        named = zip(self, ("Ada", "Ben", "Cleo"), strict=True)
        return [await guest(node, name) for node, name in named]

    async def keeper(self) -> ServerProcess:
        """The node that keeps house."""
        listed = (await admin(self.by_name["one"]).ask("GET", "/admin/nodes"))["nodes"]
        return self.by_name[next(each["name"] for each in listed if each["keeps_house"])]

    async def until_not_on_nats(self) -> None:
        """Wait until operators see that the node which can be cut off does not reach NATS."""
        with trio.fail_after(60):
            while True:
                shown = await admin(self.by_name["one"]).ask("GET", "/admin/nodes")
                if [each["name"] for each in shown["nodes"] if not each["on_nats"]] == [CUT_OFF]:
                    return
                await trio.sleep(0.2)

    def names_in(self) -> list[str]:
        """The names of those who are in the view, in the order of joining."""
        rows = self.postgres.execute("SELECT name FROM nodes ORDER BY joined_view")
        return [name for (name,) in rows]

    def view(self) -> View:
        """The view, as the database has it."""
        rows = self.postgres.execute("SELECT id, name FROM nodes ORDER BY joined_view")
        ((number,),) = self.postgres.execute("SELECT view FROM cluster")
        return View(number, tuple(Node(*row, "") for row in rows))

    async def room_of(self, name: str, who: Person) -> str:
        """A new conversation of somebody that this node owns."""
        view = self.view()
        owner = next(node.id for node in view.nodes if node.name == name)
        while owner_of(view, room := await who.create()) != owner:
            pass
        return room

    async def until_in(self, names: set[str]) -> None:
        """Wait until these are in the view."""
        with trio.fail_after(60):
            while set(self.names_in()) != names:  # noqa: ASYNC110 - the database tells nobody
                await trio.sleep(0.05)

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Have each commit of messages take 200 ms."""
        self.postgres.execute(*SLOW)
        try:
            yield
        finally:
            self.postgres.execute("DROP TRIGGER slow ON events", "DROP FUNCTION slow")

    def follow(self) -> Cluster:
        """A standby for which each commit waits, and which the nodes find when the database is gone."""
        standby = Cluster.standby(self.postgres, self._standby)
        wait = "ALTER SYSTEM SET synchronous_standby_names = '*'"
        self.postgres.execute(wait, "SELECT pg_reload_conf()")
        return standby

    def fail_over(self, standby: Cluster) -> None:
        """Lose the database, and have the standby take its place."""
        lost, self.postgres = self.postgres, standby
        lost.stop(signal.SIGQUIT)
        alone = "ALTER SYSTEM SET synchronous_standby_names = ''"
        standby.execute(alone, "SELECT pg_reload_conf()", "SELECT pg_promote()")

    def stop(self) -> None:
        """Stop all that still run, and the database that they use now."""
        for node in self:
            with suppress(Exception):
                if node.process.poll() is None:
                    node.kill()
        if self.postgres.folder.exists():
            self.postgres.close()


def at(node: ServerProcess, person: Person) -> Person:
    """Somebody as a client of this node."""
    return replace(person, server=node)


def _remove(postgres: Cluster) -> None:
    """Remove a database, unless the nodes have done so."""
    if postgres.folder.exists():
        postgres.close()


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Nodes]:
    """Three nodes, until the block is left."""
    with ExitStack() as stack:
        postgres = Cluster(*UNSAFE, port=free_port(), listen="127.0.0.1")
        stack.callback(_remove, postgres)
        nats = NatsServer()
        stack.callback(nats.close)
        relays = Relays(Relay(postgres.port), Relay(nats.port))
        for relay in relays:
            stack.callback(relay.close)
        nodes = Nodes(folder, postgres, nats, relays, **settings)
        stack.callback(nodes.stop)
        yield nodes
