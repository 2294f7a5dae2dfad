"""Decides when the wire waits briefly for more sockets to become readable, and for how long."""

from __future__ import annotations

MOMENT = 0.002  # seconds: a quarter of the delay that people perceive as instant
ENOUGH = 16  # readable sockets: above this a larger batch hardly lowers the cost of a message
WORTH = 1.0  # additional sockets that a wait must bring on average
PROBE = 64  # rounds between two trial waits while waiting does not pay
# Load (share of the time, waits excluded) above which the thread does not wait.
# A closed-loop room of 100, whose clients are answered at once, has a load of 0.65.
BUSY = 0.56
OVERLOADED = 0.9  # load, measured likewise, above which the thread has no time to spare
MEMORY = 0.5  # seconds over which the load is averaged


class CoalescingWait:
    """Decides whether to poll the selector a second time, a moment later, before reading.

    At 1,000 single messages a second, a wait brings two more. The main cost of a message, waking up with cold caches, is then
    paid once for three. Where people take turns, a wait brings nothing: the average gain shows this. Where clients send as
    fast as they are answered, a wait only slows them down: the load shows this.
    """

    __slots__ = ("_gain", "_passed", "_round_at", "_rounds", "_used", "_worked")

    def __init__(self) -> None:
        self._gain = 0.0  # sockets that became readable during a wait, on average
        self._rounds = 0
        self._round_at = float("inf")  # when the last round began
        self._used = 0.0  # this thread's CPU time when the last round began
        self._passed = 0.0  # seconds of wall-clock time, over about the last `MEMORY`
        self._worked = 0.0  # seconds of CPU time, over the same period

    def pays(self, ready: int, now: float, used: float) -> bool:
        """Whether to wait. `ready` is the number of readable sockets, `used` the CPU time of this thread in seconds."""
        self.look(now, used)
        self._rounds += 1
        return (
            0 < ready < ENOUGH
            and (self._gain >= WORTH or not self._rounds % PROBE)
            and self._worked < BUSY * self._passed
        )

    def look(self, now: float, used: float) -> None:
        """Update the load. The beat calls this too: a thread has no rounds when all its connections use TLS."""
        passed = now - self._round_at
        if passed > 0:  # not in the first round
            self._passed += passed
            self._worked += used - self._used
        self._round_at, self._used = now, used
        if self._passed > MEMORY:
            self._passed /= 2
            self._worked /= 2

    @property
    def overloaded(self) -> bool:
        """Whether the load of this thread exceeds `OVERLOADED`."""
        return self._worked > OVERLOADED * self._passed

    def learn(self, gain: int, waited: float) -> None:
        """Record that a wait of `waited` seconds made `gain` more sockets readable."""
        self._round_at += waited
        self._gain += (gain - self._gain) / 8
