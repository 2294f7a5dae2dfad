"""The cases of the table of figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table. With `floor` the C program is measured under the same load, too."""

    name: str
    scenario: str
    changes: dict[str, Any]
    floor: bool = True

    @property
    def command(self) -> str:
        """The command that repeats the measurement."""
        flags = [
            f"--{name.replace('_', '-')} {value if isinstance(value, str) else f'{value:g}'}"
            for name, value in self.changes.items()
        ]
        return " ".join(("salon load", self.scenario, *flags, "--serve"))


# Where people send as fast as they can, a message is in flight until every reader has it, as in other servers' load generators.
# A window that counts receipts lets a server that delivers slowly queue messages, and the two kinds of figures do not compare.
TO_ALL = {"window_counts": "deliveries"}
CASES = [
    Case(
        "room of 1,000, 20 messages/s, each alone",
        "fanout",
        {"readers": 1000, "senders": 1, "window": 0, "rate": 20.0},
    ),
    Case(
        "room of 100, 10 senders, window 8",
        "fanout",
        {"readers": 100, "senders": 10, "window": 8, **TO_ALL},
    ),
    Case(
        "room of 1,000, 10 senders, window 2",
        "fanout",
        {"readers": 1000, "senders": 10, "window": 2, **TO_ALL},
    ),
    Case("500 rooms of 4, all send, window 1", "rooms", {"rooms": 500, **TO_ALL}),
    Case(
        "250 rooms of 4, 1,000 messages/s, each alone",
        "rooms",
        {"rooms": 250, "window": 0, "rate": 1000.0},
    ),
    Case(
        "room of 100, all talk, 200 messages/s",
        "fanout",
        {"readers": 100, "senders": 100, "window": 0, "rate": 200.0},
    ),
    Case("10,000 drop at once and come back", "storm", {"rooms": 2500}, floor=False),
    Case("20 of 100 never read", "slow", {}, floor=False),
]
