"""Messages that must arrive though the way loses them: numbered for each receiver, and sent again until it has them."""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from .encoding import UnreadableError, named, value_of
from .wire import Concerned, Heard, Informed, Lasting, Pushed, Renamed, Revoked, Work

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from .wire import Message

LASTS = Work | Informed | Renamed | Revoked | Concerned | Pushed
RESEND = 1.5  # seconds without a word of the receiver after which a message is sent again; it speaks once a second
KEPT = 10_000  # messages of one kind for one node: what a node that cannot be reached for longer has missed is lost
FORGOTTEN = 60.0  # seconds after the last word to or of a node that is not in the view any more
AT_ONCE = 1000  # messages sent again to one node at a time

logger = logging.getLogger(__name__)


class Line:
    """The messages of one kind for one node that it has not confirmed, oldest first, each with the time of its last sending."""

    __slots__ = ("added_at", "newest", "waiting")

    def __init__(self, newest: int) -> None:
        self.added_at = 0.0
        self.newest = newest
        self.waiting: deque[tuple[int, Message, float]] = deque()

    @property
    def base(self) -> int:
        """The first number that can still come."""
        return self.waiting[0][0] if self.waiting else self.newest + 1

    def add(self, message: Message, now: float) -> Lasting:
        """Take a message, and give the form in which it goes."""
        self.newest += 1
        self.added_at = now
        self.waiting.append((self.newest, message, now))
        if len(self.waiting) > KEPT:
            self.waiting.popleft()
        return Lasting(self.newest, self.base, named(message))

    def confirmed(self, through: int) -> None:
        """Forget what the receiver has."""
        while self.waiting and self.waiting[0][0] <= through:
            self.waiting.popleft()

    def due(self, now: float, age: float) -> Iterator[Lasting]:
        """What was last sent so many seconds ago, or before, to be sent again."""
        for place in range(min(AT_ONCE, len(self.waiting))):
            number, message, sent_at = self.waiting[place]
            if now - sent_at < age:
                return
            self.waiting[place] = number, message, now
            yield Lasting(number, self.base, named(message))


class LastingOut:
    """What this node has said to others and they have not confirmed."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], Line] = {}
        # Of all lines: one that was forgotten goes on above what its receiver has had.
        self._newest = 0

    def add(self, node_id: str, message: Message, now: float) -> Lasting:
        """Take a message for a node, and give the form in which it goes."""
        key = node_id, type(message).__name__
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = Line(self._newest)
        lasting = line.add(message, now)
        self._newest = max(self._newest, lasting.number)
        return lasting

    def heard(self, node_id: str, heard: Heard, now: float) -> Iterator[Lasting]:
        """Take what a node has; what it lacks is to be sent again."""
        line = self._lines.get((node_id, heard.kind))
        if line is not None:
            line.confirmed(heard.through)
            if heard.lacks:
                yield from line.due(now, 0.0)

    def due(self, now: float) -> Iterator[tuple[str, Lasting]]:
        """What is to be sent again, with the ids of the nodes."""
        for (node_id, _), line in self._lines.items():
            for each in line.due(now, RESEND):
                yield node_id, each

    def keep(self, node_ids: Container[str], now: float) -> None:
        """Forget what is for other nodes than these, unless it is new: a node that leaves has sockets for a while."""
        self._lines = {
            key: line
            for key, line in self._lines.items()
            if key[0] in node_ids or now - line.added_at < FORGOTTEN
        }


class Heed:
    """What has come of one kind from one node. `told` is false while that node waits to hear so."""

    __slots__ = ("early", "heard_at", "next", "told")

    def __init__(self, base: int) -> None:
        self.heard_at = 0.0
        self.next = base
        self.told = False
        self.early: dict[int, Message | None] = {}


class LastingIn:
    """What other nodes have said to this one: each message is given on once, in its order."""

    def __init__(self) -> None:
        self._heeds: dict[tuple[str, str], Heed] = {}

    def take(self, sender: str, lasting: Lasting, now: float) -> tuple[list[Message], Heard | None]:
        """The messages to give on now, and what to answer at once, which is where something is missing.

        One that cannot be read is passed over.
        """
        key = sender, lasting.one.name
        heed = self._heeds.get(key)
        if heed is None:
            heed = self._heeds[key] = Heed(lasting.base)
        if lasting.base > heed.next:  # what came before is not kept any more
            heed.next = lasting.base
            heed.early = {n: each for n, each in heed.early.items() if n >= heed.next}
        heed.told, heed.heard_at = False, now
        if lasting.number < heed.next:
            return [], None
        was_whole = not heed.early
        try:
            heed.early[lasting.number] = value_of(lasting.one)
        except UnreadableError as error:
            heed.early[lasting.number] = None
            logger.warning("a message of node %s cannot be read: %s", sender, error)
        ready: list[Message] = []
        while heed.next in heed.early:
            message = heed.early.pop(heed.next)
            heed.next += 1
            if message is not None:
                ready.append(message)
        if heed.early and was_whole:
            return ready, Heard(lasting.one.name, heed.next - 1, True)
        return ready, None

    def news(self) -> Iterator[tuple[str, Heard]]:
        """What others do not know yet that this node has, with their ids."""
        for (sender, kind), heed in self._heeds.items():
            if not heed.told:
                heed.told = not heed.early
                yield sender, Heard(kind, heed.next - 1, bool(heed.early))

    def keep(self, node_ids: Container[str], now: float) -> None:
        """Forget what came from other nodes than these, unless it was a moment ago: a node that leaves still speaks."""
        self._heeds = {
            key: heed
            for key, heed in self._heeds.items()
            if key[0] in node_ids or now - heed.heard_at < FORGOTTEN
        }
