"""The audit trail: operator, action, target and outcome. The log keeps all entries; memory keeps the last `KEPT`."""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..socket import timestamp

if TYPE_CHECKING:
    from salon.actors.sources import Sources

    from ..identity import Identity

Action = Literal["passivate", "disconnect", "cancel", "drain", "read", "host", "unhost"]

READ_AGAIN = 600_000  # milliseconds after which reading the same target is a new deed
KEPT = 200  # deeds in memory: a long night of one operator

logger = logging.getLogger("salon.admin")


@dataclass(frozen=True, slots=True)
class Deed:
    """One action of an operator. `number` counts the deeds since the start, from 1."""

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
        """Record that an operator read messages; successive pages of one target are one deed."""
        now, who = self._sources.now(), operator.participant.id
        if now - self._read.get((who, target), -READ_AGAIN) >= READ_AGAIN:
            self.note(operator, "read", target)
            self._read = {read: at for read, at in self._read.items() if now - at < READ_AGAIN}
            self._read[who, target] = now

    def note(self, operator: Identity, action: Action, target: str, outcome: str = "done") -> None:
        """Record a deed and log it."""
        self.number += 1
        who = operator.participant.id
        self._deeds.append(
            Deed(self.number, timestamp(self._sources.now()), who, action, target, outcome)
        )
        logger.warning("operator %s: %s %s: %s", who, action, target, outcome)

    def after(self, number: int) -> list[Deed]:
        """The deeds with a higher number, as far as they are kept."""
        return [deed for deed in self._deeds if deed.number > number]
