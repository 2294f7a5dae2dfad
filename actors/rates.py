"""Rates behind `retry_after`: a participant's token bucket, a mailbox's measured drain rate, the length of an outage."""

from __future__ import annotations

LONGEST_WAIT = 120.0  # seconds, unless the next token is later: a sender that is told more than that sends too fast anyway
# Seconds that a token is kept for a refused sender: `Retry-After` is in whole seconds, and a network may stall
KEPT = 4.0
PROMISES = 1000  # kept tokens in one bucket at most, about 100 KB
SHORTEST_OUTAGE = 1.0  # seconds: a store that is locked or restarted is mostly back by then
LONGEST_OUTAGE = 20.0  # seconds: a disk that somebody has to make room on
# The drain rate covers this many commands or seconds of work, whichever is shorter, so that it follows a growing room
MEMORY = 2_000
MEMORY_SECONDS = 2.0
# A turn over this many times the usual number of commands starts a new measurement: a small turn costs more per command
LARGE = 4
# Share of the rate that is promised; the rest is for other commands, and for a measured rate that was a little too high
PROMISED = 0.97
SWING = 2.0  # times the mean deviation: evenly varying turns never take longer, others in one of ten cases
ROUNDING = 1e-6  # tokens: a sender that waits exactly as long as told is admitted


class TokenBucket:
    """`rate` tokens a second, at most `burst` at once. A rate of 0 lets everything through.

    Each refused sender is told a different time, at which a token is there for it. Once the bucket is full nobody waits any
    more, and the told times are forgotten.
    """

    __slots__ = ("_at", "_promised", "_tokens", "_told", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = max(burst, 1.0)
        self._tokens = self.burst
        self._at = now
        self._told = float("-inf")  # when the last refused sender is to retry
        self._promised: dict[str, float] = {}  # name -> when its token is there, in that order

    def take(self, now: float, name: str | None = None) -> float:
        """Take a token; return the seconds to wait for one where there is none, else 0.

        A command with a `name` that is repeated when told finds its token kept, whatever arrived meanwhile.
        """
        if not self.rate:
            return 0.0
        promised = self._promised
        # Kept tokens may exceed the burst: else a late sender would find its token gone.
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
            return promised[name] - now  # repeated too early
        soonest = now + (1.0 - free) / self.rate
        last = max(soonest, now + LONGEST_WAIT)
        self._told = min(max(soonest, self._told + 1.0 / self.rate), last)
        if name is not None and self._told < last and len(promised) < PROMISES:
            promised.pop(name, None)
            promised[name] = self._told
        return self._told - now

    def _kept(self, now: float, name: str | None) -> int:
        """Number of tokens kept for other senders that are expected now."""
        kept, lapsed = 0, []
        for other, due in self._promised.items():
            if due + KEPT < now:
                lapsed.append(other)
            elif due > now + ROUNDING:
                break
            elif other == name:
                kept = 0  # the token is the sender's own; earlier senders are overdue
                break
            else:
                kept += 1
        for other in lapsed:
            del self._promised[other]
        return kept

    def full(self, now: float) -> bool:
        """Whether the bucket is full and holds no promises, so that a new one would do as well."""
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
        """Add the measurement of a turn: its number of commands and its seconds."""
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
        self._deviation += (abs(seconds - self._seconds / self._turns) - self._deviation) / 8

    @property
    def rate(self) -> float:
        """Commands a second, measured while there was work; 0 before the first turn."""
        return self._commands / self._seconds if self._seconds > 0 else 0.0

    @property
    def turn(self) -> float:
        """Average seconds of a turn; 1 before the first."""
        return self._seconds / self._turns if self._turns else 1.0

    @property
    def swing(self) -> float:
        """Seconds by which hardly any turn exceeds the average."""
        return min(SWING * self._deviation, self.turn)

    def promised(self, limit: int) -> float:
        """Commands a second that may be promised to a mailbox of this limit; 0 before the first turn.

        Where each command costs its own time, that is nearly the rate. Where a turn costs the same for any number of commands, as
        with a slow disk, only the limit bounds the rate, and a turn that takes longer finds the mailbox full: the promise is
        lower than the limit by as much as turns differ.
        """
        if not self._seconds > 0:
            return 0.0
        turn, size = self.turn, self._commands / self._turns
        fixed = min(self._fixed, turn)
        filled = min(limit / (1 + self.swing / turn), size * LARGE)
        return PROMISED * filled / (fixed + (turn - fixed) / size * filled)


class Outage:
    """How long something has been failing, from which the time to retry follows. An outage that has lasted long does not end
    within a second.
    """

    __slots__ = ("_over", "_since")

    def __init__(self) -> None:
        self._since = self._over = float("-inf")

    def retry_after(self, now: float, chance: float) -> float:
        """Seconds to wait after a failure at this moment; `chance`, from 0 to 1, keeps callers from coming all at once."""
        if now > self._over:
            self._since = now
        wait = min(max(now - self._since, SHORTEST_OUTAGE), LONGEST_OUTAGE)
        self._over = now + 2 * wait  # callers have retried by then, without a failure
        return wait * (1 + chance / 2)
