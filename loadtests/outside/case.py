"""The cases that the client in C measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OutsideCase:
    """Rooms of `size` people, of whom `senders` send. `window` messages of each are in flight, or all send `rate` a second."""

    name: str
    rooms: int
    size: int
    senders: int
    window: int = 0
    rate: int = 0

    @property
    def people(self) -> int:
        """How many connect."""
        return self.rooms * self.size

    @property
    def options(self) -> list[str]:
        """What `wsfan` is told of it."""
        pace = ["--window", str(self.window)] if self.window else ["--rate", str(self.rate)]
        shape = ["--clients", str(self.people), "--rooms", str(self.rooms)]
        return [*shape, "--senders", str(self.senders), *pace]


CASES = (
    OutsideCase("500 rooms of 4, all send, window 1", 500, 4, 4, window=1),
    OutsideCase("500 rooms of 4, 1,000 messages/s, each alone", 500, 4, 4, rate=1000),
    OutsideCase("room of 100, 10 senders, window 2", 1, 100, 10, window=2),
    OutsideCase("room of 1,000, 10 senders, window 2", 1, 1000, 10, window=2),
    OutsideCase("room of 1,000, 20 messages/s, each alone", 1, 1000, 1, rate=20),
)
