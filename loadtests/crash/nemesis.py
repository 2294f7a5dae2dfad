"""What is done to the nodes of `salon crash --cluster`: each kind of fault by its name."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import trio

from .cluster import CUT_OFF, NAMES, owner_in
from .plan import KINDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from random import Random

    from ..checker import Presence
    from .cluster import CrashCluster
    from .meter import Meter
    from .outage import Outages

LONGEST = (
    7.5  # seconds that a node stands still or is cut off: it is given up in about half of the cases
)
AWAY = 4.0  # seconds that PostgreSQL or NATS is gone, at most
TRUE = 30.0  # seconds until presence is true: the timeout, limits.presence_grace of 5 s, and a busy machine's delay
PATIENCE = (
    300.0  # seconds until the conversations of a killed node are served again, on a busy machine
)
AFTER = 1.0  # seconds that are measured after a fault
AGAIN = 0.05  # seconds between two looks whether it is over


class Nemesis:
    """Does one fault after the other to a cluster, and waits until it is over. `struck` is called at the moment of each.

    `wrong` says who was shown with a wrong presence.
    """

    def __init__(
        self,
        cluster: CrashCluster,
        meter: Meter,
        outages: Outages,
        presence: Presence,
        random: Random,
        struck: Callable[[str], object],
    ) -> None:
        self.kinds: Sequence[str] = KINDS
        self.wrong: list[str] = []
        self._ways: dict[str, Callable[[], Awaitable[None]]] = {
            "owner": self._kill_owner,
            "sockets": self._kill_other,
            "two": self._kill_two,
            "people": self._kill_people,
            "pause": self._pause,
            "database": self._restart_database,
            "nats": self._restart_nats,
            "cut_nats": lambda: self._cut("nats"),
            "cut_database": lambda: self._cut("database"),
            "cut_both": lambda: self._cut("nats", "database"),
            "leave": self._leave,
        }
        self._cluster = cluster
        self._meter = meter
        self._outages = outages
        self._presence = presence
        self._random = random
        self._struck = struck
        self._deck: list[str] = []

    async def strike(self) -> str:
        """Do one fault, of the kinds that are there as often as each other, until all nodes are in again; its kind."""
        if not self._deck:
            self._deck = self._random.sample(self.kinds, len(self.kinds))
        kind = self._deck.pop()
        await self._ways[kind]()
        await self._cluster.whole()
        return kind

    async def _kill_owner(self) -> None:
        """Kill the owner of a conversation that is measured."""
        cluster, rooms = self._cluster, self._meter.rooms
        view = await cluster.view()
        victim = owner_in(view, self._random.choice(rooms))
        owned = {room for room in rooms if owner_in(view, room) == victim}
        left = set(NAMES) - {victim}
        async with self._meter.measuring() as window:
            window.struck = trio.current_time()
            await cluster.nodes[victim].kill()
            self._struck(f"killed {victim}, an owner")
            await cluster.until_in(left)
            with trio.fail_after(PATIENCE):
                while not window.is_served(owned, left):  # noqa: ASYNC110 - the window tells nobody
                    await trio.sleep(AGAIN)
            await trio.sleep(AFTER)
        self._outages.add_kill(window, victim, owned)
        await cluster.nodes[victim].start()

    async def _kill_other(self) -> None:
        """Kill a node that has sockets of a conversation that it does not own."""
        owner = await self._cluster.owner(self._random.choice(self._meter.rooms))
        await self._kill(self._random.choice([name for name in NAMES if name != owner]))

    async def _kill_two(self) -> None:
        await self._kill(*self._random.sample(NAMES, 2))

    async def _kill_people(self) -> None:
        """Kill a node together with the programs of people at it: the others have to show these as offline."""
        victim = self._random.choice(NAMES)
        await self._cluster.nodes[victim].kill()
        self._struck(f"killed {victim}, and people at it do not come back")
        there, gone = self._meter.leave(victim)
        began = trio.current_time()
        with trio.move_on_after(TRUE):
            while any(self._presence.wrong(there, gone)):  # noqa: ASYNC110 - records tell nobody
                await trio.sleep(AGAIN)
        self.wrong += self._presence.wrong(there, gone)
        self._outages.add_presence(trio.current_time() - began)
        await self._cluster.nodes[victim].start()
        self._meter.come_back()

    async def _kill(self, *victims: str) -> None:
        for name in victims:
            await self._cluster.nodes[name].kill()
        self._struck(f"killed {' and '.join(victims)}")
        await trio.sleep(
            self._random.uniform(0, LONGEST)
        )  # it comes back before it is given up, or after
        async with trio.open_nursery() as nursery:
            for name in victims:
                nursery.start_soon(self._cluster.nodes[name].start)

    async def _pause(self) -> None:
        victim = self._random.choice(NAMES)
        node = self._cluster.nodes[victim]
        node.pause()
        self._struck(f"paused {victim}")
        await trio.sleep(self._random.uniform(0.5, LONGEST))
        node.go_on()

    async def _restart_database(self) -> None:
        number = self._random.choice((signal.SIGINT, signal.SIGQUIT))
        postgres = self._cluster.postgres
        await trio.to_thread.run_sync(postgres.stop, number)
        self._struck("stopped PostgreSQL")
        await trio.sleep(self._random.uniform(0, AWAY))
        await trio.to_thread.run_sync(postgres.start)

    async def _restart_nats(self) -> None:
        nats = self._cluster.nats
        await trio.to_thread.run_sync(nats.stop)
        self._struck("killed NATS")
        await trio.sleep(self._random.uniform(0, AWAY))
        await trio.to_thread.run_sync(nats.start)

    async def _cut(self, *what: str) -> None:
        relays = [self._cluster.relays[name] for name in what]
        for relay in relays:
            relay.cut()
        self._struck(f"cut {CUT_OFF} off from {' and '.join(what)}")
        await trio.sleep(self._random.uniform(0.5, LONGEST))
        for relay in relays:
            relay.mend()

    async def _leave(self) -> None:
        """Stop a node by SIGTERM, and start it again."""
        leaving = self._random.choice(NAMES)
        node = self._cluster.nodes[leaving]
        async with self._meter.measuring() as window:
            window.struck = trio.current_time()
            self._struck(f"{leaving} is told to leave")
            await node.stop()
            await trio.sleep(AFTER)
            self._outages.add_leave(window, leaving, trio.current_time())
        await node.start()
