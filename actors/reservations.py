"""Reserved places in a full mailbox: a refused sender is told when to retry, and its place is free then."""

from __future__ import annotations

from collections import deque
from itertools import count
from math import ceil

LONGEST_RETRY = 300.0  # seconds: the wait after ten times the served load for half a minute; no measured rate tells more
SHORTEST_RETRY = 0.05  # seconds: shorter than a round trip is of no use
GRACE = 2.0  # seconds that a place is kept: `Retry-After` is in whole seconds, and the request takes time
EARLY = 0.01  # seconds: tolerance for clock differences
# Share of the mailbox kept at most for overdue callers. As many arrive as others become overdue, so a small share is enough
LATE = 1 / 8
PLACES = 50_000  # at most, about 10 MB; a sender refused beyond that is told when to retry, without a reserved place
# A sender may have more places than its share of the mailbox only up to this many times the average of the others
FAIR = 2.0
# Share of the mailbox that is always open to other commands, so that callers that do not return block nobody
OPEN = 1 / 64
MEMORY = 1 / 256  # weight of one caller in the measured share of callers that return


class Place:
    """A reserved place. A `near` one is due before the mailbox is next emptied; a `late` one is overdue."""

    __slots__ = ("due", "gone", "key", "late", "near", "sender_id")

    def __init__(self, sender_id: str, key: str | int, due: float) -> None:
        self.sender_id = sender_id
        self.key = key
        self.due = due
        self.near = self.late = self.gone = False


class Reservations:
    """The refused callers that have still to return, in order. Times are seconds on the caller's clock.

    A place that is due before the mailbox is next emptied is kept free for its caller. So a caller that obeys finds room,
    however many other commands arrive, and nobody waits for ever. Other commands get the remaining room, and all of it where
    few callers return. A place belongs to one message, by its key: other commands of the same sender do not use it up.
    Messages without a key cannot be told apart.
    """

    __slots__ = (
        "_coming",
        "_count",
        "_end",
        "_late",
        "_limit",
        "_near",
        "_of",
        "_share",
        "_told",
        "_unnamed",
        "late",
        "near",
        "shows",
    )

    def __init__(self, limit: int, share: int) -> None:
        self._limit = limit
        self._share = share or limit
        self._told: dict[str, float] = {}  # sender id -> when to retry, after a used-up share
        self._coming: deque[Place] = deque()
        self._near: deque[Place] = deque()
        self._late: deque[Place] = deque()
        # Places of each sender, by message key; messages without a key have numbers
        self._of: dict[str, dict[str | int, Place]] = {}
        self._unnamed = count()
        self._count = 0  # number of places
        self._end = 0.0  # when the last place is due
        self.near = 0  # places due before the mailbox is emptied
        self.late = 0  # places whose callers are overdue
        self.shows = 1.0  # share of callers that return when told

    def __bool__(self) -> bool:
        return bool(self._of)

    @property
    def kept(self) -> int:
        """Number of places kept free now."""
        return ceil(self.near * self.shows + min(self.late * self.shows, self._limit * LATE))

    def admits(
        self, sender_id: str, key: str | None, waiting: int, now: float, ahead: float
    ) -> bool:
        """Whether there is room for this command when `waiting` commands wait; it takes its reserved place, if it has one.

        The mailbox is emptied within `ahead` seconds: a place due by then is kept free.
        """
        self._move(now, now + ahead)
        place = self._find(sender_id, key)
        room = self._limit
        if place is None or place.due > now + EARLY:
            room = max(room - self.kept, int(room * OPEN), 1)
        if waiting >= room:
            return False
        if place is not None:
            self._lose(place, came=True)
        return True

    def retry_after(
        self, sender_id: str, key: str | None, waiting: int, rate: float, now: float
    ) -> float:
        """Seconds until there is room for this refused command; reserves a place unless there are too many.

        `rate` is how many commands a second can be promised; 0 where nothing was measured yet.
        """
        place = self._find(sender_id, key)
        if place is not None and place.due <= now + EARLY:
            self._lose(place, came=True)  # the commands before it took longer than expected
        elif place is not None and key is not None:
            return self._bounded(place.due - now)  # the caller returned too early
        step = 1 / (rate or float(waiting or 1))  # nothing measured yet: say a second
        if self._has_enough(sender_id):
            last = next(reversed(self._of[sender_id].values()))
            self._told[sender_id] = max(self._told.get(sender_id, 0.0), last.due)
            return self.share_after(sender_id, waiting, 1 / step, now)
        due = max(self._end + step, now + waiting * step)
        if due - now > LONGEST_RETRY:
            return LONGEST_RETRY
        self._end = due
        wait = self._bounded(due - now)
        if self._count < PLACES:
            self._count += 1
            place = Place(sender_id, next(self._unnamed) if key is None else key, now + wait)
            self._coming.append(place)
            self._of.setdefault(sender_id, {})[place.key] = place
        return wait

    def share_after(self, sender_id: str, waiting: int, rate: float, now: float) -> float:
        """Seconds until this sender's share is free again. No place is reserved: only the sender's own commands wait."""
        rate = rate or float(waiting or 1)
        due = max(self._told.get(sender_id, 0.0) + 1 / rate, now + waiting / rate)
        if due - now > LONGEST_RETRY:
            return LONGEST_RETRY
        if len(self._told) >= self._limit:
            self._told = {id: told for id, told in self._told.items() if told > now}
        self._told[sender_id] = due
        return self._bounded(due - now)

    @staticmethod
    def _bounded(wait: float) -> float:
        return min(max(wait, SHORTEST_RETRY), LONGEST_RETRY)

    def _has_enough(self, sender_id: str) -> bool:
        """Whether this sender has the largest number of places allowed."""
        own = len(self._of.get(sender_id, ()))
        if own < self._share:
            return False
        others = len(self._of) - 1
        return not others or own >= FAIR * (self._count - own) / others

    def _find(self, sender_id: str, key: str | None) -> Place | None:
        own = self._of.get(sender_id)
        if own is None:
            return None
        if key is not None:
            return own.get(key)
        return next((place for place in own.values() if isinstance(place.key, int)), None)

    def _move(self, now: float, horizon: float) -> None:
        coming, near, late = self._coming, self._near, self._late
        while coming and (coming[0].gone or coming[0].due <= horizon):
            place = coming.popleft()
            if not place.gone:
                place.near = True
                self.near += 1
                near.append(place)
        while near and (near[0].gone or near[0].due < now):
            place = near.popleft()
            if not place.gone:
                place.near, place.late = False, True
                self.near -= 1
                self.late += 1
                late.append(place)
        while late and (late[0].gone or late[0].due + GRACE < now):
            place = late.popleft()
            if not place.gone:
                self._lose(place, came=False)

    def _lose(self, place: Place, *, came: bool) -> None:
        """Remove a place: its caller has returned, or did not."""
        self.shows += (came - self.shows) * MEMORY
        place.gone = True
        self._count -= 1
        self.near -= place.near
        self.late -= place.late
        own = self._of[place.sender_id]
        del own[place.key]
        if not own:
            del self._of[place.sender_id]
