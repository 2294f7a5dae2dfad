"""Three real nodes that can be killed, paused and cut off, and the PostgreSQL and NATS that they need."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import trio

from salon.actors.cluster.view import Node, View, owner_of

from ..servers import NatsServer, PostgresServer, Relay, free_port
from ..servers.postgres import USER
from ..users import RunError
from .server import KilledServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAMES = ("one", "two", "three")
CUT_OFF = "two"  # the node that reaches PostgreSQL and NATS through relays
TIMEOUT = 3.0  # seconds: cluster.timeout, as it is by default
PATIENCE = 300.0  # seconds until all nodes are in again, on a busy machine
LOOK = 0.3  # seconds between two questions whether a node is ready
ANSWER = 1.0  # seconds that a node has to answer them
AGAIN = 0.1  # seconds between two looks at the view
ERROR, AWAY = "[error", "the store refused"  # in a log: a bug, unless the database is away
_VIEW = (
    "SELECT c.view, n.id, n.name, n.version FROM cluster c LEFT JOIN nodes n ON n.version IS NOT NULL "
    "ORDER BY n.joined_view, n.id"
)


class CrashCluster:
    """The nodes by name, with their data in `folder`. `ready` are the names of those that say so."""

    def __init__(self, folder: Path) -> None:
        self.nodes: dict[str, KilledServer] = {}
        self.ready: set[str] = set()
        self.postgres: PostgresServer
        self.nats: NatsServer
        self.relays: dict[str, Relay] = {}
        self._folder = folder
        self._stack = ExitStack()

    async def start(self, environment: Mapping[str, str]) -> None:
        """Start all. Raises `RunError` where something is not installed or does not start."""
        await trio.to_thread.run_sync(self._start_services)
        for name in NAMES:
            self.nodes[name] = self._node(name, environment)
        first, *others = self.nodes.values()
        await first.start()  # it makes the tables
        async with trio.open_nursery() as nursery:
            for each in others:
                nursery.start_soon(each.start)

    def _start_services(self) -> None:
        self.postgres = PostgresServer(port=free_port(), listen="127.0.0.1")
        self._stack.callback(self.postgres.close)
        self.nats = NatsServer()
        self._stack.callback(self.nats.close)
        for name, port in (("database", self.postgres.port), ("nats", self.nats.port)):
            self.relays[name] = Relay(port)
            self._stack.callback(self.relays[name].close)

    def _node(self, name: str, environment: Mapping[str, str]) -> KilledServer:
        folder = self._folder / name
        folder.mkdir()
        store, nats = self.postgres.url(), self.nats.url
        if name == CUT_OFF:
            store = f"postgresql://{USER}@127.0.0.1:{self.relays['database'].port}/postgres"
            nats = f"nats://127.0.0.1:{self.relays['nats'].port}"
        node = KilledServer(folder, store)
        node.environment = {
            **environment,
            "SALON_CLUSTER__NAME": name,
            "SALON_CLUSTER__NATS": nats,
            "SALON_CLUSTER__TIMEOUT": f"{TIMEOUT}",
            "SALON_AUTH__KEY_FILE": f"{self._folder / 'session.key'}",
            "SALON_FILES__URL": f"file://{self._folder / 'files'}",
        }
        return node

    # --- as a load balancer sees it ---------------------------------------------------------------------------------

    def ports(self, home: str) -> list[int]:
        """The ports of the nodes, in the order in which a client is sent to them: its home first, if that is ready."""
        start = NAMES.index(home)
        order = [*NAMES[start:], *NAMES[:start]]
        order.sort(key=lambda name: name not in self.ready)
        return [self.nodes[name].port for name in order]

    async def watch(self) -> None:
        """Keep `ready` until cancelled."""
        async with trio.open_nursery() as nursery:
            for name in NAMES:
                nursery.start_soon(self._watch, name)

    async def _watch(self, name: str) -> None:
        while True:
            if await _is_ready(self.nodes[name].port):
                self.ready.add(name)
            else:
                self.ready.discard(name)
            await trio.sleep(LOOK)

    # --- as the database has it -------------------------------------------------------------------------------------

    async def view(self) -> View:
        """The view. It waits while the database is away."""
        import psycopg  # noqa: PLC0415 - it is in an extra

        while True:
            try:
                rows = await trio.to_thread.run_sync(self.postgres.execute, _VIEW)
            except psycopg.OperationalError:
                await trio.sleep(AGAIN)
            else:
                nodes = tuple(Node(*each) for _, *each in rows if each[0] is not None)
                return View(int(rows[0][0]), nodes)

    async def owner(self, conversation: str) -> str:
        """The name of the node that owns a conversation now."""
        return owner_in(await self.view(), conversation)

    async def until_in(self, names: set[str]) -> None:
        """Wait until these are in the view. Raises `TooSlowError`."""
        with trio.fail_after(PATIENCE):
            while {each.name for each in (await self.view()).nodes} != names:  # noqa: ASYNC110
                await trio.sleep(AGAIN)

    async def whole(self) -> None:
        """Wait until all nodes are in the view, and say that they are ready. Raises `TooSlowError`."""
        for node in self.nodes.values():
            await node.prepare()
        await self.until_in(set(NAMES))
        with trio.fail_after(PATIENCE):
            while self.ready != set(NAMES):  # noqa: ASYNC110 - they tell nobody
                await trio.sleep(AGAIN)

    # --- the end ----------------------------------------------------------------------------------------------------

    async def mend(self) -> None:
        """Undo whatever was done to it, also where that was left in the middle: all nodes start again."""
        for node in self.nodes.values():
            await node.aclose()
        for relay in self.relays.values():
            relay.mend()
        await trio.to_thread.run_sync(self._restart_services)
        async with trio.open_nursery() as nursery:
            for node in self.nodes.values():
                nursery.start_soon(node.start)
        await self.until_in(set(NAMES))

    def _restart_services(self) -> None:
        self.postgres.restart(signal.SIGINT)
        self.nats.stop()
        self.nats.start()

    def faults(self) -> list[str]:
        """What the nodes have logged as an error, which is a fault of the program, once each."""
        lines = {
            f"{name}: {line}"
            for name, node in self.nodes.items()
            for line in node.log.splitlines()
            if ERROR in line and AWAY not in line
        }
        return sorted(lines)

    async def stop(self) -> None:
        """Stop the nodes by SIGTERM, one after the other. Raises `Failed` where one does not end with 0."""
        for node in self.nodes.values():
            await node.stop()

    async def aclose(self) -> None:
        """End all that runs."""
        for node in self.nodes.values():
            await node.aclose()
        self._stack.close()


def owner_in(view: View, conversation: str) -> str:
    """The name of the node that owns a conversation in a view. Raises `RunError` where nobody is in."""
    if not view.nodes:
        raise RunError("no node is in the view")
    owner = owner_of(view, conversation)
    return next(each.name for each in view.nodes if each.id == owner)


async def _is_ready(port: int) -> bool:
    with trio.move_on_after(ANSWER):
        try:
            async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
                await stream.send_all(
                    b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                )
                return (await stream.receive_some()).startswith(b"HTTP/1.1 200")
        except (OSError, trio.BrokenResourceError):
            return False
    return False
