"""How long the wire waits for more to read, and when that pays."""

from __future__ import annotations

MOMENT = 0.002  # seconds: a quarter of what people call at once
ENOUGH = 16  # sockets to read already: more would not make a message much cheaper
WORTH = 1.0  # of one more socket a wait, on average
PROBE = 64  # rounds after which it is tried again whether waiting pays
BUSY = 0.56  # of the time but for these waits; a room of 100 whose people are answered at once keeps it busier, at 0.65
OVERLOADED = 0.9  # of the time, likewise
MEMORY = 0.5  # seconds over which it is measured how busy this is


class CoalescingWait:
    """Decides whether to look again a moment later before anything is read.

    At a thousand single messages a second a moment brings two more, and what costs most of each, waking up with cold caches,
    is paid once for all three. Where people wait for each other's words it brings nothing, and where they send as fast as
    they are answered it would only slow them down: the one shows in what came, the other in how busy this is.
    """

    __slots__ = ("_gain", "_passed", "_round_at", "_rounds", "_used", "_worked")

    def __init__(self) -> None:
        self._gain = 0.0  # sockets that became readable during a wait, on average
        self._rounds = 0
        self._round_at = float("inf")  # when the last round began, and
        self._used = 0.0  # how much time this thread had worked by then
        self._passed = 0.0  # seconds, and
        self._worked = 0.0  # how many of them were work, both of about the last `MEMORY`

    def pays(self, ready: int, now: float, used: float) -> bool:
        """Whether to wait, with so many sockets to read. `used` is the CPU time of this thread."""
        self.look(now, used)
        self._rounds += 1
        return (
            0 < ready < ENOUGH
            and (self._gain >= WORTH or not self._rounds % PROBE)
            and self._worked < BUSY * self._passed
        )

    def look(self, now: float, used: float) -> None:
        """Take note of how busy this thread is, also where it has no rounds since all its connections are under TLS."""
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
        """Whether this thread has hardly any time to spare."""
        return self._worked > OVERLOADED * self._passed

    def learn(self, gain: int, waited: float) -> None:
        """Take note of how many more there were after a wait of so many seconds."""
        self._round_at += waited
        self._gain += (gain - self._gain) / 8
