"""What a node of the simulated cluster is to its operators: the product's calls and looks, over the simulated network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from salon.actors.cluster.calls import Calls
from salon.web.admin.relay import Relay
from salon.web.refresh import Refresh

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import trio

    from salon.actors.cluster.node import ClusterNode
    from salon.web.cluster import ServingNode
    from salon.web.http.request import Parts


class Network:
    """The way to the other nodes, which may lose what it carries but is never known to be away."""

    works = True


class SimulatedNode:
    """Stands for `ServingNode`: the same node, without NATS and figures."""

    def __init__(self, node: ClusterNode) -> None:
        self.node = node
        self.directory = node.directory
        self.link = Network()

    def answers(self, carry_out: Callable[[str, int, bytes], Awaitable[bytes]]) -> None:
        """Set who carries out what other nodes ask of this one."""
        self.calls = self.node.calls = Calls(self.node, carry_out)


class Operators:
    """Has what is decided at one node hold at all, as `join_operators` does in a server."""

    def __init__(self, parts: Parts, node: ClusterNode) -> None:
        serving = SimulatedNode(node)
        as_served = cast("ServingNode", serving)
        self._calls = Relay(as_served, parts.identities.signer, parts.directory.report)
        self._refresh = Refresh(parts, as_served, self._nothing_else)
        self._serving = serving
        self._calls.handlers["look"] = self._look
        self.share = self._calls.share

    async def run(self, nursery: trio.Nursery) -> None:
        """Answer the others, and look at what they have decided, as long as the nursery is open."""
        await nursery.start(self._serving.calls.run)
        nursery.start_soon(self._refresh.run)

    async def _look(self, _: dict[str, Any]) -> bool:
        await self._refresh.look()
        return True

    async def _nothing_else(self) -> None:
        """The agents are those of the settings."""
