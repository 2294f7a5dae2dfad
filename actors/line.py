"""The line before a full mailbox: who was turned away is told when to come back, and finds the place kept that was promised."""

from __future__ import annotations

from collections import deque

LONGEST_RETRY = 300.0  # seconds: ten times what can be served, for half a minute; a measure says no more than that
SHORTEST_RETRY = 0.05  # seconds: nearer than a round trip helps nobody
# Of the measured rate: as much is promised; the rest is for newcomers, and for a measure that was a little too high
PROMISED = 0.97
GRACE = (
    2.0  # seconds that a place is kept: `Retry-After` is in whole ones, and the way here takes time
)
EARLY = 0.01  # seconds: clocks differ by so much
AHEAD = 1.5  # turns: as far ahead a place is kept free, since some take longer
KEPT_AHEAD = 30.0  # seconds: who is told a later time has no place: few come back, and what is measured now is old by then
LENGTH = 50  # times the mailbox's limit: the places there are at most, about 10 MB in all
# Of the mailbox: as much is always open to newcomers, so that those who do not come back hold up nobody
OPEN = 1 / 64


class Place:
    """One caller's turn: when to come, and whether it counts against the mailbox already."""

    __slots__ = ("due", "kept", "sender_id", "taken")

    def __init__(self, sender_id: str, due: float) -> None:
        self.sender_id = sender_id
        self.due = due
        self.kept = False
        self.taken = False


class Line:
    """Those who were refused and have still to come back, in their order. Times are seconds on the caller's clock.

    A place that is due before the mailbox is emptied the next time is kept free for its caller. So who obeys
    finds room, however many newcomers try their luck meanwhile, and nobody waits for ever.
    """

    __slots__ = ("_coming", "_end", "_keeping", "_limit", "_of", "_share", "_told", "kept")

    def __init__(self, limit: int, share: int) -> None:
        self._limit = limit
        self._share = share or limit
        self._told: dict[str, float] = {}  # when those whose share was used up are to come back
        self._coming: deque[Place] = deque()  # not near yet
        self._keeping: deque[Place] = deque()
        self._of: dict[str, list[Place]] = {}
        self._end = 0.0  # when the last of all is due
        self.kept = 0  # places that are kept free now

    def __bool__(self) -> bool:
        return bool(self._of)

    def room(self, sender_id: str, now: float, turn: float) -> int:
        """How many commands may wait in the mailbox so that one of this sender still finds room; takes their place.

        `turn` is how many seconds a turn takes: who is due later finds the mailbox emptied once more.
        """
        self._move(now, now + turn * AHEAD)
        if self._take(sender_id, now):
            return self._limit
        return max(self._limit - self.kept, int(self._limit * OPEN), 1)

    def retry_after(self, sender_id: str, waiting: int, rate: float, now: float) -> float:
        """Seconds until there is room for this caller, who was refused; keeps them a place where there are not too many."""
        rate = rate or float(waiting or 1)  # nothing measured yet: say a second
        step = 1 / (rate * PROMISED)
        own = self._of.get(sender_id)
        if own is not None and len(own) >= self._share:
            # No more of the line for one sender than of the mailbox; their turn comes when their share is free again.
            return self._bounded(own[-1].due - now + self._limit / self._share * step)
        due = max(self._end + step, now + waiting / rate)
        if due - now > LONGEST_RETRY:
            return LONGEST_RETRY
        self._end = due
        wait = self._bounded(due - now)
        places = len(self._coming) + len(self._keeping)
        if wait < KEPT_AHEAD and places < LENGTH * self._limit:
            place = Place(sender_id, now + wait)
            self._coming.append(place)
            self._of.setdefault(sender_id, []).append(place)
        return wait

    def share_after(self, sender_id: str, waiting: int, rate: float, now: float) -> float:
        """Seconds until this sender's share is free again. No place is kept: nobody but they themselves is in their way."""
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

    def _take(self, sender_id: str, now: float) -> bool:
        own = self._of.get(sender_id)
        if not own or own[0].due > now + EARLY:
            return False
        place = own[0]
        self._lose(place)
        place.taken = True
        return True

    def _move(self, now: float, horizon: float) -> None:
        coming, keeping = self._coming, self._keeping
        while coming and (coming[0].taken or coming[0].due <= horizon):
            place = coming.popleft()
            if not place.taken:
                place.kept = True
                self.kept += 1
                keeping.append(place)
        while keeping and (keeping[0].taken or keeping[0].due + GRACE < now):
            place = keeping.popleft()
            if not place.taken:
                self._lose(place)

    def _lose(self, place: Place) -> None:
        """Give up the oldest place of a sender: they are here, or have not come."""
        self.kept -= place.kept
        own = self._of[place.sender_id]
        del own[0]
        if not own:
            del self._of[place.sender_id]
