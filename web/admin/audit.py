"""The audit trail: who, action, target and outcome, of operators and of members who act on other members.

Each server's log keeps its own entries. Memory, also that of other nodes of a cluster, keeps the last `KEPT` of operators and as
many of members, who cannot push the others out.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, replace
from heapq import merge
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from ..socket import timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.sources import Sources

    from ..identity import Identity

# What operators do; what members do has the name of its command.
Action = Literal[
    "passivate",
    "disconnect",
    "cancel",
    "drain",
    "read",
    "host",
    "unhost",
    "token",
    "revoke",
    "block",
    "unblock",
    "report",
    "delete",
    "mute",
    "ban",
    "erase",
    "hold",
    "release",
    "retention",
    "webhook",
    "drain node",
    "remove node",
]

READ_AGAIN = 600_000  # milliseconds after which reading the same target is a new deed
KEPT = 200  # deeds in memory: a long night of one operator

logger = logging.getLogger("salon.admin")


@dataclass(frozen=True, slots=True)
class Deed:
    """One action of an operator, or of a member on others. `number` counts the deeds since the start, from 1.

    A member's action is the name of the command: SetRole, Remove, Ban, .... `node` is the node of a cluster that carried it out.
    """

    number: int
    at: str
    operator_id: str  # or the member's
    action: str
    target: str
    outcome: str
    node: str | None = None


class AuditTrail:
    """The deeds, newest last. `told` is called with each of this server; `node` is its name in a cluster."""

    def __init__(self, sources: Sources) -> None:
        self.node: str | None = None
        self.told: Callable[[Deed, bool], None] | None = None
        self._sources = sources
        self._deeds: deque[Deed] = deque(maxlen=KEPT)
        self._members: deque[Deed] = deque(maxlen=KEPT)
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
        """Record a deed of an operator and log it."""
        deed = self._deed(operator, action, target, outcome)
        self._deeds.append(deed)
        if self.told is not None:
            self.told(deed, False)
        who = operator.participant.id
        logger.warning("operator %s: %s %s: %s", who, action, target, outcome)

    def note_member(self, member: Identity, action: str, target: str, outcome: str) -> None:
        """Record what a member did to others, and log it."""
        deed = self._deed(member, action, target, outcome)
        self._members.append(deed)
        if self.told is not None:
            self.told(deed, True)
        logger.info("member %s: %s %s: %s", member.participant.id, action, target, outcome)

    def hear(self, deed: Deed, *, member: bool) -> None:
        """Record a deed of another node, whose log has it."""
        self.number += 1
        deeds = self._members if member else self._deeds
        deeds.append(replace(deed, number=self.number))

    def _deed(self, who: Identity, action: str, target: str, outcome: str) -> Deed:
        self.number += 1
        at = timestamp(self._sources.now())
        return Deed(self.number, at, who.participant.id, action, target, outcome, self.node)

    def after(self, number: int) -> list[Deed]:
        """The deeds with a higher number, as far as they are kept."""
        deeds = merge(self._members, self._deeds, key=attrgetter("number"))
        return [deed for deed in deeds if deed.number > number]
