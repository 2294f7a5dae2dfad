"""Nodes in one process: a transport for tests and simulations, which loses nothing unless it is told to."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class InProcessNetwork:
    """Carries messages between the transports that `connect` gave. `run` has to run.

    `passes` is asked about each message, with the sender, the receiver and the part: False loses it.
    """

    def __init__(self) -> None:
        self.passes: Callable[[str, str, bytes], bool] = lambda sender, receiver, part: True
        self._takers: dict[str, Callable[[str, Sequence[bytes]], None]] = {}
        self._waiting: deque[tuple[str, str, bytes]] = deque()
        self._sent = trio.Event()

    def connect(self, node_id: str) -> InProcessTransport:
        """A transport for a node."""
        return InProcessTransport(self, node_id)

    def register(self, node_id: str, take: Callable[[str, Sequence[bytes]], None]) -> None:
        """Set who takes what is sent to a node."""
        self._takers[node_id] = take

    def forget(self, node_id: str) -> None:
        """Lose everything that is sent to a node from now on."""
        self._takers.pop(node_id, None)

    def carry(self, sender: str, receiver: str, parts: Sequence[bytes]) -> None:
        """Have the parts arrive soon."""
        self._waiting.extend((sender, receiver, part) for part in parts)
        self._sent.set()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Carry until cancelled."""
        task_status.started()
        while True:
            await self._sent.wait()
            self._sent = trio.Event()
            waiting, self._waiting = self._waiting, deque()
            for sender, receiver, part in waiting:
                take = self._takers.get(receiver)
                if take is not None and self.passes(sender, receiver, part):
                    take(sender, (part,))


class InProcessTransport:
    """Implements `Transport`."""

    def __init__(self, network: InProcessNetwork, node_id: str) -> None:
        self._network = network
        self._node_id = node_id

    def send(self, node_id: str, parts: Sequence[bytes]) -> None:
        """Send the parts to a node, in their order."""
        self._network.carry(self._node_id, node_id, parts)

    def receive(self, take: Callable[[str, Sequence[bytes]], None]) -> None:
        """Set who takes what comes."""
        self._network.register(self._node_id, take)
