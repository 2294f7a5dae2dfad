"""The simulated network between nodes: it loses, delays, repeats and reorders, and can be cut anywhere."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from .agenda import Agenda

LOST, REPEATED = 0.02, 0.02  # shares of the messages
SLOWEST = 0.05  # seconds of a message's way, at most, and mostly far less


class Fabric:
    """Carries messages between node ids. `peaceful`: it loses and repeats nothing any more, but goes on to reorder."""

    def __init__(self, agenda: Agenda, chance: Random) -> None:
        self.peaceful = False
        self.lossy_until = 0.0
        self._agenda = agenda
        self._chance = chance
        self._takers: dict[str, Callable[[str, Sequence[bytes]], None]] = {}
        self._still_until: dict[str, float] = {}  # nodes that stand still
        self._cut_until: dict[frozenset[str], float] = {}  # pairs of nodes

    def connect(self, node_id: str) -> FabricPort:
        """A transport for a node."""
        return FabricPort(self, node_id)

    @property
    def node_ids(self) -> list[str]:
        """The nodes that are there."""
        return list(self._takers)

    def register(self, node_id: str, take: Callable[[str, Sequence[bytes]], None]) -> None:
        """Set who takes what is sent to a node."""
        self._takers[node_id] = take

    def forget(self, node_id: str) -> None:
        """Lose what is sent to a node from now on."""
        self._takers.pop(node_id, None)

    def stand_still(self, node_id: str, until: float) -> None:
        """Keep what a node sends and is sent until then."""
        self._still_until[node_id] = until

    def cut(self, one: str, other: str, until: float) -> None:
        """Lose everything between two nodes until then."""
        self._cut_until[frozenset((one, other))] = until

    def make_peace(self) -> None:
        """End all faults."""
        self.peaceful = True
        self._cut_until.clear()

    def carry(self, sender: str, receiver: str, parts: Sequence[bytes]) -> None:
        """Have the parts arrive, or not."""
        now, chance = trio.current_time(), self._chance
        if self._cut_until.get(frozenset((sender, receiver)), 0.0) > now:
            return
        share = 0.0 if self.peaceful else 0.5 if now < self.lossy_until else LOST
        for part in parts:
            times = 0 if chance.random() < share else 1
            if times and not self.peaceful and chance.random() < REPEATED:
                times = 2
            for _ in range(times):
                pause = SLOWEST * chance.random() ** 4
                start = max(now, self._still_until.get(sender, 0.0))
                self._agenda.at(start + pause, partial(self._arrive, sender, receiver, part))

    def _arrive(self, sender: str, receiver: str, part: bytes) -> None:
        until = self._still_until.get(receiver, 0.0)
        if until > trio.current_time():
            self._agenda.at(until, partial(self._arrive, sender, receiver, part))
            return
        take = self._takers.get(receiver)
        if take is not None:
            take(sender, (part,))


class FabricPort:
    """Implements `Transport`."""

    def __init__(self, fabric: Fabric, node_id: str) -> None:
        self._fabric = fabric
        self._node_id = node_id

    def send(self, node_id: str, parts: Sequence[bytes]) -> None:
        """Send the parts to a node."""
        self._fabric.carry(self._node_id, node_id, parts)

    def receive(self, take: Callable[[str, Sequence[bytes]], None]) -> None:
        """Set who takes what comes."""
        self._fabric.register(self._node_id, take)
