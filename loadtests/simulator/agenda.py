"""A timer queue: calls at moments of virtual time, made by one task."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


class Agenda:
    """Makes calls at their time; calls of one moment in the order in which they were scheduled."""

    def __init__(self) -> None:
        self._calls: list[tuple[float, int, Callable[[], object]]] = []
        self._order = count()
        self._changed = trio.Event()

    def after(self, seconds: float, call: Callable[[], object]) -> None:
        """Schedule a call for so many seconds from now."""
        self.at(trio.current_time() + seconds, call)

    def at(self, moment: float, call: Callable[[], object]) -> None:
        """Schedule a call for a moment of virtual time. An exception from it ends the run."""
        if not self._calls or moment < self._calls[0][0]:
            self._changed.set()
        heappush(self._calls, (moment, next(self._order), call))

    async def run(self) -> None:
        """Make the calls until cancelled."""
        while True:
            deadline = self._calls[0][0] if self._calls else float("inf")
            with trio.move_on_at(deadline):
                await self._changed.wait()
            if self._changed.is_set():
                self._changed = trio.Event()
            now = trio.current_time()
            while self._calls and self._calls[0][0] <= now:
                heappop(self._calls)[2]()
