"""This server as one of the nodes of a cluster: how it is reached, whether it is in, and what it does for all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import trio

from salon.actors.cluster.encoding import FORMAT
from salon.actors.cluster.membership import Membership
from salon.actors.cluster.node import ClusterNode

from .housekeeping import ViewWatch
from .nats_address import NatsAddress
from .nats_link import NatsLink
from .shares import shares_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from salon.actors.cluster.directory import ClusterDirectory
    from salon.actors.future import Future
    from salon.actors.sources import Sources

    from ..settings import ClusterSettings


class NodeList(Membership, Protocol):
    """The membership of the store, and what operators want to know of it."""

    figures: Callable[[], str] | None

    def nodes(self) -> Future[tuple[tuple[Any, ...], ...]]:
        """The nodes that are in, in the order of joining.

        Of each: id, name, version, the view that it came with, seconds since its last sign of life, and what it said then.
        """

    def stale(self) -> int:
        """How many changes were refused since they were decided in another view."""


class ServingNode:
    """Raises `NatsError` where the settings name files that cannot be used. `run` has to run, after `called` was set."""

    def __init__(
        self,
        settings: ClusterSettings,
        directory: ClusterDirectory,
        membership: NodeList,
        sources: Sources,
        version: str,
    ) -> None:
        address = NatsAddress(
            settings.nats,
            credentials=settings.nats_credentials,
            authority=settings.nats_ca,
            certificate=settings.nats_certificate,
            key=settings.nats_key,
        )
        self.directory = directory
        self.views = ViewWatch(membership)
        self.link = NatsLink(address, settings.prefix, settings.name_of(0), sources.chance)
        self.node = ClusterNode(
            directory,
            self.views,
            self.link.connect,
            name="",
            version=f"{version}+{FORMAT}",
            timeout=settings.timeout,
        )
        self.files_at = ""  # what tells places for files apart; set before it runs
        self._settings = settings
        self._membership = membership

    def listens(self, port: int) -> None:
        """Set the node's name, which the port may be a part of; before it runs."""
        self.node.node = self.node.node._replace(name=self._settings.name_of(port))

    def says(self, figures: Callable[[], str]) -> None:
        """Set what the node says of itself, with each sign of life."""
        self._membership.figures = figures

    def nodes(self) -> Future[tuple[tuple[Any, ...], ...]]:
        """The nodes that are in, in the order of joining, as `NodeList` gives them. Fails with `StoreError`."""
        return self._membership.nodes()

    def stale(self) -> int:
        """How many changes of this node were refused since they were decided in another view."""
        return self._membership.stale()

    def shares(self, keys: Iterable[bytes]) -> dict[str, list[str]]:
        """What this node must have in common with all others, with these keys of sessions: digests by setting."""
        return shares_of(keys, self.files_at)

    @property
    def is_in(self) -> bool:
        """Whether the node is in the view: a load balancer may send people to it."""
        return self.node.joined.is_set() and not self.node.leaving

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take part until cancelled. Started once the node is in."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.link.run)
            await nursery.start(self.node.run)
            task_status.started()
