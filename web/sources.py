"""The system's clock and randomness, which are passed to the engine."""

from __future__ import annotations

import os
import time
from base64 import urlsafe_b64encode
from random import random

from salon.actors.sources import Sources


def system_sources() -> Sources:
    """The system's clock and entropy."""
    entropy = Entropy()
    return Sources(
        now=lambda: time.time_ns() // 1_000_000,
        new_id=lambda: urlsafe_b64encode(entropy.take(16)).rstrip(b"=").decode(),
        entropy=entropy.take,
        chance=random,
    )


class Entropy:
    """The system's random bytes, read a page at a time: each read releases the GIL, which is costly in a busy server."""

    def __init__(self) -> None:
        self._bytes = b""

    def take(self, count: int) -> bytes:
        """The next `count` bytes, none of them given out before."""
        if len(self._bytes) < count:
            self._bytes = os.urandom(max(4096, count))
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return taken
