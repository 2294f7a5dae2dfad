"""The one thread that writes to a file: after the commits it merges keys, indexes, erases, and empties the write-ahead log."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from salon.actors.events import Deleted
from salon.actors.store import Changes, StoreError

from .erasing import SqliteEraser
from .fault import explain
from .file import BUSY
from .transaction import relaxed_transaction, transaction
from .writing import GROUP, Job, WritingThread, records_of

if TYPE_CHECKING:
    import sqlite3

    from .file import File
    from .keys import Keys
    from .ledger import Entry, Ledger, Outcome
    from .loop import Loop
    from .search_index import SearchIndex

__all__ = ["GROUP", "Writer"]

ERASE_WITHIN = 1.0  # seconds until the write-ahead log is emptied of what was deleted, however busy the writer is
IDLE = 0.05  # seconds without work after which the housekeeping is done
# Pages, 16 MB, in the write-ahead log before it is copied into the file: a page that changes often is copied once for all.
CHECKPOINT_AT = 4_096
PAGE = 4_096
INDEXED = 64  # pages that an indexed piece adds to the log, about


logger = logging.getLogger(__name__)


class Writer(WritingThread):
    """Owns the writing connection to a file."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        file: File,
        ledger: Ledger,
        keys: Keys,
        search: SearchIndex,
        loop: Loop,
    ) -> None:
        super().__init__(str(file.path), loop)
        self._connection = connection
        self._file = file
        self._place = file.place()
        self._ledger = ledger
        self._keys = keys
        self._search = search
        self._eraser = SqliteEraser(connection, keys, search)
        # Approximate pages in the write-ahead log since the last checkpoint: a killed server has left some.
        self._pages = _logged(Path(f"{file.path}-wal"))
        # When the log must have lost what was deleted. That of a killed server may hold such text.
        self._erase_by = time.monotonic() if self._pages else None
        self._thread.start()

    @property
    def erasing(self) -> bool:
        """Whether the file, or its log, may still have something of what was deleted before; asked from any thread."""
        return self._erase_by is not None or self._eraser.due

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _patience(self) -> float | None:
        """Seconds to wait for work before the housekeeping; None where there is none to do."""
        due = self._erase_by is not None or self._search.ready or self._eraser.due
        if not due and self._pages <= CHECKPOINT_AT // 8 and self._keys.unmerged <= 1_000:
            return None
        # A store from before the index is indexed without rests, and a deleted conversation is erased without any.
        rest = 0.0 if self._search.late or self._eraser.due else IDLE
        return max(rest, self._rest_until - time.monotonic())

    def _store(self, entries: list[Entry]) -> list[Outcome]:
        try:
            self._check_place()
            return self._ledger.append(entries)
        finally:
            self._note(entries)

    def _note(self, entries: list[Entry]) -> None:
        """Note what the housekeeping has to do after a commit."""
        if self._erase_by is None and any(map(_erases, entries)):
            self._erase_by = time.monotonic() + ERASE_WITHIN
        if any(isinstance(entry, Changes) and entry.erased is not None for entry in entries):
            self._eraser.look()
        size = sum(len(record.body) for entry in entries for record in records_of(entry))
        self._pages += size // PAGE + len(entries) + 2

    def _do(self, job: Job) -> object:
        begin = relaxed_transaction if job.relaxed else transaction
        try:
            self._check_place()
            with begin(self._connection):
                return job.run(self._connection)
        except Exception as error:
            return explain(self._file.path, error)
        finally:
            if self._erase_by is None and job.erases:
                self._erase_by = time.monotonic() + ERASE_WITHIN

    def _check_place(self) -> None:
        """Refuse to write to a file that was moved or deleted: the next start would not find the writes."""
        if self._file.place() != self._place:
            raise StoreError(
                f"{self._file.path}: somebody has moved, deleted or replaced the file or its log while it is in use: "
                "put them back, and writing goes on by itself, or restart the server on what is there"
            )

    def _keep_house(self, *, idle: bool) -> None:
        """Merge keys, index messages, empty the write-ahead log."""
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

    def _explain(self, error: Exception) -> StoreError:
        return explain(self._file.path, error)

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


def _erases(entry: Entry) -> bool:
    return isinstance(entry, Changes) and any(isinstance(e, Deleted) for e in entry.state_events)


def _logged(log: Path) -> int:
    return log.stat().st_size // PAGE if log.exists() else 0
