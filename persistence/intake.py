"""What waits for the writer, and how long the writer waits for more of it."""

from __future__ import annotations

import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

T = TypeVar("T")

MOMENT = 0.0015  # seconds: half of what a small commit takes
ENOUGH = 16  # waiting already: more would not make the commit much cheaper for each
WORTH = 0.5  # of one more change a wait, on average
PROBE = 64  # commits after which it is tried again whether waiting pays


class Intake(Generic[T]):
    """A queue whose consumer is woken when the producer chooses, since waking a thread costs more than handing over.

    Every call of `put` wakes it, until `gather` has been called; then only `hand_over` does.
    """

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._signals: SimpleQueue[None] = SimpleQueue()
        self._gathering = False

    def gather(self) -> None:
        """Let `put` wake nobody any more."""
        self._gathering = True

    def put(self, item: T, *, urgent: bool = False) -> None:
        """Add an item; `urgent` wakes the consumer all the same."""
        self._items.append(item)
        if urgent or not self._gathering:
            self._signals.put(None)

    def hand_over(self) -> None:
        """Wake the consumer if there is anything for it."""
        if self._items:
            self._signals.put(None)

    def get(self, timeout: float | None = None) -> T:
        """The next item; raises `queue.Empty` where none has come within that many seconds."""
        while True:
            try:
                return self._items.popleft()
            except IndexError:
                self._signals.get(timeout=timeout)  # perhaps for an item that was taken already

    def get_nowait(self) -> T:
        """The next item; raises `queue.Empty` where there is none."""
        try:
            return self._items.popleft()
        except IndexError:
            raise Empty from None

    def __len__(self) -> int:
        return len(self._items)


class Linger:
    """Waits a moment before a commit when that pays, and not when it does not.

    At a thousand single messages a second a moment's wait halves the commits. Somebody who waits for each receipt before
    they send again gains nothing by it: that is noticed after a few commits.
    """

    def __init__(self) -> None:
        self._gain = 1.0  # changes that came during a wait, on average
        self._commits = 0

    def for_more(self, intake: Intake[T]) -> None:
        """Wait, if that is likely to bring more."""
        self._commits += 1
        before = len(intake)
        if before >= ENOUGH or (self._gain < WORTH and self._commits % PROBE):
            return
        time.sleep(MOMENT)
        self._gain += (len(intake) - before - self._gain) / 4
