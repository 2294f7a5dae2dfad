"""What refusing may cost: a socket whose messages are refused all the time is read more slowly, for serving comes first."""

from __future__ import annotations

# Refusals a second, in the whole process, after which refused sockets rest: 4 % of a core at 40 us each
REFUSALS = 1000.0
AT_ONCE = 1000  # after a quiet time nobody rests before so many: a second's worth
# Seconds that a socket rests at most: what else its peer has to say, the answer to a ping for one, is heard in time
LONGEST = 1.0


class ReadThrottle:
    """Decides how long a socket is not read from after a message of its was refused for load or rate.

    Whoever obeys `retry_after` never notices: the rest is over by then. Whoever goes on sending fills the buffers between
    here and there, and so is slowed down to what the server has the time to refuse; nothing of it is lost. A room of 100
    that is flooded with 37,000 messages a second, and whose mailbox takes 100, is served 8,050 a second, 5,900 without.
    """

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = float("-inf")  # until when the time for refusing is spent

    def refused(self, retry_after: float, now: float) -> float:
        """Count a refusal whose caller is to come back after so many seconds: how many its socket rests, 0 for not at all."""
        at = max(self._at, now - AT_ONCE / REFUSALS) + 1 / REFUSALS
        self._at = min(at, now + LONGEST)
        return max(0.0, min(self._at - now, retry_after))
