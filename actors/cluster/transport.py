"""What carries messages from node to node. It may lose, delay, repeat and reorder: nothing rests on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Transport(Protocol):
    """Carries parts, which are messages of the nodes; what waits for one node goes out as one."""

    def send(self, node_id: str, parts: Sequence[bytes]) -> None:
        """Send the parts to a node, in their order. Never waits."""

    def receive(self, take: Callable[[str, Sequence[bytes]], None]) -> None:
        """Set who takes what comes: the sender's node id and the parts. It is called in the event loop."""
