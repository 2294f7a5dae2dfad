"""Caches a document of another server: fetched on first use, kept for a while, and shared by concurrent callers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import trio

from .provider_fault import Unreachable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")

LIFE = 3600.0  # seconds: a withdrawn key is accepted no longer than that
AGAIN = 10.0  # minimum seconds between two fetches, whatever their outcome


class Cached(Generic[T]):
    """One cached document. `fetch` gets it, or raises `Unreachable`."""

    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self._fetch = fetch
        self._found: tuple[T, float] | None = None
        self._failed: tuple[str, float] | None = None
        self._running: trio.Event | None = None

    @property
    def found(self) -> tuple[T, float] | None:
        """The document and the time of its fetch, without waiting; None if there is none, or it is older than `LIFE`."""
        if self._found is None or trio.current_time() >= self._found[1] + LIFE:
            return None
        return self._found

    @property
    def age(self) -> float:
        """The seconds since the last successful fetch."""
        return float("inf") if self._found is None else trio.current_time() - self._found[1]

    async def get(self, *, newer_than: float = 0.0) -> tuple[T, float]:
        """The document and the time of its fetch.

        A caller to whom the document is of no use passes that time as `newer_than`. The document is then fetched again,
        unless the last fetch was less than `AGAIN` seconds ago. Raises `Unreachable`, at once if a recent fetch failed.
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
