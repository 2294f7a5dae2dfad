"""Whether all has come that other nodes have sent: each says once a second how much that was.

So nodes that have nothing to say to each other exchange one message a second, however many conversations they share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from .wire import Pulse

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

NEVER = float("-inf")


class Hearing(NamedTuple):
    """How a node is heard here: its last pulse was `at`, and nothing that it has sent is missing `since`."""

    at: float
    since: float


NOBODY = Hearing(NEVER, NEVER)


class _Tally:
    """What went one way since the last pulse of this number."""

    __slots__ = ("digest", "number", "parts")

    def __init__(self) -> None:
        self.number = self.parts = self.digest = 0

    def add(self, digest: int) -> None:
        self.parts += 1
        self.digest += digest

    def close(self) -> Pulse:
        """The pulse for all of it; the next begins."""
        self.number += 1
        pulse = Pulse(self.number, self.parts, self.digest & 0xFFFF_FFFF)
        self.parts = self.digest = 0
        return pulse


class Pulses:
    """Of one node. Every part that it sends or gets is told here, in the order of sending; pulses are not."""

    def __init__(self) -> None:
        self._out: dict[str, _Tally] = {}
        self._in: dict[str, _Tally] = {}
        self._heard: dict[str, Hearing] = {}

    def sent(self, node_id: str, digest: int) -> None:
        """Count a part with this `digest_of`."""
        tally = self._out.get(node_id)
        if tally is None:
            tally = self._out[node_id] = _Tally()
        tally.add(digest)

    def received(self, sender: str, digest: int) -> None:
        """Count a part with this `digest_of`."""
        tally = self._in.get(sender)
        if tally is None:
            tally = self._in[sender] = _Tally()
        tally.add(digest)

    def due(self, node_ids: Iterable[str]) -> Iterator[tuple[str, Pulse]]:
        """The pulses to send now."""
        for node_id in node_ids:
            yield node_id, self._out.setdefault(node_id, _Tally()).close()

    def take(self, sender: str, pulse: Pulse, now: float) -> bool:
        """Whether all has come that a node has sent up to this pulse of it."""
        tally = self._in.setdefault(sender, _Tally())
        is_whole = tally.close() == pulse
        tally.number = pulse.number
        since = self.heard(sender).since if is_whole else now
        self._heard[sender] = Hearing(now, since)
        return is_whole

    def heard(self, node_id: str) -> Hearing:
        """How a node is heard."""
        return self._heard.get(node_id, NOBODY)

    def keep(self, node_ids: Container[str]) -> None:
        """Forget all other nodes."""
        for each in (self._out, self._in, self._heard):
            for node_id in [id for id in each if id not in node_ids]:
                del each[node_id]


def digest_of(part: bytes) -> int:
    """A number that other parts seldom have."""
    return crc32(part)
