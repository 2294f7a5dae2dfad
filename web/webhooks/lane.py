"""One conversation on its way to one subscriber: how far it is, and when its next event is tried again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from salon.actors.webhooks import WebhookLag

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.store import Record

    from .wanted import WebhookLog, WebhookWanted

FIRST_PAUSE = 5.0  # seconds after the first failure, twice as long after each next one
LONGEST_PAUSE = 3600.0  # seconds: an endpoint that is back has everything within the hour
READ = 8  # events read at once for the next one that is wanted
TYPE_AT = len(b'{"type":"')  # where the type stands in every stored event


@dataclass(slots=True)
class Lane:
    """The events after `delivered` up to `wanted` are owed.

    `places` are those (sequence, place in the log) that hold the subscriber's cursor back. A lane that is `stored` as a lag
    holds nothing back.
    """

    number: int
    conversation_id: str
    delivered: int
    wanted: int
    attempts: int = 0
    since: int = 0
    tried_at: int = 0
    pause: float = 0.0  # seconds after `tried_at`
    error: str | None = None
    stored: bool = False
    saved_at: float = 0.0  # when the lag was stored, in trio's time
    places: deque[tuple[int, int]] = field(default_factory=deque)

    @classmethod
    def of(cls, lag: WebhookLag, wanted: int) -> Lane:
        """The lane of a stored lag."""
        lane = cls(lag.number, lag.conversation_id, lag.delivered, wanted)
        lane.attempts, lane.since, lane.tried_at, lane.error = lag[4:]
        lane.pause = backoff(lag.attempts, 0.0)
        lane.stored = True
        return lane

    def lag(self, webhook_id: str) -> WebhookLag:
        """What is stored of it."""
        return WebhookLag(
            webhook_id,
            self.number,
            self.conversation_id,
            self.delivered,
            self.attempts,
            self.since,
            self.tried_at,
            self.error,
        )

    @property
    def due_at(self) -> int:
        """When its next event may be tried, in milliseconds since the epoch."""
        return self.tried_at + round(self.pause * 1000) if self.attempts else 0

    def wait(self, now: int) -> float:
        """Seconds until its next event may be tried: its pause at most, also where the clock was set back since."""
        return min(self.pause, max(0, self.due_at - now) / 1000)

    def passed(self, sequence: int, settle: Callable[[int], None]) -> None:
        """Note that everything up to a sequence is delivered, or owed no more. `settle` is called with each place."""
        if sequence > self.delivered:
            self.delivered = sequence
            self.attempts = self.since = self.tried_at = 0
            self.error = None
        while self.places and self.places[0][0] <= self.delivered:
            settle(self.places.popleft()[1])

    def failed(self, now: int, error: str, pause: float) -> None:
        """Note a failed attempt."""
        self.attempts += 1
        self.since = self.since or now
        self.tried_at, self.error, self.pause = now, error, pause


def backoff(attempts: int, chance: float) -> float:
    """Seconds after that many failures; `chance` (0 to 1) shortens them by up to a quarter, so that not all come at once."""
    if not attempts:
        return 0.0
    doublings = float(2 ** min(attempts - 1, 30))
    return min(FIRST_PAUSE * doublings, LONGEST_PAUSE) * (1 - chance / 4)


def kind_of(body: bytes) -> str:
    """The type of a stored event."""
    return body[TYPE_AT : body.index(b'"', TYPE_AT)].decode() if body else ""


async def next_owed(
    store: WebhookLog, wanted: WebhookWanted, lane: Lane, settle: Callable[[int], None]
) -> Record | None:
    """The next event of a lane that is owed, as it is now; those that nobody wants are passed over. Raises `StoreError`."""
    for record in await store.owed(lane.number, lane.delivered, READ).wait():
        if record.sequence > lane.wanted:
            return None
        if wanted.wants(kind_of(record.body), lane.conversation_id):
            return record
        lane.passed(record.sequence, settle)
        if record.sequence == lane.wanted:
            return None
    # Nothing is left of it: the conversation was deleted.
    if not await store.owed(lane.number, lane.delivered, 1).wait():
        lane.passed(lane.wanted, settle)
    return None
