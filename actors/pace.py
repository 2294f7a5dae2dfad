"""How fast: a token bucket for one participant, and the measured drain of a mailbox that makes `retry_after` honest."""

from __future__ import annotations

LONGEST_RETRY = 60.0  # seconds: beyond it the measure says nothing any more
SHORTEST_RETRY = 0.05  # seconds: nearer than a round trip helps nobody
# Commands: the drain rate is that of about the last two seconds of a busy conversation
MEMORY = 2_000
ROUNDING = 1e-6  # tokens: who waits exactly as long as they were told gets through


class TokenBucket:
    """`rate` tokens a second, at most `burst` at once. A rate of 0 lets everything through."""

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = max(burst, 1.0)
        self._tokens = self.burst
        self._at = now

    def take(self, now: float) -> float:
        """Take a token; the seconds to wait for one where there is none, else 0."""
        if not self.rate:
            return 0.0
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens > 1.0 - ROUNDING:
            self._tokens = max(self._tokens - 1.0, 0.0)
            return 0.0
        return (1.0 - self._tokens) / self.rate

    def full(self, now: float) -> bool:
        """Whether the bucket remembers nothing, so that a new one would do as well."""
        return self._tokens + (now - self._at) * self.rate >= self.burst


class Drain:
    """The rate at which a mailbox is emptied, and a place in the queue for everybody who was turned away.

    Each refused caller gets the next free place behind what waits and behind those refused before, so that those
    who obey come back one after the other, as fast as they can be served, and not all at once.
    """

    __slots__ = ("_commands", "_promised", "_promised_at", "_seconds")

    def __init__(self) -> None:
        self._commands = 0.0
        self._seconds = 0.0
        self._promised = 0.0  # places given to callers who have still to come back
        self._promised_at = 0.0

    def served(self, commands: int, seconds: float) -> None:
        """Learn that a turn of that many seconds served that many commands."""
        if self._commands > MEMORY:
            self._commands /= 2
            self._seconds /= 2
        self._commands += commands
        self._seconds += seconds

    @property
    def rate(self) -> float:
        """Commands a second, measured while there was work; 0 before the first turn."""
        return self._commands / self._seconds if self._seconds > 0 else 0.0

    def retry_after(self, waiting: int, now: float) -> float:
        """Seconds until there is room for this caller."""
        rate = self.rate or float(waiting or 1)  # nothing measured yet: say a second
        served_since = (now - self._promised_at) * rate
        self._promised = max(0.0, self._promised - served_since)
        self._promised_at = now
        wait = (waiting + self._promised) / rate
        if wait < LONGEST_RETRY:
            self._promised += 1
        return min(max(wait, SHORTEST_RETRY), LONGEST_RETRY)
