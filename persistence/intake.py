"""The writer's queue, and how long the writer waits for more changes."""

from __future__ import annotations

import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

MOMENT = 0.0015  # seconds: half of what a small commit takes
ENOUGH = 16  # changes waiting: more would not make the commit much cheaper for each
WORTH = 0.5  # more changes a wait, on average, that make waiting worthwhile
PROBE = 64  # commits until it is tried again whether waiting pays


class Intake(Generic[T]):
    """A queue whose producer decides when to wake the consumer, since waking a thread costs more than handing over.

    Every call of `put` wakes the consumer, until `gather` has been called; then only `hand_over` and urgent items do.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._signals: SimpleQueue[None] = SimpleQueue()
        self._gathering = False

    def gather(self) -> None:
        """From now on `put` wakes the consumer only for urgent items."""
        self._gathering = True

    def put(self, item: T, *, urgent: bool = False) -> None:
        """Add an item; an `urgent` one always wakes the consumer."""
        self._items.append(item)
        if urgent or not self._gathering:
            self._signals.put(None)

    def hand_over(self) -> None:
        """Wake the consumer if items are waiting."""
        if self._items:
            self._signals.put(None)

    def get(self, timeout: float | None = None) -> T:
        """The next item; raises `queue.Empty` if none comes within `timeout` seconds."""
        while True:
            try:
                return self._items.popleft()
            except IndexError:
                self._signals.get(timeout=timeout)  # perhaps for an item that was taken already

    def get_nowait(self) -> T:
        """The next item; raises `queue.Empty` if there is none."""
        try:
            return self._items.popleft()
        except IndexError:
            raise Empty from None

    def __len__(self) -> int:
        return len(self._items)


class Linger:
    """Waits a moment before a commit if that pays.

    At a thousand single messages a second, a moment's wait halves the number of commits. A client that waits for each receipt
    before it sends again gains nothing by it: a few commits show that, and the waiting stops.
    """

    def __init__(self) -> None:
        self._gain = 1.0  # average number of changes that arrive during a wait
        self._commits = 0

    def for_more(self, intake: Intake[T]) -> None:
        """Wait, if more changes are likely to arrive."""
        self._commits += 1
        before = len(intake)
        if before >= ENOUGH or (self._gain < WORTH and self._commits % PROBE):
            return
        time.sleep(MOMENT)
        self._gain += (len(intake) - before - self._gain) / 4
