"""What the client waits with: anyio, and for what each message needs the primitives of trio itself, where that runs."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import anyio
import anyio.lowlevel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager

T = TypeVar("T")


class Event(Protocol):
    """An event of the loop."""

    def set(self) -> object: ...

    async def wait(self) -> None: ...


class Scope(Protocol):
    """A cancel scope of the loop."""

    @property
    def cancelled_caught(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Primitives:
    """What every message needs of the loop. anyio looks for it in each call: under trio up to a tenth of a message's cost."""

    event: Callable[[], Event]
    current_time: Callable[[], float]
    move_on_after: Callable[[float], AbstractContextManager[Scope]]
    checkpoint_if_cancelled: Callable[[], Awaitable[None]]


OF_ANYIO = Primitives(
    anyio.Event,
    anyio.current_time,
    anyio.move_on_after,
    anyio.lowlevel.checkpoint_if_cancelled,
)


def primitives() -> Primitives:
    """Those of the running loop; to be asked for where it runs."""
    trio = sys.modules.get("trio")  # it need not be installed
    return _of_trio(trio) if trio is not None and trio.lowlevel.in_trio_run() else OF_ANYIO


@cache
def _of_trio(trio: Any) -> Primitives:
    return Primitives(
        trio.Event,
        trio.current_time,
        trio.move_on_after,
        trio.lowlevel.checkpoint_if_cancelled,
    )


class Waiters:
    """Tasks that wait for news, and are woken all at once."""

    def __init__(self) -> None:
        self._event = primitives().event
        self._news: Event | None = None

    async def park(self) -> None:
        """Wait for the next `unpark_all`."""
        if self._news is None:
            self._news = self._event()
        await self._news.wait()

    def unpark_all(self) -> None:
        """Wake all that wait now."""
        news, self._news = self._news, None
        if news is not None:
            news.set()


class Channel(Generic[T]):
    """A bounded queue that is read by iterating; it needs no closing by its reader."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[T] = deque()
        self._arrived = Waiters()
        self._closed = False

    @property
    def is_full(self) -> bool:
        return len(self._items) >= self._capacity

    def put(self, item: T) -> None:
        """Add an item; a full channel drops its oldest."""
        if self.is_full:
            self._items.popleft()
        self._items.append(item)
        self._arrived.unpark_all()

    def put_back(self, item: T) -> None:
        """Let an item that was taken be the next one again."""
        self._items.appendleft(item)
        self._arrived.unpark_all()

    def close(self) -> None:
        """Let reading end after what is in here."""
        self._closed = True
        self._arrived.unpark_all()

    def receive_nowait(self) -> T:
        """The next item; raises anyio.WouldBlock if there is none yet, and anyio.EndOfStream at the end."""
        if self._items:
            return self._items.popleft()
        raise anyio.EndOfStream if self._closed else anyio.WouldBlock

    async def receive(self) -> T:
        """Wait for the next item; raises anyio.EndOfStream at the end."""
        await anyio.lowlevel.checkpoint_if_cancelled()
        if self._items or self._closed:
            await anyio.lowlevel.cancel_shielded_checkpoint()
        while not (self._items or self._closed):
            await self._arrived.park()
        return self.receive_nowait()

    def __aiter__(self) -> Channel[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
