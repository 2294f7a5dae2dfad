"""Several nodes in one process, over one store in memory and a network that does as it is told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from salon.actors.cluster.directory import ClusterDirectory
from salon.actors.cluster.encoding import decode
from salon.actors.cluster.in_process import InProcessNetwork
from salon.actors.cluster.node import ClusterNode
from salon.actors.cluster.view import Node, View, owner_of
from salon.actors.future import Future
from salon.actors.limits import Limits
from salon.actors.messages import Command
from salon.actors.model import Participant
from salon.actors.runtime import System
from salon.actors.store import StoreError
from tests.unit.engine import Engine, PickleCodec, Reader, TryingStore, seeded_sources


class Beats:
    """The membership as one node reaches it; `cut`: it does not."""

    def __init__(self, store: TryingStore) -> None:
        self.cut = False
        self._store = store

    def join(self, node: Node) -> Future[View]:
        return self._or_cut(lambda: self._store.join(node))

    def leave(self, node_id: str) -> Future[View]:
        return self._or_cut(lambda: self._store.leave(node_id))

    def beat(self, node_id: str, timeout: float) -> Future[View]:
        return self._or_cut(lambda: self._store.beat(node_id, timeout))

    def _or_cut(self, call: Callable[[], Future[View]]) -> Future[View]:
        if not self.cut:
            return call()
        future: Future[View] = Future()
        future.set_exception(StoreError("the store is not to be reached"))
        return future


class EngineNode(Engine):
    """One node, with the short words of `Engine`. It can be killed."""

    directory: ClusterDirectory

    def __init__(self, cluster: EngineCluster, name: str, number: int) -> None:
        made = seeded_sources(number)
        self.sources = replace(made, new_id=lambda: f"{name}-{made.new_id()}")
        self.store = cluster.store
        self.system = System()
        self.directory = ClusterDirectory(
            system=self.system,
            store=cluster.store,
            codec=PickleCodec(),
            limits=cluster.limits,
            sources=self.sources,
        )
        self.beats = Beats(cluster.store)
        self.node = ClusterNode(
            self.directory, self.beats, cluster.network.connect, name=name, version="1"
        )
        self.scope = trio.CancelScope()
        self._cluster = cluster

    @property
    def id(self) -> str:
        """The id under which it takes part now."""
        return self.node.node.id

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until it is killed."""
        with self.scope:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.system.run)
                await nursery.start(self.node.run)
                task_status.started()
                await trio.sleep_forever()

    def kill(self) -> None:
        """End at once, without a word."""
        self.scope.cancel()
        self._cluster.network.forget(self.id)


class EngineCluster:
    """The nodes by name."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.store = TryingStore(seeded_sources())
        self.network = InProcessNetwork()
        self.nodes: dict[str, EngineNode] = {}
        self.nursery: trio.Nursery

    async def add(
        self, name: str, prepare: Callable[[EngineNode], Awaitable[None]] | None = None
    ) -> EngineNode:
        """One more node, once it is in; `prepare` is given it before it joins."""
        node = self.nodes[name] = EngineNode(self, name, len(self.nodes) + 1)
        if prepare is not None:
            await prepare(node)
        await self.nursery.start(node.run)
        await self.settle()
        return node

    async def settle(self) -> None:
        """Wait until nothing moves any more without time going on."""
        await wait_all_tasks_blocked()

    def owner(self, conversation_id: str) -> EngineNode:
        """The node that owns a conversation."""
        id = owner_of(self.store.view(), conversation_id)
        return next(node for node in self.nodes.values() if node.id == id)

    def others(self, conversation_id: str) -> list[EngineNode]:
        """The nodes that do not."""
        owner = self.owner(conversation_id)
        return [node for node in self.nodes.values() if node is not owner]

    def lose(self, *kinds: type) -> None:
        """Lose the messages of these kinds from now on; with none, nothing."""
        self.network.passes = lambda sender, receiver, part: not isinstance(decode(part)[1], kinds)

    def cut(self, *nodes: EngineNode) -> None:
        """Lose everything between these nodes and the others."""
        ids = {node.id for node in nodes}
        self.network.passes = lambda sender, receiver, part: (sender in ids) == (receiver in ids)

    async def talk(self, *people: Participant) -> tuple[str, list[Reader]]:
        """A conversation with one of these people at each node, all connected."""
        nodes = list(self.nodes.values())
        conversation_id = await nodes[0].create(people[0], *people[1:])
        readers = [
            await node.connect(conversation_id, who)
            for node, who in zip(nodes, people, strict=True)
        ]
        await self.settle()
        return conversation_id, readers

    def log(self, conversation_id: str) -> list[Any]:
        """All events, as the store has them."""
        return next(iter(self.nodes.values())).log(conversation_id)


@asynccontextmanager
async def open_cluster(*names: str, limits: Limits | None = None) -> AsyncIterator[EngineCluster]:
    """Nodes that run inside the block."""
    cluster = EngineCluster(limits)
    async with trio.open_nursery() as nursery:
        cluster.nursery = nursery
        await nursery.start(cluster.network.run)
        for name in names or ("one", "two", "three"):
            await cluster.add(name)
        yield cluster
        nursery.cancel_scope.cancel()


async def ask(node: EngineNode, command: Command, answers: list[Any]) -> None:
    """Note what comes of a command, whenever that is."""
    answers.append(await node.do(command))


def contents(readers: Sequence[Reader]) -> list[list[str]]:
    """What each reader has been told, in order."""
    return [reader.contents for reader in readers]
