"""Puts a copy of a store in the place of the present one, which is moved aside."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from salon.actors.store import StoreError

from .fault import ONCE, explain
from .file import File, check_ours, hand_over, revision_of, sync
from .snapshot import snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = ("", "-wal", "-shm")  # of a store: the database, its log, and what its readers share
_GAPS = (
    "SELECT min(id) FROM conversations, "
    "(SELECT conversation, count(*) AS events, max(sequence) AS head FROM events GROUP BY conversation) "
    "WHERE conversation = number AND events <> head AND deleted_at IS NULL"
)
DAMAGED = "the backup is damaged: name another"
_OF_A_COPY = {
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: "this is no backup: name a file that `salon backup` has written",
}
_GAPS_BEFORE_DELETION = _GAPS.replace(" AND deleted_at IS NULL", "")


class Restored(NamedTuple):
    """What has taken the store's place, and where the former store is: None where there was none."""

    conversations: int
    events: int
    contents: tuple[str, ...]  # that its files need
    aside: Path | None


def restore(path: Path, copy: Path, label: str) -> Restored:
    """Put the copy in the place of the store at `path`; the former gets `label` behind its name. Blocks.

    The copy is checked first: each page, and that no conversation has a gap. It gets another epoch, so that clients drop what
    they have beyond it. Raises `StoreError` and leaves the store as it was where the copy is none, or a server uses the store.
    """
    file = File(path)
    if copy.expanduser().resolve() == file.path:
        raise StoreError(f"{copy}: this is the store itself: name a backup of it")
    if not copy.expanduser().is_file():
        raise StoreError(f"{copy}: there is no such backup: see that the path is right")
    try:
        file.lock()
        try:
            return _replace(file, File(copy), file.path.with_name(f"{file.path.name}.{label}"))
        finally:
            file.release()
    except Exception as error:
        raise explain(path, error, ONCE) from error


def _check(path: Path, shown: Path) -> tuple[int, int, tuple[str, ...]]:
    """Check a file that nobody else has open: its conversations, events and contents. Raises `StoreError` about `shown`."""
    from .migration import migrations_after  # noqa: PLC0415 - a third of a second

    with _reading(path, shown) as connection:
        migrations_after(revision_of(connection, shown), shown)
        if connection.execute("PRAGMA integrity_check(1)").fetchone()[0] != "ok":
            raise StoreError(f"{shown}: {DAMAGED}")
        columns = {row[1] for row in connection.execute("PRAGMA table_info(conversations)")}
        gaps = _GAPS if "deleted_at" in columns else _GAPS_BEFORE_DELETION
        gap = connection.execute(gaps).fetchone()[0]
        if gap is not None:
            raise StoreError(f"{shown}: events of the conversation {gap} are missing: {DAMAGED}")
        return _content_of(connection)


@contextmanager
def _reading(path: Path, shown: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            check_ours(connection, shown)
            if revision_of(connection, shown) is None:
                raise StoreError(f"{shown}: this is no store of salon: name a backup of one")
            yield connection
    except sqlite3.Error as error:
        raise explain(shown, error, _OF_A_COPY) from error


def _content_of(connection: sqlite3.Connection) -> tuple[int, int, tuple[str, ...]]:
    counts = [
        connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("conversations", "events")
    ]
    contents: tuple[str, ...] = ()
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'files'").fetchone():
        found = connection.execute("SELECT DISTINCT content FROM files WHERE gone = 0")
        contents = tuple(row[0] for row in found)
    return counts[0], counts[1], contents


def _replace(file: File, copy: File, aside: Path) -> Restored:
    fresh = file.path.with_name(f".{file.path.name}.restoring")
    fresh.unlink(missing_ok=True)  # of a restoring that was killed
    try:
        with _reading(copy.path, copy.path):
            pass
        snapshot(copy, fresh)  # with what a log beside it has, and without an epoch
        conversations, events, contents = _check(fresh, copy.path)
        hand_over(fresh)
        sync(fresh)
        there = file.path.exists()
        if there:
            _move_aside(file.path, aside)
        fresh.rename(file.path)
        sync(file.path.parent)
    finally:
        for part in PARTS:
            Path(f"{fresh}{part}").unlink(missing_ok=True)
    return Restored(conversations, events, contents, aside if there else None)


def _move_aside(path: Path, aside: Path) -> None:
    """Have the store at `aside`, with its log, which a killed server has left: another database must never meet it.

    The database goes first from its place: a power cut must not leave it there without its log. SQLite is not asked to merge the
    log: it would delete that of a damaged file.
    """
    if aside.exists():
        raise StoreError(f"{aside}: exists already: wait a second, or move it away")
    for part in ("-wal", ""):
        source = Path(f"{path}{part}")
        if source.exists():
            _link(source, Path(f"{aside}{part}"))
    sync(aside.parent)
    for part in PARTS:
        Path(f"{path}{part}").unlink(missing_ok=True)
        sync(path.parent)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links: what a power cut then leaves has its new name
        source.rename(target)
