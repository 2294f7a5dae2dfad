"""The database file: creation, lock, checks, migration to the newest schema, connections."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from salon.actors.store import StoreError

from .fault import DAMAGED, explain
from .migrations import NEWEST
from .transaction import transaction
from .wal_pages import logged_pages

if TYPE_CHECKING:
    from salon.actors.sources import Sources

OLDEST_SQLITE = (3, 33)  # the first version with UPDATE ... FROM
HEADER = 100  # bytes with which every database begins
BUSY = 5.0  # seconds to wait for another program that writes
# KiB: the pages of the index that some thousand active conversations write to
WRITER_CACHE = 16_384
READER_CACHE = 4_096  # KiB, times four readers


class File:
    """A database file: opens, locks and checks it, and makes connections to it."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self._lock: IO[str] | None = None

    def open(self, sources: Sources) -> sqlite3.Connection:
        """The writing connection, to a file that this process has locked and migrated.

        Raises `StoreError`; the file is then unchanged.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old: 3.33 or newer is needed")
        try:
            self.lock()
            new = self._create()
            try:
                return self._prepare(sources, new=new)
            except BaseException:
                if new:
                    self._remove()
                raise
        except BaseException as error:
            self.release()
            if isinstance(error, Exception):
                raise explain(self.path, error) from error
            raise

    @property
    def name(self) -> str:
        """What operators call the store."""
        return str(self.path)

    def explain(self, error: Exception) -> StoreError:
        """The error for operators."""
        return explain(self.path, error)

    def connect_reader(self) -> sqlite3.Connection:
        """A read-only connection."""
        connection = self.connect(READER_CACHE)
        connection.execute("PRAGMA query_only = ON")
        # Opens the files at once, before others can be put in their place.
        connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
        return connection

    def leave(self, connection: sqlite3.Connection) -> None:
        """Close a connection without the checkpoint that SQLite makes at the last close, which also removes the write-ahead log.

        A refused file must stay unchanged. A read-only connection, closed after the first, cannot make the checkpoint either.
        """
        with ExitStack() as stack:
            with suppress(sqlite3.Error):
                last = stack.enter_context(closing(sqlite3.connect(self._uri("ro"), uri=True)))
                last.execute("SELECT 1 FROM sqlite_schema").fetchone()
            connection.close()

    def _uri(self, mode: str) -> str:
        return f"file:{quote(str(self.path))}?mode={mode}"

    def connect(self, cache: int) -> sqlite3.Connection:
        """A connection to the file, which must exist."""
        connection = sqlite3.connect(
            self._uri("rw"),
            uri=True,
            timeout=BUSY,
            isolation_level=None,  # transactions begin only where the code begins them
            check_same_thread=False,  # made here, then used by one thread only
            cached_statements=256,
        )
        try:
            connection.execute(f"PRAGMA cache_size = -{cache}")
        except BaseException:
            self.leave(connection)
            raise
        return connection

    def place(self) -> tuple[tuple[int, int] | None, ...]:
        """Identity of the files now at the path, with the log. Writes to other open files would be lost."""
        return _identity(f"{self.path}"), _identity(f"{self.path}-wal")

    def lock(self) -> None:
        """Keep servers from opening the file until `release`, whether it exists or not. Raises `StoreError` and `OSError`."""
        self._make_directory()
        self._take_lock()

    def release(self) -> None:
        """Release the lock, so that another server can open the file."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _make_directory(self) -> None:
        parent = self.path.parent
        new = [each for each in (parent, *parent.parents) if not each.exists()]
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in new:
            sync(each.parent)  # else a power cut may remove the file

    def _take_lock(self) -> None:
        """Allow one server for a file. The lock is a file beside it, not SQLite's, so that others can read it and back it up."""
        path = self.path.with_name(self.path.name + ".lock")
        lock = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = lock.read().strip()
            lock.close()
            raise StoreError(
                f"{self.path}: another server has it open (process {holder or 'unknown'}): "
                "stop that one first, or name another file with --store"
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def _create(self) -> bool:
        """Create the file if it does not exist, readable by its owner alone."""
        try:
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            if not self.path.is_file():
                raise StoreError(
                    f"{self.path}: this is no file: name one in it with --store"
                ) from None
            # SQLite would fail too, but leave files beside it that cannot be written either.
            os.close(os.open(self.path, os.O_RDWR))
            self._check_size()
            self._sync_log()
            return False
        sync(self.path.parent)
        return True

    def _check_size(self) -> None:
        """Refuse a truncated file: SQLite would take it for a new one, and delete the log beside it."""
        size, log = self.path.stat().st_size, Path(f"{self.path}-wal")
        if size < HEADER and (size or (log.exists() and log.stat().st_size)):
            raise StoreError(f"{self.path}: {DAMAGED}")

    def _check_whole(self, connection: sqlite3.Connection) -> None:
        """Refuse a file that was cut short, unless the log has all that is missing.

        SQLite reads zeros behind the end of a file. In a page of a table it finds them out; where a long text goes on, it
        gives them for the text.
        """
        page_size = connection.execute("PRAGMA page_size").fetchone()[0]
        count = connection.execute("PRAGMA page_count").fetchone()[0]
        there = self.path.stat().st_size // page_size
        if there >= count:
            return
        if not logged_pages(Path(f"{self.path}-wal"), page_size).issuperset(
            range(there + 1, count + 1)
        ):
            raise StoreError(f"{self.path}: {DAMAGED}")

    def _sync_log(self) -> None:
        """Sync what a killed server wrote without syncing: it now counts as committed, so a power cut must not remove it."""
        log = Path(f"{self.path}-wal")
        if log.exists():
            sync(log)

    def _prepare(self, sources: Sources, *, new: bool) -> sqlite3.Connection:
        connection = self.connect(WRITER_CACHE)
        try:
            check_ours(connection, self.path)
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise StoreError(
                    f"{self.path}: this file system cannot share memory, which SQLite's "
                    "write-ahead log needs: choose a local disk with --store"
                )
            self._check_whole(connection)
            connection.execute("PRAGMA synchronous = FULL")  # a commit waits for the disk
            connection.execute("PRAGMA wal_autocheckpoint = 0")  # the writer chooses the time
            connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute(
                "PRAGMA secure_delete = ON"
            ).fetchall()  # what is deleted is overwritten
            self._upgrade(connection)
            _fill_meta(connection, sources)
        except BaseException:
            self.leave(connection)
            raise
        return connection

    def _upgrade(self, connection: sqlite3.Connection) -> None:
        if revision_of(connection, self.path) != NEWEST:
            from .migration import migrate  # noqa: PLC0415 - a third of a second, seldom needed

            migrate(connection, self.path)

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - with every commit, and a Path takes more than twice as long
    except OSError:
        return None
    return found.st_dev, found.st_ino


def check_ours(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse the database of another application; an empty one is accepted. Raises `sqlite3.DatabaseError` if it is none."""
    tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    if tables and not {"alembic_version", "events", "meta"} <= tables:
        raise StoreError(
            f"{path}: this is a database of another program: name another with --store"
        )


def revision_of(connection: sqlite3.Connection, path: Path) -> str | None:
    """The schema's revision; None of an empty database. Raises `StoreError`."""
    table = "SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'"
    if connection.execute(table).fetchone() is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None or row[0] is None:
        raise StoreError(f"{path}: {DAMAGED}")
    return str(row[0])


def _fill_meta(connection: sqlite3.Connection, sources: Sources) -> None:
    """Set the values that a store gets once. A copy has no epoch; it gets a new one and is a log of its own from now on."""
    rows = (
        ("epoch", sources.new_id()),
        ("created_at", str(sources.now())),
        ("keys_through", "0"),
        ("key_secret", sources.entropy(16).hex()),
    )
    with transaction(connection):
        connection.executemany("INSERT OR IGNORE INTO meta (name, value) VALUES (?, ?)", rows)


def sync(path: Path) -> None:
    """Sync a file's content, or a directory's list of files, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
