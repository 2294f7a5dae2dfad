"""A thread that writes: it commits all waiting changes and accounts as one group, and has their futures set together.

What a database needs of it besides stands in the classes that derive from it.
"""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from queue import Empty
from typing import TYPE_CHECKING, Any, TypeVar

from salon.actors.future import Future
from salon.actors.store import Changes, StoreError, StoreStatistics

from .intake import Intake, Linger
from .ledger import Entry
from .loop import settle

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.store import Appended, KeysTaken, Record, RunAccount, StaleView

    from .connection import Connection
    from .ledger import Outcome
    from .loop import Loop

T = TypeVar("T")
Item = tuple["Job | None", Future[Any]]
Group = list[tuple[Entry, Future[Any]]]

GROUP = 2_000  # records and accounts a commit, at least one entry: about 20 ms; a larger group would not be cheaper a record
RECENT = 256  # commits remembered for `statistics`
REST = 10.0  # seconds until failed housekeeping is tried again

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """What `WritingThread.do` is given."""

    run: Callable[[Any], Any]
    erases: bool
    relaxed: bool


class WritingThread(ABC):
    """Owns the writing connection. The queue is bounded by its callers: one append of a conversation at a time."""

    def __init__(self, name: str, loop: Loop) -> None:
        self._name = name  # of the store, for operators
        self._loop = loop
        self._queue: Intake[tuple[Entry, Future[Any]] | Item] = Intake()
        self._linger = Linger()
        self._rest_until = 0.0
        self._closed = False
        self._turns: AbstractContextManager[None] = nullcontext()
        self._waiting = self._commits = self._records = 0
        self._told: list[Callable[[], None]] = []
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._thread = threading.Thread(target=self._run, name="salon-writer", daemon=True)

    def append(self, changes: Changes) -> Future[Appended | KeysTaken | StaleView]:
        """Commit the changes together with the other waiting changes."""
        return self._put(changes)

    def save_account(self, account: RunAccount) -> Future[None]:
        """Commit the account together with the waiting changes. It need not come from a turn, so it wakes the thread."""
        return self._put(account, urgent=True)

    def gather(self, turns: AbstractContextManager[None]) -> Callable[[], None]:
        """Hold appends back until the returned function is called: once after each round of turns.

        `turns` is entered while a group's outcomes are set: the turns that these cause run when it is left.
        """
        self._turns = turns
        self._queue.gather()
        return self._queue.hand_over

    def on_commit(self, told: Callable[[], None]) -> None:
        """Have a function called in the trio run after each commit."""
        self._told.append(told)

    def do(
        self,
        job: Callable[[Connection], T],
        *,
        erases: bool = False,
        relaxed: bool = False,
    ) -> Future[T]:
        """Run a job between two groups, on the writing connection, and commit its writes.

        `erases` says that it deletes text, which the write-ahead log must lose soon. `relaxed` ones do not wait for the disk.
        """
        future: Future[T] = Future()
        if self._closed:
            future.set_exception(self._closed_error())
        else:
            self._loop.enter()
            self._queue.put((Job(job, erases, relaxed), future), urgent=True)
        return future

    @property
    @abstractmethod
    def erasing(self) -> bool:
        """Whether there may still be something of what was deleted before; asked from any thread."""

    def statistics(self) -> StoreStatistics:
        """Figures since the start."""
        return StoreStatistics(self._commits, self._records, self._waiting, tuple(self._recent))

    def close(self) -> None:
        """Commit the waiting changes, bring what is derived up to date, and end the thread."""
        self._closed = True
        self._queue.put((None, Future()), urgent=True)
        self._thread.join()

    def _put(self, entry: Entry, *, urgent: bool = False) -> Future[Any]:
        future: Future[Any] = Future()
        if self._closed:
            future.set_exception(self._closed_error())
        else:
            self._loop.enter()
            self._waiting += 1
            self._queue.put((entry, future), urgent=urgent)
        return future

    def _closed_error(self) -> StoreError:
        return StoreError(f"{self._name}: the store is closed")

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            group, job, future = self._take()
            if group:
                self._commit(group)
            if future is not None:
                if job is None:
                    break
                outcome = self._do(job)
                self._loop.call(settle, future, outcome)
            self._rest(idle=not group and future is None)
        self._end()

    def _take(self) -> tuple[Group, Job | None, Future[Any] | None]:
        """All waiting changes, or enough for a full group, and the job that came after them."""
        group: Group = []
        records = 0
        try:
            item = self._queue.get(timeout=self._patience())
            if isinstance(item[0], Entry):
                self._linger.for_more(self._queue)
            while True:
                entry, future = item
                if not isinstance(entry, Entry):
                    return group, entry, future
                group.append((entry, future))
                records += len(entry.records) if isinstance(entry, Changes) else 1
                if records >= GROUP:
                    break
                item = self._queue.get_nowait()
        except Empty:
            pass
        return group, None, None

    def _commit(self, group: Group) -> None:
        started = time.perf_counter()
        outcomes: list[Outcome]
        try:
            outcomes = self._store([entry for entry, _ in group])
        except StoreError as error:
            outcomes = [error] * len(group)
        except Exception as error:  # a fault in here must not leave a caller waiting for ever
            logger.exception("append to %s failed", self._name)
            outcomes = [self._explain(error)] * len(group)
        self._loop.call(self._settle, group, outcomes, time.perf_counter() - started)

    def _rest(self, *, idle: bool) -> None:
        """Do the work that not every commit needs, unless that has failed a moment ago."""
        if time.monotonic() < self._rest_until:
            return
        try:
            self._keep_house(idle=idle)
        except Exception as error:
            self._rest_until = time.monotonic() + REST
            logger.warning("%s", self._explain(error))

    @abstractmethod
    def _patience(self) -> float | None:
        """Seconds to wait for work before the housekeeping; None where there is none to do."""

    @abstractmethod
    def _store(self, entries: list[Entry]) -> list[Outcome]:
        """Commit the entries; one outcome for each. Raises `StoreError` where none is stored."""

    @abstractmethod
    def _do(self, job: Job) -> object:
        """The outcome of a job, committed: an error where it failed."""

    @abstractmethod
    def _keep_house(self, *, idle: bool) -> None:
        """Do some of the work that not every commit needs."""

    @abstractmethod
    def _explain(self, error: Exception) -> StoreError:
        """The error for operators."""

    @abstractmethod
    def _end(self) -> None:
        """Close the connection, after what is to be done at last."""

    # --- in the trio run ---------------------------------------------------------------------------------------------

    def _settle(self, group: Group, outcomes: list[Outcome], seconds: float) -> None:
        self._waiting -= len(group)
        self._commits += 1
        records = 0
        with self._turns:
            for (entry, future), outcome in zip(group, outcomes, strict=True):
                records += len(records_of(entry))
                settle(future, outcome)
        self._records += records
        self._recent.append((records, seconds))
        for told in self._told:
            told()


def records_of(entry: Entry) -> tuple[Record, ...]:
    """The records of an entry; an account has none."""
    return entry.records if isinstance(entry, Changes) else ()
