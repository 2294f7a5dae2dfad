"""How fast one address is told that it is nobody: whoever tries tokens gets its answers later, and so asks less often."""

from __future__ import annotations

from collections import Counter

import trio

# Refusals a second for one address without a pause: a refusal costs about 0.1 ms, so all together a tenth of a core.
AT_ONCE = 1_000
# Seconds that each further answer waits. Nobody is locked out: a valid token from the same address never waits.
PAUSE = 1.0
REFUSED = b"HTTP/1.1 401 "  # the beginning of these answers


class RefusalPace:
    """Counts the refusals of each address in the current second."""

    def __init__(self) -> None:
        self._second = 0
        self._counts: Counter[str] = Counter()

    def pause(self, address: str) -> float:
        """Count a refusal; the seconds to wait before it is sent."""
        second = int(trio.current_time())
        if second != self._second:
            self._second, self._counts = second, Counter()
        self._counts[address] += 1
        return PAUSE if self._counts[address] > AT_ONCE else 0.0
