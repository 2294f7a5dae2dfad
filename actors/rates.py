"""How fast: a token bucket for one participant, the measured drain of a mailbox, the age of an outage: what makes
`retry_after` honest.
"""

from __future__ import annotations

LONGEST_WAIT = 120.0  # seconds, but for a token that is farther off: who has more to say than that says it too fast for ever
# Seconds that a token is kept for who was told to come: `Retry-After` is in whole ones, and a network may stand still
KEPT = 4.0
PROMISES = 1000  # kept at most in one bucket, about 100 KB
SHORTEST_OUTAGE = 1.0  # seconds: a store that is locked or restarted is mostly back by then
LONGEST_OUTAGE = 20.0  # seconds: a disk that somebody has to make room on
# The drain rate is that of so many commands, or so many seconds of work, whatever is shorter: a room may grow
MEMORY = 2_000
MEMORY_SECONDS = 2.0
# Times the usual: what a turn over so many commands shows is not mixed with turns over few, which are dearer a command
LARGE = 4
# Of the rate: as much is promised; the rest is for newcomers, and for a measure that was a little too high
PROMISED = 0.97
SWING = 2.0  # times the mean deviation: of turns that vary evenly none takes longer, of others one in ten
ROUNDING = 1e-6  # tokens: who waits exactly as long as they were told gets through


class TokenBucket:
    """`rate` tokens a second, at most `burst` at once. A rate of 0 lets everything through.

    Those who are refused are told one time after the other, each when there is a token for it. Once the bucket is full
    nobody waits any more, and what was told is forgotten.
    """

    __slots__ = ("_at", "_promised", "_tokens", "_told", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = max(burst, 1.0)
        self._tokens = self.burst
        self._at = now
        self._told = float("-inf")  # when the last one who was refused is to come back
        self._promised: dict[str, float] = {}  # name -> when its token is there, in that order

    def take(self, now: float, name: str | None = None) -> float:
        """Take a token; the seconds to wait for one where there is none, else 0.

        What has a `name`, and comes again when it was told, finds its token kept, whatever came meanwhile.
        """
        if not self.rate:
            return 0.0
        promised = self._promised
        # What is kept for others has no end at the burst: else who comes late would find it gone.
        most = self.burst + min(len(promised), self.rate * KEPT)
        self._tokens = min(most, self._tokens + (now - self._at) * self.rate)
        self._at = now
        free = self._tokens - self._kept(now, name) if promised else self._tokens
        if free > 1.0 - ROUNDING:
            if self._tokens >= self.burst:
                self._told = float("-inf")
            self._tokens = max(self._tokens - 1.0, 0.0)
            if name is not None:
                promised.pop(name, None)
            return 0.0
        if name in promised and promised[name] > now:
            return promised[name] - now  # it came too early
        soonest = now + (1.0 - free) / self.rate
        last = max(soonest, now + LONGEST_WAIT)
        self._told = min(max(soonest, self._told + 1.0 / self.rate), last)
        if name is not None and self._told < last and len(promised) < PROMISES:
            promised.pop(name, None)
            promised[name] = self._told
        return self._told - now

    def _kept(self, now: float, name: str | None) -> int:
        """Tokens that are there for others who are expected this moment."""
        kept, lapsed = 0, []
        for other, due in self._promised.items():
            if due + KEPT < now:
                lapsed.append(other)
            elif due > now + ROUNDING:
                break
            elif other == name:
                kept = 0  # it is their own; who should have come before has not
                break
            else:
                kept += 1
        for other in lapsed:
            del self._promised[other]
        return kept

    def full(self, now: float) -> bool:
        """Whether the bucket remembers nothing, so that a new one would do as well."""
        return self._tokens + (now - self._at) * self.rate >= self.burst


class Drain:
    """The rate at which a mailbox is emptied while there is work."""

    __slots__ = ("_commands", "_deviation", "_fixed", "_seconds", "_turns")

    def __init__(self) -> None:
        self._commands = 0.0
        self._seconds = 0.0
        self._turns = 0.0
        self._deviation = 0.0  # seconds that turns take longer or shorter than their average
        self._fixed = (
            0.0  # seconds that a turn over few takes: what a turn costs whatever it is over
        )

    def served(self, commands: int, seconds: float) -> None:
        """Learn that a turn over so many commands took so long."""
        if commands * self._turns > LARGE * self._commands:
            self._fixed = self.turn if self._turns else 0.0
            self._commands = self._seconds = self._turns = 0.0
        elif self._commands > MEMORY or self._seconds > MEMORY_SECONDS:
            self._commands /= 2
            self._seconds /= 2
            self._turns /= 2
        self._commands += commands
        self._seconds += seconds
        self._turns += 1
        self._deviation += (abs(seconds - self.turn) - self._deviation) / 8

    @property
    def rate(self) -> float:
        """Commands a second, measured while there was work; 0 before the first turn."""
        return self._commands / self._seconds if self._seconds > 0 else 0.0

    @property
    def turn(self) -> float:
        """Seconds that a turn takes, on average; a second before the first."""
        return self._seconds / self._turns if self._turns else 1.0

    @property
    def swing(self) -> float:
        """Seconds that hardly any turn takes longer than the average."""
        return min(SWING * self._deviation, self.turn)

    def promised(self, limit: int) -> float:
        """Commands a second that may be promised room in a mailbox of this limit; 0 before the first turn.

        Where each command costs its own time that is nearly the rate. Where a turn costs the same whatever it is over, as
        with a slow disk, the limit alone bounds the rate, and a turn that takes longer finds the mailbox full: as much less
        than the limit is promised as turns differ.
        """
        if not self._seconds > 0:
            return 0.0
        turn, size = self.turn, self._commands / self._turns
        fixed = min(self._fixed, turn)
        filled = min(limit / (1 + self.swing / turn), size * LARGE)
        return PROMISED * filled / (fixed + (turn - fixed) / size * filled)


class Outage:
    """How long something has been failing, and so when trying again may help: nobody knows, but what has failed for long
    does not come back within a second.
    """

    __slots__ = ("_over", "_since")

    def __init__(self) -> None:
        self._since = self._over = float("-inf")

    def retry_after(self, now: float, chance: float) -> float:
        """Seconds to wait after a failure at this moment; `chance`, from 0 to 1, keeps callers from coming all at once."""
        if now > self._over:
            self._since = now
        wait = min(max(now - self._since, SHORTEST_OUTAGE), LONGEST_OUTAGE)
        self._over = (
            now + 2 * wait
        )  # who was told to wait has come back by then, and it did not fail
        return wait * (1 + chance / 2)
