"""What another server publishes: fetched when it is first needed, kept for a while, shared by all who ask meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import trio

from .provider_fault import Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

LIFE = 3600.0  # seconds: a key that was withdrawn counts no longer than that
AGAIN = 10.0  # seconds between two fetches, however they end and whoever asks


class Cached(Generic[T]):
    """One such thing. `fetch` gets it; it raises `Unreachable` where it cannot."""

    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self._fetch = fetch
        self._found: tuple[T, float] | None = None
        self._failed: tuple[str, float] | None = None
        self._running: trio.Event | None = None

    async def get(self, *, newer_than: float = 0.0) -> tuple[T, float]:
        """It, and when it was fetched. Give that time back where it will not do, and there is a newer one, if it is not too soon.

        Raises `Unreachable`, at once where that was so a moment ago.
        """
        while self._running is not None:
            await self._running.wait()
        now = trio.current_time()
        if self._found is not None:
            fetched = self._found[1]
            if now < fetched + (AGAIN if newer_than >= fetched else LIFE):
                return self._found
        if self._failed is not None and now < self._failed[1] + AGAIN:
            raise Unreachable(self._failed[0])
        return await self._renew()

    async def _renew(self) -> tuple[T, float]:
        done = self._running = trio.Event()
        try:
            self._found = await self._fetch(), trio.current_time()
            self._failed = None
        except Unreachable as problem:
            self._failed = str(problem), trio.current_time()
            raise
        finally:
            self._running = None
            done.set()
        return self._found
