"""What a history says of all conversations: subscribers of webhooks, tokens that have ended, people who are erased."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .access import Access
from .erased_people import ErasedPeople

if TYPE_CHECKING:
    from .history import Ending, Erased, Subscriber


@dataclass(slots=True)
class Everywhere:
    """What was recorded so far. Of each subscriber, by name, there is also the line that names it."""

    subscribers: dict[str, tuple[int, Subscriber]] = field(default_factory=dict)
    access: Access = field(default_factory=Access)
    erased: ErasedPeople = field(default_factory=ErasedPeople)

    def take(self, line: int, record: Subscriber | Ending | Erased) -> None:
        """Take the next record."""
        match record.record:
            case "subscriber":
                self.subscribers[record.subscriber] = line, record
            case "ending":
                self.access.take(line, record)
            case "erased":
                self.erased.take(line, record)
