"""What waits to be sent to other nodes: all for one node goes out together, and no more waits than a node can still use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .parcels import Packer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WAITING = 16_000_000  # bytes for one node that wait for a slow connection: what comes then is lost
NODES = 1024  # ids of nodes that are known at once; a node has a new one with each start


@dataclass(slots=True)
class LinkFigures:
    """Counted since the start."""

    sent: int = 0  # messages of NATS
    sent_bytes: int = 0
    received: int = 0
    received_bytes: int = 0
    lost: int = 0  # messages that others have sent and that did not come, or that nobody could read
    dropped: int = 0  # parts that were not sent: the connection was away, or too slow
    connections: int = 0


@dataclass(slots=True)
class _Waiting:
    """What is on its way to one node."""

    packer: Packer = field(default_factory=Packer)
    parts: list[bytes] = field(default_factory=list)
    size: int = 0


class Outgoing:
    """Parts by the nodes that they are for."""

    def __init__(self, figures: LinkFigures) -> None:
        self._figures = figures
        self._nodes: dict[str, _Waiting] = {}
        self._due: set[str] = set()

    def add(self, node_id: str, parts: Sequence[bytes]) -> bool:
        """Add parts for a node; False where they are dropped, all of them."""
        waiting = self._nodes.get(node_id)
        if waiting is None:
            if len(self._nodes) >= NODES:
                self._forget_one()
            waiting = self._nodes[node_id] = _Waiting()
        size = sum(map(len, parts))
        if waiting.size + size > WAITING:
            self._figures.dropped += len(parts)
            return False
        waiting.parts += parts
        waiting.size += size
        self._due.add(node_id)
        return True

    def take(self, limit: int) -> Iterator[tuple[str, bytes]]:
        """All that waits: nodes and messages for them, of at most `limit` bytes each."""
        due, self._due = self._due, set()
        for node_id in due:
            waiting = self._nodes[node_id]
            parts, waiting.parts, waiting.size = waiting.parts, [], 0
            for payload in waiting.packer.pack(parts, limit):
                self._figures.sent += 1
                self._figures.sent_bytes += len(payload)
                yield node_id, payload

    def drop(self) -> None:
        """Forget all that waits: the nodes ask again for what they miss."""
        for node_id in self._due:
            waiting = self._nodes[node_id]
            self._figures.dropped += len(waiting.parts)
            waiting.parts, waiting.size = [], 0
        self._due.clear()

    def _forget_one(self) -> None:
        """Forget the node that was first sent something, and has probably long ended."""
        node_id = next(iter(self._nodes))
        self._figures.dropped += len(self._nodes.pop(node_id).parts)
        self._due.discard(node_id)
