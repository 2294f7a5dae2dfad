"""This server as one of the nodes of a cluster: how it is reached, whether it is in, and what it does for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from salon.actors.cluster.node import ClusterNode

from .housekeeping import ViewWatch
from .nats_address import NatsAddress
from .nats_link import NatsLink

if TYPE_CHECKING:
    from salon.actors.cluster.directory import ClusterDirectory
    from salon.actors.cluster.membership import Membership
    from salon.actors.sources import Sources

    from ..settings import ClusterSettings


class ServingNode:
    """Raises `NatsError` where the settings name files that cannot be used. `run` has to run, after `called` was set."""

    def __init__(
        self,
        settings: ClusterSettings,
        directory: ClusterDirectory,
        membership: Membership,
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
            version=version,
            timeout=settings.timeout,
        )
        self._settings = settings

    def listens(self, port: int) -> None:
        """Set the node's name, which the port may be a part of; before it runs."""
        self.node.node = self.node.node._replace(name=self._settings.name_of(port))

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
