"""The log of all conversations in the order of its commits, for readers that follow behind the writer."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from .future import Future
    from .store import Record

PAGE = 64  # events of a page, and its bytes: what one reader holds at once
PAGE_BYTES = 262_144


class LogEntry(NamedTuple):
    """One event at its place in the log. Places ascend with the commits, and within a conversation with the sequence."""

    position: int
    number: int
    conversation_id: str
    record: Record


class LogPage(NamedTuple):
    """Events in the order of their places. No event comes later at a place up to `through`; the next page begins there."""

    entries: tuple[LogEntry, ...]
    through: int


class CommonLog(Protocol):
    """What the store answers about the log of all conversations."""

    def common_log(self, after: int, *, limit: int = PAGE) -> Future[LogPage]:
        """Events at places after `after`, at most `limit` and about `PAGE_BYTES`; those of deleted conversations are left out."""

    def log_end(self) -> Future[int]:
        """The newest place; 0 in an empty store."""

    def sequence_at(self, number: int, position: int) -> Future[int]:
        """The sequence of a conversation's newest event at a place up to `position`; 0 where there is none."""

    def owed(self, number: int, after: int, limit: int) -> Future[tuple[Record, ...]]:
        """Up to `limit` events of a conversation after a sequence, as they are now; none of a deleted conversation."""

    def on_commit(self, told: Callable[[], None]) -> None:
        """Have a function called in the trio run after each commit."""


class LogTail:
    """Tells readers that the log has grown. A reader takes `grown` before it reads, so that it misses no commit."""

    def __init__(self, store: CommonLog) -> None:
        self.grown = trio.Event()
        store.on_commit(self._told)

    def _told(self) -> None:
        self.grown.set()
        self.grown = trio.Event()
