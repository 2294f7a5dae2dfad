"""The one writing thread: it commits all waiting changes and accounts as one group, and has their futures set together."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any, TypeVar

from salon.actors.events import Deleted
from salon.actors.future import Future
from salon.actors.store import Changes, StoreError, StoreStatistics

from .erasing import Eraser
from .fault import explain
from .file import BUSY
from .intake import Intake, Linger
from .ledger import Entry
from .loop import settle
from .transaction import relaxed_transaction, transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from salon.actors.store import Appended, KeysTaken, Record, RunAccount

    from .file import File
    from .keys import Keys
    from .ledger import Ledger, Outcome
    from .loop import Loop
    from .search_index import SearchIndex

T = TypeVar("T")
Job = tuple["_Job | None", Future[Any]]
Group = list[tuple[Entry, Future[Any]]]

GROUP = 2_000  # records and accounts a commit, at least one entry: about 20 ms; a larger group would not be cheaper a record
RECENT = 256  # commits remembered for `statistics`
ERASE_WITHIN = 1.0  # seconds until the write-ahead log is emptied of what was deleted, however busy the writer is
IDLE = 0.05  # seconds without work after which the housekeeping is done
REST = 10.0  # seconds until failed housekeeping is tried again
# Pages, 16 MB, in the write-ahead log before it is copied into the file: a page that changes often is copied once for all.
CHECKPOINT_AT = 4_096
PAGE = 4_096
INDEXED = 64  # pages that an indexed piece adds to the log, about

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """What `Writer.do` is given."""

    run: Callable[[sqlite3.Connection], Any]
    erases: bool
    relaxed: bool


class Writer:
    """Owns the writing connection. The queue is bounded by its callers: one append of a conversation at a time."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        file: File,
        ledger: Ledger,
        keys: Keys,
        search: SearchIndex,
        loop: Loop,
    ) -> None:
        self._connection = connection
        self._file = file
        self._place = file.place()
        self._ledger = ledger
        self._keys = keys
        self._search = search
        self._eraser = Eraser(connection, keys, search)
        self._loop = loop
        self._queue: Intake[tuple[Entry, Future[Any]] | Job] = Intake()
        self._linger = Linger()
        # Approximate pages in the write-ahead log since the last checkpoint: a killed server has left some.
        self._pages = _logged(Path(f"{file.path}-wal"))
        self._rest_until = 0.0
        # When the log must have lost what was deleted. That of a killed server may hold such text.
        self._erase_by = time.monotonic() if self._pages else None
        self._closed = False
        self._turns: AbstractContextManager[None] = nullcontext()
        self._waiting = self._commits = self._records = 0
        self._told: list[Callable[[], None]] = []
        self._recent: deque[tuple[int, float]] = deque(maxlen=RECENT)
        self._thread = threading.Thread(target=self._run, name="salon-writer", daemon=True)
        self._thread.start()

    def append(self, changes: Changes) -> Future[Appended | KeysTaken]:
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
        job: Callable[[sqlite3.Connection], T],
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
            self._queue.put((_Job(job, erases, relaxed), future), urgent=True)
        return future

    @property
    def erasing(self) -> bool:
        """Whether the file, or its log, may still have something of what was deleted before; asked from any thread."""
        return self._erase_by is not None or self._eraser.due

    def statistics(self) -> StoreStatistics:
        """Figures since the start."""
        return StoreStatistics(self._commits, self._records, self._waiting, tuple(self._recent))

    def close(self) -> None:
        """Commit the waiting changes, bring index and file up to date, and end the thread."""
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
        return StoreError(f"{self._file.path}: the store is closed")

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
                if self._erase_by is None and job.erases:
                    self._erase_by = time.monotonic() + ERASE_WITHIN
                self._loop.call(settle, future, outcome)
            self._keep_house(idle=not group and future is None)
        self._end()

    def _take(self) -> tuple[Group, _Job | None, Future[Any] | None]:
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

    def _patience(self) -> float | None:
        """Seconds to wait for work before the housekeeping; None where there is none to do."""
        due = self._erase_by is not None or self._search.ready or self._eraser.due
        if not due and self._pages <= CHECKPOINT_AT // 8 and self._keys.unmerged <= 1_000:
            return None
        # A store from before the index is indexed without rests, and a deleted conversation is erased without any.
        rest = 0.0 if self._search.late or self._eraser.due else IDLE
        return max(rest, self._rest_until - time.monotonic())

    def _commit(self, group: Group) -> None:
        started = time.perf_counter()
        outcomes: list[Outcome]
        try:
            self._check_place()
            outcomes = self._ledger.append([entry for entry, _ in group])
        except StoreError as error:
            outcomes = [error] * len(group)
        except Exception as error:  # a fault in here must not leave a caller waiting for ever
            logger.exception("append to %s failed", self._file.path)
            outcomes = [explain(self._file.path, error)] * len(group)
        self._loop.call(self._settle, group, outcomes, time.perf_counter() - started)
        if self._erase_by is None and any(map(_erases, group)):
            self._erase_by = time.monotonic() + ERASE_WITHIN
        if any(isinstance(entry, Changes) and entry.erased is not None for entry, _ in group):
            self._eraser.look()
        size = sum(len(record.body) for entry, _ in group for record in _records(entry))
        self._pages += size // PAGE + len(group) + 2

    def _do(self, job: _Job) -> object:
        begin = relaxed_transaction if job.relaxed else transaction
        try:
            self._check_place()
            with begin(self._connection):
                return job.run(self._connection)
        except Exception as error:
            return explain(self._file.path, error)

    def _check_place(self) -> None:
        """Refuse to write to a file that was moved or deleted: the next start would not find the writes."""
        if self._file.place() != self._place:
            raise StoreError(
                f"{self._file.path}: somebody has moved, deleted or replaced the file or its log while it is in use: "
                "put them back, and writing goes on by itself, or restart the server on what is there"
            )

    def _keep_house(self, *, idle: bool) -> None:
        """Do the work that not every commit needs: merge keys, index messages, empty the write-ahead log."""
        if time.monotonic() < self._rest_until:
            return
        try:
            indexing = self._search.is_due(idle=idle)
            if indexing:
                self._search.merge()
                self._pages += INDEXED
            if self._eraser.due:
                self._erase_piece()
            elif self._erase_by is not None and (idle or time.monotonic() >= self._erase_by):
                self._empty_log()
            elif self._keys.due or (idle and self._keys.unmerged):
                self._keys.merge_piece()
            elif idle and not indexing:
                self._checkpoint()
            if self._pages >= CHECKPOINT_AT:
                self._checkpoint()
        except Exception as error:
            self._rest_until = time.monotonic() + REST
            logger.warning("%s", explain(self._file.path, error))

    def _erase_piece(self) -> None:
        if self._eraser.erase_piece():
            self._erase_by = time.monotonic() + ERASE_WITHIN
        self._pages += INDEXED

    def _checkpoint(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._pages = 0

    def _empty_log(self) -> None:
        """Empty the write-ahead log, which has the former pages of what was deleted. Later, if a reader still reads there."""
        self._connection.execute("PRAGMA busy_timeout = 0").fetchall()
        try:
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {round(BUSY * 1000)}").fetchall()
        self._pages = 0
        self._erase_by = time.monotonic() + IDLE if busy else None

    def _end(self) -> None:
        try:
            self._keys.merge_all()
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except Exception as error:
            logger.warning("%s", explain(self._file.path, error))
        self._connection.close()

    # --- in the trio run ---------------------------------------------------------------------------------------------

    def _settle(self, group: Group, outcomes: list[Outcome], seconds: float) -> None:
        self._waiting -= len(group)
        self._commits += 1
        records = 0
        with self._turns:
            for (entry, future), outcome in zip(group, outcomes, strict=True):
                records += len(_records(entry))
                settle(future, outcome)
        self._records += records
        self._recent.append((records, seconds))
        for told in self._told:
            told()


def _erases(item: tuple[Entry, Future[Any]]) -> bool:
    entry = item[0]
    return isinstance(entry, Changes) and any(isinstance(e, Deleted) for e in entry.state_events)


def _records(entry: Entry) -> tuple[Record, ...]:
    return entry.records if isinstance(entry, Changes) else ()


def _logged(log: Path) -> int:
    return log.stat().st_size // PAGE if log.exists() else 0
