"""How long the wire waits for more to read, and when that pays."""

from __future__ import annotations

MOMENT = 0.002  # seconds: a quarter of what people call at once
ENOUGH = 16  # sockets to read already: more would not make a message much cheaper
WORTH = 1.0  # of one more socket a wait, on average
PROBE = 64  # rounds after which it is tried again whether waiting pays
FREE = 0.4  # of the time: who has less to spare finds enough waiting without any patience
MEMORY = 0.5  # seconds that the share of free time is measured over


class Patience:
    """Decides whether to look again a moment later before anything is read.

    At a thousand single messages a second a moment brings two more, and what costs most of each, waking up with cold caches,
    is paid once for all three. Where people wait for each other's words it brings nothing, and where they send as fast as
    they are answered it would only slow them down: the one shows in what came, the other in how little time is free.
    """

    __slots__ = ("_free", "_gain", "_round_at", "_rounds", "_spent")

    def __init__(self) -> None:
        self._gain = 0.0  # sockets that became readable during a wait, on average
        self._rounds = 0
        self._round_at = float("inf")  # when the last round began
        self._free = 0.0  # seconds without anything to read, and
        self._spent = 0.0  # all seconds, both of about the last `MEMORY`

    def pays(self, ready: int, waited: float, now: float) -> bool:
        """Whether to wait, with so many sockets to read after so many seconds in which there were none."""
        self._free += waited
        self._spent += max(0.0, now - self._round_at)
        self._round_at = now
        if self._spent > MEMORY:
            self._free /= 2
            self._spent /= 2
        self._rounds += 1
        return (
            0 < ready < ENOUGH
            and (self._gain >= WORTH or not self._rounds % PROBE)
            and self._free > FREE * self._spent
        )

    def learn(self, gain: int, waited: float) -> None:
        """Take note of how many more there were after a wait of so many seconds."""
        self._free += waited
        self._gain += (gain - self._gain) / 8
