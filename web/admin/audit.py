"""What operators have done: who, what, to whom, with which outcome. In the log for good, and the last of it at hand."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..socket import timestamp

if TYPE_CHECKING:
    from salon.actors.sources import Sources

    from ..identity import Identity

Action = Literal["passivate", "disconnect", "drain", "read"]

READ_AGAIN = 600_000  # milliseconds: who reads the same after that, has read it again
KEPT = 200  # deeds at hand: a long night of one operator

logger = logging.getLogger("salon.admin")


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that an operator did. `number` counts them from 1 on since the start."""

    number: int
    at: str
    operator_id: str
    action: Action
    target: str
    outcome: str


class AuditTrail:
    """The deeds, newest last."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._deeds: deque[Deed] = deque(maxlen=KEPT)
        self._read: dict[tuple[str, str], int] = {}
        self.number = 0

    def note_reading(self, operator: Identity, target: str) -> None:
        """Remember that somebody looked at what people wrote; page after page of the same is one deed."""
        now, who = self._sources.now(), operator.participant.id
        if now - self._read.get((who, target), -READ_AGAIN) >= READ_AGAIN:
            self.note(operator, "read", target)
            self._read = {read: at for read, at in self._read.items() if now - at < READ_AGAIN}
            self._read[who, target] = now

    def note(self, operator: Identity, action: Action, target: str, outcome: str = "done") -> None:
        """Remember a deed, and log it."""
        self.number += 1
        who = operator.participant.id
        self._deeds.append(
            Deed(self.number, timestamp(self._sources.now()), who, action, target, outcome)
        )
        logger.warning("operator %s: %s %s: %s", who, action, target, outcome)

    def after(self, number: int) -> list[Deed]:
        """The deeds after that one, as far as they are remembered."""
        return [deed for deed in self._deeds if deed.number > number]
