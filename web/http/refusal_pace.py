"""How fast who is nobody is told so: whoever tries tokens gets its answers later, and so asks less often."""

from __future__ import annotations

from collections import OrderedDict

import trio

from salon.actors.rates import TokenBucket

# Refusals a second without a pause, for one address and for all. One costs 0.1 to 0.2 ms: all together take half a core at most.
RATE = 1_000
RATE_OF_ALL = 2_500
# At once: while these are answered nobody else is, for 10 ms.
BURST = 50
# Seconds that each further answer waits. Nobody is locked out: a valid token from the same address never waits.
PAUSE = 1.0
KEPT = 10_000  # addresses: 2 MB; one that is dropped begins anew
REFUSED = b"HTTP/1.1 401 "  # the beginning of these answers


class RefusalPace:
    """Counts the refusals of each address, and of all."""

    def __init__(self) -> None:
        self._all = TokenBucket(RATE_OF_ALL, BURST, trio.current_time())
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def pause(self, address: str | None) -> float:
        """Count a refusal; the seconds to wait before it is sent. `address` is None for a proxy: it is that of many clients."""
        now = trio.current_time()
        if address is not None:
            bucket = self._buckets.get(address)
            if bucket is None:
                bucket = self._buckets[address] = TokenBucket(RATE, BURST, now)
                if len(self._buckets) > KEPT:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(address)
            if bucket.take(now):
                return PAUSE
        return PAUSE if self._all.take(now) else 0.0
