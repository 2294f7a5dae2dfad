"""An endpoint: how many answers it makes at once, and whether it is left alone because it has failed."""

from __future__ import annotations

from typing import Literal

import trio

LONGEST = 64  # times the first pause


class Breaker:
    """Opens after `failures` in a row, for `pause` seconds; then one answer is tried, and one that fails doubles the pause."""

    def __init__(self, failures: int, pause: float) -> None:
        self._failures = failures
        self._pause = pause
        self._in_a_row = 0
        self._opened = 0  # times since it last worked
        self._until = 0.0
        self._trying = False

    @property
    def state(self) -> Literal["closed", "open", "half_open"]:
        """`half_open` where one answer may be tried, or is."""
        if not self._opened:
            return "closed"
        return "open" if trio.current_time() < self._until else "half_open"

    def wait(self) -> float | None:
        """Seconds until an answer may be tried, or None where it may be now: then it counts as tried."""
        if self.state == "closed":
            return None
        if self.state == "open" or self._trying:
            return max(self._until - trio.current_time(), 1.0)
        self._trying = True
        return None

    def remaining(self) -> float:
        """Seconds for which it is open."""
        return max(self._until - trio.current_time(), 0.0) if self._opened else 0.0

    def worked(self) -> None:
        """Note an answer."""
        self._in_a_row = self._opened = 0
        self._trying = False

    def unknown(self) -> None:
        """Note that an answer has ended by something else: it says nothing about the endpoint."""
        self._trying = False

    def failed(self) -> None:
        """Note a failure of the endpoint."""
        if self.state == "open":
            return  # of an answer that was begun before: all that go on fail with the one that opened it
        self._in_a_row += 1
        if self._trying or self._in_a_row >= self._failures:
            self._trying = False
            self._until = trio.current_time() + self._pause * min(2**self._opened, LONGEST)
            self._opened += 1


class Endpoint:
    """What agents with the same address share."""

    def __init__(self, runs: int, failures: int, pause: float) -> None:
        self.places = trio.CapacityLimiter(runs)
        self.breaker = Breaker(failures, pause)

    def allow(self, runs: int) -> None:
        """Let it make at least so many answers at once: the most that any of its agents may."""
        self.places.total_tokens = max(int(self.places.total_tokens), runs)
