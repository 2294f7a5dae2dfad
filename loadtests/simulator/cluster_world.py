"""A run with several nodes over one disk: any person at any node, each node killed, paused or cut off at any moment."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import trio

from .backends import Watched
from .fabric import Fabric
from .farewell import ENDED
from .moderation import desk
from .node import NodeProcess
from .person import Network
from .services import Services
from .tab import LONGEST_PAUSE
from .world import DOWN, LOOK, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from salon.actors.sources import Sources
    from salon.web.http.request import Parts

    from ..checker import Record
    from .agenda import Agenda
    from .disk_operators import OperatorsPort
    from .plan import Plan, Step
    from .server import Process

# Seconds after which nobody may be shown who is gone with a node: until it is given up, the grace, which begins again where
# another view makes another node the owner, and two signals.
GONE = 20.0
KNOWN = 12.0  # seconds: two looks of each node at what others have decided, and some more
APART = 3_600_000  # milliseconds by which the clocks of nodes differ from the true time, at most


class Balancer(Network):
    """The network to all nodes: each request and each socket goes to any that serves. `pinned`: to this one alone."""

    def __init__(self, agenda: Agenda, chance: Random, *, capacity: int) -> None:
        self.nodes: dict[int, NodeProcess] = {}  # the running ones, by slot
        self.pinned: NodeProcess | None = None
        super().__init__(agenda, chance, capacity=capacity)

    @property
    def process(self) -> Process | None:
        """Any node that serves; None where none does."""
        if self.pinned is not None:
            return self.pinned
        serving = [node for node in self.nodes.values() if node.serves]
        return self.chance.choice(serving) if serving else None

    @process.setter
    def process(self, _: Process | None) -> None:
        """Nodes come and go by `nodes`."""


class ClusterWorld(World):
    """All parts of one run with several nodes."""

    network: Balancer

    def __init__(
        self,
        plan: Plan,
        steps: Mapping[str, Callable[[Any, Step], None]],
        take: Callable[[Record], object],
    ) -> None:
        super().__init__(plan, steps, take)
        self.fabric = Fabric(self.agenda, Random(f"fabric {plan.seed}"))
        self._slots = count()
        self._known_for = 0.0  # seconds for which all nodes have learned what the store has

    def make_network(self) -> Network:
        """A balancer before all nodes."""
        chance = Random(f"network {self.plan.seed}")
        return Balancer(self.agenda, chance, capacity=self.plan.setting.capacity)

    @property
    def processes(self) -> list[Process]:
        """The running nodes."""
        return list(self.network.nodes.values())

    @property
    def nodes(self) -> list[NodeProcess]:
        """The running nodes."""
        return list(self.network.nodes.values())

    def owner(self, conversation_id: str) -> NodeProcess | None:
        """The node that owns a conversation, if it runs."""
        for node in self.nodes:
            if node.directory.active(conversation_id) is not None:
                return node
        return None

    async def _keep_server_up(
        self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_nodes)
            for _ in range(self.plan.setting.nodes):
                await nursery.start(self._keep_node_up, next(self._slots))
            task_status.started()

    async def _keep_node_up(
        self, slot: int, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run a node, and start it again whenever it has ended."""
        started = False
        while True:
            await self.run_node(slot, task_status if not started else trio.TASK_STATUS_IGNORED)
            started = True
            await trio.sleep(DOWN * self.chance.random())

    async def run_node(
        self, slot: int, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run one node until it ends."""
        async with trio.open_nursery() as nursery:
            node = NodeProcess(
                self.settings,
                self.disk,
                self._sources_of(slot),
                self.agenda,
                self.chance,
                self.recorder,
                self.hosted,
                None if self.rooms is None else desk(self.plan, self.rooms.is_room),
                None if self.operators is None else partial(self._services, slot),
            )
            node.fabric, node.slot = self.fabric, slot
            node.tell = partial(self._wrong, "fence")
            await nursery.start(node.run)
            self.network.nodes[slot] = node
            task_status.started()
        self.network.nodes.pop(slot, None)
        self.recorder.note(f"{ENDED}, node {slot}")

    def _sources_of(self, slot: int) -> Sources:
        """Each node has its own clock, up to an hour off; half of the runs have one for all, and those where tokens expire."""
        chance = Random(f"clock {self.plan.seed} {slot}")
        apart = self.plan.seed % 2 and not self.plan.setting.operated
        off = round((2 * chance.random() - 1) * APART) if apart else 0
        return replace(self.sources, now=lambda: self.sources.now() + off)

    # --- what operators want of all nodes -------------------------------------------------------

    def _services(self, slot: int, parts: Parts, store: OperatorsPort) -> Services:
        """What one node runs. Its deliveries to backends are looked at."""
        assert self.operators is not None
        transport = Watched(self.operators.transport, partial(self._look_who_tells, slot))
        return Services(parts, store, self.plan.setting.retention, transport)

    def _look_who_tells(self, slot: int) -> None:
        """One node tells backends; where it was given up it may not know for a while."""
        node = self.network.nodes.get(slot)
        known = self._known_for >= KNOWN
        if known and node is not None and not node.keeps_house:
            self._wrong("house", f"{node.name} tells a backend, and another node keeps house")

    def once_known(self, tell: Callable[[], object]) -> None:
        """Call a function once all nodes have had the time to learn from the store what one has answered."""

        async def wait() -> None:
            since = trio.current_time()
            while trio.current_time() - since < KNOWN or self._known_for < KNOWN:  # noqa: ASYNC110  # nobody tells
                await trio.sleep(LOOK)
            tell()

        self.nursery.start_soon(wait)

    async def _watch_nodes(self) -> None:
        """Note for how long all nodes have heard from the store, and the view has stood."""
        number = 0
        while True:
            await trio.sleep(LOOK)
            view = self.disk.view()
            well = view.number == number and all(node.hears for node in self.nodes)
            self._known_for, number = self._known_for + LOOK if well else 0.0, view.number

    def join(self, seconds: float) -> None:
        """Have one more node for so long, which then leaves."""

        async def visit() -> None:
            slot = next(self._slots)
            self.nursery.start_soon(self.run_node, slot)
            await trio.sleep(seconds)
            node = self.network.nodes.get(slot)
            if node is not None:
                node.stop()

        self.nursery.start_soon(visit)

    def _wrong(self, kind: str, text: str) -> None:
        self.problems.append((kind, text))

    # --- the end --------------------------------------------------------------------------------

    def _heal(self) -> None:
        self.fabric.make_peace()
        for node in self.nodes:
            self.network.pinned = node
            super()._heal()
            node.store.cut_until = 0.0
        self.network.pinned = None
        super()._heal()

    async def _go_and_come_back(self) -> None:
        """Take one person offline together with the nodes that have their sockets; nobody may be shown them after the grace."""
        person = self.people[self.plan.seed % len(self.people)]
        person.away = True
        for node in self.nodes:
            if any(each.participant.id == person.person for each in node.parts.wire):
                node.kill()
        for link in list(person.links):
            link.cut()
        await trio.sleep(GONE)
        for node in self.nodes:
            for id, attendance in node.directory.attendances():
                if attendance.audience and person.person in attendance.presence.announced:
                    text = f"{person.person} has been gone for {GONE} s and is shown in {id}"
                    self._wrong("presence", text)
        person.away = False
        await trio.sleep(LONGEST_PAUSE)  # until their client tries again

    async def _move_back(self) -> None:
        await super()._move_back()
        for node in self.nodes:
            node.kill()

    def _is_state_of(self, conversation_id: str, events: list[dict[str, Any]]) -> bool:
        """Whether every node that owns the conversation has the state to which its events lead."""
        try:
            for node in self.nodes:
                self.network.pinned = node
                if not super()._is_state_of(conversation_id, events):
                    return False
        finally:
            self.network.pinned = None
        return True
